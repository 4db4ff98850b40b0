import { checkLength } from './byte-source.ts';
import { asFault, damaged, type FilePlace } from './file-fault.ts';
import { parseOffsetIndex, type PageLocation } from './hyparquet-internals.ts';
import type { ColumnChunk, ParquetFile, RowGroup } from './parquet-file.ts';
import type { LeafPlan } from './row-plan.ts';

/** Where reading of a column chunk goes on after its dictionary, to start in the middle of a row group. */
export interface PageJump {
  /** File offset of the first data page. */
  readonly from: number;
  /** File offset of the page that has the wanted row, and that page's first row in the row group. */
  readonly to: number;
  readonly firstRow: number;
}

/** Offset indexes lie side by side before the footer; one read gets those of all columns up to this. */
const MAX_INDEX_BYTES = 4 * 1024 * 1024;

/**
 * By leaf of the plan, the jump to `row` of a row group, where the file has offset indexes and they save bytes. Files
 * without them are read from the start of their column chunks, passing over pages by their headers.
 */
export async function pageJumps(
  file: ParquetFile,
  leaves: readonly LeafPlan[],
  group: RowGroup,
  row: number,
  signal: AbortSignal,
): Promise<readonly (PageJump | undefined)[]> {
  const chunks = leaves.map(({ leaf }) => group.columns[leaf.leafIndex]!);
  const indexes = chunks.map((chunk) => chunk.offsetIndex).filter((index) => index !== undefined);
  const start = Math.min(...indexes.map((index) => index.start));
  const end = Math.max(...indexes.map((index) => index.end));
  if (indexes.length === 0 || end - start > MAX_INDEX_BYTES) return [];
  const bytes = await file.source.read(start, end, signal);
  checkLength(file.source, bytes, end - start);
  return chunks.map((chunk, i) => {
    const { place } = leaves[i]!;
    if (chunk.offsetIndex === undefined) return undefined;
    try {
      const index = bytes.subarray(chunk.offsetIndex.start - start, chunk.offsetIndex.end - start);
      return jumpTo(row, checkedLocations(place, chunk, parseOffsetIndex(index)));
    } catch (thrown) {
      throw asFault(place, thrown);
    }
  });
}

function jumpTo(row: number, locations: readonly PageLocation[]): PageJump | undefined {
  const page = locations.findLast(({ firstRow }) => firstRow <= row);
  const first = locations[0];
  if (page === undefined || first === undefined || page === first) return undefined;
  return { from: first.offset, to: page.offset, firstRow: page.firstRow };
}

function checkedLocations(
  place: FilePlace,
  chunk: ColumnChunk,
  locations: readonly PageLocation[],
): readonly PageLocation[] {
  let least = chunk.start;
  let row = -1;
  for (const { offset, firstRow } of locations) {
    if (!(offset >= least && offset < chunk.end && firstRow > row))
      throw damaged(place, 'its offset index is out of order');
    least = offset + 1;
    row = firstRow;
  }
  if (locations.length > 0 && locations[0]!.firstRow !== 0) throw damaged(place, 'its offset index has no first page');
  return locations;
}
