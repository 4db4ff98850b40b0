/** Where physical partitions begin and end on the line of effective partition keys, which runs from "" to "FF". */
import type { PartitionKeyDefinition } from './partition-key.ts';

/** First key of the line. */
export const FIRST_KEY = '';
/** End of the line; no key reaches it. */
export const END_KEY = 'FF';

/** Hash values of versions 2 and MultiHash lie below 2^126. */
const HASHES_V2 = 1n << 126n;
const HASHES_V1 = 2 ** 32;

/** Ends of `count` equal parts of the line: the inner bounds, ascending. */
export function evenBounds(definition: PartitionKeyDefinition, count: number): string[] {
  const bounds: string[] = [];
  for (let i = 1; i < count; i++) {
    bounds.push(
      definition.version === 1
        ? orderedNumber(Math.floor((HASHES_V1 * i) / count))
        : hex((HASHES_V2 * BigInt(i)) / BigInt(count), 32),
    );
  }
  return bounds;
}

/**
 * A key that cuts [min, max) in two, or undefined when nothing lies between. Version 2 is cut in the middle; version 1 at
 * the middle one of the keys that are there, since its line is not a number line.
 */
export function middleKey(
  definition: PartitionKeyDefinition,
  min: string,
  max: string,
  keys: readonly string[],
): string | undefined {
  if (definition.version === 2) {
    const low = min === FIRST_KEY ? 0n : number128(min);
    const high = max === END_KEY ? HASHES_V2 : number128(max);
    const middle = hex((low + high) / 2n, 32);
    return middle > min && middle < max ? middle : undefined;
  }
  const sorted = [...new Set(keys)].toSorted();
  const median = sorted[Math.floor(sorted.length / 2)];
  if (median !== undefined && median > min && median < max) return median;
  // No keys to go by: the bounds of finer and finer even cuts hit every range in the end.
  for (let count = 2; count <= 1 << 16; count *= 2) {
    const inside = evenBounds(definition, count).filter((bound) => bound > min && bound < max);
    if (inside.length > 0) return inside[Math.floor(inside.length / 2)];
  }
  return undefined;
}

function number128(key: string): bigint {
  return BigInt(`0x${key.slice(0, 32).padEnd(32, '0')}`);
}

function hex(value: bigint, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

/** A non-negative number as version 1 keys begin: 05, then the double's bits, seven a byte after the first. */
function orderedNumber(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  let bits = view.getBigUint64(0) ^ (1n << 63n);
  let text = `05${hex(bits >> 56n, 2)}`;
  bits = BigInt.asUintN(64, bits << 8n);
  while (bits !== 0n) {
    const rest = BigInt.asUintN(64, bits << 7n);
    const byte = (bits >> 56n) & 0xfen;
    text += hex(rest === 0n ? byte : byte | 1n, 2);
    bits = rest;
  }
  return text;
}
