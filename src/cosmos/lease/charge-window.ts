/** Bounds what the service may charge a process within one second, whenever between sending and answer it charges. */

const WINDOW_MS = 1000;
/** Sent and unanswered plus just answered RU may be this many seconds of the grant. */
const WINDOW_SECONDS = 1.05;
/** And more the longer answers take, up to a limit: it is what a stall of the service may release at once. */
const LATENCIES = 1.3;
const LATENCY_SECONDS_MAXIMUM = 0.35;
/** The more for latency is this part, at most, of what was answered in time: in a stall there is none. */
const IN_TIME_PART = 0.45;
/** An answer is late when it took longer than so many latencies and seconds. */
const LATE_LATENCIES = 2;
const LATE_SECONDS = 0.2;
/** The latency follows by this factor, at most this often: the answers that a stall held back come at once and tell the same. */
const LATENCY_STEP = 1.03;
const LATENCY_STEP_MS = 20;

/** RU on their way and RU answered within the last second. Times are monotonic milliseconds. */
export class ChargeWindow {
  #unacknowledged = 0;
  #inFlight = 0;
  #acknowledged: { readonly at: number; readonly ru: number; readonly lateRu: number }[] = [];
  #acknowledgedRu = 0;
  #lateRu = 0;
  /** Median seconds from send to answer. */
  #latency = 0.02;
  #latencySteppedAt = Number.NEGATIVE_INFINITY;

  /** RU sent and not answered. */
  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /** RU that the service may have charged all at once within the last second: not answered, or answered late. */
  get chargedAtOnce(): number {
    return this.#unacknowledged + this.#lateRu;
  }

  /** Requests sent and not answered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Forgets what was answered a second before `now`. */
  expire(now: number): void {
    const kept = this.#acknowledged.findIndex(({ at }) => at > now - WINDOW_MS);
    for (const { ru, lateRu } of this.#acknowledged.splice(0, kept < 0 ? this.#acknowledged.length : kept)) {
      this.#acknowledgedRu -= ru;
      this.#lateRu -= lateRu;
    }
    if (this.#acknowledged.length > 0) return;
    this.#acknowledgedRu = 0;
    this.#lateRu = 0;
  }

  /** Milliseconds until `cost`, less `beyond` that may exceed the bound, may be sent under `grant` RU/s; 0 now. Call expire first. */
  waitMs(cost: number, beyond: number, grant: number, now: number): number {
    const before = this.#unacknowledged + this.#acknowledgedRu;
    if (before <= 0) return 0;
    const latency = Math.min(LATENCY_SECONDS_MAXIMUM, LATENCIES * this.#latency) * grant;
    const inTime = IN_TIME_PART * (this.#acknowledgedRu - this.#lateRu);
    if (before + cost <= WINDOW_SECONDS * grant + Math.min(latency, inTime) + beyond) return 0;
    const first = this.#acknowledged[0];
    return first === undefined ? 50 : Math.max(5, first.at + WINDOW_MS - now);
  }

  /** A request of `cost` leaves. */
  send(cost: number): void {
    this.#unacknowledged += cost;
    this.#inFlight++;
  }

  /** The request was not sent after all. */
  release(cost: number): void {
    this.#inFlight--;
    this.#unacknowledged = this.#inFlight === 0 ? 0 : this.#unacknowledged - cost;
  }

  /** The request of `cost` that left at `sentAt` was answered, or given up, and counts as `ru`. */
  settle(cost: number, ru: number, now: number, sentAt: number): void {
    this.release(cost);
    const seconds = (now - sentAt) / 1000;
    const lateRu = seconds > LATE_LATENCIES * this.#latency + LATE_SECONDS ? ru : 0;
    this.#acknowledged.push({ at: now, ru, lateRu });
    this.#acknowledgedRu += ru;
    this.#lateRu += lateRu;
    if (now < this.#latencySteppedAt + LATENCY_STEP_MS) return;
    this.#latencySteppedAt = now;
    this.#latency *= seconds > this.#latency ? LATENCY_STEP : 1 / LATENCY_STEP;
    this.#latency = Math.min(2, Math.max(0.004, this.#latency));
  }
}
