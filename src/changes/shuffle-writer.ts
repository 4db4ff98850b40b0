/** Stage 1 of a shuffle: images are spread over ranges of the identity hash and written as one blob with an index. */
import { SyncError } from '../shared/errors.ts';
import { type HashRange, rangeIndexOf } from './hash-ranges.ts';
import { ImageLines } from './image-line.ts';
import type { Image } from './image.ts';
import type { PlanStore } from './plan-store.ts';
import { layOut } from './shuffle-blob.ts';

/** Text that waits to be turned into bytes, per range. */
const PENDING_CHARACTERS = 32 * 1024;
/** Large enough for few requests, small enough to be held twice while it is put together. */
const DEFAULT_MAX_BYTES = 24 * 1024 * 1024;
/** A part is cut into sections when it is so many times its fair share and not small, or simply large. */
const UNFAIR = 4;
const MIN_SECTIONED_BYTES = 256 * 1024;
const MAX_UNSECTIONED_BYTES = 2 * 1024 * 1024;

/** A blob that was written. */
export interface ShuffleBlob {
  readonly name: string;
  readonly bytes: number;
  /** Images in each range. */
  readonly images: readonly number[];
}

export interface ShuffleOptions {
  /** When the blob counts as full. */
  readonly maxBytes?: number;
  /** From which size on the part of a range is cut into sections. */
  readonly sectionBytes?: number;
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
  readonly #sectionBytes: number;
  #partitions: Partition[];
  #bytes = 0;

  constructor(ranges: readonly HashRange[], options: ShuffleOptions = {}) {
    this.#ranges = ranges;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    const unfair = Math.max(MIN_SECTIONED_BYTES, (UNFAIR * this.#maxBytes) / ranges.length);
    this.#sectionBytes = options.sectionBytes ?? Math.min(unfair, MAX_UNSECTIONED_BYTES);
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
    const { images, blob } = this.#assemble();
    this.#partitions = this.#ranges.map(emptyPartition);
    this.#bytes = 0;
    await store.write(name, blob, signal);
    return { name, bytes: blob.length, images };
  }

  /** Not in `write`, so that the pieces are free while the blob is on its way. */
  #assemble(): { readonly images: readonly number[]; readonly blob: Buffer } {
    this.#partitions.forEach(flush);
    const images = this.#partitions.map((partition) => partition.images);
    return { images, blob: Buffer.concat(layOut(this.#partitions, this.#sectionBytes)) };
  }
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
