/** Rows in the project's value conventions to Parquet bytes, through hyparquet-writer: the inverse of the Parquet reader. */
import type { CompressionCodec, Encoding, SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { DataType, Row, StructField, Value } from '../../src/delta/schema.ts';

/** How fields are named in the file. */
export interface FieldNaming {
  readonly name: (field: StructField) => string;
  /** Parquet field id; undefined writes none. */
  readonly id: (field: StructField) => number | undefined;
}

/** Logical names, no ids. */
export const byLogicalName: FieldNaming = { name: (field) => field.name, id: () => undefined };

export interface ParquetOptions {
  readonly rowGroupRows?: number;
  readonly naming?: FieldNaming;
  readonly codec?: CompressionCodec;
  /** Needed for every codec but SNAPPY and UNCOMPRESSED. */
  readonly compress?: (bytes: Uint8Array) => Uint8Array;
  /** Uncompressed bytes of a page; default 1 MiB. */
  readonly pageBytes?: number;
  /** Default: the writer's choice. */
  readonly encoding?: (field: StructField) => Encoding | undefined;
}

function microsOf(text: string): bigint {
  const match = /^(.*T\d\d:\d\d:\d\d)\.(\d{6})Z?$/.exec(text);
  if (match === null) throw new Error(`not a timestamp: ${text}`);
  return BigInt(Date.parse(`${match[1]}Z`)) * 1000n + BigInt(match[2] ?? '0');
}

/** Smallest number of bytes that holds a decimal of this precision. */
function decimalBytes(precision: number): number {
  let bytes = 1;
  while (2n ** BigInt(bytes * 8 - 1) <= 10n ** BigInt(precision)) bytes++;
  return bytes;
}

type Leaf = Omit<SchemaElement, 'name' | 'repetition_type'>;

function leaf(type: Exclude<DataType, { kind: 'struct' | 'array' | 'map' }>): Leaf {
  if (type.kind === 'decimal') {
    const { precision, scale } = type;
    const decimal = { converted_type: 'DECIMAL', precision, scale } as const;
    if (precision <= 9) return { type: 'INT32', ...decimal };
    if (precision <= 18) return { type: 'INT64', ...decimal };
    return { type: 'FIXED_LEN_BYTE_ARRAY', type_length: decimalBytes(precision), ...decimal };
  }
  switch (type.name) {
    case 'byte':
      return { type: 'INT32', converted_type: 'INT_8' };
    case 'short':
      return { type: 'INT32', converted_type: 'INT_16' };
    case 'integer':
      return { type: 'INT32' };
    case 'long':
      return { type: 'INT64' };
    case 'float':
      return { type: 'FLOAT' };
    case 'double':
      return { type: 'DOUBLE' };
    case 'boolean':
      return { type: 'BOOLEAN' };
    case 'string':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8' };
    case 'binary':
      return { type: 'BYTE_ARRAY' };
    case 'date':
      return { type: 'INT32', converted_type: 'DATE' };
    case 'timestamp':
      return {
        type: 'INT64',
        converted_type: 'TIMESTAMP_MICROS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
      };
    case 'timestamp_ntz':
      return { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' } };
    case 'void':
    case 'variant':
      throw new Error(`the test writer does not write ${type.name}`);
  }
}

function elements(name: string, type: DataType, id: number | undefined, naming: FieldNaming): SchemaElement[] {
  const head = { name, repetition_type: 'OPTIONAL', ...(id === undefined ? {} : { field_id: id }) } as const;
  switch (type.kind) {
    case 'struct':
      return [
        { ...head, num_children: type.fields.length },
        ...type.fields.flatMap((field) => elements(naming.name(field), field.type, naming.id(field), naming)),
      ];
    case 'array':
      return [
        { ...head, num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        ...elements('element', type.element, undefined, naming),
      ];
    case 'map': {
      const [key, ...rest] = elements('key', type.key, undefined, naming);
      return [
        { ...head, num_children: 1, converted_type: 'MAP' },
        { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
        { ...key!, repetition_type: 'REQUIRED' },
        ...rest,
        ...elements('value', type.value, undefined, naming),
      ];
    }
    case 'primitive':
    case 'decimal':
      return [{ ...head, ...leaf(type) }];
  }
}

function asText(value: Value): string {
  if (typeof value !== 'string') throw new Error('expected text');
  return value;
}

function physicalValue(value: Value | undefined, type: DataType, naming: FieldNaming): unknown {
  if (value === null || value === undefined) return null;
  switch (type.kind) {
    case 'struct':
      return Object.fromEntries(
        type.fields.map((field) => [naming.name(field), physicalValue((value as Row)[field.name], field.type, naming)]),
      );
    case 'array':
      return (value as readonly Value[]).map((item) => physicalValue(item, type.element, naming));
    case 'map':
      return (value as readonly (readonly [Value, Value])[]).map(([key, item]) => ({
        key: physicalValue(key, type.key, naming),
        value: physicalValue(item, type.value, naming),
      }));
    case 'decimal':
      return BigInt(asText(value).replace('.', ''));
    case 'primitive':
      if (type.name === 'long') return BigInt(value as number | bigint);
      if (type.name === 'date') return Date.parse(`${asText(value)}T00:00:00Z`) / 86_400_000;
      return type.name === 'timestamp' || type.name === 'timestamp_ntz' ? microsOf(asText(value)) : value;
  }
}

/** Schema and column data of rows, as hyparquet-writer takes them. Void columns are left out. */
export function parquetColumns(
  fields: readonly StructField[],
  rows: readonly Row[],
  naming: FieldNaming = byLogicalName,
): { readonly schema: SchemaElement[]; readonly columnData: { name: string; data: unknown[] }[] } {
  const written = fields.filter((field) => field.type.kind !== 'primitive' || field.type.name !== 'void');
  return {
    schema: [
      { name: 'spark_schema', num_children: written.length },
      ...written.flatMap((field) => elements(naming.name(field), field.type, naming.id(field), naming)),
    ],
    columnData: written.map((field) => ({
      name: naming.name(field),
      data: rows.map((row) => physicalValue(row[field.name], field.type, naming)),
    })),
  };
}

/** A Parquet file with these columns; a column that a row lacks is null. */
export function parquetBytes(
  fields: readonly StructField[],
  rows: readonly Row[],
  options: ParquetOptions = {},
): Uint8Array {
  return new Uint8Array(
    parquetWriteBuffer({
      ...parquetColumns(fields, rows, options.naming),
      codec: options.codec ?? 'SNAPPY',
      ...(options.compress === undefined ? {} : { compressors: { [options.codec ?? 'SNAPPY']: options.compress } }),
      ...(options.pageBytes === undefined ? {} : { pageSize: options.pageBytes }),
      ...(options.rowGroupRows === undefined ? {} : { rowGroupSize: options.rowGroupRows }),
    }),
  );
}
