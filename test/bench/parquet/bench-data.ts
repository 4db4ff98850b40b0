/** Deterministic Parquet files for the bench: the shapes of the reference measurements, written by hyparquet-writer. */
import { createWriteStream, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { parquetMetadata, type SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter, parquetWriteBuffer } from 'hyparquet-writer';
import { writeMetadata } from 'hyparquet-writer/src/metadata.js';

export type Shape = 'products' | 'wide' | 'narrow';

const WORDS =
  'red Blue steel oak mini Ultra garden kitchen lamp chair desk phone cable bottle basket shelf drill paint rope glass'.split(
    ' ',
  );
const COLORS = ['red', 'green', 'blue', 'black', 'white'];
const SIZES = ['S', 'M', 'L', 'XL'];

/** A number in [0, n) that depends on row and salt only. */
function pick(row: number, salt: number, n: number): number {
  let h = Math.imul(row + 1, 0x9e3779b1) ^ Math.imul(salt + 7, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 13), 0x297a2d39);
  return ((h ^ (h >>> 16)) >>> 0) % n;
}

const word = (row: number, salt: number): string => WORDS[pick(row, salt, WORDS.length)]!;
/** Null in every tenth row. */
const nz = <T>(row: number, salt: number, value: T): T | null => (pick(row, salt + 500, 10) === 0 ? null : value);
const hex = (row: number, salt: number): string => pick(row, salt, 0xffffffff).toString(16).padStart(8, '0');

function uuid(row: number): string {
  const [a, b, c, d] = [hex(row, 1), hex(row, 2), hex(row, 3), hex(row, 4)];
  return `${a}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${d}`;
}

function productName(row: number): string {
  const kind = pick(row, 2, 100);
  if (kind === 0) return `The "${word(row, 3)}" ${word(row, 4)} 5" x${pick(row, 5, 999)}`;
  if (kind < 5) return `Café ${word(row, 3)} größe ${pick(row, 5, 99_999)}`;
  return `${word(row, 3)} ${word(row, 4)} ${word(row, 6)} ${pick(row, 5, 99_999)}`;
}

const micros = (row: number, salt: number): bigint =>
  1_577_836_800_000_000n + BigInt(pick(row, salt, 157_680_000)) * 1_000_000n + BigInt(pick(row, salt + 1, 1_000_000));

function tags(row: number): (string | null)[] {
  return Array.from({ length: pick(row, 16, 5) }, (_, i) =>
    i === 2 && pick(row, 24, 10) === 0 ? null : word(row, 17 + i),
  );
}

interface Column {
  readonly elements: readonly SchemaElement[];
  value(row: number): unknown;
}

const leaf = (element: SchemaElement, value: (row: number) => unknown): Column => ({
  elements: [{ repetition_type: 'OPTIONAL', ...element }],
  value,
});
const text = (name: string, value: (row: number) => unknown): Column =>
  leaf({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8' }, value);
const timestamp = (name: string, value: (row: number) => unknown): Column =>
  leaf({ name, type: 'INT64', converted_type: 'TIMESTAMP_MICROS' }, value);
const decimal = (name: string, precision: number, scale: number, value: (row: number) => unknown): Column =>
  leaf({ name, type: 'INT64', converted_type: 'DECIMAL', precision, scale }, value);

const PRODUCTS: readonly Column[] = [
  text('id', uuid),
  text('name', (row) => nz(row, 1, productName(row))),
  text('category', (row) => nz(row, 7, `Category ${word(row, 8)}${pick(row, 9, 2) === 0 ? ' & more' : ''}`)),
  decimal('price', 10, 2, (row) => nz(row, 10, BigInt(pick(row, 11, 10_000_000)))),
  leaf({ name: 'qty', type: 'INT32' }, (row) => nz(row, 12, pick(row, 13, 5000))),
  timestamp('updated', (row) => nz(row, 14, micros(row, 15))),
  {
    elements: [
      { name: 'tags', repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    value: (row) => nz(row, 15, tags(row)),
  },
  {
    elements: [
      { name: 'attrs', repetition_type: 'OPTIONAL', num_children: 2 },
      { name: 'color', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'size', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    value: (row) =>
      nz(row, 21, { color: nz(row, 22, COLORS[pick(row, 22, 5)]), size: nz(row, 23, SIZES[pick(row, 23, 4)]) }),
  },
  leaf({ name: 'rating', type: 'DOUBLE' }, (row) => nz(row, 25, pick(row, 26, 500) / 100)),
];

const NARROW: readonly Column[] = [
  leaf({ name: 'id', type: 'INT64' }, (row) => BigInt(row)),
  text('k', (row) => `k${pick(row, 1, 1_000_000)}`),
  leaf({ name: 'v', type: 'DOUBLE' }, (row) => nz(row, 1, pick(row, 2, 1 << 30) / 1e7)),
  timestamp('ts', (row) => 1_577_836_800_000_000n + BigInt(row) * 1000n),
];

function wide(): readonly Column[] {
  const many = (n: number, make: (k: number) => Column): Column[] => Array.from({ length: n }, (_, k) => make(k));
  return [
    leaf({ name: 'id', type: 'INT64' }, (row) => BigInt(row)),
    ...many(8, (k) => text(`cat${k}`, (row) => nz(row, 100 + k, word(row, 101 + k)))),
    ...many(7, (k) => text(`str${k}`, (row) => nz(row, 200 + k, `val-${hex(row, k)}${hex(row, k + 9)}`))),
    ...many(10, (k) => leaf({ name: `int${k}`, type: 'INT32' }, (row) => nz(row, 300 + k, pick(row, k, 1_000_000)))),
    ...many(9, (k) =>
      leaf({ name: `big${k}`, type: 'INT64' }, (row) => nz(row, 400 + k, BigInt(pick(row, k, 1e9)) * 997n)),
    ),
    ...many(8, (k) => leaf({ name: `dbl${k}`, type: 'DOUBLE' }, (row) => nz(row, 500 + k, pick(row, k, 1e6) / 100))),
    ...many(5, (k) => decimal(`dec${k}`, 18, 4, (row) => nz(row, 600 + k, BigInt(pick(row, k, 1e8))))),
    ...many(4, (k) => leaf({ name: `bool${k}`, type: 'BOOLEAN' }, (row) => nz(row, 700 + k, pick(row, k, 2) === 0))),
    ...many(4, (k) => timestamp(`ts${k}`, (row) => nz(row, 800 + k, micros(row, k)))),
    ...many(2, (k) =>
      leaf({ name: `date${k}`, type: 'INT32', converted_type: 'DATE' }, (row) =>
        nz(row, 850 + k, 18_262 + pick(row, k, 2000)),
      ),
    ),
    PRODUCTS[6]!,
    PRODUCTS[7]!,
  ];
}

const SHAPES: Readonly<Record<Shape, readonly Column[]>> = { products: PRODUCTS, wide: wide(), narrow: NARROW };

function schemaOf(columns: readonly Column[]): SchemaElement[] {
  return [{ name: 'root', num_children: columns.length }, ...columns.flatMap((column) => column.elements)];
}

function columnData(columns: readonly Column[], from: number, rows: number): { name: string; data: unknown[] }[] {
  return columns.map((column) => ({
    name: column.elements[0]!.name,
    data: Array.from({ length: rows }, (_, i) => column.value(from + i)),
  }));
}

/** Writes `rows` rows in row groups of `groupRows`; snappy, pages of 1 MB. */
export async function writeShape(path: string, shape: Shape, rows: number, groupRows: number): Promise<void> {
  const writer = new ByteWriter(1 << 24);
  const columns = SHAPES[shape];
  const parquet = new ParquetWriter({ writer, schema: schemaOf(columns), codec: 'SNAPPY' });
  for (let from = 0; from < rows; from += groupRows) {
    const count = Math.min(groupRows, rows - from);
    await parquet.write({ columnData: columnData(columns, from, count), rowGroupSize: count });
  }
  await parquet.finish();
  writeFileSync(path, writer.getBytes());
}

/** Writes a file of `copies` equal row groups of about 128 MB: a gigabyte without holding it. */
export async function writeLarge(path: string, copies: number): Promise<void> {
  const rows = 1_950_000;
  const one = Buffer.from(
    parquetWriteBuffer({
      schema: schemaOf(PRODUCTS),
      columnData: columnData(PRODUCTS, 0, rows),
      rowGroupSize: rows,
      codec: 'SNAPPY',
    }),
  );
  const metadata = parquetMetadata(one);
  const [group] = metadata.row_groups;
  const end = Math.max(
    ...group!.columns.map(({ meta_data: meta }) => Number(firstOffset(meta!)) + Number(meta!.total_compressed_size)),
  );
  const out = createWriteStream(path);
  out.write(one.subarray(0, 4));
  const groups: NonNullable<typeof group>[] = [];
  for (let copy = 0; copy < copies; copy++) {
    const shift = BigInt(copy * (end - 4));
    if (!out.write(one.subarray(4, end))) await once(out, 'drain');
    groups.push({
      ...group!,
      columns: group!.columns.map(({ meta_data: meta }) => ({
        file_offset: firstOffset(meta!) + shift,
        meta_data: {
          ...meta!,
          data_page_offset: meta!.data_page_offset + shift,
          ...(meta!.dictionary_page_offset === undefined
            ? {}
            : { dictionary_page_offset: meta!.dictionary_page_offset + shift }),
        },
      })),
    });
  }
  const footer = new ByteWriter();
  writeMetadata(footer, { ...metadata, row_groups: groups, num_rows: BigInt(rows * copies) });
  footer.appendUint32(0x31524150);
  out.end(footer.getBytes());
  await once(out, 'finish');
}

function firstOffset(meta: { dictionary_page_offset?: bigint; data_page_offset: bigint }): bigint {
  return meta.dictionary_page_offset ?? meta.data_page_offset;
}
