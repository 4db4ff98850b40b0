/** What the emulator has served, per physical partition and second of the wall clock: the proof of a budget kept. */

/** One partition in one second. */
export interface SecondCount {
  /** Seconds since 1970. */
  readonly second: number;
  readonly database: string;
  readonly container: string;
  readonly rangeId: string;
  readonly requests: number;
  readonly operations: number;
  readonly requestUnits: number;
  /** Operations answered with 429. */
  readonly throttled: number;
}

/** Totals since the start or the last reset. */
export interface CounterTotals {
  readonly requests: number;
  readonly operations: number;
  readonly requestUnits: number;
  readonly throttled: number;
  readonly activeRequests: number;
  readonly maxActiveRequests: number;
  /** Answers by `status/substatus`, operations of batches included. */
  readonly statuses: Readonly<Record<string, number>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Seconds kept; older ones are forgotten. */
const KEPT_SECONDS = 3600;

export class Counters {
  private totals: Mutable<CounterTotals> & { statuses: Record<string, number> };
  /** By second, then by `database/container/range`. */
  private readonly seconds = new Map<number, Map<string, Mutable<SecondCount>>>();

  constructor() {
    this.totals = emptyTotals(0);
  }

  started(): void {
    this.totals.requests++;
    this.totals.activeRequests++;
    this.totals.maxActiveRequests = Math.max(this.totals.maxActiveRequests, this.totals.activeRequests);
  }

  ended(): void {
    this.totals.activeRequests--;
  }

  /** Counts operations of one partition that ended alike. */
  served(
    place: { readonly database: string; readonly container: string; readonly rangeId: string },
    now: number,
    count: {
      readonly requests: number;
      readonly operations: number;
      readonly requestUnits: number;
      readonly throttled: number;
    },
  ): void {
    this.totals.operations += count.operations;
    this.totals.requestUnits += count.requestUnits;
    this.totals.throttled += count.throttled;
    const second = Math.floor(now / 1000);
    let ranges = this.seconds.get(second);
    if (ranges === undefined) {
      this.seconds.set(second, (ranges = new Map()));
      for (const old of this.seconds.keys()) if (old < second - KEPT_SECONDS) this.seconds.delete(old);
    }
    const key = `${place.database}\n${place.container}\n${place.rangeId}`;
    let entry = ranges.get(key);
    if (entry === undefined) {
      const { database, container, rangeId } = place;
      entry = { second, database, container, rangeId, requests: 0, operations: 0, requestUnits: 0, throttled: 0 };
      ranges.set(key, entry);
    }
    entry.requests += count.requests;
    entry.operations += count.operations;
    entry.requestUnits += count.requestUnits;
    entry.throttled += count.throttled;
  }

  /** Counts one answer. */
  answered(status: number, substatus: number, times = 1): void {
    const key = `${status}/${substatus}`;
    this.totals.statuses[key] = (this.totals.statuses[key] ?? 0) + times;
  }

  total(): CounterTotals {
    return { ...this.totals, statuses: { ...this.totals.statuses } };
  }

  /** Counts from this second on (seconds since 1970), oldest first. */
  perSecond(since = 0): readonly SecondCount[] {
    return [...this.seconds]
      .filter(([second]) => second >= since)
      .toSorted(([a], [b]) => a - b)
      .flatMap(([, ranges]) => [...ranges.values()].map((entry) => ({ ...entry })));
  }

  reset(): void {
    this.totals = emptyTotals(this.totals.activeRequests);
    this.seconds.clear();
  }
}

function emptyTotals(active: number): Mutable<CounterTotals> & { statuses: Record<string, number> } {
  return {
    requests: 0,
    operations: 0,
    requestUnits: 0,
    throttled: 0,
    activeRequests: active,
    maxActiveRequests: active,
    statuses: {},
  };
}
