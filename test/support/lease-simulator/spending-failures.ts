/** Failure cases of how a grant is spent. */
import { run, worst } from './failure-case.ts';
import type { FailureCase } from './failure-case.ts';
import { busy } from './figures.ts';
import { QUIET, SATURATED } from './scenario.ts';
import type { Scenario, ScenarioEvent } from './scenario.ts';
import { simulate } from './simulation.ts';

export const SPENDING_FAILURES: readonly FailureCase[] = [
  {
    name: '11 a partition ceiling in proportion to grant over budget spirals down',
    without: [
      { file: 'pacer.ts', find: '(budget * grant) / Math.max(granted, grant)', replace: 'Math.min(budget, grant)' },
    ],
    measure: (variant) =>
      run(variant, { ...busy(1), weights: [1, 0, 0, 0] }, (outcome) => 0.25 - outcome.use(10_000, 40_000)),
    limit: 0.02,
  },
  {
    name: '13 leaving with debt and joining again launders it',
    without: [{ file: 'demand.ts', find: 'return load.debt > 0 ? Math.max(load.grant, 1) : 0;', replace: 'return 0;' }],
    measure: (variant) => {
      const events: ScenarioEvent[] = [];
      for (let i = 1; i < 60; i++) {
        const at = i * 500;
        events.push({ at, kind: 'join', workload: SATURATED }, { at: at + 250, kind: 'leave', holder: i });
      }
      const service = { ...QUIET.service, operationRu: 400 };
      const scenario = {
        ...QUIET,
        holders: [{ kind: 'idle' } as const],
        events,
        service,
        durationMs: 32_000,
        slots: 1,
      };
      return run(variant, { ...scenario, budget: 2000 }, (outcome) => outcome.worstMinute);
    },
    limit: 1.1,
  },
  {
    name: '14 what was reserved for a lost answer is given back',
    without: [
      {
        file: 'shared-limiter.ts',
        find: 'lost: () => once((now) => settle(now, null)),',
        replace: 'lost: () => once((now) => settle(now, 0)),',
      },
    ],
    measure: (variant) => {
      const network = { ...QUIET.network, lostData: 0.3 };
      return run(variant, { ...busy(2), network, slots: 60 }, (outcome) => outcome.worstMinute);
    },
    limit: 1.02,
  },
  {
    name: '15 other applications use 90 % of the container',
    without: [
      {
        file: 'partition-pace.ts',
        find: 'Math.min(CEILING, taken, served < CLEARLY_LESS ? served : 1)',
        replace: 'CEILING',
      },
    ],
    // Operations throttled, the start included.
    measure: (variant) =>
      run(
        variant,
        { ...busy(2, 12, 60_000), service: { ...QUIET.service, foreground: 0.9 } },
        ({ service: { counts } }) => counts.throttled / counts.operations,
      ),
    limit: 0.005,
  },
  {
    name: '16 operations cost ten times as much all at once',
    without: [
      {
        file: 'budget-table.ts',
        find: 'use.correction += weight * (ratio - use.correction);',
        replace: '',
      },
    ],
    // RU of a request over 80 ms of the pace of its partition, once the estimate had its time.
    measure: async (variant) => {
      const events = [{ at: 10_000, kind: 'operationRu', ru: 70 } as const];
      const service = { ...QUIET.service, ruPerSecond: 130_000 };
      const scenario = { ...busy(4, 50), budget: 40_000, service, events };
      const start = await simulate({ ...scenario, durationMs: 12_000 }, variant.code);
      const whole = await simulate({ ...scenario, durationMs: 20_000 }, variant.code);
      const requests = whole.service.counts.requests - start.service.counts.requests;
      const pace = scenario.budget / scenario.holders.length / service.partitions;
      return whole.chargedRu(12_000, 20_000) / requests / (0.08 * pace);
    },
    limit: 2,
  },
  {
    name: 'operations cost twice the estimate, and small grants get few answers to learn it from before a stall',
    without: [{ file: 'budget-table.ts', find: 'operations / (PRIOR_OPERATIONS + use.answered),', replace: '' }],
    measure: (variant) =>
      worst(
        variant,
        {
          ...busy(16, 200, 15_000),
          budget: 1500,
          service: { ...QUIET.service, operationRu: 16 },
          trouble: [{ kind: 'stall', from: 10_000, to: 12_000 }],
        },
        (outcome) => outcome.worstSecond,
      ),
    limit: 1.4,
  },
  {
    name: 'a stall releases what high latency allowed to be on its way, and as much again follows',
    without: [{ file: 'charge-window.ts', find: 'Math.min(latency, inTime)', replace: 'latency' }],
    measure: (variant) => worst(variant, stalled(400), (outcome) => outcome.worstSecond),
    limit: 1.3,
  },
  {
    name: 'the grant of a holder whose requests a stall charged all at once is spent again by others',
    without: [
      {
        file: 'charge-window.ts',
        find: 'return this.#unacknowledged + this.#lateRu;',
        replace: 'return this.#unacknowledged;',
      },
    ],
    measure: (variant) => worst(variant, stalled(12), (outcome) => outcome.worstSecond),
    limit: 1.15,
  },
  {
    name: 'the answers that a stall held back pass for high latency, which allows more on its way',
    without: [
      {
        file: 'charge-window.ts',
        find: 'if (now < this.#latencySteppedAt + LATENCY_STEP_MS) return;',
        replace: '',
      },
    ],
    measure: (variant) =>
      worst(
        variant,
        { ...busy(1, 200, 25_000), trouble: [{ kind: 'stall', from: 20_000, to: 20_600 }] },
        (outcome) => outcome.worstSecond,
      ),
    limit: 1.33,
  },
];

/** Four processes, a small budget, dear operations, and a stall of the service. */
function stalled(latencyMs: number): Scenario {
  return {
    ...busy(4, latencyMs, 25_000),
    budget: 1500,
    service: { ...QUIET.service, operationRu: 16 },
    trouble: [{ kind: 'stall', from: 20_000, to: 22_000 }],
  };
}
