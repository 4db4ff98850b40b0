/** A machine's process in virtual time: clocks that are wrong, pauses, a crash. */
import type { Clock } from '../../../src/shared/clock.ts';
import type { Random, VirtualTime } from './virtual-time.ts';

/** How a machine's clocks behave. */
export interface ClockFaults {
  /** Wall clocks are off by up to this much either way, milliseconds. */
  readonly skewMs: number;
  /** Monotonic clocks run up to this part too fast or slow. */
  readonly drift: number;
  /** Monotonic clocks stand still while the machine is paused. */
  readonly monotonicStops: boolean;
}

export class SimulatedProcess {
  readonly clock: Clock;
  crashed = false;
  readonly #time: VirtualTime;
  readonly #faults: ClockFaults;
  readonly #rate: number;
  readonly #offset: number;
  readonly #skew: number;
  #stoodStill = 0;
  #pausedAt: number | null = null;
  #inbox: (() => void)[] = [];

  constructor(time: VirtualTime, random: Random, faults: ClockFaults) {
    this.#time = time;
    this.#faults = faults;
    this.#rate = 1 + random.between(-1, 1) * faults.drift;
    this.#offset = random.between(0, 1e7);
    this.#skew = random.between(-1, 1) * faults.skewMs;
    this.clock = {
      now: () => 1.7e12 + time.now + this.#skew,
      monotonic: () => this.#offset + (this.#running() - this.#stoodStill) * this.#rate,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get paused(): boolean {
    return this.#pausedAt !== null;
  }

  /** Something arrives from outside: at once, after the pause, or never. */
  deliver(run: () => void): void {
    if (this.crashed) return;
    if (this.paused) this.#inbox.push(run);
    else run();
  }

  pause(ms: number, resumed: () => void): void {
    if (this.crashed || this.paused) return;
    this.#pausedAt = this.#time.now;
    this.#time.after(ms, () => {
      if (this.crashed) return;
      if (this.#faults.monotonicStops) this.#stoodStill += ms;
      this.#pausedAt = null;
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const run of inbox) this.#time.after(0, () => this.deliver(run));
      this.#time.after(0, resumed);
    });
  }

  #running(): number {
    return this.#faults.monotonicStops && this.#pausedAt !== null ? this.#pausedAt : this.#time.now;
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      let done = false;
      const stop = (): void => {
        done = true;
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', stop, { once: true });
      this.#time.after(ms / this.#rate, () => {
        if (done) return;
        this.deliver(() => {
          if (done) return;
          done = true;
          signal?.removeEventListener('abort', stop);
          resolve();
        });
      });
    });
  }
}
