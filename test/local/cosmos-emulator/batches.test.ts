import { describe, expect, it } from 'vitest';
import { batchHeaders, raw, running, type Running } from './client.ts';

type Outcome = { readonly statusCode: number; readonly subStatusCode?: number; readonly resourceBody?: unknown };

const DOCS = '/dbs/db/colls/c/docs';
const upsert = (id: string, pk = 'p', more: object = {}): object => ({
  operationType: 'Upsert',
  partitionKey: JSON.stringify([pk]),
  resourceBody: { id, pk, ...more },
});

async function send(
  run: Running,
  operations: unknown,
  headers = batchHeaders('0'),
): Promise<{ status: number; substatus: number; outcomes: Outcome[] }> {
  const answer = await raw(run.emulator, 'POST', DOCS, { body: operations, headers });
  return { status: answer.status, substatus: answer.substatus, outcomes: answer.json as Outcome[] };
}

const atomic = (pk: string): Record<string, string> => ({
  'x-ms-cosmos-is-batch-request': 'true',
  'x-ms-cosmos-batch-atomic': 'true',
  'x-ms-documentdb-partitionkey': JSON.stringify([pk]),
});

describe('batches of independent operations', () => {
  it('answer each operation in order, with what a point request would have said', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    await send(run, [upsert('a'), upsert('b'), upsert('d')]);
    const { status, outcomes } = await send(run, [
      { operationType: 'Create', partitionKey: '["p"]', resourceBody: { id: 'a', pk: 'p' } },
      { operationType: 'Delete', partitionKey: '["p"]', id: 'b' },
      { operationType: 'Read', partitionKey: '["p"]', id: 'b' },
      { operationType: 'Replace', partitionKey: '["p"]', id: 'b', resourceBody: { id: 'b', pk: 'p' } },
      {
        operationType: 'Patch',
        partitionKey: '["p"]',
        id: 'a',
        resourceBody: { operations: [{ op: 'set', path: '/v', value: 1 }] },
      },
      { operationType: 'Patch', partitionKey: '["p"]', id: 'a', resourceBody: [{ op: 'set', path: '/v', value: 1 }] },
      { operationType: 'Upsert', partitionKey: '["p"]', ifMatch: '"no"', resourceBody: { id: 'd', pk: 'p' } },
      upsert('e'),
      { operationType: 'Upsert', partitionKey: '["p"]', resourceBody: { id: 'e', pk: 'q' } },
      { operationType: 'Read', partitionKey: '["p"]', id: 'a' },
    ]);
    expect(status).toBe(207);
    expect(outcomes.map((one) => one.statusCode)).toEqual([409, 204, 404, 404, 200, 400, 412, 201, 400, 200]);
    expect(outcomes.at(-1)?.resourceBody).toMatchObject({ id: 'a', v: 1 });
  });

  it('stop after a failure when told not to go on', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    const { outcomes } = await send(
      run,
      [upsert('a'), { operationType: 'Delete', partitionKey: '["p"]', id: 'zz' }, upsert('b')],
      batchHeaders('0', { 'x-ms-cosmos-batch-continue-on-error': 'False' }),
    );
    expect(outcomes.map((one) => one.statusCode)).toEqual([201, 404, 424]);
  });

  it('are refused as a whole when a key lies in another range or is too long, and then do nothing', async () => {
    await using run = await running({ partitions: 4 });
    const container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    const answer = await send(
      run,
      ['p', 'q', 'r', 's', 't', 'u', 'v', 'w'].map((pk) => upsert(pk, pk)),
    );
    expect([answer.status, answer.substatus]).toEqual([410, 1002]);
    const unknown = await send(run, [upsert('a')], batchHeaders('17'));
    expect([unknown.status, unknown.substatus]).toEqual([410, 1002]);
    const long = await send(run, [upsert('a', 'k'.repeat(3000))]);
    expect(long.status).toBe(400);
    expect(Array.isArray(long.outcomes)).toBe(false);
    expect((await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources).toEqual([0]);
  });

  it('are refused when they are no batch', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    const status = async (body: unknown): Promise<number> => (await send(run, body)).status;
    expect(await status(Array.from({ length: 101 }, (_, n) => upsert(`i${n}`)))).toBe(400);
    expect(await status([])).toBe(400);
    expect(await status({})).toBe(400);
    expect(await status([1])).toBe(400);
    expect(await status('[{')).toBe(400);
    expect(await status([{ operationType: 'Truncate', partitionKey: '["p"]', id: 'a' }])).toBe(400);
    expect(await status([{ operationType: 'Read', partitionKey: '["p"]' }])).toBe(400);
    expect(await status([{ operationType: 'Upsert', partitionKey: 'p', resourceBody: { id: 'a', pk: 'p' } }])).toBe(
      400,
    );
    expect(await status([upsert('a', 'p', { text: 'x'.repeat(2.2e6) })])).toBe(413);
  });

  it('cut off reads beyond 4 MB of answer', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    for (const id of ['1', '2', '3']) await send(run, [upsert(id, 'p', { text: 'x'.repeat(1_900_000) })]);
    const { outcomes } = await send(
      run,
      ['1', '2', '3'].map((id) => ({ operationType: 'Read', partitionKey: '["p"]', id })),
    );
    expect(outcomes.map((one) => [one.statusCode, one.subStatusCode])).toEqual([
      [200, undefined],
      [200, undefined],
      [413, 3402],
    ]);
  });
});

describe('atomic batches', () => {
  it('do all or nothing, and see their own earlier operations', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await send(run, [upsert('old', 'p', { v: 1 }), upsert('other', 'p')]);
    const before = (await container.items.readAll().fetchAll()).resources;
    const failing = await send(
      run,
      [
        { operationType: 'Delete', id: 'old' },
        { operationType: 'Create', resourceBody: { id: 'old', pk: 'p', v: 2 } },
        { operationType: 'Upsert', resourceBody: { id: 'new', pk: 'p' } },
        { operationType: 'Delete', id: 'other' },
        { operationType: 'Create', resourceBody: { id: 'new', pk: 'p' } },
      ],
      atomic('p'),
    );
    expect([failing.status, failing.outcomes.map((one) => one.statusCode)]).toEqual([207, [424, 424, 424, 424, 409]]);
    expect((await container.items.readAll().fetchAll()).resources).toEqual(before);

    const passing = await send(
      run,
      [
        { operationType: 'Delete', id: 'old' },
        { operationType: 'Create', resourceBody: { id: 'old', pk: 'p', v: 2 } },
        { operationType: 'Patch', id: 'old', resourceBody: { operations: [{ op: 'incr', path: '/v', value: 1 }] } },
      ],
      atomic('p'),
    );
    expect([passing.status, passing.outcomes.map((one) => one.statusCode)]).toEqual([200, [204, 201, 200]]);
    expect((await container.item('old', 'p').read()).resource).toMatchObject({ v: 3 });
  });

  it('refuse an operation that names another key', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    expect((await send(run, [upsert('a', 'q')], atomic('p'))).status).toBe(400);
    const mismatch = await send(run, [{ operationType: 'Upsert', resourceBody: { id: 'a', pk: 'q' } }], atomic('p'));
    expect(mismatch.outcomes.map((one) => one.statusCode)).toEqual([400]);
  });

  it('leave no trace in the change feed when they fail', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    await send(run, [upsert('a')]);
    await send(
      run,
      [
        { operationType: 'Upsert', resourceBody: { id: 'a', pk: 'p', v: 2 } },
        { operationType: 'Delete', id: 'zz' },
      ],
      atomic('p'),
    );
    const feed = await raw(run.emulator, 'GET', DOCS, {
      headers: { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '0' },
    });
    expect((feed.json as { Documents: unknown[] }).Documents).toMatchObject([{ id: 'a', _lsn: 1 }]);
    expect(feed.headers.get('etag')).toBe('"1"');
  });
});
