/** A limiter that checks how it is used, and makes requests wait and grants end at random. */
import type { Clock } from '../../src/shared/clock.ts';
import type { PartitionShare, RuLimiter, RuRequest, RuReservation } from '../../src/cosmos/ru-limiter.ts';
import type { Random } from './random.ts';

export interface StrictLimiterOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Chance that a request waits up to 50 ms. */
  readonly delays?: number;
  /** Chance that the grant ends within 20 ms after a reservation. */
  readonly expiries?: number;
  /** @default no limit */
  readonly batchRu?: number;
}

export class StrictLimiter implements RuLimiter {
  readonly problems: string[] = [];
  settledRu = 0;
  lost = 0;
  throttles = 0;
  expired = 0;
  #open = 0;
  #partitions: readonly PartitionShare[] = [];
  readonly #options: StrictLimiterOptions;

  constructor(options: StrictLimiterOptions) {
    this.#options = options;
  }

  /** Reservations that were never ended. */
  get open(): number {
    return this.#open;
  }

  usePartitions(partitions: readonly PartitionShare[]): void {
    this.#partitions = partitions;
    const sum = partitions.reduce((total, { fraction }) => total + fraction, 0);
    if (Math.abs(sum - 1) > 0.001) this.problems.push(`fractions add up to ${sum}`);
  }

  batchRu(): number {
    return this.#options.batchRu ?? Number.POSITIVE_INFINITY;
  }

  async reserve(request: RuRequest, signal: AbortSignal): Promise<RuReservation> {
    const { clock, random, delays = 0, expiries = 0 } = this.#options;
    if (!(request.estimatedRu > 0)) this.problems.push(`estimated ${request.estimatedRu} RU`);
    if (request.operations < 1 || request.operations > 100) this.problems.push(`${request.operations} operations`);
    if (this.#partitions.length === 0) this.problems.push('no partitions told');
    if (random.chance(delays)) await clock.sleep(random.int(1, 50), signal);
    signal.throwIfAborted();
    this.#open++;
    const expiry = new AbortController();
    if (random.chance(expiries)) {
      this.expired++;
      void clock.sleep(random.int(0, 20)).then(() => expiry.abort());
    }
    let ended = false;
    const end = (): void => {
      if (ended) this.problems.push('a reservation ended twice');
      ended = true;
      this.#open--;
    };
    return {
      expired: expiry.signal,
      settle: (chargedRu, retryAfterMs) => {
        end();
        this.settledRu += chargedRu;
        if (retryAfterMs !== undefined) this.throttles++;
      },
      lost: () => {
        end();
        this.lost++;
      },
      release: end,
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
