/** Runs a scenario with the real lease and limiter, or the peers' algorithm, and measures what must hold. */
import { openRuBudget } from '../../../src/cosmos/ru-lease.ts';
import type { RuBudgetOptions } from '../../../src/cosmos/ru-lease.ts';
import { SyncError } from '../../../src/shared/errors.ts';
import { LEASE_TERMS } from '../../../src/cosmos/lease/lease-terms.ts';
import type { LeaseDocument } from '../../../src/cosmos/lease/lease-document.ts';
import type { Scenario, ScenarioEvent, Workload } from './scenario.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { SimulatedService, SLOT_MS } from './simulated-service.ts';
import { SimulatedWorker } from './simulated-worker.ts';
import type { WorkedBudget } from './simulated-worker.ts';
import { seededRandom, VirtualTime } from './virtual-time.ts';

/** The code under test: the real lease, a variant of it, or the peers' algorithm. */
export interface LeaseCode {
  /** The budget of one process. `now` is true time, for the peers' simplified controller. */
  open(options: RuBudgetOptions, now: () => number): WorkedBudget;
  /** A lost answer, as this code knows it. */
  lost(): Error;
}

/** The real lease. */
export const REAL: LeaseCode = {
  open: openRuBudget,
  lost: () => new SyncError('leaseUnavailable', { problem: 'The simulated answer was lost.' }),
};

/** Grants in RU/s at one time, by holder. */
export interface Sample {
  readonly at: number;
  readonly grants: readonly number[];
}

export interface Outcome {
  readonly scenario: Scenario;
  /** Highest ratio of all grants that are believed to the highest budget of the last ttl + 2.5 s. */
  readonly granted: number;
  /** Requests admitted after the end of the grant, by true time, or after the holder was evicted. */
  readonly admittedLate: number;
  readonly admittedEvicted: number;
  /** Charged RU over the budget, worst case of any second and any minute. */
  readonly worstSecond: number;
  readonly worstMinute: number;
  /** Part of the budget charged from one time to another. */
  use(fromMs: number, toMs: number): number;
  /** Charged RU from one time to another. */
  chargedRu(fromMs: number, toMs: number): number;
  readonly leaseRuPerSecond: number;
  readonly service: SimulatedService;
  readonly samples: readonly Sample[];
  readonly workers: readonly SimulatedWorker[];
}

/** Budget changes are allowed this long to reach every belief, beyond the ttl. */
const CHANGE_MS = 2500;
const SAMPLE_MS = 50;

export async function simulate(scenario: Scenario, code: LeaseCode = REAL): Promise<Outcome> {
  const run = new Run(scenario, code);
  await run.time.run(scenario.durationMs);
  return run.outcome();
}

class Run {
  readonly time = new VirtualTime();
  readonly #scenario: Scenario;
  readonly #code: LeaseCode;
  readonly #random;
  readonly #service: SimulatedService;
  readonly #workers: SimulatedWorker[] = [];
  readonly #budgets: { readonly at: number; readonly ruPerSecond: number }[];
  readonly #budgetSlots: Float64Array;
  readonly #samples: Sample[] = [];
  /** True end of each holder id's grant, by landed writes. */
  readonly #ends = new Map<string, number>();
  #granted = 0;
  #admittedLate = 0;
  #admittedEvicted = 0;

  constructor(scenario: Scenario, code: LeaseCode) {
    this.#scenario = scenario;
    this.#code = code;
    this.#random = seededRandom(scenario.seed);
    this.#budgets = [{ at: 0, ruPerSecond: scenario.budget }];
    this.#budgetSlots = new Float64Array(Math.ceil((scenario.durationMs + 20_000) / SLOT_MS));
    const { service, network, trouble, durationMs } = scenario;
    this.#service = new SimulatedService(this.time, this.#random, service, network, trouble, durationMs);
    for (const workload of scenario.holders) {
      this.time.after(this.#random.between(0, scenario.staggerMs), () => this.#join(workload));
    }
    for (const event of scenario.events) this.time.after(event.at, () => this.#happen(event));
    this.#sample();
  }

  outcome(): Outcome {
    const { durationMs } = this.#scenario;
    const sum = (slots: Float64Array, from: number, to: number): number => {
      let total = 0;
      for (let i = Math.floor(from / SLOT_MS); i < Math.floor(to / SLOT_MS); i++) total += slots[i] ?? 0;
      return total;
    };
    const { charged, leaseRu } = this.#service;
    return {
      scenario: this.#scenario,
      granted: this.#granted,
      admittedLate: this.#admittedLate,
      admittedEvicted: this.#admittedEvicted,
      worstSecond: this.#worst(1000),
      worstMinute: this.#worst(Math.min(60_000, durationMs)),
      use: (from, to) => sum(charged, from, to) / sum(this.#budgetSlots, from, to),
      chargedRu: (from, to) => sum(charged, from, to),
      leaseRuPerSecond: sum(leaseRu, 5000, durationMs) / ((durationMs - 5000) / 1000),
      service: this.#service,
      samples: this.#samples,
      workers: this.#workers,
    };
  }

  #worst(windowMs: number): number {
    const { charged } = this.#service;
    const width = Math.round(windowMs / SLOT_MS);
    let [ru, budget, worst] = [0, 0, 0];
    for (let i = 0; i < this.#scenario.durationMs / SLOT_MS; i++) {
      ru += charged[i] ?? 0;
      budget += this.#budgetSlots[i] ?? 0;
      if (i >= width) {
        ru -= charged[i - width] ?? 0;
        budget -= this.#budgetSlots[i - width] ?? 0;
      }
      if (i >= width - 1 && budget > 0) worst = Math.max(worst, ru / budget);
    }
    return worst;
  }

  #join(workload: Workload): void {
    const process = new SimulatedProcess(this.time, this.#random, this.#scenario.clocks);
    const sent = new Map<string, number>();
    const key = (id: string, document: LeaseDocument): string => `${id} ${document.holders.get(id)?.seq ?? ''}`;
    const processId = `process-with-a-long-name-${this.#workers.length}`;
    const mine = (document: LeaseDocument): string[] =>
      [...document.holders.keys()].filter((id) => id.startsWith(`${processId}.`));
    const store = this.#service.leaseStore(
      process,
      {
        sent: (document) => {
          for (const id of mine(document)) if (!sent.has(key(id, document))) sent.set(key(id, document), this.time.now);
        },
        landed: (document) => {
          for (const id of mine(document)) this.#ends.set(id, (sent.get(key(id, document)) ?? 0) + LEASE_TERMS.ttlMs);
        },
        answered: () => this.#checkGrants(),
      },
      () => this.#code.lost(),
    );
    const { budget: ruPerSecond } = this.#scenario;
    const options: RuBudgetOptions = {
      store,
      processId,
      clock: process.clock,
      random: () => this.#random.next(),
      ruPerSecond: () => Promise.resolve(ruPerSecond),
    };
    const budget = this.#code.open(options, () => this.time.now);
    const worker = new SimulatedWorker(process, budget, this.time, this.#service, this.#scenario, (worker) =>
      this.#admitted(worker),
    );
    this.#workers.push(worker);
    worker.setWorkload(workload);
  }

  #admitted({ budget }: SimulatedWorker): void {
    const { holderId } = budget.held();
    const end = this.#ends.get(holderId);
    // Two milliseconds for clocks that run apart.
    if (end === undefined || this.time.now > end + 2) this.#admittedLate++;
    if (this.#service.document?.ended.includes(holderId) === true) this.#admittedEvicted++;
  }

  #happen(event: ScenarioEvent): void {
    if (event.kind === 'join') return this.#join(event.workload);
    if (event.kind === 'operationRu') {
      this.#service.operationRu = event.ru;
      return;
    }
    if (event.kind === 'budget') {
      // Before the first use there is nothing to change: the operator would be told so.
      if (this.#service.document === null) return;
      this.#budgets.push({ at: this.time.now, ruPerSecond: event.ruPerSecond });
      this.#service.changeBudget(event.ruPerSecond * 100);
      return;
    }
    const worker = this.#workers[event.holder];
    if (worker === undefined || worker.left || worker.process.crashed) return;
    if (event.kind === 'crash') worker.process.crashed = true;
    else if (event.kind === 'pause') worker.process.pause(event.ms, () => this.#checkGrants());
    else if (event.kind === 'workload') worker.process.deliver(() => worker.setWorkload(event.workload));
    else worker.process.deliver(() => void worker.leave());
  }

  /** The budget that is owed obedience now: the highest of the last while. */
  #budget(): number {
    let highest = this.#budgets.at(-1)?.ruPerSecond ?? 0;
    for (const { at, ruPerSecond } of this.#budgets.toReversed()) {
      highest = Math.max(highest, ruPerSecond);
      if (at < this.time.now - LEASE_TERMS.ttlMs - CHANGE_MS) break;
    }
    return highest;
  }

  #checkGrants(): readonly number[] {
    const grants = this.#workers.map(({ process, budget }) => (process.crashed ? 0 : budget.held().grant));
    const sum = grants.reduce((a, b) => a + b, 0);
    this.#granted = Math.max(this.#granted, sum / this.#budget());
    return grants;
  }

  #sample(): void {
    this.#samples.push({ at: this.time.now, grants: this.#checkGrants() });
    const slot = Math.floor(this.time.now / SLOT_MS);
    this.#budgetSlots.fill((this.#budget() * SLOT_MS) / 1000, slot, slot + SAMPLE_MS / SLOT_MS + 2);
    this.time.after(SAMPLE_MS, () => this.#sample());
  }
}
