/**
 * Whether rows have different identities, checked on the key columns alone before a first load. Keys are kept as 96 bits
 * of a hash, 20 bytes with their position: among ten million keys, two different ones are taken for the same with a
 * probability below 10^-14. Larger tables take several passes, each looking at one bucket of the ids.
 */
import { hash } from 'node:crypto';
import { type Identity, identityHash } from '../documents/document.ts';
import { type IdBucket, inIdBucket } from './hash-ranges.ts';
import type { Image, RowPosition } from './image.ts';

/** An identity that several rows have. */
export interface KeyDuplicate {
  readonly identity: Identity;
  readonly count: number;
  /** The first two of them. */
  readonly positions: readonly [RowPosition, RowPosition];
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
  readonly #paths: string[] = [];
  readonly #pathNumbers = new Map<string, number>();
  readonly #duplicates = new Map<
    string,
    { identity: Identity; count: number; positions: [RowPosition, RowPosition] }
  >();
  #surplus = 0;

  /** Names at most `maxDuplicates` identities and counts the rest. `expectedKeys` sizes the memory; it may be wrong. */
  constructor(options: { readonly bucket: IdBucket; readonly maxDuplicates: number; readonly expectedKeys: number }) {
    this.#bucket = options.bucket;
    this.#maxDuplicates = options.maxDuplicates;
    this.#table = new KeyTable(options.expectedKeys);
  }

  add(image: Pick<Image, 'identity' | 'position'>): void {
    const { identity, position } = image;
    if (!inIdBucket(this.#bucket, identity)) return;
    const key = identityHash(identity);
    const first = this.#table.put(key, this.#pack(position));
    if (first === undefined) return;
    this.#surplus++;
    const known = this.#duplicates.get(key);
    if (known !== undefined) known.count++;
    else if (this.#duplicates.size < this.#maxDuplicates) {
      this.#duplicates.set(key, { identity, count: 2, positions: [this.#unpack(first), position] });
    }
  }

  /** Rows beyond the first of their identity. */
  get surplusRows(): number {
    return this.#surplus;
  }

  get duplicates(): readonly KeyDuplicate[] {
    return [...this.#duplicates.values()];
  }

  // A number instead of an object for each row: path number times 2^32 plus row is exact for two million files.
  #pack(position: RowPosition): number {
    let number = this.#pathNumbers.get(position.path);
    if (number === undefined) {
      number = this.#paths.length;
      this.#paths.push(position.path);
      this.#pathNumbers.set(position.path, number);
    }
    return number * 2 ** 32 + position.row;
  }

  #unpack(packed: number): RowPosition {
    return { path: this.#paths[Math.floor(packed / 2 ** 32)] ?? '', row: packed % 2 ** 32 };
  }
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
