/** Calls to the lease document, whose answers count whenever they come. */
import type { Clock } from '../../shared/clock.ts';
import { toSyncError } from '../../shared/errors.ts';
import { LEASE_TERMS } from './lease-terms.ts';

/** News from a late answer saves a read while it is younger than this. */
const FRESH_MS = 150;

export class LeaseCalls {
  readonly #clock: Clock;
  readonly #closed: AbortSignal;
  #newsAt = Number.NEGATIVE_INFINITY;
  #onNews: (() => void) | null = null;

  constructor(clock: Clock, closed: AbortSignal) {
    this.#clock = clock;
    this.#closed = closed;
  }

  /**
   * The answer, or undefined when none came in the time a call may take. `late` gets what comes afterwards and says
   * whether that is news; with `orNews`, the wait also ends when such news of an earlier call comes. Rejects with errors
   * that trying again cannot mend; all others are like a lost answer.
   */
  async answer<T>(request: Promise<T>, late: (value: T) => boolean, orNews = false): Promise<T | undefined> {
    let waiting = true;
    const stop = (): undefined => {
      waiting = false;
      return undefined;
    };
    const answered = request.then(
      (value) => {
        if (waiting) return value;
        if (!this.#closed.aborted && late(value)) this.#news();
        return undefined;
      },
      (thrown: unknown) => {
        const error = toSyncError(thrown);
        if (waiting && !error.retryable) throw error;
        return undefined;
      },
    );
    const waits: Promise<T | undefined>[] = [answered, this.sleep(LEASE_TERMS.callTimeoutMs).then(stop)];
    if (orNews) waits.push(this.#nextNews().then(stop));
    return Promise.race(waits);
  }

  /** True once after news came that is still fresh. */
  takeNews(): boolean {
    const fresh = this.#clock.monotonic() - this.#newsAt < FRESH_MS;
    this.#newsAt = Number.NEGATIVE_INFINITY;
    return fresh;
  }

  /** Sleeps, or until news comes. */
  async sleepOrNews(ms: number): Promise<void> {
    await Promise.race([this.sleep(ms), this.#nextNews()]);
  }

  /** Sleeps; ends early, without an error, when the holder is abandoned. */
  async sleep(ms: number): Promise<void> {
    await this.#clock.sleep(ms, this.#closed).catch((thrown: unknown) => {
      if (!this.#closed.aborted) throw thrown;
    });
  }

  #nextNews(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#onNews = resolve;
    });
  }

  #news(): void {
    this.#newsAt = this.#clock.monotonic();
    this.#onNews?.();
  }
}
