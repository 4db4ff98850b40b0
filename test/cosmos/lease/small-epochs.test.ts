import { describe, expect, it } from 'vitest';
import type { RuLimiter } from '../../../src/cosmos/ru-limiter.ts';
import { LeaseWorld } from '../../support/lease-simulator/lease-world.ts';
import type { SimulatedProcess } from '../../support/lease-simulator/simulated-process.ts';

const OPERATION_RU = 10;
const ANSWER_MS = 20;
const never = new AbortController().signal;

/** Writes `operations` one after the other, as batches of what the limiter allows. Returns the milliseconds spent waiting for RU. */
async function epoch(world: LeaseWorld, limiter: RuLimiter, { clock }: SimulatedProcess, operations: number) {
  let waited = 0;
  for (let left = operations; left > 0;) {
    const count = Math.min(left, 100, Math.max(1, Math.floor(limiter.batchRu('0') / OPERATION_RU)));
    const ru = count * OPERATION_RU;
    const from = world.time.now;
    const reservation = await limiter.reserve({ partition: '0', estimatedRu: ru, operations: count }, never);
    waited += world.time.now - from;
    await clock.sleep(ANSWER_MS);
    reservation.settle(ru);
    left -= count;
  }
  return waited;
}

describe('small epochs on a container where nothing else happens', () => {
  it.each([1, 2, 10, 100])('one of %i operations goes at the pace of the budget', async (operations) => {
    const world = new LeaseWorld();
    const { budget, process } = world.open('p', undefined, () => Promise.resolve(1000));
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
    limiter.usePartitions([{ id: '0', fraction: 1 }]);
    const waited = epoch(world, limiter, process, operations);
    await world.time.run(10_000);
    // The lease is taken and the bucket fills; then it is what the operations cost.
    expect(await waited).toBeLessThan(150 + operations * OPERATION_RU);
  });

  it('one after the other wait for RU no longer than the first', async () => {
    const world = new LeaseWorld();
    const { budget, process } = world.open('p', undefined, () => Promise.resolve(300));
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
    limiter.usePartitions([{ id: '0', fraction: 1 }]);
    const waits: number[] = [];
    const work = async (): Promise<void> => {
      for (const pauseMs of [0, 250, 400, 700, 300, 1000, 1500, 2500, 4000, 500, 900]) {
        await process.clock.sleep(pauseMs);
        waits.push(await epoch(world, limiter, process, 2));
      }
    };
    const done = work();
    await world.time.run(60_000);
    await done;
    expect(Math.max(...waits)).toBeLessThan(150);
  });

  it('do so beside another process with small epochs, and the grants keep to the budget', async () => {
    const world = new LeaseWorld();
    const waits: number[] = [];
    const budgets = [0, 1].map((index) => {
      const { budget, process } = world.open(`p${index}`, undefined, () => Promise.resolve(300));
      const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
      limiter.usePartitions([{ id: '0', fraction: 1 }]);
      void (async () => {
        await process.clock.sleep(3000 * index);
        for (let i = 0; i < 30; i++) {
          waits.push(await epoch(world, limiter, process, 2));
          await process.clock.sleep(200 + 130 * ((i * 7 + index) % 9));
        }
      })();
      return budget;
    });
    let most = 0;
    for (let at = 50; at < 60_000; at += 50) {
      await world.time.run(at);
      most = Math.max(
        most,
        budgets.reduce((sum, budget) => sum + budget.held().grant, 0),
      );
    }
    expect(waits).toHaveLength(60);
    expect(most).toBeLessThanOrEqual(300);
    expect(Math.max(...waits)).toBeLessThan(200);
  });
});
