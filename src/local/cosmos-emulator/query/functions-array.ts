/** Array, set and object functions. */
import type { BuiltIn } from './functions.ts';
import type { Json } from '../json.ts';
import { canonicalText, equalValues, member, type Value } from './values.ts';

/** True when every property of `part` is in `whole` with an equal value. */
function holdsPart(whole: Value, part: Value): boolean {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return equalValues(whole, part);
  return Object.entries(part).every(([name, value]) => holdsPart(member(whole, name), value));
}

function contains([list, wanted, partial = false]: readonly Value[]): Value {
  if (!Array.isArray(list) || wanted === undefined) return Array.isArray(list) ? undefined : false;
  return list.some((element) => (partial === true ? holdsPart(element, wanted) : equalValues(element, wanted)));
}

function containsMany(all: boolean): BuiltIn {
  return {
    least: 2,
    most: 256,
    apply: ([list, ...wanted]) => {
      if (!Array.isArray(list)) return undefined;
      const holds = (value: Value): boolean => list.some((element) => equalValues(element, value));
      return all ? wanted.every(holds) : wanted.some(holds);
    },
  };
}

function distinct(values: readonly Json[]): Json[] {
  return [...new Map(values.map((value) => [canonicalText(value), value])).values()];
}

function setFunction(
  compute: (left: readonly Json[], right: ReadonlySet<string>, others: readonly Json[]) => Json[],
): BuiltIn {
  return {
    least: 2,
    most: 2,
    apply: ([left, right]) =>
      Array.isArray(left) && Array.isArray(right)
        ? distinct(compute(left, new Set(right.map(canonicalText)), right))
        : undefined,
  };
}

/** SUM, AVG, MIN or MAX of an array of numbers. */
function overNumbers(compute: (numbers: readonly number[]) => number): BuiltIn {
  return {
    least: 1,
    most: 1,
    apply: ([list]) =>
      Array.isArray(list) && list.length > 0 && list.every((value) => typeof value === 'number')
        ? compute(list)
        : undefined,
  };
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

export const arrayFunctions: Readonly<Record<string, BuiltIn>> = {
  ARRAY_AVG: overNumbers((numbers) => total(numbers) / numbers.length),
  ARRAY_CONCAT: {
    least: 2,
    most: 256,
    apply: (args) => (args.every((list) => Array.isArray(list)) ? args.flat() : undefined),
  },
  ARRAY_CONTAINS: { least: 2, most: 3, apply: contains },
  ARRAY_CONTAINS_ALL: containsMany(true),
  ARRAY_CONTAINS_ANY: containsMany(false),
  ARRAY_LENGTH: { least: 1, most: 1, apply: ([list]) => (Array.isArray(list) ? list.length : undefined) },
  ARRAY_MAX: overNumbers((numbers) => numbers.reduce((a, b) => Math.max(a, b))),
  ARRAY_MIN: overNumbers((numbers) => numbers.reduce((a, b) => Math.min(a, b))),
  ARRAY_SLICE: {
    least: 2,
    most: 3,
    apply: ([list, start, length]) => {
      if (!Array.isArray(list) || typeof start !== 'number') return undefined;
      const from = start < 0 ? Math.max(0, list.length + start) : start;
      if (length === undefined) return list.slice(from);
      return typeof length === 'number' ? list.slice(from, from + Math.max(0, length)) : undefined;
    },
  },
  ARRAY_SUM: overNumbers(total),
  CHOOSE: {
    least: 2,
    most: 256,
    apply: ([index, ...values]) => (typeof index === 'number' ? values[index - 1] : undefined),
  },
  OBJECTTOARRAY: {
    least: 1,
    most: 3,
    apply: ([object, key = 'k', value = 'v']) => {
      if (typeof object !== 'object' || object === null || Array.isArray(object)) return undefined;
      if (typeof key !== 'string' || typeof value !== 'string') return undefined;
      return Object.entries(object).map(([name, held]) => ({ [key]: name, [value]: held ?? null }));
    },
  },
  SETDIFFERENCE: setFunction((left, right) => left.filter((value) => !right.has(canonicalText(value)))),
  SETINTERSECT: setFunction((left, right) => left.filter((value) => right.has(canonicalText(value)))),
  SETUNION: setFunction((left, _right, others) => [...left, ...others]),
};
