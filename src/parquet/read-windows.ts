import type { ByteSource } from './byte-source.ts';
import { ReadWindow } from './chunk-bytes.ts';

/** A byte range [start, end) of one column, in file order of its bytes. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
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
  source: ByteSource,
  spans: readonly ByteSpan[],
  windowBytes: number,
  signal: AbortSignal,
): ReadWindow[][] {
  const result: ReadWindow[][] = spans.map(() => []);
  const order = spans
    .map(({ start, end }, column) => ({ start, end, column }))
    .filter((span) => span.end > span.start)
    .toSorted((a, b) => a.start - b.start);
  const total = order.reduce((sum, span) => sum + span.end - span.start, 0);
  for (let i = 0; i < order.length;) {
    const first = order[i]!;
    const share = Math.ceil((windowBytes * (first.end - first.start)) / total);
    const size = Math.max(MIN_WINDOW_BYTES, share);
    let end = first.end;
    let stop = i + 1;
    for (; stop < order.length && (total <= windowBytes || end - first.start <= MIN_WINDOW_BYTES); stop++) {
      const span = order[stop]!;
      const joined = Math.max(end, span.end);
      if (span.start - end > MAX_GAP_BYTES || joined - first.start > MAX_JOINED_BYTES) break;
      if (total > windowBytes && joined - first.start > MIN_WINDOW_BYTES) break;
      end = joined;
    }
    const windows: ReadWindow[] = [];
    const step = stop > i + 1 ? end - first.start : size;
    for (let at = first.start; at < end; at += step) {
      windows.push(new ReadWindow(source, at, Math.min(end, at + step), signal));
    }
    for (const { column } of order.slice(i, stop)) result[column]!.push(...windows.map((window) => window.share()));
    i = stop;
  }
  return result;
}
