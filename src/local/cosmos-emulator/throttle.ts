/** RU/s as the service enforces them: a budget per partition and second of the wall clock; debt is carried over. */

/** One budget. Time is handed in, in milliseconds of the wall clock. */
export class Throttle {
  /** RU each second; undefined is without limit. */
  limit: number | undefined = undefined;
  private used = 0;
  private second = 0;

  /** Milliseconds until an operation is admitted; 0 now. */
  wait(now: number): number {
    if (this.limit === undefined) return 0;
    this.advance(now);
    if (this.used < this.limit) return 0;
    const seconds = Math.max(1, Math.floor(this.used / Math.max(this.limit, 1)));
    return Math.max(1, Math.ceil((this.second + seconds) * 1000 - now));
  }

  /** Adds what an admitted operation cost; the last of a second may overshoot. */
  spend(requestUnits: number, now: number): void {
    if (this.limit === undefined) return;
    this.advance(now);
    this.used += requestUnits;
  }

  private advance(now: number): void {
    const second = Math.floor(now / 1000);
    const passed = second - this.second;
    if (passed === 0) return;
    // A clock that went back starts a new second without a refill for the past ones.
    this.used = passed > 0 ? Math.max(0, this.used - passed * (this.limit ?? 0)) : this.used;
    this.second = second;
  }
}
