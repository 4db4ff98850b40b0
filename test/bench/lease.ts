/**
 * The RU lease beside the peers' load factors, in the same simulated scenarios: `node test/bench/lease.ts [seeds]`.
 * Ratios are to the budget; times are seconds after the event; medians over the seeds, worst windows over all of them.
 */
import {
  budgetChange,
  busy,
  departure,
  median,
  mixed,
  newcomer,
  outage,
  secondsUntil,
  total,
} from '../support/lease-simulator/figures.ts';
import { loadFactorControl } from '../support/lease-simulator/load-factor-control.ts';
import { randomScenario } from '../support/lease-simulator/scenario.ts';
import type { Scenario } from '../support/lease-simulator/scenario.ts';
import { REAL, simulate } from '../support/lease-simulator/simulation.ts';
import type { LeaseCode, Outcome } from '../support/lease-simulator/simulation.ts';

const seeds = Number(process.argv[2] ?? 3);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const figure = (value: number): string => (Number.isNaN(value) ? 'never' : value.toFixed(2));

interface Row {
  readonly name: string;
  readonly scenario: Scenario;
  /** Seconds after the event. */
  readonly seconds?: (outcome: Outcome) => number;
}

/** As the peers start: all at once. */
const together = (count: number): Scenario => ({ ...busy(count), staggerMs: 0 });

function departed(name: string, count: number, kind: 'idle' | 'leave' | 'crash'): Row {
  const scenario = departure(count, kind);
  const inUse = (grants: readonly number[]): boolean => total(grants.slice(1)) >= 0.95 * scenario.budget;
  return { name, scenario, seconds: (outcome) => secondsUntil(outcome, inUse) };
}

function joined(count: number): Row {
  const scenario = newcomer(count);
  const fair = (0.8 * 0.99 * scenario.budget) / (count + 1);
  return {
    name: `one joins ${count}`,
    scenario,
    seconds: (outcome) => secondsUntil(outcome, (grants) => (grants[count] ?? 0) >= fair),
  };
}

function changed(part: number): Row {
  const scenario = budgetChange(4, part);
  const figure = scenario.budget * part;
  const obeyed = (grants: readonly number[]): boolean =>
    part < 1 ? total(grants) <= figure : total(grants) >= 0.95 * figure;
  return { name: `budget × ${part}`, scenario, seconds: (outcome) => secondsUntil(outcome, obeyed) };
}

const rows: readonly Row[] = [
  ...[1, 4, 16, 32].map((count) => ({ name: `${count} start at once`, scenario: together(count) })),
  ...[50, 100, 200, 400].map((ms) => ({ name: `4 busy at ${ms} ms`, scenario: busy(4, ms) })),
  {
    name: '8 busy + 8 small',
    scenario: mixed(16, (budget) => ({ kind: 'steady', ruPerSecond: budget * 0.02 })),
  },
  {
    name: '4 busy + 4 CPU-bound',
    scenario: mixed(8, (budget) => ({ kind: 'cpuBound', ruPerSecond: budget * 0.05 })),
  },
  {
    name: '2 busy + 8 idle',
    scenario: {
      ...busy(10),
      holders: Array.from({ length: 10 }, (_, i) => ({ kind: i < 2 ? 'saturated' : 'idle' }) as const),
    },
  },
  joined(1),
  joined(4),
  joined(16),
  departed('one of 4 idle', 4, 'idle'),
  departed('one of 4 leaves', 4, 'leave'),
  departed('one of 4 crashes', 4, 'crash'),
  departed('one of 16 crashes', 16, 'crash'),
  changed(0.5),
  changed(1.15),
  {
    name: '4 busy, 30 % lost',
    scenario: { ...busy(4), network: { ...busy(4).network, lostAnswers: 0.3 } },
  },
  {
    name: 'lease away 30 s',
    scenario: outage(4),
    seconds: (outcome) => secondsUntil(outcome, (grants) => total(grants) >= 0.9 * outcome.scenario.budget, 50_000),
  },
];

async function measure({ scenario, seconds }: Row, code: () => LeaseCode): Promise<string> {
  const outcomes: Outcome[] = [];
  for (let seed = 1; seed <= seeds; seed++) outcomes.push(await simulate({ ...scenario, seed }, code()));
  const highest = (of: (outcome: Outcome) => number): string => figure(Math.max(...outcomes.map(of)));
  const middle = (of: (outcome: Outcome) => number): string => figure(median(outcomes.map(of)));
  return [
    middle((outcome) => outcome.use(10_000, scenario.durationMs)).padStart(6),
    highest((outcome) => outcome.granted).padStart(8),
    highest((outcome) => outcome.worstSecond).padStart(7),
    highest((outcome) => outcome.worstMinute).padStart(7),
    (seconds === undefined ? '' : middle(seconds)).padStart(7),
    middle((outcome) => outcome.leaseRuPerSecond).padStart(8),
  ].join('');
}

const heads = '   use granted   1 s   60 s  after s lease RU';
print(
  `${''.padEnd(22)}| RU lease${''.padEnd(heads.length - 7)}| load factors (they do not notice a lease out of reach: they keep their share)`,
);
print(`${''.padEnd(22)}|${heads}  |${heads.slice(0, 36)}`);
for (const row of rows) {
  const ours = await measure(row, () => REAL);
  const theirs = await measure(row, loadFactorControl);
  print(`${row.name.padEnd(22)}|${ours}  |${theirs.slice(0, 35)}`);
}

const campaign = { ours: 0, theirs: 0, most: [0, 0] as [number, number] };
const runs = seeds * 10;
for (let seed = 1; seed <= runs; seed++) {
  const scenario = randomScenario(seed, 40_000, 16);
  const [ours, theirs] = [await simulate(scenario), await simulate(scenario, loadFactorControl())];
  if (ours.granted > 1 + 1e-9) campaign.ours++;
  if (theirs.granted > 1 + 1e-9) campaign.theirs++;
  campaign.most = [Math.max(campaign.most[0], ours.worstMinute), Math.max(campaign.most[1], theirs.worstMinute)];
}
print(
  `${runs} random scenarios: grants above the budget in ${campaign.ours} with the lease, ${campaign.theirs} with load factors; ` +
    `worst minute ${figure(campaign.most[0])} and ${figure(campaign.most[1])} of the budget`,
);
