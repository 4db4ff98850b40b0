/** Cosmos DB in virtual time: a container whose partitions throttle by the second, and a lease document. */
import type { LeaseDocument } from '../../../src/cosmos/lease/lease-document.ts';
import type { LeaseStore } from '../../../src/cosmos/lease/lease-store.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { Random, VirtualTime } from './virtual-time.ts';

/** Times in milliseconds, probabilities 0 to 1. */
export interface NetworkFaults {
  /** Median latency of requests to the container and to the lease. */
  readonly dataMs: number;
  readonly leaseMs: number;
  /** Spread of the latency (sigma of its logarithm). */
  readonly spread: number;
  /** Some requests take up to 2 s more. */
  readonly slow: number;
  /** Lease answers that get lost after the request was applied, and requests that get lost before. */
  readonly lostAnswers: number;
  readonly lostRequests: number;
  /** Answers of the container that get lost. */
  readonly lostData: number;
  /** Lease reads that return the version before the last write. */
  readonly staleReads: number;
}

/** A span of time with extra trouble. */
export interface Trouble {
  readonly kind: 'slow' | 'leaseOutage' | 'stall';
  readonly from: number;
  readonly to: number;
  /** An outage in which requests are applied though no answer comes. */
  readonly applies?: boolean;
  /** Slow spans hit both planes, or one. */
  readonly only?: 'data' | 'lease';
}

/** Size of a container. */
export interface ServiceShape {
  readonly ruPerSecond: number;
  readonly partitions: number;
  /** Part of every partition that other applications use. */
  readonly foreground: number;
  /** RU of one operation. */
  readonly operationRu: number;
}

/** What an answer of the container says. */
export interface DataAnswer {
  readonly served: number;
  readonly chargedRu: number;
  /** Set when some operations were throttled. */
  readonly retryAfterMs: number | undefined;
}

/** Width of the time slots in which charges are counted. */
export const SLOT_MS = 20;

const WRITE_RU: readonly (readonly [number, number])[] = [
  [1, 4.95],
  [2, 6.29],
  [4, 6.67],
  [8, 7.04],
  [16, 9.52],
  [32, 11.23],
];
const ENTRY_BYTES = 150;

export class SimulatedService {
  operationRu: number;
  readonly charged: Float64Array;
  readonly leaseRu: Float64Array;
  readonly counts = { requests: 0, operations: 0, throttled: 0, leaseReads: 0, leaseWrites: 0, conflicts: 0 };
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #shape: ServiceShape;
  readonly #network: NetworkFaults;
  readonly #trouble: readonly Trouble[];
  readonly #partitions: { second: number; used: number }[];
  #document: LeaseDocument | null = null;
  #former: LeaseDocument | null = null;
  #etag = 0;

  constructor(
    time: VirtualTime,
    random: Random,
    shape: ServiceShape,
    network: NetworkFaults,
    trouble: readonly Trouble[],
    durationMs: number,
  ) {
    this.#time = time;
    this.#random = random;
    this.#shape = shape;
    this.#network = network;
    this.#trouble = trouble;
    this.operationRu = shape.operationRu;
    const slots = Math.ceil((durationMs + 20_000) / SLOT_MS);
    this.charged = new Float64Array(slots);
    this.leaseRu = new Float64Array(slots);
    this.#partitions = Array.from({ length: shape.partitions }, () => ({ second: -1, used: 0 }));
  }

  get document(): LeaseDocument | null {
    return this.#document;
  }

  /** An operator changes the budget in the document. */
  changeBudget(budget: number): void {
    if (this.#document === null) return;
    this.#former = this.#document;
    this.#document = { ...this.#document, version: this.#document.version + 1, budget };
    this.#etag++;
  }

  /** A batch of operations to one partition; null when the answer is lost. */
  send(
    process: SimulatedProcess,
    partition: number,
    operations: number,
    expired?: AbortSignal,
  ): Promise<DataAnswer | null> {
    const random = this.#random;
    const latency = this.#latency('data');
    let up = latency * random.between(0.2, 0.8);
    const arrival = this.#time.now + up;
    const stall = this.#trouble.find(({ kind, from, to }) => kind === 'stall' && arrival >= from && arrival < to);
    if (stall !== undefined) up = stall.to - this.#time.now + random.between(0, 20);
    this.counts.requests++;
    this.counts.operations += operations;
    return new Promise((resolve) => {
      const cut = (): void => resolve(null);
      expired?.addEventListener('abort', cut, { once: true });
      this.#time.after(up, () => {
        const answer = this.#serve(partition, operations);
        const lost = random.next() < this.#network.lostData;
        const back = lost ? 500 : Math.max(2, latency > up ? latency - up : latency * 0.3);
        this.#time.after(back, () => {
          expired?.removeEventListener('abort', cut);
          process.deliver(() => resolve(lost ? null : answer));
        });
      });
    });
  }

  /** The lease document as a process reaches it. `sent` hears of each write when it leaves, `landed` when it is applied; `lost` makes the error of a lost answer. */
  leaseStore(
    process: SimulatedProcess,
    watch: { sent(document: LeaseDocument): void; landed(document: LeaseDocument): void; answered(): void },
    lost: () => Error,
  ): LeaseStore {
    const call = <T>(apply: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        const latency = this.#latency('lease');
        const up = latency * this.#random.between(0.2, 0.8);
        const outage = this.#outage();
        if (this.#random.next() < this.#network.lostRequests || (outage && outage.applies !== true)) {
          this.#time.after(8000, () => process.deliver(() => reject(lost())));
          return;
        }
        this.#time.after(up, () => {
          const result = apply();
          if (this.#random.next() < this.#network.lostAnswers || this.#outage() !== undefined) {
            this.#time.after(8000, () => process.deliver(() => reject(lost())));
            return;
          }
          this.#time.after(latency - up, () =>
            process.deliver(() => {
              resolve(result);
              this.#time.after(0, () => watch.answered());
            }),
          );
        });
      });
    return {
      read: (etag) =>
        call(() => {
          this.counts.leaseReads++;
          const stale = this.#former !== null && this.#random.next() < this.#network.staleReads;
          const document = stale ? this.#former : this.#document;
          if (document === null) return { kind: 'absent' };
          const current = String(stale ? this.#etag - 1 : this.#etag);
          const kb = Math.ceil((300 + document.holders.size * ENTRY_BYTES) / 1024);
          this.#leaseCharge(etag === current ? 1 : 1 + 0.05 * (kb - 1));
          return etag === current ? { kind: 'unchanged' } : { kind: 'document', document, etag: current };
        }),
      replace: (document, etag) => {
        watch.sent(document);
        return call(() => {
          this.counts.leaseWrites++;
          if (etag !== (this.#document === null ? null : String(this.#etag))) {
            this.counts.conflicts++;
            this.#leaseCharge(10);
            return { kind: 'conflict' };
          }
          this.#leaseCharge(writeRu(document));
          this.#former = this.#document;
          this.#document = document;
          this.#etag++;
          watch.landed(document);
          return { kind: 'written', etag: String(this.#etag) };
        });
      },
    };
  }

  #serve(partition: number, operations: number): DataAnswer {
    const state = this.#partitions[partition];
    if (state === undefined) throw new Error(`no partition ${partition}`);
    const limit = this.#shape.ruPerSecond / this.#shape.partitions;
    const second = Math.floor(this.#time.now / 1000);
    if (second !== state.second) {
      state.used = state.second < 0 ? 0 : Math.max(0, state.used - limit * (second - state.second));
      state.second = second;
    }
    const left = limit * (1 - this.#shape.foreground) - state.used;
    const each = this.operationRu * Math.max(0.2, 1 + (0.3 / Math.sqrt(operations)) * this.#random.normal());
    const served = left > 0 ? Math.min(operations, Math.ceil(left / each)) : 0;
    const chargedRu = served * each;
    state.used += chargedRu;
    add(this.charged, this.#time.now, chargedRu);
    this.counts.throttled += operations - served;
    const over = Math.max(0, Math.floor((state.used - limit) / limit));
    const retryAfterMs = served === operations ? undefined : (second + 1 + over) * 1000 - this.#time.now;
    return { served, chargedRu, retryAfterMs };
  }

  #latency(plane: 'data' | 'lease'): number {
    const random = this.#random;
    const { now } = this.#time;
    const median = plane === 'data' ? this.#network.dataMs : this.#network.leaseMs;
    let latency = Math.max(4, median * Math.exp(this.#network.spread * random.normal()));
    if (random.next() < this.#network.slow) latency += random.between(200, 2000);
    for (const { kind, from, to, only } of this.#trouble) {
      if (kind === 'slow' && now >= from && now < to && (only ?? plane) === plane) latency += random.between(300, 2000);
    }
    return Math.min(8000, latency);
  }

  #outage(): Trouble | undefined {
    const { now } = this.#time;
    return this.#trouble.find(({ kind, from, to }) => kind === 'leaseOutage' && now >= from && now < to);
  }

  #leaseCharge(ru: number): void {
    add(this.leaseRu, this.#time.now, ru);
  }
}

function add(slots: Float64Array, at: number, ru: number): void {
  const slot = Math.floor(at / SLOT_MS);
  slots[slot] = (slots[slot] ?? 0) + ru;
}

/** A replace costs twice an insert of the size. */
function writeRu(document: LeaseDocument): number {
  const kb = Math.max(1, (300 + document.holders.size * ENTRY_BYTES) / 1024);
  let [lowKb, lowRu] = [1, 4.95];
  for (const [highKb, highRu] of WRITE_RU) {
    if (kb <= highKb) {
      const part = highKb === lowKb ? 0 : (kb - lowKb) / (highKb - lowKb);
      return Math.max(10, 2 * (lowRu + part * (highRu - lowRu)));
    }
    [lowKb, lowRu] = [highKb, highRu];
  }
  return 2 * lowRu;
}
