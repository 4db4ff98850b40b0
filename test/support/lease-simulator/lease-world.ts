/** Processes with budgets on one lease document, in virtual time, for tests that drive the limiter themselves. */
import type { LeaseStore } from '../../../src/cosmos/lease/lease-store.ts';
import { openRuBudget } from '../../../src/cosmos/ru-lease.ts';
import type { RuBudget } from '../../../src/cosmos/ru-lease.ts';
import type { RuLimiter } from '../../../src/cosmos/ru-limiter.ts';
import { QUIET } from './scenario.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { SimulatedService } from './simulated-service.ts';
import type { Trouble } from './simulated-service.ts';
import { REAL } from './simulation.ts';
import { seededRandom, VirtualTime } from './virtual-time.ts';

export class LeaseWorld {
  readonly time = new VirtualTime();
  readonly #random = seededRandom(3);
  readonly #service: SimulatedService;

  constructor(trouble: readonly Trouble[] = []) {
    const { service, network } = QUIET;
    this.#service = new SimulatedService(this.time, this.#random, service, network, trouble, 120_000);
  }

  /** A process; `wrap` stands between it and the document. */
  open(
    processId: string,
    wrap = (store: LeaseStore): LeaseStore => store,
    ruPerSecond = (): Promise<number> => Promise.resolve(1000),
  ): { budget: RuBudget; process: SimulatedProcess } {
    const process = new SimulatedProcess(this.time, this.#random, QUIET.clocks);
    const ignored = { sent: () => undefined, landed: () => undefined, answered: () => undefined };
    const store = wrap(this.#service.leaseStore(process, ignored, () => REAL.lost()));
    const random = (): number => this.#random.next();
    return { process, budget: openRuBudget({ store, processId, clock: process.clock, random, ruPerSecond }) };
  }

  /** Keeps `lanes` requests of 10 RU waiting or in flight and counts what was charged. */
  spend(limiter: RuLimiter, process: SimulatedProcess, lanes = 4, partition: string | null = null): { ru: number } {
    const spent = { ru: 0 };
    const lane = async (): Promise<void> => {
      for (;;) {
        const reservation = await limiter.reserve(
          { partition, estimatedRu: 10, operations: 1 },
          new AbortController().signal,
        );
        await process.clock.sleep(20);
        reservation.settle(10);
        spent.ru += 10;
      }
    };
    for (let i = 0; i < lanes; i++) lane().catch(() => undefined);
    return spent;
  }
}
