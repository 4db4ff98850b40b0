/** The figures that design and notes promise, each measured by scenarios of its own. */
import { QUIET, SATURATED, saturated } from './scenario.ts';
import type { Scenario, Workload } from './scenario.ts';
import { simulate } from './simulation.ts';
import type { LeaseCode, Outcome } from './simulation.ts';

/** Medians over seeds. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The scenario with each of the seeds. */
export async function overSeeds(scenario: Scenario, seeds: number, code?: LeaseCode): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let seed = 1; seed <= seeds; seed++) outcomes.push(await simulate({ ...scenario, seed }, code));
  return outcomes;
}

/** `count` processes that always have work, started within 5 s. */
export function busy(count: number, dataMs = 12, durationMs = 40_000): Scenario {
  return {
    ...QUIET,
    holders: saturated(count),
    staggerMs: 5000,
    durationMs,
    slots: 8,
    network: { ...QUIET.network, dataMs },
    budget: Math.max(6000, count * 400),
    service: { ...QUIET.service, ruPerSecond: Math.max(20_000, count * 1333) },
  };
}

/** Half saturated, half with a small steady load. */
export function mixed(count: number, other: (budget: number) => Workload): Scenario {
  const scenario = busy(count);
  const half = Math.floor(count / 2);
  return {
    ...scenario,
    holders: [...saturated(half), ...Array.from({ length: half }, () => other(scenario.budget))],
  };
}

const EVENT_MS = 20_000;

/** One more process joins `count` busy ones at 20 s. */
export function newcomer(count: number): Scenario {
  return { ...busy(count, 12, 30_000), events: [{ at: EVENT_MS, kind: 'join', workload: SATURATED }] };
}

/** One of the processes turns idle, leaves or crashes at 20 s. */
export function departure(count: number, kind: 'idle' | 'leave' | 'crash'): Scenario {
  const event =
    kind === 'idle'
      ? ({ at: EVENT_MS, kind: 'workload', holder: 0, workload: { kind: 'idle' } } as const)
      : ({ at: EVENT_MS, kind, holder: 0 } as const);
  return { ...busy(count, 12, 30_000), events: [event] };
}

/** The budget is changed to `part` of itself at 20 s. */
export function budgetChange(count: number, part: number): Scenario {
  const scenario = busy(count, 12, 30_000);
  return { ...scenario, events: [{ at: EVENT_MS, kind: 'budget', ruPerSecond: scenario.budget * part }] };
}

/** Nobody reaches the lease document from 20 s to 50 s. */
export function outage(count: number): Scenario {
  return {
    ...busy(count, 12, 60_000),
    trouble: [{ kind: 'leaseOutage', from: EVENT_MS, to: 50_000 }],
  };
}

/** Seconds from 20 s until the grants satisfy `test` and stay so for half a second. */
export function secondsUntil(outcome: Outcome, test: (grants: readonly number[]) => boolean, from = EVENT_MS): number {
  let since = Number.NaN;
  for (const { at, grants } of outcome.samples) {
    if (at < from) continue;
    if (!test(grants)) since = Number.NaN;
    else if (Number.isNaN(since)) since = at;
    else if (at - since >= 500) break;
  }
  return (since - from) / 1000;
}

export function total(grants: readonly number[]): number {
  return grants.reduce((a, b) => a + b, 0);
}
