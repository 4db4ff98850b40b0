/** Values as the query language sees them: JSON, and undefined for what is not there. */
import type { Json } from '../json.ts';

export type Value = Json | undefined;

/** Order of types in ORDER BY, MIN and MAX. */
export function typeRank(value: Value): number {
  if (value === undefined) return 0;
  if (value === null) return 1;
  if (value === false) return 2;
  if (value === true) return 3;
  if (typeof value === 'number') return 4;
  if (typeof value === 'string') return 5;
  return Array.isArray(value) ? 6 : 7;
}

/** Total order over all values, as ORDER BY sorts: by type, then within it. */
export function compareValues(left: Value, right: Value): number {
  const rank = typeRank(left) - typeRank(right);
  if (rank !== 0) return rank;
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  if (typeof left !== 'object' || left === null) return 0;
  return compareText(canonicalText(left), canonicalText(right));
}

/** Order of strings by code point, as of their UTF-8 bytes; UTF-16 order differs only beside surrogates. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a === b) continue;
    // Surrogates stand for code points above all other units.
    const aHigh = a >= 0xd800 && a <= 0xdfff;
    const bHigh = b >= 0xd800 && b <= 0xdfff;
    if (aHigh !== bHigh) return aHigh ? 1 : -1;
    return a - b;
  }
  return left.length - right.length;
}

/** Deep equality; properties in any order. */
export function equalValues(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    return left.every((element, index) => equalValues(element, right[index]));
  }
  if (Array.isArray(right)) return false;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => Object.hasOwn(right, name) && equalValues(left[name], right[name]));
}

/** Text that is the same for equal values and no others; for DISTINCT and GROUP BY. */
export function canonicalText(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  // Minus zero gives the text of zero.
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  const names = Object.keys(value).toSorted();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalText(value[name])}`).join(',')}}`;
}

/** A member of an object or, by an index, of an array; undefined of anything else. */
export function member(value: Value, name: Value): Value {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return typeof name === 'number' ? value[name] : undefined;
  return typeof name === 'string' && Object.hasOwn(value, name) ? value[name] : undefined;
}
