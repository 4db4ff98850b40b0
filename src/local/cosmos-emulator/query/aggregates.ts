/** The aggregate functions. */
import { canonicalText, compareValues, type Value } from './values.ts';

/** One aggregate over one group. */
export interface Accumulator {
  add(value: Value): void;
  result(): Value;
}

function count(): Accumulator {
  let rows = 0;
  return {
    add(value) {
      if (value !== undefined) rows++;
    },
    result: () => rows,
  };
}

function countIf(): Accumulator {
  let rows = 0;
  return {
    add(value) {
      if (value === true) rows++;
    },
    result: () => rows,
  };
}

/** SUM and AVG: undefined values do not count, any other that is no number makes the result undefined. */
function sum(finish: (total: number, rows: number) => Value): Accumulator {
  let total = 0;
  let rows = 0;
  let valid = true;
  return {
    add(value) {
      if (typeof value === 'number') {
        total += value;
        rows++;
      } else if (value !== undefined) valid = false;
    },
    result: () => (valid ? finish(total, rows) : undefined),
  };
}

/** MIN and MAX over all primitive types; arrays and objects make the result undefined. */
function extreme(sign: number): Accumulator {
  let best: Value;
  let valid = true;
  return {
    add(value) {
      if (value === undefined) return;
      if (typeof value === 'object' && value !== null) valid = false;
      else if (best === undefined || compareValues(value, best) * sign > 0) best = value;
    },
    result: () => (valid ? best : undefined),
  };
}

function list(distinct: boolean): Accumulator {
  const seen = new Set<string>();
  const values: Exclude<Value, undefined>[] = [];
  return {
    add(value) {
      if (value === undefined) return;
      if (distinct) {
        const text = canonicalText(value);
        if (seen.has(text)) return;
        seen.add(text);
      }
      values.push(value);
    },
    result: () => values,
  };
}

const AGGREGATES: ReadonlyMap<string, () => Accumulator> = new Map([
  ['COUNT', count],
  ['COUNTIF', countIf],
  ['SUM', () => sum((total) => total)],
  ['AVG', () => sum((total, rows) => (rows === 0 ? undefined : total / rows))],
  ['MIN', () => extreme(-1)],
  ['MAX', () => extreme(1)],
  ['MAKELIST', () => list(false)],
  ['MAKESET', () => list(true)],
]);

/** Makes accumulators of the function with this upper-case name; undefined when it is no aggregate. */
export function aggregateFactory(name: string): (() => Accumulator) | undefined {
  return AGGREGATES.get(name);
}
