/** How much of a budget a process asks for, from what its limiter sees. Everything in RU and RU/s. */

/** What the limiter sees at one moment. */
export interface Load {
  /** Estimated RU of the requests that wait to be sent. */
  readonly waiting: number;
  /** True while the grant, not a partition's ceiling, holds them back. */
  readonly short: boolean;
  /** Reserved RU of requests that were sent and not answered. */
  readonly unacknowledged: number;
  /** RU/s spent lately. */
  readonly usage: number;
  /** Parts of the recent time in which requests were held back, by anything and by the grant alone. */
  readonly held: number;
  readonly grantShort: number;
  readonly grant: number;
  readonly budget: number;
  /** RU of one operation. */
  readonly operation: number;
  /** RU spent beyond the grant and not yet paid back by waiting. */
  readonly debt: number;
  /** Milliseconds since the grant grew: usage and time held back still speak of the smaller one for a while. */
  readonly sinceGrewMs: number;
  /** True while a table uses the budget. */
  readonly open: boolean;
}

/** Above this part of the time, or of the grant in use, the grant is what limits the work. */
const BOUND = 0.9;
/** After growing, and after growing while still held back: until the averages have followed. */
const GREW_MS = 700;
const GREW_HELD_MS = 1500;
/** Work that came all at once should be sent in this time. */
const BURST_SECONDS = 0.1;
/** A grant of fewer operations a second than this is too coarse to measure by. */
const COARSE_OPERATIONS = 8;

/**
 * The RU/s to ask for; 0 means: leave the document. Usage alone would starve a tiny grant, and asking for everything
 * whenever something waits would oscillate for work that the CPU or a hot partition limits.
 */
export function demandOf(load: Load): number {
  if (load.waiting <= 0 && load.unacknowledged <= 0 && (load.usage < 1 || !load.open)) {
    // Leaving with debt and joining again would launder it: it is paid from the grant first.
    return load.debt > 0 ? Math.max(load.grant, 1) : 0;
  }
  if (load.waiting > 0 && isGrantBound(load)) return load.budget;
  if (load.waiting <= 0.25 * Math.max(load.grant, 1)) {
    return Math.min(load.budget, load.usage * 1.1 + load.waiting + load.operation);
  }
  if (load.sinceGrewMs < GREW_MS) return load.budget;
  const burst = load.short ? load.waiting / BURST_SECONDS : 0;
  return Math.min(load.budget, Math.max(load.usage * 1.2 + load.operation, burst));
}

/** Partition ceilings are parts of the grant: where they hold requests back while the grant is used up, it is the limit too. */
function isGrantBound({ grant, held, grantShort, usage, operation, sinceGrewMs }: Load): boolean {
  if (grant <= 0 || grantShort > BOUND) return true;
  if (held <= BOUND) return false;
  return sinceGrewMs < GREW_HELD_MS || usage > BOUND * grant || grant < COARSE_OPERATIONS * operation;
}

/** Usage and time held back as moving averages over ticks of `tickMs`. */
export class LoadMeter {
  static readonly tickMs = 250;
  usage = 0;
  held = 0;
  grantShort = 0;
  #spent = 0;
  #heldMs = 0;
  #grantShortMs = 0;

  /** Work begins: until measured, what it lacks is a grant. */
  begin(): void {
    this.held = 1;
    this.grantShort = 1;
  }

  spend(ru: number): void {
    this.#spent += ru;
  }

  /** Requests were held back for `ms`. */
  hold(ms: number, grantShort: boolean): void {
    this.#heldMs += ms;
    if (grantShort) this.#grantShortMs += ms;
  }

  tick(): void {
    const follow = (average: number, now: number): number => 0.6 * average + 0.4 * now;
    this.usage = follow(this.usage, (this.#spent * 1000) / LoadMeter.tickMs);
    this.held = follow(this.held, Math.min(1, this.#heldMs / LoadMeter.tickMs));
    this.grantShort = follow(this.grantShort, Math.min(1, this.#grantShortMs / LoadMeter.tickMs));
    this.#spent = 0;
    this.#heldMs = 0;
    this.#grantShortMs = 0;
  }
}
