import { describe, expect, it } from 'vitest';
import type { FaultRule } from '../../../src/local/cosmos-emulator/emulator.ts';
import { batchHeaders, raw, running, statusOf, type Running } from './client.ts';

const DOCS = '/dbs/db/colls/c/docs';
const pk = { 'x-ms-documentdb-partitionkey': '["p"]' };
const upsert = (id: string, more: object = {}): object => ({
  operationType: 'Upsert',
  partitionKey: '["p"]',
  resourceBody: { id, pk: 'p', ...more },
});

async function faulty(rule: FaultRule): Promise<Running> {
  const run = await running();
  await run.container({ id: 'c', partitionKey: '/pk' });
  run.emulator.faults.add(rule);
  return run;
}

async function batch(
  run: Running,
  ids: readonly string[],
): Promise<{ readonly status: number; readonly codes: readonly number[] }> {
  const answer = await raw(run.emulator, 'POST', DOCS, {
    body: ids.map((id) => upsert(id)),
    headers: batchHeaders('0'),
  });
  return { status: answer.status, codes: (answer.json as { statusCode: number }[]).map((one) => one.statusCode) };
}

async function stored(run: Running): Promise<readonly string[]> {
  const { resources } = await run.client
    .database('db')
    .container('c')
    .items.query('SELECT VALUE c.id FROM c')
    .fetchAll();
  return resources as string[];
}

describe('faults of requests', () => {
  it('answer the next matching ones, then stop', async () => {
    await using run = await faulty({
      match: { kind: 'batch' },
      skip: 1,
      times: 2,
      action: { kind: 'answer', status: 503, substatus: 21_008 },
    });
    expect((await batch(run, ['a'])).status).toBe(200);
    for (let n = 0; n < 2; n++) {
      const answer = await raw(run.emulator, 'POST', DOCS, { body: [upsert('b')], headers: batchHeaders('0') });
      expect([answer.status, answer.substatus, (answer.json as { message: string }).message]).toEqual([
        503,
        21_008,
        'Fault on request.',
      ]);
    }
    expect(await stored(run)).toEqual(['a']);
    expect((await batch(run, ['c'])).status).toBe(200);
    expect(run.emulator.faults.list()).toMatchObject([{ struck: 2, left: 0 }]);
  });

  it('may lose the answer after the write was done', async () => {
    await using run = await faulty({
      match: { kind: 'batch' },
      action: { kind: 'answer', status: 408, applied: true },
    });
    const answer = await raw(run.emulator, 'POST', DOCS, { body: [upsert('a')], headers: batchHeaders('0') });
    expect(answer.status).toBe(408);
    expect(await stored(run)).toEqual(['a']);
  });

  it.each([
    { when: 'before', left: [] },
    { when: 'after', left: ['a'] },
  ] as const)('close the socket $when the write', async ({ when, left }) => {
    await using run = await faulty({ match: { kind: 'batch' }, action: { kind: 'reset', when } });
    await expect(
      raw(run.emulator, 'POST', DOCS, { body: [upsert('a')], headers: batchHeaders('0') }),
    ).rejects.toThrow();
    expect(await stored(run)).toEqual(left);
    expect(run.emulator.counters.total().activeRequests).toBe(0);
  });

  it('cut answers off', async () => {
    await using run = await faulty({ match: { kind: 'batch' }, action: { kind: 'truncate', bytes: 10 } });
    await expect(
      raw(run.emulator, 'POST', DOCS, { body: [upsert('a')], headers: batchHeaders('0') }),
    ).rejects.toThrow();
    expect(await stored(run)).toEqual(['a']);
  });

  it('delay answers, and count what is under way meanwhile', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep: () => held };
    await using run = await running({ clock });
    await run.container({ id: 'c', partitionKey: '/pk' });
    run.emulator.faults.add({ match: { kind: 'batch' }, action: { kind: 'delay', ms: 5000 } });
    const answer = batch(run, ['a']);
    while ((await stored(run)).length === 0);
    expect(run.emulator.counters.total().activeRequests).toBe(1);
    release();
    expect((await answer).status).toBe(200);
  });

  it('may be chosen by a function', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    run.emulator.faults.add({
      when: (subject) => subject.method === 'GET' && subject.id === 'a',
      times: 5,
      action: { kind: 'answer', status: 500 },
    });
    await container.items.create({ id: 'a', pk: 'p' });
    await container.items.create({ id: 'b', pk: 'p' });
    expect(await statusOf(container.item('a', 'p').read())).toBe(500);
    expect(await statusOf(container.item('b', 'p').read())).toBe(200);
  });
});

describe('faults of operations', () => {
  it('strike single ones of a batch', async () => {
    await using run = await faulty({
      level: 'operation',
      match: { id: 'b' },
      times: 2,
      action: { kind: 'answer', status: 449, retryAfterMs: 7 },
    });
    expect(await batch(run, ['a', 'b', 'c'])).toEqual({ status: 207, codes: [201, 449, 201] });
    expect(await stored(run)).toEqual(['a', 'c']);
    expect((await batch(run, ['b'])).codes).toEqual([449]);
    expect((await batch(run, ['b'])).codes).toEqual([201]);
  });

  it('serve the version before the last write to a read', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const first = (await container.items.create({ id: 'a', pk: 'p', v: 1 })).etag;
    const second = (await container.items.upsert({ id: 'a', pk: 'p', v: 2 })).etag;
    run.emulator.faults.add({ level: 'operation', match: { id: 'a' }, times: 3, action: { kind: 'staleRead' } });
    const stale = await container.item('a', 'p').read();
    expect([stale.etag, (stale.resource as { v: number }).v]).toEqual([first, 1]);
    const batchRead = await raw(run.emulator, 'POST', DOCS, {
      body: [{ operationType: 'Read', partitionKey: '["p"]', id: 'a' }],
      headers: batchHeaders('0'),
    });
    expect(batchRead.json).toMatchObject([{ statusCode: 200, resourceBody: { v: 1 } }]);
    // A write that trusts the stale etag is refused: reads may be stale, the fence is not.
    run.emulator.faults.clear();
    const fenced = { accessCondition: { type: 'IfMatch', condition: first } };
    expect(await statusOf(container.item('a', 'p').replace({ id: 'a', pk: 'p', v: 3 }, fenced))).toBe(412);
    expect((await container.item('a', 'p').read()).etag).toBe(second);
  });

  it('show a new document as missing and a deleted one as there', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await container.items.create({ id: 'new', pk: 'p' });
    await container.items.create({ id: 'gone', pk: 'p', v: 1 });
    await container.item('gone', 'p').delete();
    run.emulator.faults.add({ level: 'operation', times: 2, action: { kind: 'staleRead' } });
    expect((await container.item('new', 'p').read()).statusCode).toBe(404);
    expect((await container.item('gone', 'p').read()).resource).toMatchObject({ v: 1 });
    expect((await container.item('gone', 'p').read()).statusCode).toBe(404);
  });
});

describe('the emulator over HTTP', () => {
  it('takes faults, splits, figures and time, and gives counters', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk', defaultTtl: 10 });
    const call = async (method: string, path: string, body?: unknown): Promise<{ status: number; json: never }> => {
      const answer = await fetch(new URL(`_emulator/${path}`, run.emulator.endpoint), {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, json: (await answer.json()) as never };
    };
    const place = { database: 'db', container: 'c' };
    await call('POST', 'faults', { match: { kind: 'batch' }, action: { kind: 'answer', status: 500 } });
    const answer = await raw(run.emulator, 'POST', DOCS, { body: [upsert('a')], headers: batchHeaders('0') });
    expect(answer.status).toBe(500);
    expect((await call('GET', 'faults')).json).toMatchObject({ faults: [{ struck: 1, left: 0 }] });
    expect((await call('DELETE', 'faults')).status).toBe(200);
    await batch(run, ['a']);
    expect((await call('GET', 'counters')).json).toMatchObject({
      operations: 1,
      perSecond: [{ container: 'c', operations: 1 }],
    });
    expect((await call('GET', 'counters?since=99999999999')).json).toMatchObject({ perSecond: [] });
    expect((await call('POST', 'split', { ...place, rangeId: '0' })).json).toEqual({ children: ['1', '2'] });
    expect((await call('POST', 'throughput', { ...place, ruPerSecond: 400 })).status).toBe(200);
    expect((await call('POST', 'clock', { advanceMs: 11_000 })).status).toBe(200);
    expect((await raw(run.emulator, 'GET', `${DOCS}/a`, { headers: pk })).status).toBe(404);
    expect((await call('DELETE', 'counters')).status).toBe(200);
    expect((await call('POST', 'migrate', { ...place, rangeId: '1' })).status).toBe(200);
    expect((await call('POST', 'split', { ...place, rangeId: '0' })).status).toBe(410);
    expect((await call('POST', 'faults', { action: { kind: 'explode' } })).status).toBe(400);
    expect((await call('POST', 'clock', { advanceMs: -1 })).status).toBe(400);
    expect((await call('GET', 'nothing')).status).toBe(404);
  });
});

it('waits before every answer when it is told how far away it is', async () => {
  const waits: number[] = [];
  const clock = {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    sleep: (ms: number): Promise<void> => {
      waits.push(ms);
      return Promise.resolve();
    },
  };
  await using run = await running({ latencyMs: 7, clock });
  run.emulator.faults.add({ match: {}, action: { kind: 'delay', ms: 3, before: true } });
  expect((await raw(run.emulator, 'GET', '/dbs')).status).toBe(200);
  expect((await raw(run.emulator, 'GET', '/dbs/none')).status).toBe(404);
  expect(waits).toEqual([10, 7]);
});
