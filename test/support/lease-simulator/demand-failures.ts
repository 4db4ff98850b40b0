/** Failure cases of what a holder asks for, sees and leaves behind. */
import { run, worst } from './failure-case.ts';
import type { FailureCase } from './failure-case.ts';
import { busy, mixed, newcomer, secondsUntil } from './figures.ts';
import { QUIET } from './scenario.ts';
import type { Outcome } from './simulation.ts';

const unused = (from: number, to: number) => (outcome: Outcome) => 1 - outcome.use(from, to);

function secondsOrNever(outcome: Outcome, test: (grants: readonly number[]) => boolean): number {
  const seconds = secondsUntil(outcome, test);
  return Number.isNaN(seconds) ? 1000 : seconds;
}

export const DEMAND_FAILURES: readonly FailureCase[] = [
  {
    name: '8 a lone holder that does not read misses newcomers',
    without: [
      {
        file: 'lease-holder.ts',
        find: 'if (this.#calls.takeNews()) return this.#known;',
        replace:
          'if (this.#known?.document.holders.size === 1 && this.#known.document.holders.has(this.id)) return this.#known;',
      },
    ],
    measure: (variant) => {
      const scenario = newcomer(1);
      const fair = 0.8 * 0.99 * (scenario.budget / 2);
      return run(variant, scenario, (outcome) => secondsOrNever(outcome, (grants) => (grants[1] ?? 0) >= fair));
    },
    limit: 3,
  },
  {
    name: '9 answers slower than the call timeout are thrown away',
    without: [{ file: 'lease-calls.ts', find: 'if (!this.#closed.aborted && late(value)) this.#news();', replace: '' }],
    measure: (variant) => {
      const network = { ...QUIET.network, leaseMs: 900, spread: 0.1 };
      return worst(variant, { ...busy(1), network, durationMs: 30_000 }, unused(10_000, 30_000));
    },
    limit: 0.3,
  },
  {
    name: '10a demand from usage alone starves a tiny grant',
    without: [
      {
        file: 'demand.ts',
        find: 'if (grant <= 0 || grantShort > BOUND) return true;',
        replace: 'if (grant >= 0) return false;',
      },
      { file: 'demand.ts', find: 'load.short ? load.waiting / BURST_SECONDS : 0', replace: '0' },
    ],
    measure: (variant) => {
      const scenario = newcomer(4);
      const fair = 0.8 * 0.99 * (scenario.budget / 5);
      return run(variant, scenario, (outcome) => secondsOrNever(outcome, (grants) => (grants[4] ?? 0) >= fair));
    },
    limit: 3,
  },
  {
    name: '10b whoever waits asks for everything, though the CPU is the limit',
    without: [
      {
        file: 'demand.ts',
        find: 'if (load.waiting > 0 && isGrantBound(load)) return load.budget;',
        replace: 'if (load.waiting > 0 || load.unacknowledged > 0) return load.budget;',
      },
    ],
    measure: (variant) =>
      worst(
        variant,
        mixed(8, (budget) => ({ kind: 'cpuBound', ruPerSecond: budget * 0.05 })),
        unused(10_000, 40_000),
      ),
    limit: 0.1,
  },
  {
    name: '12 idle processes stay in the document',
    without: [
      {
        file: 'demand.ts',
        find: 'return load.debt > 0 ? Math.max(load.grant, 1) : 0;',
        replace: 'return load.grant > 0 ? 1 : 0;',
      },
    ],
    measure: (variant) => {
      const events = Array.from(
        { length: 19 },
        (_, i) => ({ at: 5000, kind: 'workload', holder: i + 1, workload: { kind: 'idle' } }) as const,
      );
      return run(
        variant,
        { ...busy(20), events, durationMs: 20_000 },
        ({ service }) => service.document?.holders.size ?? 0,
      );
    },
    limit: 1,
  },
];
