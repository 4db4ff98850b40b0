/**
 * The throughput control that the documented Spark way uses, re-implemented from its published description, to run the
 * same scenarios: clients share a group by load factors that they write into a control container, and throttle per
 * physical partition by the second, by what answers of the same second charged.
 */
import type { RuBudgetOptions } from '../../../src/cosmos/ru-lease.ts';
import type { RuLimiter, RuRequest, RuReservation } from '../../../src/cosmos/ru-limiter.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import type { Clock } from '../../../src/shared/clock.ts';
import type { WorkedBudget } from './simulated-worker.ts';
import { REAL } from './simulation.ts';
import type { LeaseCode } from './simulation.ts';

const RENEW_MS = 5000;
const EXPIRE_MS = 11_000;
const CYCLE_MS = 1000;
const LEAST_LOAD = 0.1;
const SNAPSHOTS = 300;
const CONTROL_LATENCY_MS = 15;

/** Client items of one group; the service removes those whose TTL is over. */
type ControlContainer = Map<string, { readonly loadFactor: number; readonly until: number }>;

/** A fresh control container and the clients that use it, for one simulation. */
export function loadFactorControl(): LeaseCode {
  const container: ControlContainer = new Map();
  return { open: (options, now) => new LoadFactorClient(options, now, container), lost: () => REAL.lost() };
}

interface Throttler {
  scheduled: number;
  available: number;
}

class LoadFactorClient implements WorkedBudget {
  readonly #clock: Clock;
  readonly #id: string;
  readonly #now: () => number;
  readonly #options: RuBudgetOptions;
  readonly #container: ControlContainer;
  #throttlers: Throttler[] = [{ scheduled: 0, available: 0 }];
  readonly #snapshots: { readonly at: number; readonly usage: number }[] = [];
  #groupRu = 0;
  #share = 0;
  #cycle = 0;
  #spent = 0;
  #closed = false;
  #started = false;

  constructor(options: RuBudgetOptions, now: () => number, container: ControlContainer) {
    this.#clock = options.clock ?? systemClock;
    this.#id = options.processId ?? '';
    this.#now = now;
    this.#options = options;
    this.#container = container;
  }

  limiterFor(): RuLimiter {
    if (!this.#started) {
      this.#started = true;
      void this.#start();
    }
    return {
      usePartitions: (partitions) => {
        this.#throttlers = partitions.map(() => ({ scheduled: 0, available: 0 }));
      },
      batchRu: () => Number.POSITIVE_INFINITY,
      reserve: (request, signal) => this.#reserve(request, signal),
      close: () => Promise.resolve(),
    };
  }

  held(): ReturnType<WorkedBudget['held']> {
    const grant = this.#closed ? 0 : this.#share * this.#groupRu;
    const [granted, holders] = [grant, this.#container.size];
    return {
      holderId: this.#id,
      grant,
      budget: this.#groupRu,
      granted,
      holders,
      demand: 0,
      spent: this.#spent,
      debt: 0,
      waiting: 0,
    };
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#container.delete(this.#id);
    return Promise.resolve();
  }

  async #start(): Promise<void> {
    this.#groupRu = await this.#options.ruPerSecond(new AbortController().signal);
    this.#snapshots.push({ at: this.#clock.monotonic(), usage: 1 });
    await this.#renew(1);
    this.#beginCycle();
    void this.#cycles();
    while (!this.#closed) {
      await this.#clock.sleep(RENEW_MS);
      await this.#renew(this.#loadFactor());
    }
  }

  /** Reads the others' load factors, then writes its own: who starts at the same time sees nobody. */
  async #renew(loadFactor: number): Promise<void> {
    let others = 0;
    for (const [id, item] of this.#container) {
      if (item.until <= this.#now()) this.#container.delete(id);
      else if (id !== this.#id) others += item.loadFactor;
    }
    await this.#clock.sleep(CONTROL_LATENCY_MS);
    if (this.#closed) return;
    this.#share = loadFactor / (loadFactor + others);
    this.#container.set(this.#id, { loadFactor, until: this.#now() + EXPIRE_MS });
  }

  /** As published, the oldest snapshot weighs most. */
  #loadFactor(): number {
    const oldest = this.#snapshots[0]?.at ?? 0;
    let [weights, sum] = [0, 0];
    for (const { at, usage } of this.#snapshots) {
      const weight = Math.exp(-Math.floor((at - oldest) / 1000));
      weights += weight;
      sum += weight * usage;
    }
    return Math.max(LEAST_LOAD, sum / weights);
  }

  async #cycles(): Promise<void> {
    while (!this.#closed) {
      await this.#clock.sleep(CYCLE_MS);
      let usage = 0;
      for (const { scheduled, available } of this.#throttlers) {
        if (scheduled > 0) usage = Math.max(usage, (scheduled - available) / scheduled);
      }
      this.#snapshots.push({ at: this.#clock.monotonic(), usage: Math.min(1, Math.max(0, usage)) });
      if (this.#snapshots.length > SNAPSHOTS) this.#snapshots.shift();
      this.#beginCycle();
    }
  }

  #beginCycle(): void {
    this.#cycle++;
    const scheduled = (this.#share * this.#groupRu) / this.#throttlers.length;
    for (const throttler of this.#throttlers) {
      throttler.scheduled = scheduled;
      throttler.available = Math.min(throttler.available, 0) + scheduled;
    }
  }

  async #reserve(request: RuRequest, signal: AbortSignal): Promise<RuReservation> {
    const throttler = this.#throttlers[Number(request.partition)] ?? this.#throttlers[0];
    if (throttler === undefined) throw new Error('no partitions');
    while (throttler.available <= 0 || throttler.scheduled <= 0) {
      const cycles = throttler.scheduled > 0 ? Math.ceil(Math.abs(throttler.available / throttler.scheduled)) : 1;
      await this.#clock.sleep(Math.max(10, cycles * 1000), signal);
      if (this.#closed) throw new DOMException('closed', 'AbortError');
    }
    const cycle = this.#cycle;
    return {
      expired: new AbortController().signal,
      settle: (chargedRu) => {
        this.#spent += chargedRu;
        // What comes in a later second is forgotten.
        if (cycle === this.#cycle) throttler.available -= chargedRu;
      },
      lost: () => undefined,
      release: () => undefined,
    };
  }
}
