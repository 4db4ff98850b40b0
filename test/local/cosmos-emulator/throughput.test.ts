import { describe, expect, it } from 'vitest';
import { effectivePartitionKey } from '../../../src/documents/effective-partition-key.ts';
import type { Clock } from '../../../src/shared/clock.ts';
import { documentedModel } from '../../../src/local/cosmos-emulator/request-units.ts';
import { Throttle } from '../../../src/local/cosmos-emulator/throttle.ts';
import { batchHeaders, raw, running, statusOf } from './client.ts';

/** A wall clock that stands still at the start of a second until it is moved. */
function stillClock(): Clock & { at: number } {
  const start = Math.ceil(Date.now() / 1000) * 1000;
  const clock = {
    at: start,
    now: () => clock.at,
    monotonic: () => clock.at,
    sleep: async (): Promise<void> => undefined,
  };
  return clock;
}

const upsert = (id: string, more: object = {}): object => ({
  operationType: 'Upsert',
  partitionKey: '["p"]',
  resourceBody: { id, pk: 'p', ...more },
});

describe('request units', () => {
  it('are those of the documentation', () => {
    expect([1, 1024, 1025, 2048, 4096, 65_536].map((bytes) => documentedModel.write(bytes))).toEqual([
      4.95, 4.95, 6.29, 6.29, 6.67, 22.67,
    ]);
    expect(documentedModel.write(3 * 1024)).toBeCloseTo(6.48, 5);
    expect([100, 1024, 2048].map((bytes) => documentedModel.read(bytes))).toEqual([1, 1, 1.04]);
  });

  it('grow with size, indexed values and changes', async () => {
    await using run = await running();
    const container = await run.container({
      id: 'c',
      partitionKey: '/pk',
      indexingPolicy: {
        includedPaths: [{ path: '/*' }],
        excludedPaths: [{ path: '/big/*' }, { path: '/list/[]/skip/?' }],
      },
    });
    const charge = async (document: object): Promise<number> => (await container.items.upsert(document)).requestCharge;
    // id and pk are two indexed values.
    expect(await charge({ id: 'a', pk: 'p' })).toBeCloseTo(4.95 + 0.2 * 2, 5);
    expect(await charge({ id: 'b', pk: 'p', v: [1, 2, { x: 1 }] })).toBeCloseTo(4.95 + 0.2 * 5, 5);
    expect(await charge({ id: 'c', pk: 'p', big: { a: 1, b: [1, 2] }, list: [{ skip: 1, keep: 1 }] })).toBeCloseTo(
      4.95 + 0.2 * 3,
      5,
    );
    expect(await charge({ id: 'a', pk: 'p' })).toBeCloseTo(2 * 4.95, 5);
    expect(await charge({ id: 'a', pk: 'p', v: 1 })).toBeCloseTo(2 * 4.95 + 0.4, 5);
    expect((await container.item('a', 'p').read()).requestCharge).toBe(1);
    expect((await container.item('zz', 'p').read()).requestCharge).toBe(1);
    expect((await container.item('b', 'p').delete()).requestCharge).toBeCloseTo(4.95 + 0.2 * 5, 5);
  });

  it('without an index are those of storing alone', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk', indexingPolicy: { indexingMode: 'none' } });
    expect((await container.items.create({ id: 'a', pk: 'p', v: [1, 2, 3] })).requestCharge).toBe(4.95);
  });
});

describe('a budget', () => {
  it('admits until it is spent, carries the debt over and says when it is paid', () => {
    const throttle = new Throttle();
    throttle.limit = 100;
    const second = 1_000_000;
    expect(throttle.wait(second)).toBe(0);
    throttle.spend(99, second);
    expect(throttle.wait(second + 10)).toBe(0);
    throttle.spend(250, second + 10);
    expect(throttle.wait(second + 10)).toBe(2990);
    expect(throttle.wait(second + 2999)).toBe(1);
    expect(throttle.wait(second + 3000)).toBe(0);
    throttle.spend(50, second + 3000);
    expect(throttle.wait(second + 3000)).toBe(0);
    throttle.spend(1, second + 3000);
    expect(throttle.wait(second + 3000)).toBe(1000);
  });

  it('is shared evenly by the partitions, each of which refuses with 429/3200', async () => {
    const clock = stillClock();
    await using run = await running({ partitions: 4, clock });
    await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 }, throughput: 400 });
    const epk = effectivePartitionKey(['k4'], { kind: 'Hash', version: 2 });
    const range = String(Math.floor(Number.parseInt(epk.slice(0, 2), 16) / 0x10));
    const send = (count: number): ReturnType<typeof raw> =>
      raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', {
        body: Array.from({ length: count }, (_, n) => ({
          operationType: 'Upsert',
          partitionKey: '["k4"]',
          resourceBody: { id: `i${n}`, pk: 'k4' },
        })),
        headers: batchHeaders(range),
        date: new Date(clock.at),
      });
    // 100 RU/s of this partition admit 19 creates of 5.35 RU.
    const first = await send(25);
    const outcomes = first.json as { statusCode: number; subStatusCode?: number; retryAfterMilliseconds?: number }[];
    expect(first.status).toBe(207);
    expect(outcomes.filter((one) => one.statusCode === 201)).toHaveLength(19);
    expect(outcomes.at(-1)).toMatchObject({ statusCode: 429, subStatusCode: 3200, retryAfterMilliseconds: 1000 });
    const empty = await send(1);
    expect([empty.status, empty.substatus, empty.headers.get('x-ms-retry-after-ms')]).toEqual([429, 3200, '1000']);
    clock.at += 1000;
    expect((await send(1)).status).toBe(200);
    expect(run.emulator.counters.total()).toMatchObject({ throttled: 7 });
  });

  it('of a shared database covers its containers together', async () => {
    const clock = stillClock();
    await using run = await running({ clock });
    const { database } = await run.client.databases.create({ id: 'shared', throughput: 400 });
    const one = (await database.containers.create({ id: 'one', partitionKey: '/pk' })).container;
    const two = (await database.containers.create({ id: 'two', partitionKey: '/pk' })).container;
    let admitted = 0;
    for (let n = 0; n < 60; n++) {
      admitted += (await statusOf(one.items.create({ id: `${n}`, pk: 'p' }))) === 201 ? 1 : 0;
      admitted += (await statusOf(two.items.create({ id: `${n}`, pk: 'p' }))) === 201 ? 1 : 0;
    }
    expect(admitted).toBe(75);
  });

  it('may be cut into buckets, which refuse with 429/3212', async () => {
    const clock = stillClock();
    await using run = await running({ clock });
    const container = await run.container({ id: 'c', partitionKey: '/pk', throughput: 1000 });
    run.emulator.setBuckets('db', 'c', { 2: 10 });
    const write = async (id: string, throughputBucket?: number): Promise<unknown> =>
      statusOf(container.items.create({ id, pk: 'p' }, throughputBucket === undefined ? {} : { throughputBucket }));
    const inBucket: unknown[] = [];
    for (let n = 0; n < 25; n++) inBucket.push(await write(`b${n}`, 2));
    expect(inBucket.filter((status) => status === 201)).toHaveLength(19);
    expect(inBucket.at(-1)).toBe(429);
    expect(run.emulator.counters.total().statuses['429/3212']).toBe(6);
    expect(await write('x')).toBe(201);
    expect(await write('y', 3)).toBe(201);
    expect(await write('z', 6)).toBe(400);
  });

  it('does not exist without a figure, and never with throttling off', async () => {
    const clock = stillClock();
    await using free = await running({ clock });
    const unlimited = await free.container({ id: 'c', partitionKey: '/pk' });
    for (let n = 0; n < 120; n++) expect(await statusOf(unlimited.items.create({ id: `${n}`, pk: 'p' }))).toBe(201);
    free.emulator.setThroughput('db', 'c', 400);
    const statuses = new Set<unknown>();
    for (let n = 0; n < 120; n++) statuses.add(await statusOf(unlimited.items.upsert({ id: `${n}`, pk: 'p' })));
    expect([...statuses]).toEqual([200, 429]);
    await using off = await running({ clock, throttling: false });
    const never = await off.container({ id: 'c', partitionKey: '/pk', throughput: 400 });
    for (let n = 0; n < 120; n++) expect(await statusOf(never.items.create({ id: `${n}`, pk: 'p' }))).toBe(201);
  });
});

describe('offers', () => {
  it('show and change throughput, and the change counts at once', async () => {
    const clock = stillClock();
    await using run = await running({ clock });
    const container = await run.container({ id: 'c', partitionKey: '/pk', throughput: 400 });
    const offer = await container.readOffer();
    expect(offer.resource?.content).toMatchObject({ offerThroughput: 400 });
    const resource = offer.resource as NonNullable<typeof offer.resource>;
    await offer.offer?.replace({ ...resource, content: { ...resource.content, offerThroughput: 10_000 } as never });
    let throttled = 0;
    for (let n = 0; n < 120; n++)
      throttled += (await statusOf(container.items.create({ id: `${n}`, pk: 'p' }))) === 429 ? 1 : 0;
    expect(throttled).toBe(0);
    expect((await container.readOffer()).resource?.content?.offerThroughput).toBe(10_000);
  });

  it('refuse figures that cannot be bought', async () => {
    await using run = await running();
    for (const throughput of [100, 450, 1.5, -400]) {
      expect(await statusOf(run.container({ id: 'c', partitionKey: '/pk', throughput }) as never)).toBe(400);
    }
    expect(await statusOf(run.container({ id: 'c', partitionKey: '/pk', maxThroughput: 1500 }) as never)).toBe(400);
  });

  it('do not exist in a serverless account', async () => {
    await using run = await running({ serverless: true });
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    expect(await statusOf(container.readOffer() as never)).toBe(400);
    expect(await statusOf(run.client.offers.readAll().fetchAll() as never)).toBe(400);
    expect(await statusOf(run.container({ id: 'd', partitionKey: '/pk', throughput: 400 }) as never)).toBe(400);
  });

  it('go with their container', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk', throughput: 400 });
    const id = (await container.readOffer()).resource?.id ?? '';
    await container.delete();
    expect((await run.client.offers.readAll().fetchAll()).resources).toEqual([]);
    expect(await statusOf(run.client.offer(id).read() as never)).toBe(404);
  });
});

describe('counters', () => {
  it('tell requests, operations, RU and throttles of each partition and second', async () => {
    const clock = stillClock();
    await using run = await running({ clock });
    await run.container({ id: 'c', partitionKey: '/pk' });
    const send = (): ReturnType<typeof raw> =>
      raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', {
        body: [upsert('a'), upsert('b')],
        headers: batchHeaders('0'),
        date: new Date(clock.at),
      });
    const second = clock.at / 1000;
    await send();
    await send();
    clock.at += 1000;
    await send();
    const place = { database: 'db', container: 'c', rangeId: '0', throttled: 0 };
    const rounded = run.emulator.counters
      .perSecond()
      .map((entry) => ({ ...entry, requestUnits: Math.round(entry.requestUnits * 100) / 100 }));
    expect(rounded).toEqual([
      { ...place, second, requests: 2, operations: 4, requestUnits: 30.5 },
      { ...place, second: second + 1, requests: 1, operations: 2, requestUnits: 19.8 },
    ]);
    expect(run.emulator.counters.perSecond(second + 1)).toHaveLength(1);
    expect(run.emulator.counters.total()).toMatchObject({ operations: 6, throttled: 0, activeRequests: 0 });
    run.emulator.counters.reset();
    expect(run.emulator.counters.total()).toMatchObject({ requests: 0, operations: 0, requestUnits: 0 });
  });
});
