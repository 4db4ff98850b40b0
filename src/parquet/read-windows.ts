import { ReadWindow, type WindowSource } from './chunk-bytes.ts';

/** Bytes [start, end) of one column. A column may have several. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
  /** Index of the column. */
  readonly column: number;
}

/** Bytes between two chunks that are cheaper to read than to ask for twice. */
const MAX_GAP_BYTES = 2048;
/** Column chunks that need no window of their own are read together up to this. */
const MAX_JOINED_BYTES = 4 * 1024 * 1024;
const MIN_WINDOW_BYTES = 128 * 1024;

/**
 * Cuts the spans of a row group's columns into windows, `windowBytes` for all columns together: each column's share is
 * that of its bytes, so that a window of any column lasts for about as many rows. Neighbours that fit into one read share
 * it: small row groups take one request, not one per column. Returns each column's windows, in order.
 */
export function readWindows(
  source: WindowSource,
  columns: number,
  spans: readonly ByteSpan[],
  windowBytes: number,
): ReadWindow[][] {
  const result: ReadWindow[][] = Array.from({ length: columns }, () => []);
  const order = spans.filter((span) => span.end > span.start).toSorted((a, b) => a.start - b.start);
  const total = order.reduce((sum, span) => sum + span.end - span.start, 0);
  // When all columns fit the windows together, neighbours share; else only what is smaller than the least window.
  const joinable = total <= windowBytes ? MAX_JOINED_BYTES : MIN_WINDOW_BYTES;
  for (let i = 0; i < order.length;) {
    const first = order[i]!;
    let end = first.end;
    let stop = i + 1;
    for (; stop < order.length; stop++) {
      const span = order[stop]!;
      const joined = Math.max(end, span.end);
      if (span.start - end > MAX_GAP_BYTES || joined - first.start > joinable) break;
      end = joined;
    }
    const share = Math.ceil((windowBytes * (first.end - first.start)) / total);
    const step = stop > i + 1 ? end - first.start : Math.max(MIN_WINDOW_BYTES, share);
    const windows: ReadWindow[] = [];
    for (let at = first.start; at < end; at += step) {
      windows.push(new ReadWindow(source, at, Math.min(end, at + step)));
    }
    for (const { column } of order.slice(i, stop)) result[column]!.push(...windows.map((window) => window.share()));
    i = stop;
  }
  return result;
}
