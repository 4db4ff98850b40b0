/** Rows of products for benches, and a large table of them: one Parquet file under many names. */
import { link, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataType, PrimitiveName, Row } from '../../src/delta/schema.ts';
import { parquetBytes } from './parquet-rows.ts';
import { struct } from './mapping-builder.ts';

/** Columns of `productRow`. */
export const PRODUCT_COLUMNS: Readonly<Record<string, DataType | PrimitiveName>> = {
  id: 'string',
  name: 'string',
  category: 'string',
  price: { kind: 'decimal', precision: 10, scale: 2 },
  stock: 'long',
  weight: 'double',
  active: 'boolean',
  added: 'date',
  changed: 'timestamp',
  text: 'string',
};

/** Every column differs from row to row, as in tables that somebody needs. */
export function productRow(index: number): Row {
  const scattered = (index * 7_919) % 1_000_003;
  return {
    id: `product-${index}`,
    name: `Contoso product number ${scattered}`,
    category: `category ${scattered % 997}`,
    price: `${scattered % 1_000}.${String(index % 100).padStart(2, '0')}`,
    stock: scattered,
    weight: scattered / 7,
    active: index % 2 === 0,
    added: new Date(Date.UTC(2020, 0, 1 + (scattered % 2_000))).toISOString().slice(0, 10),
    changed: new Date(1_750_000_000_000 + scattered * 1_000).toISOString().replace('Z', '456Z'),
    text: `some longer text that product ${scattered} has, as products do`,
  };
}

/** Rows of each file of `ProductTable`. */
const FILE_ROWS = 100_000;
const FILE = 'rows.bin';

/**
 * A table of very many rows without writing them all: files are links to one and differ in the partition column `part`
 * alone, so `${part}-${id}` is unique.
 */
export class ProductTable {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Version 0: the schema and no rows. The file for later rows is written already. */
  async create(): Promise<void> {
    await mkdir(join(this.#folder, '_delta_log'), { recursive: true });
    const rows = Array.from({ length: FILE_ROWS }, (_, index) => productRow(index));
    const bytes = parquetBytes(struct(PRODUCT_COLUMNS).fields, rows, { rowGroupRows: FILE_ROWS });
    await writeFile(join(this.#folder, FILE), bytes);
    const field = (name: string, type: unknown): unknown => ({ name, type, nullable: true, metadata: {} });
    const fields = Object.entries(PRODUCT_COLUMNS).map(([name, type]) =>
      field(name, typeof type === 'string' ? type : 'decimal(10,2)'),
    );
    const metaData = {
      id: 'products',
      format: { provider: 'parquet', options: {} },
      schemaString: JSON.stringify({ type: 'struct', fields: [...fields, field('part', 'string')] }),
      partitionColumns: ['part'],
      configuration: {},
    };
    await this.#commit(0, [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData }]);
  }

  /** Version 1: at least so many rows; returns how many. */
  async fill(rows: number): Promise<number> {
    const { size } = await stat(join(this.#folder, FILE));
    const adds: unknown[] = [];
    for (let file = 0; file * FILE_ROWS < rows; file++) {
      const path = `part=${file}/rows.parquet`;
      await mkdir(join(this.#folder, `part=${file}`), { recursive: true });
      await link(join(this.#folder, FILE), join(this.#folder, path));
      const stats = JSON.stringify({ numRecords: FILE_ROWS });
      const partitionValues = { part: String(file) };
      adds.push({ add: { path, partitionValues, size, modificationTime: 0, dataChange: true, stats } });
    }
    await this.#commit(1, adds);
    return adds.length * FILE_ROWS;
  }

  async #commit(version: number, actions: readonly unknown[]): Promise<void> {
    const name = `${String(version).padStart(20, '0')}.json`;
    await writeFile(join(this.#folder, '_delta_log', name), actions.map((action) => JSON.stringify(action)).join('\n'));
  }
}
