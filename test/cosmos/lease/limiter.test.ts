import { describe, expect, it } from 'vitest';
import type { LeaseStore } from '../../../src/cosmos/lease/lease-store.ts';
import { SyncError } from '../../../src/shared/errors.ts';
import { LeaseWorld } from '../../support/lease-simulator/lease-world.ts';

const request = { partition: null, estimatedRu: 10, operations: 1 };
const never = new AbortController().signal;

describe('limiter of a process', () => {
  it('shares a grant equally among bulk tables and lets small epochs first', async () => {
    const world = new LeaseWorld();
    const { budget, process } = world.open('p');
    const one = world.spend(budget.limiterFor({ id: 'one', priority: 'bulk' }), process, 8);
    const two = world.spend(budget.limiterFor({ id: 'two', priority: 'bulk' }), process, 2);
    await world.time.run(10_000);
    expect(two.ru / one.ru).toBeGreaterThan(0.9);
    const before = one.ru + two.ru;
    const small = world.spend(budget.limiterFor({ id: 'small', priority: 'small' }), process, 8);
    await world.time.run(20_000);
    const bulk = one.ru + two.ru - before;
    expect(small.ru / (small.ru + bulk)).toBeGreaterThan(0.75);
    expect(bulk / (small.ru + bulk)).toBeGreaterThan(0.15);
    expect(small.ru + bulk).toBeGreaterThan(9500);
  });

  it('holds each partition to its part of the budget', async () => {
    const world = new LeaseWorld();
    const { budget, process } = world.open('p');
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
    limiter.usePartitions([
      { id: '0', fraction: 0.25 },
      { id: '1', fraction: 0.75 },
    ]);
    const hot = world.spend(limiter, process, 8, '0');
    await world.time.run(20_000);
    expect(hot.ru).toBeGreaterThan(4700);
    expect(hot.ru).toBeLessThan(5100);
    // 80 ms of what the grant allows there.
    expect(limiter.batchRu('0')).toBeLessThanOrEqual(0.08 * 250 + 1e-6);
    expect(limiter.batchRu('1')).toBeGreaterThan(limiter.batchRu('0'));
    // A range that nobody told about, a child of a split, is as slow as the slowest.
    expect(limiter.batchRu('2')).toBeGreaterThan(0);
    expect(limiter.batchRu('2')).toBeLessThanOrEqual(limiter.batchRu('0'));
  });

  it('lets a throttled partition rest and slows it down, not the others', async () => {
    const world = new LeaseWorld();
    const { budget, process } = world.open('p');
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
    limiter.usePartitions([
      { id: '0', fraction: 0.5 },
      { id: '1', fraction: 0.5 },
    ]);
    const busy = world.spend(limiter, process, 8, '1');
    let answers = 0;
    void (async () => {
      const reservation = await limiter.reserve({ ...request, partition: '0' }, never);
      reservation.settle(0, 5000);
      answers++;
      (await limiter.reserve({ ...request, partition: '0' }, never)).settle(10);
      answers++;
    })();
    await world.time.run(4900);
    expect(answers).toBe(1);
    await world.time.run(7000);
    expect(answers).toBe(2);
    expect(busy.ru).toBeGreaterThan(3000);
  });

  it('refuses what waits when its signal aborts, when the table closes, and when it is closed already', async () => {
    const world = new LeaseWorld([{ kind: 'leaseOutage', from: 0, to: 120_000 }]);
    const { budget } = world.open('p');
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
    const stop = new AbortController();
    const stopped = limiter.reserve(request, stop.signal).catch((error: unknown) => error);
    const closed = limiter.reserve(request, never).catch((error: unknown) => error);
    await world.time.run(1000);
    const reason = new Error('enough');
    stop.abort(reason);
    expect(await stopped).toBe(reason);
    await expect(limiter.reserve(request, stop.signal)).rejects.toBe(reason);
    const closing = limiter.close();
    await world.time.run(20_000);
    expect(await closed).toMatchObject({ name: 'AbortError' });
    await expect(limiter.reserve(request, never)).rejects.toMatchObject({ name: 'AbortError' });
    await closing;
    await budget.close();
  });

  it('aborts reservations when the grant expires and registers again under a new holder id', async () => {
    const world = new LeaseWorld([{ kind: 'leaseOutage', from: 5000, to: 15_000 }]);
    const { budget, process } = world.open('p');
    const registered: string[] = [];
    const register = (id: string): Promise<void> => {
      registered.push(id);
      return Promise.resolve();
    };
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk', register });
    const spent = world.spend(limiter, process);
    await world.time.run(4000);
    const given = limiter.reserve(request, never);
    await world.time.run(4500);
    const reservation = await given;
    expect(reservation.expired.aborted).toBe(false);
    await world.time.run(9500);
    expect(reservation.expired.aborted).toBe(true);
    expect(budget.held().grant).toBe(0);
    const before = spent.ru;
    await world.time.run(14_900);
    expect(spent.ru).toBe(before);
    await world.time.run(20_000);
    expect(spent.ru).toBeGreaterThan(before + 3000);
    expect(registered[0]).toBe('p.1');
    expect(new Set(registered).size).toBe(2);
  });

  it('follows a container that is scaled, and keeps the figure while its source fails', async () => {
    const world = new LeaseWorld();
    let source = (): Promise<number> => Promise.resolve(1000);
    const { budget, process } = world.open('p', undefined, () => source());
    world.spend(budget.limiterFor({ id: 't', priority: 'bulk' }), process);
    await world.time.run(10_000);
    expect(budget.held()).toMatchObject({ budget: 1000, grant: 990 });
    source = () => Promise.reject(new SyncError('ruPerSecondUnknown', { problem: 'Away.' }));
    await world.time.run(70_000);
    expect(budget.held()).toMatchObject({ budget: 1000, grant: 990 });
    source = () => Promise.resolve(500);
    await world.time.run(75_000);
    expect(budget.held()).toMatchObject({ budget: 500, grant: 495 });
  });

  it('does not wait for a slow source of the budget after a minute of rest, nor put an old figure in force', async () => {
    const world = new LeaseWorld();
    let source = (): Promise<number> => Promise.resolve(1000);
    const { budget } = world.open('p', undefined, () => source());
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
    const first = limiter.reserve(request, never);
    await world.time.run(1000);
    (await first).settle(10);
    const other = world.open('q', undefined, () => Promise.resolve(400));
    world.spend(other.budget.limiterFor({ id: 't', priority: 'bulk' }), other.process);
    await world.time.run(90_000);
    let answer: (figure: number) => void = () => undefined;
    source = () => new Promise((resolve) => (answer = resolve));
    const second = limiter.reserve(request, never);
    await world.time.run(93_000);
    (await second).settle(10);
    expect(budget.held()).toMatchObject({ budget: 400, holders: 2 });
    // What the source says at last counts, though the process joined before.
    answer(600);
    void limiter.reserve(request, never);
    await world.time.run(95_000);
    expect(other.budget.held()).toMatchObject({ budget: 600 });
  });

  it('fails what waits when a registration is refused', async () => {
    const world = new LeaseWorld();
    const { budget } = world.open('p');
    const stale = new SyncError('epochStale', { problem: 'Another epoch took over.' });
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk', register: () => Promise.reject(stale) });
    const refused = limiter.reserve(request, never).catch((error: unknown) => error);
    await world.time.run(1000);
    expect(await refused).toBe(stale);
  });

  it('takes numbers that make no sense for what they may be', async () => {
    const world = new LeaseWorld();
    const { budget } = world.open('p');
    const limiter = budget.limiterFor({ id: 't', priority: 'bulk' });
    const given = limiter.reserve({ ...request, estimatedRu: Number.NaN, operations: -3 }, never);
    await world.time.run(1000);
    const reservation = await given;
    reservation.settle(Number.NaN, Number.NaN);
    reservation.settle(5);
    reservation.release();
    // No sensible answer is like a lost one: the reservation counts, once.
    expect(budget.held().spent).toBe(1);
  });
});

describe('end of another holder, for the fence', () => {
  it('is told after it crashed, not while it lives, even when reads are stale', async () => {
    const world = new LeaseWorld();
    const worker = world.open('worker');
    const spent = world.spend(worker.budget.limiterFor({ id: 't', priority: 'bulk' }), worker.process);
    await world.time.run(2000);
    const { holderId } = worker.budget.held();
    expect(holderId).toBe('worker.1');

    let frozen: Awaited<ReturnType<LeaseStore['read']>> | null = null;
    let stale = true;
    const watcher = world.open('watcher', (store) => ({
      read: async (etag, signal) => (stale && frozen !== null ? frozen : (frozen = await store.read(etag, signal))),
      replace: (document, etag, signal) => store.replace(document, etag, signal),
    }));
    let ended = false;
    void watcher.budget.holderEnded(holderId, never).then(() => (ended = true));
    // The same old version for 20 s looks like a holder that stands still.
    await world.time.run(22_000);
    expect(ended).toBe(false);
    stale = false;
    await world.time.run(32_000);
    expect(ended).toBe(false);
    expect(spent.ru).toBeGreaterThan(20_000);
    worker.process.crashed = true;
    await world.time.run(40_000);
    expect(ended).toBe(true);
  });

  it('is proven before a paused holder goes on, which then works under another id', async () => {
    const world = new LeaseWorld();
    const worker = world.open('worker');
    const registered: string[] = [];
    const register = (id: string): Promise<void> => {
      registered.push(id);
      return Promise.resolve();
    };
    world.spend(worker.budget.limiterFor({ id: 't', priority: 'bulk', register }), worker.process);
    await world.time.run(2000);
    worker.process.pause(60_000, () => undefined);
    const watcher = world.open('watcher');
    let ended = false;
    void watcher.budget.holderEnded('worker.1', never).then(() => (ended = true));
    await world.time.run(10_000);
    expect(ended).toBe(true);
    await world.time.run(70_000);
    expect(registered).toEqual(['worker.1', 'worker.2']);
  });
});
