import { ChunkBytes, type ReadWindow, type WindowSource } from './chunk-bytes.ts';
import { ColumnReader } from './column-reader.ts';
import { damaged, stopIfAborted } from './file-fault.ts';
import { pageJumps, type PageJump } from './page-jump.ts';
import type { ParquetFile, RowGroup } from './parquet-file.ts';
import { readWindows } from './read-windows.ts';
import { WindowMemory } from './reused-memory.ts';
import { RowAssembly } from './row-assembly.ts';
import { planRows, type LeafPlan } from './row-plan.ts';
import type { RowBatch, RowRequest } from './row-request.ts';
import type { Row } from './value-type.ts';

const DEFAULT_BATCH_ROWS = 1024;
const DEFAULT_BATCH_BYTES = 4 * 1024 * 1024;
const DEFAULT_WINDOW_BYTES = 12 * 1024 * 1024;
/** After this many batches other work of the process gets its turn, so that read-ahead proceeds. */
const BATCHES_A_TURN = 8;

/** Rows [start, end) of a row group, counted within it. */
interface GroupRows {
  readonly group: RowGroup;
  readonly start: number;
  readonly end: number;
}

/**
 * Reads rows in file order, a batch at a time: nothing is read before it is asked for but one window a column. Any
 * division of a file into row ranges gives the same rows.
 */
export async function* readRowBatches(
  file: ParquetFile,
  request: RowRequest,
  signal?: AbortSignal,
): AsyncGenerator<RowBatch<Row>, void, undefined> {
  const stop = new AbortController();
  const reading = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const plan = planRows(file.source.name, file.schema, request.columns, request.sourceOf);
  const assembly = new RowAssembly({ file: file.source.name }, plan.row);
  const readers = plan.leaves.map(({ place, leaf, conversion }) => new ColumnReader(place, leaf, conversion));
  const groups = wantedRows(file, request);
  const fetches = new FetchPlan(file, plan.leaves, groups, request.windowBytes, reading);
  const batchRows = request.batchRows ?? DEFAULT_BATCH_ROWS;
  const batchBytes = request.batchBytes ?? DEFAULT_BATCH_BYTES;
  let batches = 0;
  try {
    await fetches.jumpInto(file, groups[0], reading);
    for (const [index, { group, start, end }] of groups.entries()) {
      for (const [i, reader] of readers.entries()) fetches.start(index, i, reader);
      await Promise.all(readers.map((reader) => reader.skip(start)));
      for (let row = start; row < end;) {
        stopIfAborted(signal);
        for (const reader of readers) await reader.prepare();
        const count = Math.min(end - row, batchRows, rowsOf(batchBytes, readers));
        const vectors = [];
        for (const reader of readers) vectors.push(await reader.read(count));
        yield { firstRow: group.firstRow + row, rows: assembly.rows(vectors, count) };
        row += count;
        if (++batches % BATCHES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } catch (thrown) {
    // Sources end in their own ways when the signal aborts.
    stopIfAborted(signal);
    throw thrown;
  } finally {
    stop.abort();
    for (const reader of readers) reader.close();
  }
}

function wantedRows(file: ParquetFile, request: RowRequest): GroupRows[] {
  const from = request.rowRange?.start ?? 0;
  const to = request.rowRange?.end ?? file.numRows;
  const indexes = new Set(request.rowGroups ?? file.rowGroups.map((group) => group.index));
  return file.rowGroups
    .filter((group) => indexes.has(group.index))
    .map((group) => ({
      group,
      start: Math.max(0, from - group.firstRow),
      end: Math.min(group.numRows, to - group.firstRow),
    }))
    .filter(({ start, end }) => start < end);
}

/** Rows that fit a batch by the sizes of the open pages; at least one. */
function rowsOf(batchBytes: number, readers: readonly ColumnReader[]): number {
  const rowBytes = readers.reduce((sum, reader) => sum + reader.rowBytes, 0);
  const known = readers.reduce((least, reader) => Math.min(least, reader.rowsAhead), Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(known, Math.floor(batchBytes / Math.max(1, rowBytes))));
}

/** The windows of every column through the wanted row groups, planned one row group ahead. */
class FetchPlan {
  private readonly source: WindowSource;
  private readonly leaves: readonly LeafPlan[];
  private readonly groups: readonly GroupRows[];
  private readonly windowBytes: number;
  private readonly planned = new Map<number, ReadWindow[][]>();
  /** Of the first row group, by column. */
  private jumps: readonly (PageJump | undefined)[] = [];

  constructor(
    file: ParquetFile,
    leaves: readonly LeafPlan[],
    groups: readonly GroupRows[],
    windowBytes: number | undefined,
    signal: AbortSignal,
  ) {
    this.source = { source: file.source, memory: new WindowMemory(), signal };
    this.leaves = leaves;
    this.groups = groups;
    this.windowBytes = windowBytes ?? DEFAULT_WINDOW_BYTES;
  }

  /** Finds where to start in a first row group that is not wanted from its start. */
  async jumpInto(file: ParquetFile, first: GroupRows | undefined, signal: AbortSignal): Promise<void> {
    if (first === undefined || first.start === 0) return;
    const bytes = this.leaves.reduce((sum, { leaf }) => {
      const chunk = first.group.columns[leaf.leafIndex]!;
      return sum + chunk.end - chunk.start;
    }, 0);
    // What fits the windows is read in one go anyway.
    if (bytes > this.windowBytes) this.jumps = await pageJumps(file, this.leaves, first.group, first.start, signal);
  }

  /** Starts a column on the row group at `index` of the wanted ones. */
  start(index: number, column: number, reader: ColumnReader): void {
    this.planned.delete(index - 1);
    const { group } = this.groups[index]!;
    const chunk = group.columns[reader.leaf.leafIndex];
    if (chunk === undefined) throw damaged(this.leaves[column]!.place, 'a row group lacks it');
    const bytes = new ChunkBytes(this.windows(index)[column]!, chunk.start, chunk.end, () =>
      index + 1 < this.groups.length ? this.windows(index + 1)[column]![0] : undefined,
    );
    void this.windows(index)[column]![0]?.load();
    const rowEntries = chunk.numValues / Math.max(1, group.numRows);
    reader.start(bytes, chunk.codec, rowEntries, index === 0 ? this.jumps[column] : undefined);
  }

  private windows(index: number): ReadWindow[][] {
    const known = this.planned.get(index);
    if (known !== undefined) return known;
    const { columns } = this.groups[index]!.group;
    const spans = this.leaves.flatMap(({ leaf }, column) => {
      const { start, end } = columns[leaf.leafIndex]!;
      const jump = index === 0 ? this.jumps[column] : undefined;
      if (jump === undefined) return [{ start, end, column }];
      return [
        { start, end: jump.from, column },
        { start: jump.to, end, column },
      ];
    });
    const made = readWindows(this.source, this.leaves.length, spans, this.windowBytes);
    this.planned.set(index, made);
    return made;
  }
}
