import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activeClaims, activeLimit, maxMinShare } from '../../../src/cosmos/lease/allocation.ts';
import { NO_GRANT, absorb, believed, propose } from '../../../src/cosmos/lease/grant.ts';
import { newLeaseDocument, nextLeaseDocument } from '../../../src/cosmos/lease/lease-document.ts';
import { planLease } from '../../../src/cosmos/lease/lease-plan.ts';

const demands = fc.array(fc.integer({ min: 0, max: 10_000_000 }), { minLength: 1, maxLength: 40 });

describe('max-min fair shares', () => {
  it('never exceed the pool, never exceed a demand, and leave nothing unless all are content', () => {
    fc.assert(
      fc.property(demands, fc.integer({ min: 0, max: 20_000_000 }), (all, pool) => {
        const shares = all.map((own, i) => maxMinShare(own, all.toSpliced(i, 1), pool));
        const sum = shares.reduce((a, b) => a + b, 0);
        expect(sum).toBeLessThanOrEqual(pool);
        for (const [i, share] of shares.entries()) {
          expect(Number.isInteger(share)).toBe(true);
          expect(share).toBeLessThanOrEqual(all[i] ?? 0);
        }
        const wanted = all.reduce((a, b) => a + b, 0);
        expect(sum).toBeGreaterThanOrEqual(Math.min(wanted, pool) - all.length);
        // Whoever gets less than wanted gets no less than anybody else.
        const highest = Math.max(...shares);
        for (const [i, share] of shares.entries()) {
          if (share < (all[i] ?? 0)) expect(share).toBeGreaterThanOrEqual(highest - 1);
        }
      }),
      { seed: 5 },
    );
  });
});

describe('small budgets', () => {
  it('feed one holder per 40 RU/s, fewer when operations are dear, always one', () => {
    expect(activeLimit(40_000, 700)).toBe(10);
    expect(activeLimit(40_000, 5000)).toBe(2);
    expect(activeLimit(1000, 0)).toBe(1);
    expect(activeLimit(1000, 100_000)).toBe(1);
  });

  it('let those in whose turn is earliest', () => {
    const claim = (id: string, turn: number, demand = 100) => ({ id, turn, demand, operation: 0 });
    const claims = [claim('a', 9), claim('b', 3), claim('c', 5), claim('d', 1, 0)];
    expect(activeClaims(claims, 8000).map(({ id }) => id)).toEqual(['b', 'c']);
    expect(activeClaims(claims, 80_000)).toHaveLength(3);
  });
});

describe('any number of holders planning in any order', () => {
  it('never grant more than the budget', () => {
    const step = fc.record({
      holder: fc.integer({ min: 0, max: 7 }),
      demand: fc.integer({ min: 0, max: 2_000_000 }),
      lost: fc.boolean(),
      alive: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 1_000_000 }), fc.array(step, { maxLength: 60 }), (budget, steps) => {
        let document = newLeaseDocument(budget, 1);
        const sent = { monotonic: 0, wall: 0 };
        const grants = Array.from({ length: 8 }, () => NO_GRANT);
        for (const [i, { holder, demand, lost, alive }] of steps.entries()) {
          const holderId = `h${holder}`;
          const before = absorb(grants[holder] ?? NO_GRANT, document, holderId) ?? NO_GRANT;
          const plan = planLease({
            document,
            holderId,
            formerIds: new Set(),
            expired: new Set(),
            demand,
            operation: 0,
            chargedAtOnce: 0,
            alive,
            grantAgeMs: 2000,
            pending: before.pending.length > 0,
            turnOver: false,
            ending: false,
            configured: null,
            seq: i + 1,
          });
          grants[holder] = before;
          if (plan.kind === 'write' || plan.kind === 'leave') {
            const grant = plan.kind === 'write' ? plan.grant : 0;
            const proposed = propose(before, { base: document.version, seq: i + 1, grant, sent });
            document = plan.document;
            // A lost answer leaves the write pending although it was applied.
            grants[holder] = lost ? proposed : (absorb(proposed, document, holderId) ?? proposed);
          }
          expect(document.sum).toBeLessThanOrEqual(budget);
          const sum = grants.reduce((total, grant) => total + believed(grant, sent, 4000), 0);
          expect(sum).toBeLessThanOrEqual(budget);
        }
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  it('remembers a bounded number of ended holders', () => {
    let document = newLeaseDocument(100, 1);
    for (let i = 0; i < 100; i++) document = nextLeaseDocument(document, new Map(), [`h${i}`]);
    expect(document.ended).toHaveLength(32);
    expect(document.ended.at(-1)).toBe('h99');
  });
});
