/** The failure cases that simulations found, each with the cure in the code and a measure that is wrong without it. */
import { leaseDocumentFromJson, leaseDocumentToJson } from '../../../src/cosmos/lease/lease-document.ts';
import type { LeaseDocument } from '../../../src/cosmos/lease/lease-document.ts';
import { budgetChange, busy, mixed, newcomer, secondsUntil } from './figures.ts';
import { QUIET, SATURATED, saturated } from './scenario.ts';
import type { Scenario, ScenarioEvent } from './scenario.ts';
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

const lossy = { ...QUIET.network, lostAnswers: 0.2, lostRequests: 0.05, leaseMs: 50, spread: 1 };

async function run(variant: Variant, scenario: Scenario, figure: (outcome: Outcome) => number): Promise<number> {
  return figure(await simulate(scenario, variant.code));
}

/** The worst over a few seeds. */
async function worst(variant: Variant, scenario: Scenario, figure: (outcome: Outcome) => number): Promise<number> {
  let highest = Number.NEGATIVE_INFINITY;
  for (let seed = 1; seed <= 4; seed++) highest = Math.max(highest, await run(variant, { ...scenario, seed }, figure));
  return highest;
}

/** Holders that turn busy and idle all the time, so that grants change hands. */
function flapping(durationMs = 20_000): Scenario {
  const events: ScenarioEvent[] = [];
  for (let at = 1000; at < durationMs; at += 350) {
    const holder = (at / 50) % 8;
    events.push({ at, kind: 'workload', holder, workload: (at / 350) % 2 < 1 ? { kind: 'idle' } : SATURATED });
    events.push({ at: at + 100, kind: 'workload', holder: (holder + 3) % 8, workload: SATURATED });
  }
  return { ...QUIET, holders: saturated(8), durationMs, network: lossy, events };
}

function pauses(ms: number, every: number, durationMs: number): ScenarioEvent[] {
  const events: ScenarioEvent[] = [];
  for (let at = 3000; at < durationMs; at += every)
    events.push({ at, kind: 'pause', holder: ((at / every) % 4) | 0, ms });
  return events;
}

const granted = (outcome: Outcome): number => outcome.granted;
const late = (outcome: Outcome): number => outcome.admittedLate;
const unused = (from: number, to: number) => (outcome: Outcome) => 1 - outcome.use(from, to);
/** Grants are integers, so the ratio is exact up to the last bit of the division. */
const EXACTLY_ONE = 1 + 1e-9;

const emptyDocument: LeaseDocument = {
  version: 5,
  budget: 10_000,
  configured: 10_000,
  sum: 10_000,
  holders: new Map([['me', { grant: 10_000, demand: 10_000, operation: 1, turn: 1, seq: 1, ttl: 4000 }]]),
  ended: [],
};

/** Hundredths of RU/s believed after `steps` on a grant of 10,000 at version 5 with a pending shrink to 4,000. */
function afterShrink({ grant: { absorb, believed, propose } }: Variant, document: LeaseDocument): Promise<number> {
  const sent = { monotonic: 0, wall: 0 };
  const held = { amount: 10_000, sent, pending: [], version: 5 };
  const shrunk = propose(held, { base: 5, seq: 2, grant: 4000, sent });
  return Promise.resolve(believed(absorb(shrunk, document, 'me') ?? shrunk, sent, 4000));
}

export const FAILURE_CASES: readonly FailureCase[] = [
  {
    name: '1a a grant is kept until a smaller one is acknowledged',
    without: [{ file: 'grant.ts', find: 'amount = Math.min(amount, write.grant);', replace: 'void write;' }],
    measure: (variant) => worst(variant, flapping(), granted),
    limit: EXACTLY_ONE,
  },
  {
    name: '1b a grant grows before the larger one is acknowledged',
    without: [
      {
        file: 'grant.ts',
        find: 'amount = Math.min(amount, write.grant);',
        replace: 'amount = Math.max(amount, write.grant);',
      },
    ],
    measure: (variant) => worst(variant, flapping(), granted),
    limit: EXACTLY_ONE,
  },
  {
    name: '2 the grant counts from the answer instead of the request',
    without: [
      {
        file: 'lease-holder.ts',
        find: 'if (amount > before * GROWTH)',
        replace: 'this.#grant = { ...this.#grant, sent: this.#now() };\n      if (amount > before * GROWTH)',
      },
    ],
    measure: (variant) => {
      const trouble = [8000, 16_000, 24_000].map((from) => ({ kind: 'leaseOutage', from, to: from + 6000 }) as const);
      const network = { ...QUIET.network, leaseMs: 400 };
      return worst(variant, { ...QUIET, holders: saturated(4), network, trouble, durationMs: 32_000 }, late);
    },
    limit: 0,
  },
  {
    name: '3 the monotonic clock stands still in a pause',
    without: [
      {
        file: 'grant.ts',
        find: 'Math.max(now.monotonic - grant.sent.monotonic, now.wall - grant.sent.wall) < ttlMs',
        replace: 'now.monotonic - grant.sent.monotonic < ttlMs',
      },
    ],
    measure: (variant) => {
      const clocks = { ...QUIET.clocks, monotonicStops: true };
      const events = pauses(12_000, 4000, 40_000);
      return worst(variant, { ...QUIET, holders: saturated(4), clocks, events, durationMs: 40_000 }, late);
    },
    limit: 0,
  },
  {
    name: '4 others are judged by clocks that are a second apart',
    without: [
      {
        file: 'holder-watch.ts',
        find: 'now - seen.at >= entry.ttl * LEASE_TERMS.clockDrift',
        replace: 'now - seen.at >= entry.ttl * LEASE_TERMS.clockDrift - 2000',
      },
    ],
    measure: (variant) => {
      const events = pauses(3900, 1300, 30_000);
      return worst(variant, { ...QUIET, holders: saturated(4), events, durationMs: 30_000 }, granted);
    },
    limit: EXACTLY_ONE,
  },
  {
    name: '5a a shrink that timed out lands after the document was read again',
    without: [{ file: 'grant.ts', find: 'write.base >= document.version', replace: 'write.base > document.version' }],
    measure: (variant) => afterShrink(variant, emptyDocument),
    limit: 4000,
  },
  {
    name: '5b a stale read passes for the proof that a write failed',
    without: [{ file: 'grant.ts', find: 'if (document.version < grant.version) return null;', replace: '' }],
    measure: (variant) =>
      afterShrink(variant, { ...emptyDocument, version: 4 }).then(
        // The pending write survives in both; what must not is the older version taking the place of the newer.
        (amount) =>
          variant.grant.absorb({ ...variant.grant.NO_GRANT, version: 5 }, { ...emptyDocument, version: 4 }, 'me') ===
          null
            ? 0
            : amount,
      ),
    limit: 0,
  },
  {
    name: '6 sums of fractions exceed the budget',
    without: [
      {
        file: 'allocation.ts',
        find: 'Math.min(own, Math.floor(left / count))',
        replace: 'Math.min(own, left / count)',
      },
      {
        file: 'lease-plan.ts',
        find: 'const grant = Math.floor(Math.max(0,',
        replace: 'const grant = Number(Math.max(0,',
      },
    ],
    measure: (variant) =>
      run(variant, { ...busy(3), durationMs: 15_000, budget: 6100.05 }, ({ service }) => {
        if (service.document === null) return 1;
        try {
          leaseDocumentFromJson(leaseDocumentToJson(service.document));
          return 0;
        } catch {
          return 1;
        }
      }),
    limit: 0,
  },
  {
    name: '7 a grant is held for what was acknowledged, not only for what is in flight',
    without: [
      {
        file: 'pacer.ts',
        find: 'return this.#unacknowledged;',
        replace: 'return this.#unacknowledged + this.#acknowledgedRu;',
      },
    ],
    measure: (variant) => worst(variant, budgetChange(4, 0.1), granted),
    limit: EXACTLY_ONE,
  },
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
    name: '11 a partition ceiling in proportion to grant over budget spirals down',
    without: [
      { file: 'pacer.ts', find: '(budget * grant) / Math.max(granted, grant)', replace: 'Math.min(budget, grant)' },
    ],
    measure: (variant) =>
      run(variant, { ...busy(1), weights: [1, 0, 0, 0] }, (outcome) => 0.25 - outcome.use(10_000, 40_000)),
    limit: 0.02,
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
    without: [{ file: 'partition-pace.ts', find: 'part < CLEARLY_LESS', replace: 'part < 0' }],
    measure: async (variant) => {
      const scenario = { ...busy(2), service: { ...QUIET.service, foreground: 0.9 } };
      // From 10 s on: before, both processes find out what is left.
      const start = (await simulate({ ...scenario, durationMs: 10_000 }, variant.code)).service.counts;
      const whole = (await simulate({ ...scenario, durationMs: 60_000 }, variant.code)).service.counts;
      return (whole.throttled - start.throttled) / (whole.operations - start.operations);
    },
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
      const whole = await simulate({ ...scenario, durationMs: 30_000 }, variant.code);
      const requests = whole.service.counts.requests - start.service.counts.requests;
      const pace = scenario.budget / scenario.holders.length / service.partitions;
      return whole.chargedRu(12_000, 30_000) / requests / (0.08 * pace);
    },
    limit: 1,
  },
];

function secondsOrNever(outcome: Outcome, test: (grants: readonly number[]) => boolean): number {
  const seconds = secondsUntil(outcome, test);
  return Number.isNaN(seconds) ? 1000 : seconds;
}
