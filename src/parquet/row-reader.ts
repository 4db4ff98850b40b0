import { ColumnReader, type EntryVector } from './column-reader.ts';
import { stopIfAborted } from './file-fault.ts';
import { GroupWindows, type GroupRows } from './group-windows.ts';
import type { ParquetFile } from './parquet-file.ts';
import { RowAssembly } from './row-assembly.ts';
import { planRows } from './row-plan.ts';
import type { RowBatch, RowRequest } from './row-request.ts';
import type { Row } from './value-type.ts';

/**
 * Values of a batch, and its least rows, where the caller does not say. What is alive at once is copied by every minor
 * collection, and by what was copied the engine decides how much memory to take for new objects.
 */
const BATCH_VALUES = 2048;
const LEAST_BATCH_ROWS = 128;
const DEFAULT_BATCH_BYTES = 4 * 1024 * 1024;
const DEFAULT_WINDOW_BYTES = 24 * 1024 * 1024;
/** After this many batches other work of the process gets its turn, even when nothing is being read. */
const BATCHES_A_TURN = 8;

/**
 * Reads rows in file order, a batch at a time; nothing is read before the first is asked for, and then as far ahead as
 * `windowBytes` allow. Any division of a file into row ranges gives the same rows.
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
  const windows = new GroupWindows(file, plan.leaves, groups, request.windowBytes ?? DEFAULT_WINDOW_BYTES, reading);
  const batchRows = request.batchRows ?? Math.max(LEAST_BATCH_ROWS, Math.ceil(BATCH_VALUES / (readers.length + 1)));
  const batchBytes = request.batchBytes ?? DEFAULT_BATCH_BYTES;
  let batches = 0;
  try {
    await windows.jumpInto(reading);
    for (const [index, { group, start, end }] of groups.entries()) {
      windows.start(index, readers);
      await Promise.all(readers.map((reader) => reader.skip(start)));
      for (let row = start; row < end;) {
        stopIfAborted(signal);
        for (const reader of readers) {
          const opening = reader.prepare();
          if (opening !== undefined) await opening;
        }
        const count = Math.min(end - row, batchRows, rowsOf(batchBytes, readers));
        const vectors: EntryVector[] = [];
        for (const reader of readers) {
          const vector = reader.read(count);
          vectors.push(vector instanceof Promise ? await vector : vector);
        }
        yield { firstRow: group.firstRow + row, rows: assembly.rows(vectors, count) };
        row += count;
        if (windows.ahead.isReading || ++batches % BATCHES_A_TURN === 0)
          await new Promise((resolve) => setImmediate(resolve));
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
