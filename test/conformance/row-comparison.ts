/** Compares rows with expected ones: order of rows, and of pairs in maps, means nothing. */
import type { Aggregate, ExpectedRows, JsonRow, ShortType } from './corpus.ts';

type Columns = readonly (readonly [string, ShortType])[];

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item)]),
  );
}

function canonical(value: unknown, type: ShortType): unknown {
  if (value === null || value === undefined) return null;
  if (typeof type === 'string') return type === 'variant' ? sortKeys(value) : value;
  if ('struct' in type) {
    const struct = value as JsonRow;
    return type.struct.map(([name, item]) => [name, canonical(struct[name], item)]);
  }
  if ('array' in type) return (value as readonly unknown[]).map((item) => canonical(item, type.array));
  const [keyType, valueType] = type.map;
  return (value as readonly (readonly [unknown, unknown])[])
    .map(([key, item]) => JSON.stringify([canonical(key, keyType), canonical(item, valueType)]))
    .toSorted();
}

/** Text that is equal for equal rows. */
export function rowKey(row: JsonRow, columns: Columns): string {
  return JSON.stringify(columns.map(([name, type]) => canonical(row[name], type)));
}

/** Scaled integer and scale of a number in text or number form. */
function exact(value: string | number): { readonly unscaled: bigint; readonly scale: number } | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value));
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = ''] = match;
  return { unscaled: BigInt(`${sign}${whole}${fraction}`), scale: fraction.length };
}

/** Statistics of one column as the rows pass by. */
class ColumnStatistics {
  nulls = 0;
  #min: string | number | undefined;
  #max: string | number | undefined;
  #sum = 0n;
  #scale = 0;
  readonly #counts = new Map<string, number>();
  readonly #wanted: Aggregate;

  constructor(wanted: Aggregate) {
    this.#wanted = wanted;
  }

  add(value: unknown): void {
    if (value === null || value === undefined) {
      this.nulls++;
      return;
    }
    if (typeof value !== 'string' && typeof value !== 'number') return;
    if (this.#wanted.distinct !== undefined)
      this.#counts.set(String(value), (this.#counts.get(String(value)) ?? 0) + 1);
    if (this.#min === undefined || this.#less(value, this.#min)) this.#min = value;
    if (this.#max === undefined || this.#less(this.#max, value)) this.#max = value;
    if (this.#wanted.sum === undefined) return;
    const { unscaled, scale } = exact(value) ?? { unscaled: 0n, scale: 0 };
    this.#sum += unscaled;
    this.#scale = scale;
  }

  /** Numbers, and decimals in text, by value; other text by code units. */
  #less(a: string | number, b: string | number): boolean {
    if (typeof a === 'number' && typeof b === 'number') return a < b;
    if (this.#wanted.sum === undefined) return a < b;
    return (exact(a)?.unscaled ?? 0n) < (exact(b)?.unscaled ?? 0n);
  }

  problem(): string | undefined {
    const { nulls, min, max, sum, distinct, counts } = this.#wanted;
    if (nulls !== this.nulls) return `nulls ${this.nulls}, not ${nulls}`;
    if (min !== undefined && min !== this.#min) return `min ${this.#min}, not ${min}`;
    if (max !== undefined && max !== this.#max) return `max ${this.#max}, not ${max}`;
    const wantedSum = sum === undefined ? undefined : exact(sum);
    if (
      wantedSum !== undefined &&
      wantedSum.unscaled * 10n ** BigInt(this.#scale) !== this.#sum * 10n ** BigInt(wantedSum.scale)
    ) {
      return `sum ${this.#sum} (scale ${this.#scale}), not ${sum}`;
    }
    if (distinct !== undefined && distinct !== this.#counts.size)
      return `${this.#counts.size} distinct, not ${distinct}`;
    for (const [value, count] of Object.entries(counts ?? {})) {
      if (this.#counts.get(value) !== count) return `${this.#counts.get(value)} times ${value}, not ${count}`;
    }
    return undefined;
  }
}

/** Takes rows one by one and says at the end whether they are the expected ones. */
export class RowCheck {
  readonly #expected: ExpectedRows;
  readonly #columns: Columns;
  readonly #left = new Map<string, number>();
  readonly #statistics: ReadonlyMap<string, ColumnStatistics>;
  #count = 0;
  #surplus: string | undefined;

  constructor(expected: ExpectedRows, columns: Columns) {
    this.#expected = expected;
    this.#columns = columns;
    for (const row of expected.rows ?? expected.sample ?? []) {
      const key = rowKey(row, columns);
      this.#left.set(key, (this.#left.get(key) ?? 0) + 1);
    }
    this.#statistics = new Map(
      Object.entries(expected.aggregates ?? {}).map(([name, wanted]) => [name, new ColumnStatistics(wanted)]),
    );
  }

  add(row: JsonRow): void {
    this.#count++;
    for (const [name, statistics] of this.#statistics) statistics.add(row[name]);
    if (this.#left.size === 0 && this.#expected.rows === null) return;
    const key = rowKey(row, this.#columns);
    const left = this.#left.get(key);
    if (left === undefined) this.#surplus ??= key;
    else if (left === 1) this.#left.delete(key);
    else this.#left.set(key, left - 1);
  }

  /** Undefined when the rows were the expected ones. */
  problem(): string | undefined {
    const { rowCount, rows } = this.#expected;
    const [missing] = this.#left.keys();
    if (this.#count !== rowCount) return `${this.#count} rows, not ${rowCount}; missing ${missing?.slice(0, 300)}`;
    if (missing !== undefined)
      return `the row ${missing.slice(0, 300)} is missing; instead ${this.#surplus?.slice(0, 300)}`;
    if (rows !== null && this.#surplus !== undefined) return `the row ${this.#surplus.slice(0, 300)} is not expected`;
    for (const [name, statistics] of this.#statistics) {
      const problem = statistics.problem();
      if (problem !== undefined) return `column ${name}: ${problem}`;
    }
    return undefined;
  }
}
