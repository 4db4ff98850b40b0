/** The ceiling of one physical partition for this process, and how throttling lowers it. RU, RU/s and milliseconds. */

/** A throttled partition's pace is cut to this part … */
const CUT = 0.75;
/** … at most this often, since the answers of one moment all tell the same. */
const CUT_GAP_MS = 900;
const FACTOR_MINIMUM = 0.03;
/** Recovery per second, quick up to just below the pace that was throttled, slow beyond. */
const RECOVERY = 0.08;
const RECOVERY_NEAR = 0.015;
const NEAR = 0.93;
/** Tokens of a bucket, in seconds of its rate. */
export const BUCKET_SECONDS = 0.1;

/** Bucket of one partition: `fraction` of what the grant is worth there, times a factor that follows 429 answers. */
export class PartitionPace {
  fraction: number;
  rate = 0;
  #tokens = 0;
  #factor = 1;
  #throttledAt = 1;
  #cutAt = Number.NEGATIVE_INFINITY;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(fraction: number) {
    this.fraction = fraction;
  }

  /** Adds what `ms` were worth at the present rate, then sets the rate to its part of `ceiling` RU/s. */
  refill(ms: number, ceiling: number): void {
    this.#tokens += (this.rate * ms) / 1000;
    if (this.#factor < 1 && ms > 0) {
      const recovery = this.#factor < NEAR * this.#throttledAt ? RECOVERY : RECOVERY_NEAR;
      this.#factor = Math.min(1, this.#factor * (1 + (recovery * ms) / 1000));
    }
    this.rate = ceiling * this.fraction * this.#factor;
    this.#tokens = Math.min(this.#tokens, BUCKET_SECONDS * this.rate);
  }

  /** Milliseconds until `cost` may be sent; 0 now. A cost above the bucket needs a full bucket and leaves debt. */
  waitMs(cost: number, now: number): number {
    if (now < this.#notBefore) return this.#notBefore - now;
    const needed = Math.min(cost, BUCKET_SECONDS * this.rate);
    if (this.#tokens >= needed - 1e-9) return 0;
    return this.rate > 0 ? ((needed - this.#tokens) * 1000) / this.rate : Number.POSITIVE_INFINITY;
  }

  /** Takes a reservation; negative gives back. */
  take(ru: number): void {
    this.#tokens -= ru;
  }

  /** The service throttled: nothing until `notBefore`, then slower. */
  throttle(now: number, notBefore: number): void {
    this.#notBefore = Math.max(this.#notBefore, notBefore);
    if (now - this.#cutAt < CUT_GAP_MS) return;
    this.#cutAt = now;
    this.#throttledAt = this.#factor;
    this.#factor = Math.max(FACTOR_MINIMUM, this.#factor * CUT);
  }
}
