import type { ByteSource } from './byte-source.ts';
import { ReadWindow } from './chunk-bytes.ts';

/** A byte range [start, end) of one column, in file order of its bytes. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

/** Bytes between two chunks that are cheaper to read than to ask for twice. */
const MAX_GAP_BYTES = 2048;
const MAX_WINDOW_BYTES = 4 * 1024 * 1024;
const MIN_WINDOW_BYTES = 128 * 1024;
/** All columns together hold a window each and have one on its way. */
const BUDGET_BYTES = 64 * 1024 * 1024;

/** Bytes of one read when `columns` columns are read side by side. */
export function windowBytesFor(columns: number): number {
  return Math.max(MIN_WINDOW_BYTES, Math.min(MAX_WINDOW_BYTES, Math.floor(BUDGET_BYTES / (2 * Math.max(1, columns)))));
}

/**
 * Cuts the spans of a row group's columns into reads of at most `windowBytes`. Neighbours that fit into one read
 * together share it: small row groups take one request, not one per column. Returns each column's windows, in order.
 */
export function readWindows(
  source: ByteSource,
  spans: readonly ByteSpan[],
  windowBytes: number,
  signal: AbortSignal,
): ReadWindow[][] {
  const result: ReadWindow[][] = spans.map(() => []);
  const order = spans
    .map((span, column) => ({ ...span, column }))
    .filter((span) => span.end > span.start)
    .toSorted((a, b) => a.start - b.start);
  for (let i = 0; i < order.length;) {
    const first = order[i]!;
    let end = first.end;
    let stop = i + 1;
    while (stop < order.length) {
      const span = order[stop]!;
      const joined = Math.max(end, span.end);
      if (span.start - end > MAX_GAP_BYTES || joined - first.start > windowBytes) break;
      end = joined;
      stop++;
    }
    const windows: ReadWindow[] = [];
    for (let at = first.start; at < end; at += windowBytes) {
      windows.push(new ReadWindow(source, at, Math.min(end, at + windowBytes), signal));
    }
    for (const { column } of order.slice(i, stop)) result[column]!.push(...windows.map((window) => window.share()));
    i = stop;
  }
  return result;
}
