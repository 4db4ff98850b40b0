/** How much of a budget a process asks for, from what its limiter sees. Everything in RU and RU/s. */

/** What the limiter sees at one moment. */
export interface Load {
  /** Estimated RU of the requests that wait to be sent. */
  readonly waiting: number;
  /** Reserved RU of requests that were sent and not answered. */
  readonly unacknowledged: number;
  /** RU/s spent lately. */
  readonly usage: number;
  /** Part of the recent time in which a request waited because the grant, and nothing else, held it back. */
  readonly blocked: number;
  readonly grant: number;
  readonly budget: number;
  /** RU of one operation. */
  readonly operation: number;
  /** RU spent beyond the grant and not yet paid back by waiting. */
  readonly debt: number;
  /** The grant grew a moment ago, so usage and blocked still speak of the smaller one. */
  readonly grewLately: boolean;
  /** True while a table uses the budget. */
  readonly open: boolean;
}

/** Above this part of blocked time only the grant limits the work. */
const GRANT_BOUND = 0.9;

/**
 * The RU/s to ask for; 0 means: leave the document. Usage alone would starve a tiny grant, and asking for everything
 * whenever something waits would oscillate for work that the CPU or a hot partition limits.
 */
export function demandOf(load: Load): number {
  if (load.waiting <= 0 && load.unacknowledged <= 0 && (load.usage < 1 || !load.open)) {
    // Leaving with debt and joining again would launder it: it is paid from the grant first.
    return load.debt > 0 ? Math.max(load.grant, 1) : 0;
  }
  if (load.waiting > 0 && (load.grant <= 0 || load.blocked > GRANT_BOUND)) return load.budget;
  const small = load.waiting <= 0.25 * Math.max(load.grant, 1);
  if (!small && load.grewLately) return load.budget;
  const wanted = small ? load.usage * 1.1 + load.waiting + load.operation : load.usage * 1.2 + load.operation;
  return Math.min(load.budget, wanted);
}

/** Usage and blocked time as moving averages over ticks of `tickMs`. */
export class LoadMeter {
  static readonly tickMs = 250;
  usage = 0;
  blocked = 0;
  #spent = 0;
  #blockedMs = 0;

  spend(ru: number): void {
    this.#spent += ru;
  }

  block(ms: number): void {
    this.#blockedMs += ms;
  }

  tick(): void {
    this.usage = 0.6 * this.usage + (0.4 * this.#spent * 1000) / LoadMeter.tickMs;
    this.blocked = 0.6 * this.blocked + 0.4 * Math.min(1, this.#blockedMs / LoadMeter.tickMs);
    this.#spent = 0;
    this.#blockedMs = 0;
  }
}
