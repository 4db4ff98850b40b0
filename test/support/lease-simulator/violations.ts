/** What must hold in every scenario, whatever goes wrong. */
import type { Outcome } from './simulation.ts';

/** Every promise that the outcome breaks, in words; empty when it keeps them all. */
export function violations(outcome: Outcome): readonly string[] {
  const { scenario } = outcome;
  const found: string[] = [];
  // Grants are integers; only the division rounds.
  if (outcome.granted > 1 + 1e-9) found.push(`granted ${outcome.granted.toFixed(4)} of the budget`);
  if (outcome.admittedLate > 0) found.push(`${outcome.admittedLate} requests admitted after the grant's end`);
  if (outcome.admittedEvicted > 0) found.push(`${outcome.admittedEvicted} requests admitted for evicted holders`);
  // A stalled service charges at once what was sent over a longer time.
  const stalls = scenario.trouble.some(({ kind }) => kind === 'stall');
  const second = stalls ? 1.4 : 1.25;
  if (outcome.worstSecond > second) found.push(`${outcome.worstSecond.toFixed(3)} of the budget in a second`);
  if (outcome.worstMinute > 1.02) found.push(`${outcome.worstMinute.toFixed(3)} of the budget in a minute`);
  return found;
}
