/** What an operation will probably cost, learnt from what such operations cost before. Request units (RU). */
import type { BatchOperation } from './batch-operation.ts';

/** Shared by all operations of one kind and size class: they cost about the same. */
export interface CostEstimate {
  /** Expected RU of one operation. */
  ru: number;
  /** Answers of the request that is being read. */
  seenRu: number;
  seen: number;
}

/** The first guess for 1 KB with some ten indexed properties; a replaced document costs twice a new one. */
const FIRST_GUESS: Readonly<Record<BatchOperation['kind'], number>> = {
  upsert: 10,
  create: 7,
  replace: 10,
  patch: 11,
  delete: 7,
  read: 1,
};

/** Estimates by kind and power of two of the size; they follow a jump of cost within a few requests. */
export class OperationCosts {
  readonly #byKind = new Map<BatchOperation['kind'], CostEstimate[]>();

  /** The estimate for an operation of this kind and size. */
  of(kind: BatchOperation['kind'], bytes: number): CostEstimate {
    const sizeClass = 32 - Math.clz32(Math.ceil(bytes / 1024) - 1);
    let estimates = this.#byKind.get(kind);
    if (estimates === undefined) this.#byKind.set(kind, (estimates = []));
    // Cost grows slowly up to some 16 KB, then with the size.
    return (estimates[sizeClass] ??= { ru: FIRST_GUESS[kind] * Math.max(1, 2 ** (sizeClass - 4)), seenRu: 0, seen: 0 });
  }
}

/** Notes what one operation of a request cost. */
export function observeCost(estimate: CostEstimate, chargedRu: number): void {
  estimate.seenRu += chargedRu;
  estimate.seen++;
}

/** Moves the estimate towards what the request cost on average, by 2 % for each of its operations, 20 % at most. */
export function learnCost(estimate: CostEstimate): void {
  if (estimate.seen === 0) return;
  estimate.ru += Math.min(0.2, 0.02 * estimate.seen) * (estimate.seenRu / estimate.seen - estimate.ru);
  estimate.seenRu = 0;
  estimate.seen = 0;
}
