/** Failure cases of what a holder may believe of its grant, and of when others' grants end. */
import { leaseDocumentFromJson, leaseDocumentToJson } from '../../../src/cosmos/lease/lease-document.ts';
import type { LeaseDocument } from '../../../src/cosmos/lease/lease-document.ts';
import { run, worst } from './failure-case.ts';
import type { FailureCase } from './failure-case.ts';
import { budgetChange, busy } from './figures.ts';
import { QUIET, SATURATED, saturated } from './scenario.ts';
import type { Scenario, ScenarioEvent } from './scenario.ts';
import type { Outcome } from './simulation.ts';
import type { Variant } from './variant.ts';

const lossy = { ...QUIET.network, lostAnswers: 0.2, lostRequests: 0.05, leaseMs: 50, spread: 1 };

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

export const GRANT_FAILURES: readonly FailureCase[] = [
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
    name: '7 a grant is held for whatever was acknowledged, not only for what may have been charged all at once',
    without: [
      {
        file: 'charge-window.ts',
        find: 'return this.#unacknowledged + this.#lateRu;',
        replace: 'return this.#unacknowledged + this.#acknowledgedRu;',
      },
    ],
    measure: (variant) => worst(variant, budgetChange(4, 0.1), granted),
    limit: EXACTLY_ONE,
  },
];
