/** The budget that the configuration asks for, as its source last said. */
import type { Clock } from '../../shared/clock.ts';

/** Read again when it is this old: the container may have been scaled. */
const AGE_MS = 60_000;

export class ConfiguredBudget {
  readonly #source: (signal: AbortSignal) => Promise<number>;
  readonly #clock: Clock;
  #figure: number | null = null;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading = false;
  /** The holder began with an old figure. */
  #doubted = false;
  #changed = false;

  /** `source` gives hundredths of RU/s. */
  constructor(source: (signal: AbortSignal) => Promise<number>, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Hundredths of RU/s; 0 before the first reading. */
  get figure(): number {
    return this.#figure ?? 0;
  }

  /** To be called when work begins. Waits for the first reading only and throws its error; an old figure is read again beside the work. */
  async begin(signal: AbortSignal): Promise<void> {
    if (this.#figure === null) return this.#read(signal);
    this.#doubted = this.#isOld();
    this.refresh(signal);
  }

  /** Reads an old figure again, beside the work; one that cannot be read stays. */
  refresh(signal: AbortSignal): void {
    if (this.#reading || !this.#isOld()) return;
    this.#reading = true;
    void this.#read(signal)
      .catch(() => undefined)
      .finally(() => {
        this.#reading = false;
      });
  }

  /** What to put in force now: the figure of who joins, unless it is old, and one that changed. Others would flap. */
  proposal(joins: boolean): number | null {
    return this.#changed || (joins && !this.#doubted) ? this.#figure : null;
  }

  /** A document with this figure was written. */
  applied(figure: number): void {
    if (figure === this.#figure) this.#changed = false;
  }

  #isOld(): boolean {
    return this.#clock.monotonic() - this.#readAt > AGE_MS;
  }

  async #read(signal: AbortSignal): Promise<void> {
    const figure = await this.#source(signal);
    this.#changed ||= this.#doubted || figure !== this.#figure;
    this.#doubted = false;
    this.#figure = figure;
    this.#readAt = this.#clock.monotonic();
  }
}
