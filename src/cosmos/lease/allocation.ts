/** Who gets how much of a budget: max-min fair by demand, and in small budgets only a few at a time. */
import { LEASE_TERMS } from './lease-terms.ts';

/** What a holder wants. Amounts in hundredths of RU/s, `operation` in hundredths of RU. */
export interface Claim {
  readonly id: string;
  readonly demand: number;
  readonly operation: number;
  readonly turn: number;
}

/**
 * The max-min fair part of `pool` for `own` beside `others`: everyone gets what they want up to a common level.
 * Never more than `own`, never negative, rounded down.
 */
export function maxMinShare(own: number, others: readonly number[], pool: number): number {
  const demands = [...others, own].toSorted((a, b) => a - b);
  let left = Math.max(0, pool);
  let count = demands.length;
  for (const demand of demands) {
    if (demand * count > left) return Math.min(own, Math.floor(left / count));
    left -= demand;
    count--;
  }
  return own;
}

/** How many holders a budget can feed at once: each at least 40 RU/s, and all together a quarter of it in single operations. At least one. */
export function activeLimit(budget: number, operation: number): number {
  const byRate = Math.floor(budget / (LEASE_TERMS.activeRuPerSecond * 100));
  const byOperation = operation > 0 ? Math.floor((LEASE_TERMS.activeOperations * budget) / operation) : byRate;
  return Math.max(1, Math.min(byRate, byOperation));
}

/** The claims with a demand that may be active now, in the order of their turns. */
export function activeClaims(claims: readonly Claim[], budget: number): readonly Claim[] {
  const wanting = claims.filter((claim) => claim.demand > 0);
  let operation = 0;
  for (const claim of wanting) operation = Math.max(operation, claim.operation);
  const limit = activeLimit(budget, operation);
  if (wanting.length <= limit) return wanting;
  return wanting.toSorted((a, b) => a.turn - b.turn || (a.id < b.id ? -1 : 1)).slice(0, limit);
}

/** True while not all who want RU may be active at once. */
export function someWait(claims: readonly Claim[], budget: number): boolean {
  return activeClaims(claims, budget).length < claims.filter((claim) => claim.demand > 0).length;
}

/** The part of a budget that is granted to newcomers alone. */
export function reserveOf(budget: number): number {
  return Math.ceil(budget * LEASE_TERMS.reserve);
}

/** What a holder may have, in hundredths of RU/s. */
export interface FairShare {
  /** The max-min fair part; 0 while it waits for its turn. */
  readonly share: number;
  /** Its part of half of what nobody asks for: small work that comes next goes at once. The other half is for whoever joins. */
  readonly headroom: number;
}

/** What `own` may have of a budget beside the others' claims. */
export function fairShare(own: Claim, others: readonly Claim[], budget: number): FairShare {
  const wanting = [...others, own].filter((claim) => claim.demand > 0);
  const active = activeClaims(wanting, budget);
  if (!active.includes(own)) return { share: 0, headroom: 0 };
  const demands = active.filter((claim) => claim !== own).map((claim) => claim.demand);
  const pool = budget - reserveOf(budget);
  let spare = active.length < wanting.length ? 0 : pool;
  for (const claim of wanting) spare -= claim.demand;
  return {
    share: maxMinShare(own.demand, demands, pool),
    headroom: Math.max(0, Math.floor(spare / 2 / wanting.length)),
  };
}
