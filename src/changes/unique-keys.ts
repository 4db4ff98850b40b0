/**
 * Whether rows have different identities, checked on the key columns alone before a first load. Keys are kept as 96 bits
 * of a hash, 20 bytes with their position: among ten million keys, two different ones are taken for the same with a
 * probability below 10^-14. Larger tables take several passes, each looking at one bucket of the ids.
 */
import { hash } from 'node:crypto';
import { type Identity, identityHash } from '../documents/document.ts';
import { type IdBucket, inIdBucket } from './hash-ranges.ts';
import { compareRows, type Image, type RowPosition } from './image.ts';

/** Where a key was found. */
export type KeyRow = Pick<Image, 'version' | 'position'>;

/** An identity that several rows have. */
export interface KeyDuplicate {
  readonly identity: Identity;
  readonly count: number;
  /** The first two that were seen. */
  readonly positions: readonly [RowPosition, RowPosition];
  /** The row that wins with `duplicates: last`. */
  readonly last: KeyRow;
}

/** Keys that one pass holds: about 170 MB. */
export const KEYS_PER_PASS = 4_000_000;

/** How many passes over the key columns a table of `rows` rows takes. */
export function uniqueKeyPasses(rows: number): number {
  return Math.max(1, Math.ceil(rows / KEYS_PER_PASS));
}

/** Remembers where each identity of a bucket was first seen. */
export class UniqueKeys {
  readonly #bucket: IdBucket;
  readonly #maxDuplicates: number;
  readonly #table: KeyTable;
  /** Files by number, with the commit that added each. */
  readonly #files: { readonly path: string; readonly version: number }[] = [];
  readonly #fileNumbers = new Map<string, number>();
  readonly #duplicates = new Map<string, MutableDuplicate>();
  #surplus = 0;

  /** Names at most `maxDuplicates` identities and counts the rest. `expectedKeys` sizes the memory; it may be wrong. */
  constructor(options: { readonly bucket: IdBucket; readonly maxDuplicates: number; readonly expectedKeys: number }) {
    this.#bucket = options.bucket;
    this.#maxDuplicates = options.maxDuplicates;
    this.#table = new KeyTable(options.expectedKeys);
  }

  add(image: Pick<Image, 'identity' | 'version' | 'position'>): void {
    const { identity } = image;
    if (!inIdBucket(this.#bucket, identity)) return;
    const key = identityHash(identity);
    const packed = this.#table.put(key, this.#pack(image));
    if (packed === undefined) return;
    this.#surplus++;
    const known = this.#duplicates.get(key);
    if (known !== undefined) {
      known.count++;
      if (compareRows(image, known.last) > 0) known.last = image;
    } else if (this.#duplicates.size < this.#maxDuplicates) {
      const first = this.#unpack(packed);
      const last = compareRows(image, first) > 0 ? image : first;
      this.#duplicates.set(key, { identity, count: 2, positions: [first.position, image.position], last });
    }
  }

  /** Rows beyond the first of their identity. */
  get surplusRows(): number {
    return this.#surplus;
  }

  get duplicates(): readonly KeyDuplicate[] {
    return [...this.#duplicates.values()];
  }

  // A number instead of an object for each row: file number times 2^32 plus row is exact for two million files.
  #pack({ version, position }: KeyRow): number {
    let number = this.#fileNumbers.get(position.path);
    if (number === undefined) {
      number = this.#files.length;
      this.#files.push({ path: position.path, version });
      this.#fileNumbers.set(position.path, number);
    }
    return number * 2 ** 32 + position.row;
  }

  #unpack(packed: number): KeyRow {
    const { path, version } = this.#files[Math.floor(packed / 2 ** 32)] ?? { path: '', version: 0 };
    return { version, position: { path, row: packed % 2 ** 32 } };
  }
}

interface MutableDuplicate {
  readonly identity: Identity;
  count: number;
  readonly positions: readonly [RowPosition, RowPosition];
  last: KeyRow;
}

const WORDS = 3;
const MAX_LOAD = 0.7;
const EMPTY = -1;

/** A hash table with open addressing over typed arrays. */
class KeyTable {
  #words: Uint32Array;
  #values: Float64Array;
  #size = 0;

  constructor(expected: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1024, Math.min(expected, KEYS_PER_PASS) / MAX_LOAD)));
    this.#words = new Uint32Array(slots * WORDS);
    this.#values = new Float64Array(slots).fill(EMPTY);
  }

  /** The value that the key has already, or undefined after adding it. */
  put(key: string, value: number): number | undefined {
    if (this.#size >= this.#values.length * MAX_LOAD) this.#grow();
    // As text: a buffer for each key would be memory outside the heap, collected late.
    const digest = hash('md5', key, 'binary');
    const slot = this.#slotOf(wordOf(digest, 0), wordOf(digest, 4), wordOf(digest, 8));
    const present = this.#values[slot] ?? EMPTY;
    if (present !== EMPTY) return present;
    this.#values[slot] = value;
    this.#size++;
    return undefined;
  }

  /** The slot that holds these words, or the empty one that they are written to. */
  #slotOf(a: number, b: number, c: number): number {
    const mask = this.#values.length - 1;
    let slot = a & mask;
    while (this.#values[slot] !== EMPTY) {
      const at = slot * WORDS;
      if (this.#words[at] === a && this.#words[at + 1] === b && this.#words[at + 2] === c) return slot;
      slot = (slot + 1) & mask;
    }
    const at = slot * WORDS;
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
    return slot;
  }

  #grow(): void {
    const words = this.#words;
    const values = this.#values;
    this.#words = new Uint32Array(words.length * 2);
    this.#values = new Float64Array(values.length * 2).fill(EMPTY);
    values.forEach((value, index) => {
      if (value === EMPTY) return;
      const at = index * WORDS;
      this.#values[this.#slotOf(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0)] = value;
    });
  }
}

/** Four bytes of a digest, unsigned. */
function wordOf(digest: string, at: number): number {
  const low = digest.charCodeAt(at) | (digest.charCodeAt(at + 1) << 8) | (digest.charCodeAt(at + 2) << 16);
  return (low | (digest.charCodeAt(at + 3) << 24)) >>> 0;
}
