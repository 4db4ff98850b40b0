/**
 * The 64-bit "portable" roaring bitmap of deletion vectors (PROTOCOL.md, "Deletion Vector Format", without the magic
 * number): a bucket count, then per bucket the high 32 bits and a standard 32-bit roaring bitmap. Containers are kept as
 * they were stored, so memory is bounded by the size of the input.
 */

const COOKIE_NO_RUNS = 12346;
const COOKIE_RUNS = 12347;
const NO_OFFSET_THRESHOLD = 4;
const MAX_ARRAY = 4096;

type Container =
  /** `values`: ascending low 16 bits. */
  | { readonly kind: 'array'; readonly values: Uint16Array }
  /** 8192 bytes, bit i of byte i >> 3. */
  | { readonly kind: 'bits'; readonly bytes: Uint8Array }
  /** Pairs start, length - 1; ascending, not overlapping. */
  | { readonly kind: 'runs'; readonly pairs: Uint16Array };

interface Chunk {
  /** First row of the chunk: a multiple of 65536. */
  readonly base: number;
  readonly container: Container;
}

/** A set of row indexes. */
export class RowSet {
  readonly #chunks: readonly Chunk[];
  /** Number of rows in the set. */
  readonly size: number;

  constructor(chunks: readonly Chunk[], size: number) {
    this.#chunks = chunks;
    this.size = size;
  }

  /** Writes `value` into `flags[row - start]` for every row of the set in [start, start + flags.length). */
  mark(start: number, flags: Uint8Array, value: number): void {
    const end = start + flags.length;
    for (let i = this.#firstChunk(start); i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i];
      if (chunk === undefined || chunk.base >= end) return;
      markContainer(chunk.container, chunk.base - start, flags, value);
    }
  }

  /** False when no row of the set can lie in [start, end): it looks at blocks of 65536 rows only. */
  intersects(start: number, end: number): boolean {
    const chunk = this.#chunks[this.#firstChunk(start)];
    return chunk !== undefined && chunk.base < end;
  }

  /** Every row of the set in ascending order. */
  *rows(): Generator<number> {
    for (const { base, container } of this.#chunks) {
      const flags = new Uint8Array(65536);
      markContainer(container, 0, flags, 1);
      for (let low = 0; low < 65536; low++) if (flags[low] === 1) yield base + low;
    }
  }

  #firstChunk(start: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.base ?? 0) + 65536 <= start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `shift`: what to add to a low value to get an index into flags; indexes outside are skipped. */
function markContainer(container: Container, shift: number, flags: Uint8Array, value: number): void {
  switch (container.kind) {
    case 'array':
      for (const low of container.values) {
        const at = low + shift;
        if (at >= 0 && at < flags.length) flags[at] = value;
      }
      return;
    case 'bits': {
      const from = Math.max(0, -shift);
      const to = Math.min(65536, flags.length - shift);
      for (let low = from; low < to; low++) {
        if (((container.bytes[low >> 3] ?? 0) >> (low & 7)) & 1) flags[low + shift] = value;
      }
      return;
    }
    case 'runs':
      for (let i = 0; i < container.pairs.length; i += 2) {
        const first = (container.pairs[i] ?? 0) + shift;
        const last = first + (container.pairs[i + 1] ?? 0);
        if (last >= 0 && first < flags.length) flags.fill(value, Math.max(0, first), last + 1);
      }
      return;
  }
}

/** Thrown by decodeRoaring64; the caller names the file. */
export class RoaringFormatError extends Error {}

class Cursor {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): number {
    const at = this.#at;
    if (length > this.rest) throw new RoaringFormatError('it ends early');
    this.#at += length;
    return at;
  }

  u16(): number {
    return this.#view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  bytes(length: number): Uint8Array {
    const at = this.take(length);
    return this.#bytes.subarray(at, at + length);
  }

  u16s(count: number): Uint16Array {
    const at = this.take(count * 2);
    const values = new Uint16Array(count);
    for (let i = 0; i < count; i++) values[i] = this.#view.getUint16(at + i * 2, true);
    return values;
  }
}

function readArray(cursor: Cursor, cardinality: number): Container {
  const values = cursor.u16s(cardinality);
  for (let i = 1; i < values.length; i++) {
    if ((values[i] ?? 0) <= (values[i - 1] ?? 0)) throw new RoaringFormatError('an array container is not ascending');
  }
  return { kind: 'array', values };
}

function readBits(cursor: Cursor, cardinality: number): Container {
  const bytes = cursor.bytes(8192);
  let count = 0;
  for (let byte of bytes) for (; byte !== 0; byte &= byte - 1) count++;
  if (count !== cardinality) throw new RoaringFormatError('a bitset container has another cardinality than its header');
  return { kind: 'bits', bytes };
}

function readRuns(cursor: Cursor): { readonly container: Container; readonly cardinality: number } {
  const pairs = cursor.u16s(cursor.u16() * 2);
  let cardinality = 0;
  let next = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const first = pairs[i] ?? 0;
    const length = (pairs[i + 1] ?? 0) + 1;
    if (first < next || first + length > 65536) throw new RoaringFormatError('a run container is not ascending');
    next = first + length;
    cardinality += length;
  }
  return { container: { kind: 'runs', pairs }, cardinality };
}

function readRoaring32(cursor: Cursor, high: number, chunks: Chunk[]): number {
  const cookie = cursor.u32();
  const hasRuns = (cookie & 0xffff) === COOKIE_RUNS;
  if (!hasRuns && cookie !== COOKIE_NO_RUNS) throw new RoaringFormatError('a bucket has an unknown cookie');
  const count = hasRuns ? (cookie >>> 16) + 1 : cursor.u32();
  if (count > 65536) throw new RoaringFormatError('a bucket has more than 65536 containers');
  const runFlags = hasRuns ? cursor.bytes((count + 7) >> 3) : undefined;
  const headers = cursor.u16s(count * 2);
  if (!hasRuns || count >= NO_OFFSET_THRESHOLD) cursor.take(count * 4);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const key = headers[i * 2] ?? 0;
    if (i > 0 && key <= (headers[i * 2 - 2] ?? 0)) throw new RoaringFormatError('container keys are not ascending');
    const cardinality = (headers[i * 2 + 1] ?? 0) + 1;
    const base = high * 0x1_0000_0000 + key * 65536;
    if (((runFlags?.[i >> 3] ?? 0) >> (i & 7)) & 1) {
      const run = readRuns(cursor);
      chunks.push({ base, container: run.container });
      total += run.cardinality;
    } else {
      const container = cardinality <= MAX_ARRAY ? readArray(cursor, cardinality) : readBits(cursor, cardinality);
      chunks.push({ base, container });
      total += cardinality;
    }
  }
  return total;
}

/** Decodes the 64-bit portable format. Throws RoaringFormatError for anything that is not exactly that. */
export function decodeRoaring64(bytes: Uint8Array): RowSet {
  const cursor = new Cursor(bytes);
  const buckets = cursor.u32();
  if (cursor.u32() !== 0) throw new RoaringFormatError('it claims more than 2^32 buckets');
  const chunks: Chunk[] = [];
  let size = 0;
  let previous = -1;
  for (let i = 0; i < buckets; i++) {
    const high = cursor.u32();
    if (high <= previous) throw new RoaringFormatError('bucket keys are not ascending');
    // Row indexes are doubles here; 2^53 rows in a file is far beyond any.
    if (high >= 2 ** 21) throw new RoaringFormatError('a row index is beyond 2^53');
    previous = high;
    size += readRoaring32(cursor, high, chunks);
  }
  return new RowSet(chunks, size);
}
