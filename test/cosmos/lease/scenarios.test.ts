import { describe, expect, it } from 'vitest';
import {
  budgetChange,
  busy,
  departure,
  median,
  mixed,
  newcomer,
  outage,
  overSeeds,
  secondsUntil,
  total,
} from '../../support/lease-simulator/figures.ts';
import { QUIET, randomScenario, saturated } from '../../support/lease-simulator/scenario.ts';
import { simulate } from '../../support/lease-simulator/simulation.ts';
import { violations } from '../../support/lease-simulator/violations.ts';

const SEEDS = Array.from({ length: 12 }, (_, i) => 7000 + i);

describe('RU lease under random faults', () => {
  it.each(SEEDS)('keeps every promise in scenario %i', async (seed) => {
    expect(violations(await simulate(randomScenario(seed, 30_000, 16)))).toEqual([]);
  });
});

describe('figures of the RU lease, in virtual time', () => {
  it.each([
    [1, 12],
    [4, 100],
    [16, 50],
  ])('%i busy processes at %i ms use 97 % of the budget and stay below it', async (count, dataMs) => {
    const outcome = await simulate(busy(count, dataMs, 30_000));
    expect(outcome.use(10_000, 30_000)).toBeGreaterThanOrEqual(0.97);
    expect(outcome.worstSecond).toBeLessThanOrEqual(1.25);
    expect(outcome.worstMinute).toBeLessThanOrEqual(1.02);
    expect(outcome.leaseRuPerSecond).toBeLessThanOrEqual(150);
  });

  it('answers that take 400 ms leave 90 % of the budget usable', async () => {
    const outcome = await simulate(busy(4, 400));
    expect(outcome.use(10_000, 40_000)).toBeGreaterThanOrEqual(0.9);
    expect(outcome.worstSecond).toBeLessThanOrEqual(1.25);
  });

  it('mixed loads use 94 % of the budget', async () => {
    const outcomes = await overSeeds(
      mixed(16, (budget) => ({ kind: 'steady', ruPerSecond: budget * 0.02 })),
      3,
    );
    expect(median(outcomes.map((outcome) => outcome.use(10_000, 40_000)))).toBeGreaterThanOrEqual(0.94);
  });

  it.each([1, 4, 16])('a process that joins %i others has 80 % of its fair share within 3 s', async (count) => {
    const scenario = newcomer(count);
    const fair = (0.8 * 0.99 * scenario.budget) / (count + 1);
    const outcome = await simulate(scenario);
    expect(secondsUntil(outcome, (grants) => (grants[count] ?? 0) >= fair)).toBeLessThanOrEqual(3);
  });

  it.each([
    ['idle', 3],
    ['leave', 3],
    ['crash', 6],
  ] as const)('the share of a process that goes (%s) is in use elsewhere within %i s', async (kind, seconds) => {
    const scenario = departure(4, kind);
    const outcome = await simulate(scenario);
    const inUse = (grants: readonly number[]): boolean => total(grants.slice(1)) >= 0.95 * scenario.budget;
    expect(secondsUntil(outcome, inUse)).toBeLessThanOrEqual(seconds);
  });

  it('a changed budget holds within 1.5 s', async () => {
    const cut = budgetChange(4, 0.5);
    const low = cut.budget / 2;
    expect(secondsUntil(await simulate(cut), (grants) => total(grants) <= low)).toBeLessThanOrEqual(1.5);
    const raise = budgetChange(4, 1.15);
    const high = 0.95 * 1.15 * raise.budget;
    expect(secondsUntil(await simulate(raise), (grants) => total(grants) >= high)).toBeLessThanOrEqual(1.5);
  });

  it('spends nothing once the lease document is out of reach for the ttl, and soon everything when it is back', async () => {
    const scenario = outage(4);
    const outcome = await simulate(scenario);
    expect(outcome.chargedRu(24_500, 49_500)).toBe(0);
    expect(secondsUntil(outcome, (grants) => total(grants) >= 0.9 * scenario.budget, 50_000)).toBeLessThanOrEqual(3);
  });

  it('small budgets feed few processes at a time, each in its turn', async () => {
    const service = { ruPerSecond: 400, partitions: 1, foreground: 0, operationRu: 7 };
    const scenario = { ...QUIET, budget: 100, service, holders: saturated(5), durationMs: 60_000 };
    const outcome = await simulate(scenario);
    expect(violations(outcome)).toEqual([]);
    expect(outcome.use(10_000, 60_000)).toBeGreaterThanOrEqual(0.85);
    const active = outcome.samples.map(({ grants }) => grants.filter((grant) => grant > 0).length);
    expect(median(active)).toBeLessThanOrEqual(2);
    const spent = outcome.workers.map(({ budget }) => budget.held().spent);
    expect(Math.min(...spent)).toBeGreaterThan(0.5 * Math.max(...spent));
  });

  it('a budget for ten of 64 processes feeds each of them within a minute', async () => {
    const service = { ruPerSecond: 1320, partitions: 1, foreground: 0, operationRu: 7 };
    const scenario = { ...QUIET, budget: 400, service, holders: saturated(64), staggerMs: 5000, durationMs: 60_000 };
    const outcome = await simulate(scenario);
    expect(violations(outcome)).toEqual([]);
    expect(outcome.granted).toBeLessThanOrEqual(1 + 1e-9);
    expect(outcome.use(20_000, 60_000)).toBeGreaterThanOrEqual(0.8);
    // A turn of 40 RU/s for 5 s, less what it takes to hand it over.
    const spent = outcome.workers.map(({ budget }) => budget.held().spent);
    expect(Math.min(...spent)).toBeGreaterThan(100);
  });

  it('a budget smaller than one operation a second lets single operations through', async () => {
    const service = { ruPerSecond: 400, partitions: 2, foreground: 0, operationRu: 30 };
    const scenario = { ...QUIET, budget: 10, service, holders: saturated(2), durationMs: 60_000 };
    const outcome = await simulate(scenario);
    expect(outcome.granted).toBeLessThanOrEqual(1 + 1e-9);
    expect(outcome.service.counts.operations).toBeGreaterThan(5);
    expect(outcome.worstMinute).toBeLessThanOrEqual(1.2);
  });
});
