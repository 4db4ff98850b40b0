/**
 * What may come out of a mutated file. The footer has no checksum in the format, and pages need not have one, so other values
 * than the original's are possible. But as long as the footer still says the same:
 *
 * - nothing is refused, and all rows are the original's, when the column chunks that are read were not hit;
 * - there are as many rows as the original has;
 * - values differ only in the columns and row groups whose chunks were hit;
 * - not even there when every page has a checksum and no page header was hit.
 */
import { isDeepStrictEqual } from 'node:util';
import { parsePageHeader } from '../../src/parquet/hyparquet-internals.ts';
import { openParquet, type ColumnChunk, type ParquetFile } from '../../src/parquet/parquet-file.ts';
import type { Row, StructField } from '../../src/parquet/value-type.ts';
import { collect, memorySource } from './memory-source.ts';

/** A file before it is mutated. */
export interface Original {
  readonly bytes: Uint8Array;
  readonly columns: readonly StructField[];
  readonly file: ParquetFile;
  readonly rows: readonly Row[];
}

export async function original(bytes: Uint8Array, columns: readonly StructField[]): Promise<Original> {
  const file = await openParquet(memorySource(bytes));
  return { bytes, columns, file, rows: await collect(file, { columns }) };
}

/** What reading a mutated file gave: what its footer says, if it can be opened, and its rows, if it can be read. */
export interface Outcome {
  readonly file: ParquetFile | undefined;
  readonly rows: readonly Row[] | undefined;
}

/** How far the rows are bound to be the original's. */
export type Verdict = 'all rows are checked' | 'some values are checked' | 'nothing is checked';

/** Throws when the outcome of reading `columns` of the mutated bytes is none that is allowed. */
export function judge(
  before: Original,
  mutated: Uint8Array,
  columns: readonly StructField[],
  { file, rows }: Outcome,
): Verdict {
  if (!saysTheSame(before.file, file)) return 'nothing is checked';
  const names = columns.map(({ name }) => name);
  const loose = before.file.rowGroups.map((group) =>
    names.filter((name) =>
      group.columns.some((chunk, leaf) => {
        if (before.file.leaves[leaf]!.path[0] !== name) return false;
        return wasHit(before.bytes, mutated, chunk) && !sumsHold(before.bytes, mutated, chunk);
      }),
    ),
  );
  const wereHit = before.file.rowGroups.some((group) =>
    group.columns.some(
      (chunk, leaf) => names.includes(before.file.leaves[leaf]!.path[0]!) && wasHit(before.bytes, mutated, chunk),
    ),
  );
  if (rows === undefined) {
    if (!wereHit) throw new Error('refused, though nothing that is read was hit');
    return 'nothing is checked';
  }
  if (rows.length !== before.rows.length) throw new Error(`${rows.length} rows instead of ${before.rows.length}`);
  for (const { firstRow, numRows, index } of before.file.rowGroups) {
    for (const name of names.filter((one) => !loose[index]!.includes(one))) {
      for (let i = firstRow; i < firstRow + numRows; i++) {
        if (isDeepStrictEqual(rows[i]![name], before.rows[i]![name])) continue;
        throw new Error(`row ${i} has another value in the column ${name}, whose bytes are the same or have checksums`);
      }
    }
  }
  return loose.every((one) => one.length === 0) ? 'all rows are checked' : 'some values are checked';
}

function saysTheSame(before: ParquetFile, after: ParquetFile | undefined): boolean {
  const said = ({ numRows, rowGroups, schema }: ParquetFile): unknown => ({ numRows, rowGroups, schema });
  return after !== undefined && isDeepStrictEqual(said(after), said(before));
}

function wasHit(before: Uint8Array, after: Uint8Array, { start, end }: { start: number; end: number }): boolean {
  return Buffer.compare(before.subarray(start, end), after.subarray(start, end)) !== 0;
}

/** Whether every page of a chunk has a checksum and its header as it was. */
function sumsHold(before: Uint8Array, after: Uint8Array, chunk: ColumnChunk): boolean {
  for (let at = chunk.start; at < chunk.end;) {
    const { header, end } = parsePageHeader(before, at)!;
    if (header.crc === undefined || wasHit(before, after, { start: at, end })) return false;
    at = end + header.compressed_page_size;
  }
  return true;
}
