/** Bytes [start, end) of one column. A column may have several. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
  /** Index of the column. */
  readonly column: number;
}

/** One ranged read of a row group. Plain data. */
export interface WindowPlan {
  readonly start: number;
  readonly end: number;
  /** The columns that have bytes in it, ascending. */
  readonly columns: readonly number[];
  /** About which share of the row group's rows is passed when it is wanted first: 0 at the start, below 1. */
  readonly wantedAt: number;
}

/** Bytes between two chunks that are cheaper to read than to ask for twice. */
const MAX_GAP_BYTES = 2048;
/** A request costs about as much time as a megabyte or two; windows that are larger only take memory. */
const MAX_WINDOW_BYTES = 2 * 1024 * 1024;
const MIN_WINDOW_BYTES = 128 * 1024;

/**
 * Plans the reads of one row group, in the order in which decoding wants them, so that about `budgetBytes` suffice for
 * what is held and what is read ahead together. A row group that fits is read whole, as its pages leave the windows free
 * for the next one. Of a larger one every column holds one window: all of a small column, the same number of bytes of each
 * of the others. Columns that are read whole share reads with their neighbours in the file, so that the number of reads
 * goes by bytes and not by columns.
 */
export function planWindows(spans: readonly ByteSpan[], budgetBytes: number): WindowPlan[] {
  const order = spans.filter((span) => span.end > span.start).toSorted((a, b) => a.start - b.start);
  const sizes = order.map((span) => span.end - span.start);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const share = total <= budgetBytes ? MAX_WINDOW_BYTES : evenShare(sizes, budgetBytes / 2);
  const most = Math.min(MAX_WINDOW_BYTES, Math.max(MIN_WINDOW_BYTES, Math.floor(share)));
  const windows: WindowPlan[] = [];
  for (let i = 0; i < order.length;) {
    const stop = joinedFrom(order, i, most);
    const { start } = order[i]!;
    const joined = order.slice(i, stop);
    const end = Math.max(...joined.map((span) => span.end));
    const columns = [...new Set(joined.map((span) => span.column))].toSorted((a, b) => a - b);
    const pieces = Math.ceil((end - start) / (joined.length > 1 ? MAX_WINDOW_BYTES : most));
    const step = Math.ceil((end - start) / pieces);
    for (let piece = 0; piece < pieces; piece++) {
      const at = start + piece * step;
      windows.push({ start: at, end: Math.min(end, at + step), columns, wantedAt: piece / pieces });
    }
    i = stop;
  }
  return windows.toSorted((a, b) => a.wantedAt - b.wantedAt || a.start - b.start);
}

/** Where the spans end that share a read with the one at `from`: those that no column reads in pieces. */
function joinedFrom(order: readonly ByteSpan[], from: number, most: number): number {
  const first = order[from]!;
  let end = first.end;
  if (end - first.start > most) return from + 1;
  let stop = from + 1;
  for (; stop < order.length; stop++) {
    const span = order[stop]!;
    const joined = Math.max(end, span.end);
    const isPiecemeal = span.end - span.start > most;
    if (isPiecemeal || span.start - end > MAX_GAP_BYTES || joined - first.start > MAX_WINDOW_BYTES) break;
    end = joined;
  }
  return stop;
}

/** The largest share such that `total` suffices when everybody takes what he needs, but no more than it. */
function evenShare(needs: readonly number[], total: number): number {
  let rest = total;
  for (const [i, need] of needs.toSorted((a, b) => a - b).entries()) {
    const share = rest / (needs.length - i);
    if (need > share) return share;
    rest -= need;
  }
  return Number.POSITIVE_INFINITY;
}
