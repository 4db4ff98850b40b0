/** Alarms by key: one wait on the clock for the earliest of them, however many there are. */
import type { Clock } from '../../shared/clock.ts';

// Node's timers overflow beyond 2^31 ms; waking up now and then also follows changes of the wall clock.
const LONGEST_WAIT_MILLISECONDS = 60_000;

interface Alarm {
  readonly at: number;
  readonly ring: () => void;
}

/** Rings each alarm once, at or after its time, never before. */
export class AlarmQueue {
  readonly #clock: Clock;
  readonly #alarms = new Map<string, Alarm>();
  #wait: AbortController | undefined;
  #waitingUntil = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sets or replaces the alarm of a key; `at` in milliseconds since 1970. */
  set(key: string, at: number, ring: () => void): void {
    if (this.#closed) return;
    this.#alarms.set(key, { at, ring });
    if (at < this.#waitingUntil) this.#arm();
  }

  clear(key: string): void {
    this.#alarms.delete(key);
  }

  /** Drops all alarms whose key starts with `prefix`. */
  clearAll(prefix: string): void {
    for (const key of this.#alarms.keys()) if (key.startsWith(prefix)) this.#alarms.delete(key);
  }

  close(): void {
    this.#closed = true;
    this.#alarms.clear();
    this.#wait?.abort();
  }

  #arm(): void {
    this.#wait?.abort();
    this.#wait = undefined;
    this.#waitingUntil = Number.POSITIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (const alarm of this.#alarms.values()) earliest = Math.min(earliest, alarm.at);
    if (earliest === Number.POSITIVE_INFINITY || this.#closed) return;
    const wait = new AbortController();
    this.#wait = wait;
    this.#waitingUntil = earliest;
    // Whole milliseconds, rounded up: a timer that fires early would make orchestrators wait again.
    const delay = Math.max(0, Math.ceil(earliest - this.#clock.now()));
    this.#clock.sleep(Math.min(delay, LONGEST_WAIT_MILLISECONDS), wait.signal).then(
      () => this.#ringDue(),
      () => undefined,
    );
  }

  #ringDue(): void {
    const now = this.#clock.now();
    const due = [...this.#alarms].filter(([, alarm]) => alarm.at <= now).toSorted(([, a], [, b]) => a.at - b.at);
    for (const [key, alarm] of due) {
      this.#alarms.delete(key);
      alarm.ring();
    }
    this.#arm();
  }
}
