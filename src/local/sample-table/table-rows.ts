/** Columns and rows of a small table, and their Parquet file. */
import { parquetWriteBuffer } from 'hyparquet-writer';

/** Delta primitive types that the small writer knows. */
export type ColumnType = 'string' | 'long' | 'integer' | 'double' | 'boolean';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** long as number (safe integers only); null for SQL null. */
export type Cell = string | number | boolean | null;
export type TableRow = Readonly<Record<string, Cell>>;

const PARQUET_TYPES = {
  string: 'STRING',
  long: 'INT64',
  integer: 'INT32',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
} as const satisfies Record<ColumnType, string>;

/** A Snappy-compressed Parquet file with one optional column per Delta column; absent cells are null. */
export function parquetFile(columns: readonly Column[], rows: readonly TableRow[]): Uint8Array {
  const columnData = columns.map(({ name, type }) => ({
    name,
    type: PARQUET_TYPES[type],
    nullable: true,
    data: rows.map((row) => {
      const cell = row[name] ?? null;
      return type === 'long' && typeof cell === 'number' ? BigInt(cell) : cell;
    }),
  }));
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

/** The `schemaString` of a metaData action. */
export function schemaString(columns: readonly Column[]): string {
  const fields = columns.map(({ name, type }) => ({ name, type, nullable: true, metadata: {} }));
  return JSON.stringify({ type: 'struct', fields });
}
