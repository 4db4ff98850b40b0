/** The ceiling of one physical partition for this process, and how throttling lowers it. RU, RU/s and milliseconds. */

/** Throttling lowers the pace at most this often, since the answers of one moment all tell the same. */
const CUT_GAP_MS = 900;
/** The service counts by the second. What it served in one counts when it is clearly less than the pace, and to a limit. */
const SECOND_MS = 1000;
const CLEARLY_LESS = 0.85;
const CUT_MOST = 0.3;
/** The pace that was throttled, lowered by a trifle, is the ceiling to come back to; for a start the pace stays below it. */
const CEILING = 0.995;
const START_BELOW = 0.015;
/** Where others clearly take from the partition, it takes more to make room: each process sees only some of the refusals. */
const START_BELOW_SHARED = 0.05;
const FACTOR_MINIMUM = 0.03;
/** Some seconds slowly up to the ceiling, as slowly past it, then ever faster: this time past it the pace has doubled. */
const GROWTH_MS = 40_000;
/** A request is worth this many seconds of the pace, less where throttling is near: what exceeds a second is refused. */
const REQUEST_SECONDS = 0.08;
const CAUTIOUS_SECONDS = 0.025;
const CAUTIOUS_MS = 60_000;
const CAUTIOUS_START_MS = 5_000;
/** Tokens of a bucket, in seconds of its rate. */
export const BUCKET_SECONDS = 0.1;

/** Bucket of one partition: `fraction` of what the grant is worth there, times a factor that follows 429 answers. */
export class PartitionPace {
  fraction: number;
  rate = 0;
  #tokens = 0;
  /** RU/s at factor 1. */
  #whole = 0;
  #factor = 1;
  /** The factor to come back to, and the time since the last cut. */
  #ceiling = 1;
  #below = START_BELOW;
  #clearMs = CAUTIOUS_MS - CAUTIOUS_START_MS;
  #notBefore = Number.NEGATIVE_INFINITY;
  /** Answers of the last second. */
  #served: { readonly at: number; readonly ru: number }[] = [];

  constructor(fraction: number) {
    this.fraction = fraction;
  }

  /** RU that one request should cost at most. */
  get requestRu(): number {
    return this.rate * (this.#clearMs < CAUTIOUS_MS ? CAUTIOUS_SECONDS : REQUEST_SECONDS);
  }

  /** Adds what `ms` were worth at the present rate, then sets the rate to its part of `ceiling` RU/s. */
  refill(ms: number, ceiling: number): void {
    this.#tokens += (this.rate * ms) / 1000;
    this.#clearMs += ms;
    if (this.#factor < 1) {
      const past = this.#clearMs / GROWTH_MS - Math.cbrt(this.#below);
      this.#factor = Math.min(1, Math.max(FACTOR_MINIMUM, this.#ceiling * (1 + past ** 3)));
    }
    this.#whole = ceiling * this.fraction;
    this.rate = this.#whole * this.#factor;
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

  /** The answer to a reservation of `cost` charged `ru`. */
  settle(cost: number, ru: number, now: number): void {
    this.#tokens += cost - ru;
    while (this.#served[0] !== undefined && this.#served[0].at <= now - SECOND_MS) this.#served.shift();
    this.#served.push({ at: now, ru });
  }

  /** The service throttled: nothing until `notBefore`, then at about the pace that it served before. */
  throttle(now: number, notBefore: number): void {
    this.#notBefore = Math.max(this.#notBefore, notBefore);
    if (this.#clearMs < CUT_GAP_MS) return;
    this.#clearMs = 0;
    // The service counts by the second: what it refuses for the rest of one was too much by as much. At the whole pace it
    // tells no more than that pace and limit met: nobody else is known to take from the partition.
    const taken = this.#factor < CLEARLY_LESS ? 1 - (notBefore - now) / SECOND_MS : 1;
    const served = this.#whole > 0 ? this.#servedRu(now) / this.#whole / this.#factor : 0;
    const part = Math.min(CEILING, taken, served < CLEARLY_LESS ? served : 1);
    // Little may have been served because little was asked for: one measurement does not cut to nothing.
    this.#ceiling = this.#factor * Math.max(CUT_MOST, part);
    this.#below = this.#ceiling < CLEARLY_LESS ? START_BELOW_SHARED : START_BELOW;
    this.#factor = Math.max(FACTOR_MINIMUM, this.#ceiling * (1 - this.#below));
  }

  #servedRu(now: number): number {
    let sum = 0;
    for (const { at, ru } of this.#served) if (at > now - SECOND_MS) sum += ru;
    return sum;
  }
}
