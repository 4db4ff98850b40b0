/** A process with work: its budget, its table, and requests as a batch writer sends them. */
import type { RuBudget } from '../../../src/cosmos/ru-lease.ts';
import type { RuLimiter, RuReservation } from '../../../src/cosmos/ru-limiter.ts';
import type { Scenario, Workload } from './scenario.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { SimulatedService } from './simulated-service.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a worker needs of a budget; the peers' algorithm offers the same. */
export type WorkedBudget = Pick<RuBudget, 'limiterFor' | 'held' | 'close'>;

const OPERATIONS_MAXIMUM = 100;
/** What the writer believes an operation costs, right or wrong. */
const ESTIMATED_RU = 8;
const ARRIVAL_MS = 50;
const BACKLOG_MAXIMUM = 40_000;

export class SimulatedWorker {
  readonly process: SimulatedProcess;
  readonly budget: WorkedBudget;
  left = false;
  readonly #time: VirtualTime;
  readonly #service: SimulatedService;
  readonly #admitted: (worker: SimulatedWorker) => void;
  readonly #limiter: RuLimiter;
  readonly #backlog: number[];
  readonly #weights: readonly number[];
  #workload: Workload = { kind: 'idle' };
  #stop = new AbortController();
  #arrival = () => {};
  #arrived: Promise<void> = Promise.resolve();
  #arriving = false;
  #cpuFreeAt = 0;

  constructor(
    process: SimulatedProcess,
    budget: WorkedBudget,
    time: VirtualTime,
    service: SimulatedService,
    scenario: Scenario,
    admitted: (worker: SimulatedWorker) => void,
  ) {
    this.process = process;
    this.budget = budget;
    this.#time = time;
    this.#service = service;
    this.#admitted = admitted;
    const { partitions } = scenario.service;
    const weights = scenario.weights ?? Array.from({ length: partitions }, () => 1);
    const sum = weights.reduce((a, b) => a + b, 0);
    this.#weights = weights.map((weight) => weight / sum);
    this.#backlog = weights.map(() => 0);
    this.#limiter = budget.limiterFor({ id: 'table', priority: 'bulk' });
    this.#limiter.usePartitions(weights.map((_, i) => ({ id: String(i), fraction: 1 / partitions })));
    this.#renewArrival();
    for (let partition = 0; partition < partitions; partition++) {
      for (let slot = 0; slot < scenario.slots; slot++) void this.#work(partition);
    }
  }

  get workload(): Workload {
    return this.#workload;
  }

  setWorkload(workload: Workload): void {
    if (this.left) return;
    this.#workload = workload;
    if (workload.kind === 'saturated' || workload.kind === 'cpuBound') this.#fill();
    else {
      this.#backlog.fill(0);
      this.#stop.abort();
      this.#stop = new AbortController();
    }
    if (workload.kind === 'steady' && !this.#arriving) this.#arrive();
    this.#wake();
  }

  /** Ends its work in good order. */
  async leave(): Promise<void> {
    this.left = true;
    this.#backlog.fill(0);
    this.#stop.abort();
    this.#wake();
    await this.#limiter.close();
    await this.budget.close();
  }

  /** More than it gets, wherever it has work at all. */
  #fill(): void {
    for (const [i, weight] of this.#weights.entries()) this.#backlog[i] = weight > 0 ? Number.POSITIVE_INFINITY : 0;
  }

  #wake(): void {
    this.#arrival();
    this.#renewArrival();
  }

  #renewArrival(): void {
    this.#arrived = new Promise((resolve) => {
      this.#arrival = resolve;
    });
  }

  #arrive(): void {
    this.#arriving = this.#workload.kind === 'steady' && !this.left && !this.process.crashed;
    if (!this.#arriving || this.#workload.kind !== 'steady') return;
    const operations = (this.#workload.ruPerSecond * ARRIVAL_MS) / 1000 / this.#service.operationRu;
    for (const [i, weight] of this.#weights.entries()) {
      this.#backlog[i] = Math.min(BACKLOG_MAXIMUM, (this.#backlog[i] ?? 0) + operations * weight);
    }
    this.process.deliver(() => this.#wake());
    this.#time.after(ARRIVAL_MS, () => this.#arrive());
  }

  async #work(partition: number): Promise<void> {
    while (!this.left) {
      const backlog = this.#backlog[partition] ?? 0;
      if (backlog < 1) {
        await this.#arrived;
        continue;
      }
      const most = Math.max(1, Math.floor(this.#limiter.batchRu(String(partition)) / ESTIMATED_RU));
      const operations = Math.min(OPERATIONS_MAXIMUM, most, Math.floor(backlog));
      this.#backlog[partition] = backlog - operations;
      if (this.#workload.kind === 'cpuBound') await this.#spendCpu(operations, this.#workload.ruPerSecond);
      const estimatedRu = operations * ESTIMATED_RU;
      let reservation: RuReservation;
      try {
        const request = { partition: String(partition), estimatedRu, operations };
        reservation = await this.#limiter.reserve(request, this.#stop.signal);
      } catch {
        continue;
      }
      this.#admitted(this);
      await this.#send(partition, operations, reservation);
    }
  }

  async #send(partition: number, operations: number, reservation: RuReservation): Promise<void> {
    const answer = await this.#service.send(this.process, partition, operations, reservation.expired);
    if (answer === null) {
      reservation.lost();
      return;
    }
    reservation.settle(answer.chargedRu, answer.retryAfterMs);
    if (Number.isFinite(this.#backlog[partition])) {
      this.#backlog[partition] = (this.#backlog[partition] ?? 0) + operations - answer.served;
    }
  }

  async #spendCpu(operations: number, ruPerSecond: number): Promise<void> {
    const { now } = this.#time;
    this.#cpuFreeAt = Math.max(now, this.#cpuFreeAt) + (operations * this.#service.operationRu * 1000) / ruPerSecond;
    await this.process.clock.sleep(this.#cpuFreeAt - now);
  }
}
