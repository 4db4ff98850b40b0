/**
 * Stage 2 of a shuffle: the images of one range of the identity hash, from its part of every blob that was accepted.
 * Each row was spilled once; shuffle-writer.ts is stage 1.
 */
import { SyncError } from '../shared/errors.ts';
import { bucketIndexOf, EVERY_ID, type IdBucket } from './hash-ranges.ts';
import { blocksOf, idHashOf, ImageDecoder, isPathLine, linesOf } from './image-line.ts';
import type { Image } from './image.ts';
import type { PlanStore } from './plan-store.ts';
import {
  checkBytes,
  damagedBlob,
  entryBytes,
  parseEntry,
  type PartEntry,
  SECTION_TABLE_BYTES,
  SECTIONS,
  sectionsOf,
} from './shuffle-blob.ts';

/** Lines that are parsed at once, and handed out as a batch. */
const BLOCK_BYTES = 128 * 1024;
/** Blobs asked for at once, and how large a part may be to be held before its turn. */
const READ_AHEAD = 4;
const READ_AHEAD_BYTES = 2 * 1024 * 1024;

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
    const stretches = loaded.stretches ?? (await readStretches(store, name, entry, part, signal));
    yield* decode(stretches, name, part.bucket ?? EVERY_ID);
  }
}

/** Lines that were read together, and how many images are among them. */
interface Stretch {
  readonly bytes: Uint8Array;
  readonly images: number;
}

function* decode(stretches: readonly Stretch[], name: string, bucket: IdBucket): Generator<readonly Image[]> {
  const decoder = new ImageDecoder(name);
  for (const { bytes, images: expected } of stretches) {
    let found = 0;
    for (const block of blocksOf(bytes, BLOCK_BYTES, name)) {
      const { images, lines } = bucket.of > 1 ? decodeBucket(decoder, block, name, bucket) : decodeAll(decoder, block);
      found += lines;
      if (images.length > 0) yield images;
    }
    if (found !== expected) throw damagedBlob(name, 'a part has another number of images');
  }
}

interface Block {
  readonly images: readonly Image[];
  /** Images that the block holds, wanted or not. */
  readonly lines: number;
}

function decodeAll(decoder: ImageDecoder, block: Buffer): Block {
  const images = decoder.decodeAll(block);
  return { images, lines: images.length };
}

function decodeBucket(decoder: ImageDecoder, block: Buffer, name: string, bucket: IdBucket): Block {
  const images: Image[] = [];
  let lines = 0;
  for (const line of linesOf(block, name)) {
    if (!isPathLine(line)) {
      lines++;
      if (bucketIndexOf(idHashOf(line, name), bucket.of) !== bucket.index) continue;
    }
    const image = decoder.decode(line);
    if (image !== undefined) images.push(image);
  }
  return { images, lines };
}

/** One blob's part of a range; large ones are left to be read when their turn comes. */
interface Loaded {
  readonly name: string;
  readonly entry: PartEntry;
  readonly stretches?: readonly Stretch[];
}

async function load(store: PlanStore, name: string, part: ShufflePart, signal?: AbortSignal): Promise<Loaded> {
  const { rangeIndex, rangeCount } = part;
  if (rangeIndex < 0 || rangeIndex >= rangeCount) {
    throw new SyncError('internal', { problem: `There is no range ${rangeIndex} of ${rangeCount}.` });
  }
  const entry = parseEntry(await store.read(name, entryBytes(rangeIndex), signal), rangeCount, name);
  if (entry.length === 0 || entry.length > READ_AHEAD_BYTES) return { name, entry };
  return { name, entry, stretches: await readStretches(store, name, entry, part, signal) };
}

/** What a bucket needs of a part: all of it, or of a part with sections the path lines and the sections it lies in. */
async function readStretches(
  store: PlanStore,
  name: string,
  entry: PartEntry,
  { bucket = EVERY_ID }: ShufflePart,
  signal?: AbortSignal,
): Promise<readonly Stretch[]> {
  const read = (start: number, end: number): Promise<Uint8Array> =>
    start === end
      ? Promise.resolve(new Uint8Array())
      : store.read(name, { start: entry.offset + start, end: entry.offset + end }, signal);
  if (!entry.sectioned) {
    const bytes = await read(0, entry.length);
    checkBytes(bytes, entry.length, entry.crc, name);
    return [{ bytes, images: entry.images }];
  }
  const [paths, ...sections] = sectionsOf(await read(0, SECTION_TABLE_BYTES), entry, name);
  const first = Math.floor((bucket.index * SECTIONS) / bucket.of);
  const wanted = sections.slice(first, Math.ceil(((bucket.index + 1) * SECTIONS) / bucket.of));
  const last = wanted.at(-1);
  if (paths === undefined || last === undefined) throw damagedBlob(name, 'it has no sections');
  const start = wanted[0]?.offset ?? last.offset;
  const [pathBytes, bytes] = await Promise.all([
    read(paths.offset, paths.offset + paths.length),
    read(start, last.offset + last.length),
  ]);
  checkBytes(pathBytes, paths.length, paths.crc, name);
  return [
    { bytes: pathBytes, images: 0 },
    ...wanted.map((section) => {
      const own = bytes.subarray(section.offset - start, section.offset - start + section.length);
      checkBytes(own, section.length, section.crc, name);
      return { bytes: own, images: section.images };
    }),
  ];
}
