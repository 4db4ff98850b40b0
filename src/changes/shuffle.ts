/**
 * The shuffle of a large epoch. Stage 1 spreads the images of a slice over ranges of the identity hash and writes one
 * blob with an index; stage 2 reads, for one range, its part of every blob that was accepted. Each row is spilled once.
 *
 * Blob: magic, format, number of ranges, CRC of the index; then per range offset, length, images and CRC; then the lines
 * of each range. All numbers are unsigned 32 bit, little-endian; CRCs are CRC-32.
 */
import { crc32 } from 'node:zlib';
import { SyncError } from '../shared/errors.ts';
import { type HashRange, type IdBucket, inIdBucket, rangeIndexOf } from './hash-ranges.ts';
import { decodeImageLines, ImageLines } from './image-line.ts';
import type { Image } from './image.ts';
import type { PlanStore } from './plan-store.ts';

/** Bumped when older code could misread a blob. */
const FORMAT = 1;
const MAGIC = 0x46_53_43_44;
const HEADER_BYTES = 16;
const ENTRY_BYTES = 16;
/** Text that waits to be turned into bytes, per range. */
const PENDING_CHARACTERS = 32 * 1024;
/** Large enough for few requests, small enough to be held twice while it is put together. */
const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
/** Nothing that this file writes comes near it. */
const MAX_SEGMENT_BYTES = 256 * 1024 * 1024;
const BATCH = 1000;
/** Blobs asked for at once, and how large a part may be to be held before its turn. */
const READ_AHEAD = 4;
const READ_AHEAD_BYTES = 2 * 1024 * 1024;

/** A blob that was written. */
export interface ShuffleBlob {
  readonly name: string;
  readonly bytes: number;
  /** Images in each range. */
  readonly images: readonly number[];
}

interface Partition {
  lines: ImageLines;
  pending: string;
  chunks: Buffer[];
  bytes: number;
  images: number;
}

/** Spreads images over ranges and holds them until they are written. Memory: about `maxBytes`, twice while writing. */
export class ShuffleWriter {
  readonly #ranges: readonly HashRange[];
  readonly #maxBytes: number;
  #partitions: Partition[];
  #bytes = 0;

  constructor(ranges: readonly HashRange[], options: { readonly maxBytes?: number } = {}) {
    this.#ranges = ranges;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#partitions = ranges.map(emptyPartition);
  }

  /** True when the slice should write its blob and end, or go on with another blob. */
  get full(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** Bytes held, within the text that waits. */
  get bytes(): number {
    return this.#bytes;
  }

  add(image: Image): void {
    const partition = this.#partitions[rangeIndexOf(this.#ranges, image.identity)];
    if (partition === undefined) throw new SyncError('internal', { problem: 'A shuffle has no ranges.' });
    const line = partition.lines.encode(image);
    partition.pending += line;
    partition.images++;
    this.#bytes += line.length;
    if (partition.pending.length >= PENDING_CHARACTERS) flush(partition);
  }

  /** Writes what was added as one blob and starts anew. Writing the same images under the same name is harmless. */
  async write(store: PlanStore, name: string, signal?: AbortSignal): Promise<ShuffleBlob> {
    const { images, bytes, blob } = assemble(this.#partitions);
    this.#partitions = this.#ranges.map(emptyPartition);
    this.#bytes = 0;
    await store.write(name, blob, signal);
    return { name, bytes, images };
  }
}

/** Header, index and parts in one piece. Not in `write`, so that the pieces are free while the blob is on its way. */
function assemble(partitions: readonly Partition[]): { images: number[]; bytes: number; blob: Buffer } {
  const index = Buffer.alloc(partitions.length * ENTRY_BYTES);
  let offset = HEADER_BYTES + index.length;
  const body: Buffer[] = [];
  partitions.forEach((partition, range) => {
    flush(partition);
    let crc = 0;
    for (const chunk of partition.chunks) crc = crc32(chunk, crc);
    const at = range * ENTRY_BYTES;
    index.writeUInt32LE(offset, at);
    index.writeUInt32LE(partition.bytes, at + 4);
    index.writeUInt32LE(partition.images, at + 8);
    index.writeUInt32LE(crc, at + 12);
    offset += partition.bytes;
    body.push(...partition.chunks);
  });
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt32LE(FORMAT, 4);
  header.writeUInt32LE(partitions.length, 8);
  header.writeUInt32LE(crc32(index), 12);
  const blob = Buffer.concat([header, index, ...body], offset);
  return { images: partitions.map((partition) => partition.images), bytes: offset, blob };
}

function emptyPartition(): Partition {
  return { lines: new ImageLines(), pending: '', chunks: [], bytes: 0, images: 0 };
}

function flush(partition: Partition): void {
  if (partition.pending === '') return;
  const chunk = Buffer.from(partition.pending);
  partition.pending = '';
  partition.chunks.push(chunk);
  partition.bytes += chunk.length;
}

/** What the shuffle holds for one range. `rangeCount` as the blobs were written with. */
export interface ShufflePart {
  readonly blobNames: readonly string[];
  readonly rangeIndex: number;
  readonly rangeCount: number;
  /** Only identities of this bucket: several passes instead of more memory, for a range that came out too large. */
  readonly bucket?: IdBucket;
}

/**
 * The images of one range from every blob, in batches. The next few blobs are asked for while one is decoded. Throws
 * `planDamaged` when a blob is not what a writer with these ranges wrote, and `storageNotFound`.
 */
export async function* readShufflePartition(
  store: PlanStore,
  part: ShufflePart,
  signal?: AbortSignal,
): AsyncGenerator<readonly Image[]> {
  const loading: Promise<Loaded>[] = [];
  for (let next = 0; next < part.blobNames.length || loading.length > 0;) {
    while (loading.length < READ_AHEAD && next < part.blobNames.length) {
      const promise = load(store, part.blobNames[next++] ?? '', part, signal);
      // Whoever stops reading early does not wait for what was read ahead.
      promise.catch(() => undefined);
      loading.push(promise);
    }
    const loaded = await loading.shift();
    if (loaded === undefined || loaded.entry.length === 0) continue;
    const { name, entry } = loaded;
    const bytes = loaded.bytes ?? (await readSegment(store, name, entry, signal));
    let images = 0;
    let batch: Image[] = [];
    for (const image of decodeImageLines(bytes, name)) {
      images++;
      if (part.bucket !== undefined && !inIdBucket(part.bucket, image.identity)) continue;
      batch.push(image);
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
    if (images !== entry.images) throw damaged(name, 'a part has another number of images');
    if (batch.length > 0) yield batch;
  }
}

/** One blob's part of a range; large ones are left to be read when their turn comes. */
interface Loaded {
  readonly name: string;
  readonly entry: Entry;
  readonly bytes?: Uint8Array;
}

async function load(store: PlanStore, name: string, part: ShufflePart, signal?: AbortSignal): Promise<Loaded> {
  const entry = await readEntry(store, name, part, signal);
  if (entry.length === 0 || entry.length > READ_AHEAD_BYTES) return { name, entry };
  return { name, entry, bytes: await readSegment(store, name, entry, signal) };
}

async function readSegment(store: PlanStore, name: string, entry: Entry, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = await store.read(name, { start: entry.offset, end: entry.offset + entry.length }, signal);
  if (bytes.length !== entry.length || crc32(bytes) !== entry.crc) throw damaged(name, 'a part has another checksum');
  return bytes;
}

/** Images of one range over all blobs, from the indexes alone: how many passes or how much memory it will take. */
export async function countShufflePartition(
  store: PlanStore,
  part: ShufflePart,
  signal?: AbortSignal,
): Promise<number> {
  let images = 0;
  for (const name of part.blobNames) images += (await readEntry(store, name, part, signal)).images;
  return images;
}

interface Entry {
  readonly offset: number;
  readonly length: number;
  readonly images: number;
  readonly crc: number;
}

async function readEntry(store: PlanStore, name: string, part: ShufflePart, signal?: AbortSignal): Promise<Entry> {
  const end = HEADER_BYTES + part.rangeCount * ENTRY_BYTES;
  const bytes = await store.read(name, { start: 0, end }, signal);
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (head.length < end || head.readUInt32LE(0) !== MAGIC) throw damaged(name, 'it is no shuffle file');
  if (head.readUInt32LE(4) !== FORMAT) throw damaged(name, `its format is ${head.readUInt32LE(4)}, not ${FORMAT}`);
  if (head.readUInt32LE(8) !== part.rangeCount) throw damaged(name, 'it has another number of ranges');
  if (crc32(head.subarray(HEADER_BYTES)) !== head.readUInt32LE(12))
    throw damaged(name, 'its index has another checksum');
  const at = HEADER_BYTES + part.rangeIndex * ENTRY_BYTES;
  if (part.rangeIndex < 0 || part.rangeIndex >= part.rangeCount) {
    throw new SyncError('internal', { problem: `There is no range ${part.rangeIndex} of ${part.rangeCount}.` });
  }
  const entry = {
    offset: head.readUInt32LE(at),
    length: head.readUInt32LE(at + 4),
    images: head.readUInt32LE(at + 8),
    crc: head.readUInt32LE(at + 12),
  };
  if (entry.length > MAX_SEGMENT_BYTES) throw damaged(name, 'a part is too large');
  return entry;
}

function damaged(name: string, reason: string): SyncError {
  return new SyncError('planDamaged', { problem: `The shuffle file ${name} cannot be used: ${reason}.` });
}
