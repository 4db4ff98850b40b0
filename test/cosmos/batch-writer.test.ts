import { describe, expect, it } from 'vitest';
import type { RuLimiter, RuReservation } from '../../src/cosmos/ru-limiter.ts';
import { unlimited } from '../../src/cosmos/ru-limiter.ts';
import { openCosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import type { Operation } from '../../src/sync/document-writer.ts';
import { scaledClock } from '../support/scaled-clock.ts';
import {
  CONTAINER,
  DATABASE,
  identityOf,
  openWriterTarget,
  pagesOf,
  tally,
  upsert,
  writeAll,
} from '../support/writer-target.ts';

const never = new AbortController().signal;
const anyBatch = { kind: 'batch' } as const;

function products(count: number, categories = 50): readonly Operation[] {
  return Array.from({ length: count }, (_, n) => upsert(`p${n}`, `category ${n % categories}`, { price: n }));
}

describe('batches', () => {
  it('are filled by physical partition, whatever the order of the operations', async () => {
    const { emulator, writer } = await openWriterTarget({ partitions: 4 });
    const batchWriter = await writer();
    expect(tally(await writeAll(batchWriter, [products(2_000)]))).toEqual({ applied: 2_000 });
    // 20 full batches, and at most two that are not full for each of the 4 partitions.
    expect(batchWriter.counters.requests).toBeLessThanOrEqual(28);
    expect(emulator.counters.total().statuses['410/1002']).toBeUndefined();
  });

  it('wait for one another when pages are small, instead of going out nearly empty', async () => {
    const { writer } = await openWriterTarget({ partitions: 1 });
    const batchWriter = await writer();
    const pages = products(1_000).map((operation) => [operation]);
    expect(tally(await writeAll(batchWriter, pages))).toEqual({ applied: 1_000 });
    expect(batchWriter.counters.requests).toBeLessThan(100);
  });

  it('stay within what the limiter lets one request cost, but hold at least one operation', async () => {
    const { writer } = await openWriterTarget({ partitions: 1 });
    const asked: number[] = [];
    const limiter: RuLimiter = {
      ...unlimited,
      batchRu: () => 30,
      reserve: (request, signal) => {
        asked.push(request.operations);
        return unlimited.reserve(request, signal);
      },
    };
    const large = upsert('large', 'c', { text: 'x'.repeat(400_000) });
    expect(tally(await writeAll(await writer({ limiter }), [[...products(200), large]]))).toEqual({ applied: 201 });
    expect(Math.max(...asked)).toBeLessThanOrEqual(6);
    expect(asked.reduce((sum, operations) => sum + operations, 0)).toBe(201);
  });

  it('charge what the service charged, once', async () => {
    const { emulator, writer } = await openWriterTarget({ partitions: 2 });
    emulator.counters.reset();
    const batchWriter = await writer();
    const outcomes = await writeAll(batchWriter, [products(300)]);
    const charged = outcomes.reduce((sum, { requestUnits }) => sum + requestUnits, 0);
    expect(charged).toBeCloseTo(emulator.counters.total().requestUnits, 3);
    expect(batchWriter.counters.requestUnits).toBeCloseTo(charged, 3);
  });
});

describe('operations end by kind', () => {
  it('create, delete, replace and patch tell whether their condition held', async () => {
    const { writer } = await openWriterTarget();
    const batchWriter = await writer();
    const a = identityOf('a', 'c');
    const b = identityOf('b', 'c');
    await writeAll(batchWriter, [[upsert('a', 'c')]]);
    const document = { id: 'a', category: 'c', n: 1 };
    const [stored] = (await batchWriter.read([a], never)).documents;
    const outcomes = await writeAll(batchWriter, [
      [
        { kind: 'create', identity: a, document },
        { kind: 'replace', identity: a, document, ifMatch: '"stale"' },
        { kind: 'delete', identity: a, ifMatch: '"stale"' },
        { kind: 'replace', identity: a, document, ifMatch: stored?.etag ?? '' },
        { kind: 'patch', identity: a, steps: [{ op: 'set', path: '/n', value: 2 }] },
        { kind: 'patch', identity: b, steps: [{ op: 'set', path: '/n', value: 2 }] },
        { kind: 'replace', identity: b, document: { id: 'b', category: 'c' }, ifMatch: '"any"' },
        { kind: 'delete', identity: b },
      ],
    ]);
    expect(
      outcomes.map(({ operation, status }) => `${operation.identity.id} ${operation.kind} ${status}`).toSorted(),
    ).toEqual([
      'a create exists',
      'a delete changed',
      'a patch applied',
      'a replace applied',
      'a replace changed',
      'b delete applied',
      'b patch missing',
      'b replace missing',
    ]);
    expect((await batchWriter.read([a, b], never)).documents.map((found) => found.document)).toEqual([
      { ...document, n: 2 },
    ]);
  });

  it('a value that must be unique is free again after the deletes of the same call', async () => {
    const { writer } = await openWriterTarget(
      { partitions: 1 },
      { uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/sku'] }] } },
    );
    const batchWriter = await writer();
    await writeAll(batchWriter, [[upsert('old', 'c', { sku: 1 }), upsert('holder', 'c', { sku: 9 })]]);
    const outcomes = await writeAll(batchWriter, [
      [upsert('new', 'c', { sku: 1 }), upsert('taken', 'c', { sku: 9 })],
      [{ kind: 'delete', identity: identityOf('old', 'c') }],
    ]);
    const ends = outcomes.map(
      ({ operation, status, reason }) => `${operation.identity.id} ${status} ${reason?.split(':')[0] ?? ''}`,
    );
    expect(ends.toSorted()).toEqual(['new applied ', 'old applied ', 'taken rejected uniqueKey']);
  });

  it('several operations on one identity are done in order, even when the first ones get lost', async () => {
    const { emulator, writer } = await openWriterTarget();
    const batchWriter = await writer({ clock: scaledClock(20) });
    emulator.faults.add({ match: anyBatch, times: 2, action: { kind: 'reset', when: 'before' } });
    emulator.faults.add({ match: anyBatch, skip: 2, times: 2, action: { kind: 'answer', status: 503 } });
    const page = Array.from({ length: 300 }, (_, n) => upsert('same', 'c', { n }));
    expect(tally(await writeAll(batchWriter, [page]))).toEqual({ applied: 300 });
    const { documents } = await batchWriter.read([identityOf('same', 'c')], never);
    expect(documents[0]?.document['n']).toBe(299);
  });
});

describe('partitions', () => {
  it('that split in the middle of 20,000 operations are followed', async () => {
    const { emulator, writer } = await openWriterTarget({ partitions: 2 });
    let batches = 0;
    emulator.faults.add({
      match: anyBatch,
      when: () => {
        batches++;
        if (batches === 10) emulator.split(DATABASE, CONTAINER, '0');
        if (batches === 60) emulator.split(DATABASE, CONTAINER, '3');
        return false;
      },
      action: { kind: 'staleRanges' },
    });
    emulator.faults.add({ match: { kind: 'ranges' }, skip: 1, times: 3, action: { kind: 'staleRanges' } });
    const batchWriter = await writer();
    const all = products(20_000, 999);
    const pages = Array.from({ length: 20 }, (_, page) => all.slice(page * 1_000, (page + 1) * 1_000));
    expect(tally(await writeAll(batchWriter, pages))).toEqual({ applied: 20_000 });
    expect(batchWriter.counters.moved).toBeGreaterThan(0);
    expect((await batchWriter.describe(never)).partitions).toHaveLength(4);
  });

  it.each([1000, 1002, 1007, 1008])('that answer 410/%i and keep their id are tried again', async (substatus) => {
    const { emulator, writer } = await openWriterTarget();
    emulator.faults.add({ match: anyBatch, times: 2, action: { kind: 'answer', status: 410, substatus } });
    const batchWriter = await writer({ clock: scaledClock(20) });
    expect(tally(await writeAll(batchWriter, [products(500)]))).toEqual({ applied: 500 });
  });

  it('of a container that was dropped and created again are not written to', async () => {
    const { client, emulator, writer } = await openWriterTarget();
    const batchWriter = await writer();
    await batchWriter.describe(never);
    const container = client.database(DATABASE).container(CONTAINER);
    await container.delete();
    await client.database(DATABASE).containers.create({ id: CONTAINER, partitionKey: { paths: ['/category'] } });
    emulator.faults.add({ match: anyBatch, action: { kind: 'answer', status: 410, substatus: 1000 } });
    await expect(writeAll(batchWriter, [products(10)])).rejects.toMatchObject({ code: 'targetReplaced' });
  });
});

describe('stopping', () => {
  it('an abort ends the writing; what was not sent is failed', async () => {
    const { writer } = await openWriterTarget({ partitions: 2 });
    const stop = new AbortController();
    const source = async function* (): AsyncGenerator<readonly Operation[], void, undefined> {
      for (let page = 0; page < 1_000; page++) {
        if (page === 3) stop.abort();
        yield products(1_000).map((operation) => operation);
      }
    };
    const outcomes = [];
    for await (const some of (await writer()).write(source(), stop.signal)) outcomes.push(...some);
    expect(outcomes).toHaveLength(4_000);
    const failed = outcomes.filter(({ status }) => status === 'failed');
    expect(failed.length).toBeGreaterThanOrEqual(1_000);
    expect(failed.every(({ reason, attempts }) => reason === 'stopped' && attempts === 0)).toBe(true);
  });

  it('a request whose grant ended while it waited for a socket is never sent', async () => {
    const { emulator, writer } = await openWriterTarget();
    const ended: string[] = [];
    let grants = 0;
    const limiter: RuLimiter = {
      ...unlimited,
      reserve: () => Promise.resolve(++grants <= 3 ? expiredReservation(ended) : freeReservation(ended)),
    };
    emulator.counters.reset();
    expect(tally(await writeAll(await writer({ limiter }), [[upsert('a', 'c')]]))).toEqual({ applied: 1 });
    expect(ended).toEqual(['release', 'release', 'release', 'settle']);
    expect(emulator.counters.total().operations).toBe(1);
  });

  it('a limiter that refuses fails the call and reports every operation', async () => {
    const { writer } = await openWriterTarget();
    const limiter: RuLimiter = { ...unlimited, reserve: () => Promise.reject(new Error('no lease')) };
    const statuses: string[] = [];
    await expect(async () => {
      for await (const some of (await writer({ limiter })).write(pagesOf([products(50)]), never)) {
        statuses.push(...some.map(({ status }) => status));
      }
    }).rejects.toThrow(/no lease/);
    expect(statuses).toEqual(Array.from({ length: 50 }, () => 'failed'));
  });
});

describe('lost answers', () => {
  it('are repeated and marked as ambiguous', async () => {
    const { emulator, writer } = await openWriterTarget();
    emulator.faults.add({ match: anyBatch, action: { kind: 'reset', when: 'after' } });
    const [outcome] = await writeAll(await writer(), [
      [{ kind: 'create', identity: identityOf('a', 'c'), document: { id: 'a', category: 'c' } }],
    ]);
    // The first attempt did it; nobody can know that from the second one's answer.
    expect(outcome).toMatchObject({ status: 'exists', ambiguous: true, attempts: 2 });
  });

  it('are noticed within the deadline of a request', async () => {
    const { emulator, writer } = await openWriterTarget();
    emulator.faults.add({ match: anyBatch, action: { kind: 'delay', ms: 60_000 } });
    const clock = scaledClock(50);
    const account = await openCosmosAccount(
      { endpoint: emulator.endpoint, identity: { kind: 'key', key: emulator.key } },
      { ...clock, now: () => Date.now() },
    );
    const [outcome] = await writeAll(await writer({ clock, account }), [[upsert('a', 'c')]]);
    expect(outcome).toMatchObject({ status: 'applied', ambiguous: true, attempts: 2 });
    account.close();
  });

  it('of a service that is gone fail the call when retries are used up', async () => {
    const opened = await openWriterTarget();
    const batchWriter = await opened.writer({ retryForMs: 300 });
    await batchWriter.describe(never);
    await opened.emulator.close();
    const statuses: string[] = [];
    await expect(async () => {
      for await (const some of batchWriter.write(pagesOf([products(50)]), never)) {
        statuses.push(...some.map(({ status }) => status));
      }
    }).rejects.toMatchObject({ code: 'targetUnavailable', retryable: true });
    expect(statuses).toEqual(Array.from({ length: 50 }, () => 'failed'));
  });
});

function freeReservation(ended: string[]): RuReservation {
  return {
    expired: never,
    settle: () => ended.push('settle'),
    lost: () => ended.push('lost'),
    release: () => ended.push('release'),
  };
}

function expiredReservation(ended: string[]): RuReservation {
  return { ...freeReservation(ended), expired: AbortSignal.abort() };
}
