/**
 * The space of identity hashes cut into disjoint ranges. A range never crosses a border between physical partitions
 * unless it covers whole partitions, so the work of one range goes to few partitions.
 */
import { crc32 } from 'node:zlib';
import type { Identity } from '../documents/document.ts';

/** Half-open range of effective partition keys; "" and "FF" are the ends. */
export interface HashRange {
  readonly start: string;
  readonly end: string;
}

/**
 * A part of a range by a hash of the id alone: for a partition key with more documents than memory holds. Bucket i of n
 * is buckets 2i and 2i + 1 of 2n.
 */
export interface IdBucket {
  readonly index: number;
  readonly of: number;
}

/** Digits that take part in the arithmetic: 48 bits, exact in a double. */
const DIGITS = 12;
const UNIT = 2 ** (4 * DIGITS);
/** Version 2 hashes have their top two bits cleared. */
const V2_TOP = UNIT / 4;

/**
 * `count` ranges over all partitions, in order, without gaps from "" to "FF"; fewer when the hash space is too small to
 * tell them apart. With fewer ranges than partitions a range covers several. `version` is that of the container's hash:
 * version 1 keys are not spread evenly over their text.
 */
export function splitHashRanges(partitions: readonly HashRange[], count: number, version: 1 | 2 = 2): HashRange[] {
  const bounds = new Set<string>();
  const scale = version === 1 ? VERSION_1 : VERSION_2;
  const ordered = partitions.toSorted((a, b) => (a.start < b.start ? -1 : 1));
  if (count <= ordered.length) {
    for (let index = 1; index < count; index++) {
      bounds.add(ordered[Math.round((index * ordered.length) / count)]?.start ?? '');
    }
  } else {
    ordered.forEach((partition, index) => {
      if (index > 0) bounds.add(partition.start);
      // Spreads the remainder, so that the sum over all partitions is exactly `count`.
      const share = Math.floor(((index + 1) * count) / ordered.length) - Math.floor((index * count) / ordered.length);
      const low = scale.position(partition.start);
      const high = scale.position(partition.end);
      for (let cut = 1; cut < share; cut++) bounds.add(scale.bound(low + ((high - low) * cut) / share));
    });
  }
  bounds.delete('');
  const starts = ['', ...[...bounds].toSorted((a, b) => (a < b ? -1 : 1))];
  return starts.map((start, index) => ({ start, end: starts[index + 1] ?? 'FF' }));
}

/** Index of the range that holds an identity. `ranges` as `splitHashRanges` gives them. */
export function rangeIndexOf(ranges: readonly HashRange[], identity: Identity): number {
  let low = 0;
  let high = ranges.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((ranges[middle]?.start ?? '') <= identity.epk) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Whether an identity lies in a range. */
export function inHashRange(range: HashRange, identity: Identity): boolean {
  return range.start <= identity.epk && (identity.epk < range.end || range.end === 'FF');
}

/** Everything, as one bucket. */
export const EVERY_ID: IdBucket = { index: 0, of: 1 };

/** Whether an identity belongs to one of `bucket.of` parts. */
export function inIdBucket(bucket: IdBucket, identity: Pick<Identity, 'id'>): boolean {
  return bucket.of <= 1 || bucketIndexOf(crc32(identity.id), bucket.of) === bucket.index;
}

/** Which of `of` buckets an id with this CRC-32 is in. */
export function bucketIndexOf(idHash: number, of: number): number {
  return Math.floor((idHash * of) / 2 ** 32);
}

/** Where on a line of evenly spread hashes a bound lies, and back. */
interface Scale {
  position(bound: string): number;
  bound(position: number): string;
}

const VERSION_2: Scale = {
  position: (bound) => (bound === 'FF' ? V2_TOP : Number.parseInt(bound.slice(0, DIGITS).padEnd(DIGITS, '0'), 16)),
  bound: (position) => Math.floor(position).toString(16).toUpperCase().padStart(DIGITS, '0'),
};

/** A version 1 key begins with its 32-bit hash as a number in the order-keeping encoding: 05, then the bits of a double. */
const VERSION_1: Scale = {
  position(bound) {
    if (bound === 'FF') return 2 ** 32;
    if (!bound.startsWith('05')) return 0;
    const bytes = Buffer.from(bound.slice(2, 22).padEnd(20, '0'), 'hex');
    let bits = BigInt(bytes[0] ?? 0);
    for (let index = 1; index < 9; index++) bits = (bits << 7n) | BigInt((bytes[index] ?? 0) >> 1);
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt.asUintN(64, bits) ^ (1n << 63n));
    const hash = view.getFloat64(0);
    return Number.isFinite(hash) ? Math.min(Math.max(hash, 0), 2 ** 32) : 0;
  },
  bound(position) {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, Math.floor(position));
    let rest = view.getBigUint64(0) ^ (1n << 63n);
    const bytes = [0x05, Number(rest >> 56n)];
    rest = BigInt.asUintN(64, rest << 8n);
    while (rest !== 0n) {
      const next = BigInt.asUintN(64, rest << 7n);
      const byte = Number(rest >> 56n);
      bytes.push(next === 0n ? byte & 0xfe : byte | 1);
      rest = next;
    }
    while (bytes.at(-1) === 0) bytes.pop();
    return Buffer.from(bytes).toString('hex').toUpperCase();
  },
};
