/**
 * Whether rows have different identities, checked on the key columns alone before a first load. Large tables are
 * checked pass by pass: each pass looks at one bucket of the ids, so memory stays bounded.
 */
import { type Identity, identityHash } from '../documents/document.ts';
import type { IdBucket } from './hash-ranges.ts';
import { inIdBucket } from './hash-ranges.ts';
import type { RowPosition } from './image.ts';

/** An identity that several rows have, with the first two of them. */
export interface KeyDuplicate {
  readonly identity: Identity;
  readonly positions: readonly [RowPosition, RowPosition];
  readonly count: number;
}

/** Identities that one pass holds at most, at roughly 150 bytes each. */
export const KEYS_PER_PASS = 1_000_000;

/** How many passes over the key columns a table of `rows` rows takes. */
export function uniqueKeyPasses(rows: number): number {
  return Math.max(1, Math.ceil(rows / KEYS_PER_PASS));
}

/** Remembers where each identity was first seen. */
export class UniqueKeys {
  readonly #bucket: IdBucket;
  readonly #maxDuplicates: number;
  readonly #seen = new Map<string, number>();
  readonly #paths: string[] = [];
  readonly #pathNumbers = new Map<string, number>();
  readonly #duplicates = new Map<
    string,
    { identity: Identity; positions: [RowPosition, RowPosition]; count: number }
  >();
  #surplus = 0;

  /** Looks at one bucket only; keeps at most `maxDuplicates` of them by name and counts the rest. */
  constructor(bucket: IdBucket, maxDuplicates: number) {
    this.#bucket = bucket;
    this.#maxDuplicates = maxDuplicates;
  }

  add(identity: Identity, position: RowPosition): void {
    if (!inIdBucket(this.#bucket, identity)) return;
    const key = identityHash(identity);
    const first = this.#seen.get(key);
    if (first === undefined) {
      this.#seen.set(key, this.#pack(position));
      return;
    }
    this.#surplus++;
    const known = this.#duplicates.get(key);
    if (known !== undefined) known.count++;
    else if (this.#duplicates.size < this.#maxDuplicates) {
      this.#duplicates.set(key, { identity, positions: [this.#unpack(first), position], count: 2 });
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
