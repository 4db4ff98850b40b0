/** One of the failure cases that simulations found: the cure in the code, and a measure that is wrong without it. */
import type { Scenario } from './scenario.ts';
import { simulate } from './simulation.ts';
import type { Outcome } from './simulation.ts';
import type { Edit, Variant } from './variant.ts';

export interface FailureCase {
  readonly name: string;
  /** Takes the cure out. */
  readonly without: readonly Edit[];
  /** A figure that is at most `limit` with the cure and above it without. */
  readonly measure: (variant: Variant) => Promise<number>;
  readonly limit: number;
}

/** The figure of one run. */
export async function run(variant: Variant, scenario: Scenario, figure: (outcome: Outcome) => number): Promise<number> {
  return figure(await simulate(scenario, variant.code));
}

/** The worst over a few seeds. */
export async function worst(
  variant: Variant,
  scenario: Scenario,
  figure: (outcome: Outcome) => number,
): Promise<number> {
  let highest = Number.NEGATIVE_INFINITY;
  for (let seed = 1; seed <= 4; seed++) highest = Math.max(highest, await run(variant, { ...scenario, seed }, figure));
  return highest;
}
