import { describe, expect, it } from 'vitest';
import { batchHeaders, raw, running, statusOf, type NewContainer } from './client.ts';

const key = (...values: readonly unknown[]): Record<string, string> => ({
  'x-ms-documentdb-partitionkey': JSON.stringify(values),
  'content-type': 'application/json',
});

describe('point operations', () => {
  it('keep documents apart by partition key and by its type', async () => {
    await using run = await running({ partitions: 3 });
    const container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    const keys = ['5', 5, true, false, null, 'true', ''];
    for (const [index, pk] of keys.entries()) {
      expect(await statusOf(container.items.create({ id: 'same', pk, index }))).toBe(201);
    }
    await container.items.create({ id: 'same', index: 7 });
    for (const [index, pk] of keys.entries()) {
      expect((await container.item('same', pk).read()).resource).toMatchObject({ index });
    }
    expect((await container.item('same', undefined).read()).resource).toMatchObject({ index: 7 });
  });

  it('change the etag on every write and keep the resource id over the life of a document', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const first = (await container.items.create({ id: 'a', pk: 'p' })).resource;
    const second = (await container.items.upsert({ id: 'a', pk: 'p', v: 1 })).resource;
    expect(second?._etag).not.toBe(first?._etag);
    expect(second?.['_rid']).toBe(first?.['_rid']);
    await container.item('a', 'p').delete();
    const third = (await container.items.create({ id: 'a', pk: 'p' })).resource;
    expect(third?.['_rid']).not.toBe(first?.['_rid']);
  });

  it('honour If-Match on replace, upsert, patch and delete, and If-None-Match on read', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const old = (await container.items.create({ id: 'a', pk: 'p' })).etag;
    const current = (await container.items.upsert({ id: 'a', pk: 'p', v: 1 })).etag;
    const stale = { accessCondition: { type: 'IfMatch', condition: old } };
    expect(await statusOf(container.item('a', 'p').replace({ id: 'a', pk: 'p' }, stale))).toBe(412);
    expect(await statusOf(container.items.upsert({ id: 'a', pk: 'p' }, stale))).toBe(412);
    expect(await statusOf(container.item('a', 'p').delete(stale))).toBe(412);
    expect(
      await statusOf(container.item('a', 'p').patch({ operations: [{ op: 'set', path: '/v', value: 2 }] }, stale)),
    ).toBe(412);
    const unchanged = { accessCondition: { type: 'IfNoneMatch', condition: current } };
    expect(await statusOf(container.item('a', 'p').read(unchanged))).toBe(304);
    expect((await container.item('a', 'p').read()).resource).toMatchObject({ v: 1 });
  });

  it('drop system properties that a client writes back, and keep every other property', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await container.items.create({ id: 'a', pk: 'p', nested: { _etag: 'mine' } });
    const read = (await container.item('a', 'p').read()).resource as Record<string, unknown>;
    const again = (await container.items.upsert({ ...read, v: 1 })).resource as unknown as Record<string, unknown>;
    expect(again['_etag']).not.toBe(read['_etag']);
    expect(again['nested']).toEqual({ _etag: 'mine' });
    expect(Object.keys(again).filter((name) => name === '_rid')).toHaveLength(1);
  });

  it('give back text, numbers and names exactly', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const odd = JSON.parse(
      '{"__proto__":{"a":1},"constructor":2,"é日本\\u0000\\ud83d\\ude00":"\\n\\t\\"\\\\"}',
    ) as object;
    const document = {
      id: 'a',
      pk: 'p',
      big: 9007199254740991,
      tiny: 5e-324,
      minus: -1.5e300,
      odd,
      empty: {},
      none: null,
    };
    await container.items.create(document);
    const answer = await raw(run.emulator, 'GET', '/dbs/db/colls/c/docs/a', { headers: key('p') });
    const { _rid, _self, _etag, _attachments, _ts, ...stored } = answer.json as Record<string, unknown>;
    expect(JSON.stringify(stored)).toBe(JSON.stringify(document));
    expect([_rid, _self, _etag, _attachments, _ts].every((property) => property !== undefined)).toBe(true);
  });

  it('refuse what the service refuses', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    const post = async (body: unknown, ...values: readonly unknown[]): Promise<number> =>
      (await raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', { body, headers: key(...values) })).status;
    expect(await post({ pk: 'p' }, 'p')).toBe(400);
    expect(await post({ id: 5, pk: 'p' }, 'p')).toBe(400);
    expect(await post({ id: 'a/b', pk: 'p' }, 'p')).toBe(400);
    expect(await post({ id: String.raw`a\b`, pk: 'p' }, 'p')).toBe(400);
    expect(await post({ id: 'a#b', pk: 'p' }, 'p')).toBe(400);
    expect(await post({ id: 'é'.repeat(512), pk: 'p' }, 'p')).toBe(400);
    expect(await post({ id: 'x'.repeat(1023), pk: 'p' }, 'p')).toBe(201);
    expect(await post({ id: 'a', pk: 'p' }, 'other')).toBe(400);
    expect(await post({ id: 'a', pk: { deep: 1 } }, 'p')).toBe(400);
    expect(await post({ id: 'a', pk: 'k'.repeat(2049) }, 'k'.repeat(2049))).toBe(400);
    expect(await post({ id: 'a', pk: 'p', text: 'x'.repeat(2.1e6) }, 'p')).toBe(413);
    expect(await post('{"id":"a","pk":"p"', 'p')).toBe(400);
    expect(await post('[1]', 'p')).toBe(400);
    expect(await post(`{"id":"deep","pk":"p","v":${'['.repeat(200)}${']'.repeat(200)}}`, 'p')).toBe(400);
    const without = await raw(run.emulator, 'GET', '/dbs/db/colls/c/docs/a');
    expect(without.status).toBe(400);
    expect((without.json as { message: string }).message).toContain('PartitionKey');
  });

  it('reach ids of any characters by their address', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    for (const id of [
      'a b',
      ' lead',
      'trail ',
      'é日本',
      'a+b',
      'a=b&c',
      'a%20b',
      "a'b",
      'a\tb',
      'a\r\nb',
      'what?no',
      '..',
    ]) {
      await container.items.create({ id, pk: 'p' });
      const path = `/dbs/db/colls/c/docs/${encodeURIComponent(id).replaceAll('.', '%2E')}`;
      // fetch resolves dot segments, even encoded ones; those only the query finds.
      if (id !== '..') expect((await raw(run.emulator, 'GET', path, { headers: key('p') })).status).toBe(200);
      const query = { query: 'SELECT VALUE c.id FROM c WHERE c.id = @id', parameters: [{ name: '@id', value: id }] };
      expect((await container.items.query(query).fetchAll()).resources).toEqual([id]);
    }
  });

  it('answer writes without a body when asked to', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    const answer = await raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', {
      body: { id: 'a', pk: 'p' },
      headers: { ...key('p'), prefer: 'return=minimal' },
    });
    expect([answer.status, answer.text, answer.headers.get('etag')?.startsWith('"')]).toEqual([201, '', true]);
  });

  it('repeat the activity id of a request in the answer, and make one up where there is none to repeat', async () => {
    await using run = await running();
    const asked = async (id: string): Promise<string | null> =>
      (await raw(run.emulator, 'GET', '/dbs', { headers: { 'x-ms-activity-id': id } })).headers.get('x-ms-activity-id');
    expect(await asked('0d0c9d3c-0000-4000-8000-000000000001')).toBe('0d0c9d3c-0000-4000-8000-000000000001');
    expect(await asked('x'.repeat(1000))).toMatch(/^[\w-]{36}$/);
  });

  it('tell a session when a partition has not caught up with it', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const { headers } = await container.items.create({ id: 'a', pk: 'p' });
    expect(String(headers['x-ms-session-token'])).toMatch(/^0:-1#1$/);
    const ahead = { ...key('p'), 'x-ms-session-token': '0:-1#99' };
    const answer = await raw(run.emulator, 'GET', '/dbs/db/colls/c/docs/a', { headers: ahead });
    expect([answer.status, answer.substatus]).toEqual([404, 1002]);
  });
});

describe('patch', () => {
  it('adds, sets, replaces, removes, increments and moves, in objects and arrays', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await container.items.create({ id: 'a', pk: 'p', n: 1, gone: 1, list: [1, 2, 3], 'odd/na~me': 1, from: { x: 1 } });
    const { resource } = await container.item('a', 'p').patch({
      operations: [
        { op: 'incr', path: '/n', value: 2 },
        { op: 'remove', path: '/gone' },
        { op: 'add', path: '/list/1', value: 'in' },
        { op: 'add', path: '/list/-', value: 'end' },
        { op: 'set', path: '/list/0', value: 'first' },
        { op: 'remove', path: '/list/2' },
        { op: 'set', path: '/odd~1na~0me', value: 2 },
        { op: 'move', from: '/from/x', path: '/to' } as never,
        { op: 'incr', path: '/fresh', value: 4 },
      ],
    });
    expect(resource).toMatchObject({
      n: 3,
      list: ['first', 'in', 3, 'end'],
      'odd/na~me': 2,
      from: {},
      to: 1,
      fresh: 4,
    });
    expect(resource).not.toHaveProperty('gone');
  });

  it('changes nothing when a step or the condition fails', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const etag = (await container.items.create({ id: 'a', pk: 'p', n: 1 })).etag;
    const attempt = (operations: readonly object[], condition?: string): Promise<number | string | undefined> =>
      statusOf(
        container.item('a', 'p').patch({ operations: operations as never, ...(condition ? { condition } : {}) }),
      );
    const set = { op: 'set', path: '/n', value: 9 };
    expect(await attempt([set], 'from c where c.n > 1')).toBe(412);
    expect(await attempt([set, { op: 'remove', path: '/absent' }])).toBe(400);
    expect(await attempt([set, { op: 'replace', path: '/absent', value: 1 }])).toBe(400);
    expect(await attempt([set, { op: 'set', path: '/absent/deep', value: 1 }])).toBe(400);
    expect(await attempt([set, { op: 'incr', path: '/id', value: 1 }])).toBe(400);
    expect(await attempt([{ op: 'set', path: '/pk', value: 'q' }])).toBe(400);
    expect(await attempt([{ op: 'set', path: '/_ts', value: 1 }])).toBe(400);
    expect(await attempt([{ op: 'frobnicate', path: '/n', value: 1 }])).toBe(400);
    expect(await attempt(Array.from({ length: 11 }, () => set))).toBe(400);
    expect(await attempt([set], 'from c where c.n = ')).toBe(400);
    expect((await container.item('a', 'p').read()).etag).toBe(etag);
  });
});

describe('time to live', () => {
  it('hides expired documents from reads, queries and feeds, and frees their ids', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk', defaultTtl: 10 });
    await container.items.create({ id: 'default', pk: 'p' });
    await container.items.create({ id: 'long', pk: 'p', ttl: 100 });
    await container.items.create({ id: 'never', pk: 'p', ttl: -1 });
    run.emulator.advanceClock(9000);
    expect((await container.item('default', 'p').read()).statusCode).toBe(200);
    run.emulator.advanceClock(1100);
    expect((await container.item('default', 'p').read()).statusCode).toBe(404);
    expect((await container.items.query('SELECT VALUE c.id FROM c').fetchAll()).resources).toEqual(['long', 'never']);
    expect((await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources).toEqual([2]);
    expect(await statusOf(container.items.create({ id: 'default', pk: 'p' }))).toBe(201);
    run.emulator.advanceClock(200_000);
    expect((await container.items.readAll().fetchAll()).resources.map((one) => one.id)).toEqual(['never']);
  });

  it('lets go of expired documents that nobody asks for', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk', defaultTtl: 1 });
    const write = async (from: number): Promise<void> => {
      for (let batch = from; batch < from + 11; batch++) {
        const body = Array.from({ length: 100 }, (_, n) => ({
          operationType: 'Create',
          partitionKey: '["p"]',
          resourceBody: { id: `${batch}-${n}`, pk: 'p' },
        }));
        await raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', { body, headers: batchHeaders('0') });
      }
    };
    await write(0);
    run.emulator.advanceClock(5000);
    const before = (await container.item('x', 'p').read()).headers['lsn'];
    await write(100);
    // Each removal is a write of its own to the log: 1,100 creates and as many removals.
    expect(Number((await container.item('x', 'p').read()).headers['lsn']) - Number(before)).toBe(2200);
    expect((await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources).toEqual([1100]);
  });

  it('means nothing in a container without it, but is checked all the same', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await container.items.create({ id: 'a', pk: 'p', ttl: 1 });
    run.emulator.advanceClock(5000);
    expect((await container.item('a', 'p').read()).statusCode).toBe(200);
    for (const ttl of [0, -10, 1.5, 'soon', null, 2 ** 31]) {
      expect(await statusOf(container.items.create({ id: 'b', pk: 'p', ttl: ttl as never }))).toBe(400);
    }
  });
});

describe('unique keys', () => {
  it('hold within a logical partition, through replaces, deletes, expiry and rolled-back batches', async () => {
    await using run = await running();
    const container = await run.container({
      id: 'c',
      partitionKey: '/pk',
      defaultTtl: -1,
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/mail'] }, { paths: ['/a', '/b'] }] },
    });
    const create = (document: object): Promise<number | string | undefined> =>
      statusOf(container.items.create(document));
    expect(await create({ id: '1', pk: 'p', mail: 'x', a: 1, b: 1 })).toBe(201);
    expect(await create({ id: '2', pk: 'p', mail: 'x', a: 2 })).toBe(409);
    expect(await create({ id: '2', pk: 'p', mail: 'y', a: 1, b: 1 })).toBe(409);
    expect(await create({ id: '2', pk: 'q', mail: 'x', a: 1, b: 1 })).toBe(201);
    expect(await create({ id: '3', pk: 'p', mail: 'z', a: 1, b: '1' })).toBe(201);
    expect(await statusOf(container.items.upsert({ id: '3', pk: 'p', mail: 'x', a: 5 }))).toBe(409);
    expect(await statusOf(container.items.upsert({ id: '1', pk: 'p', mail: 'w', a: 1, b: 1 }))).toBe(200);
    expect(await create({ id: '4', pk: 'p', mail: 'x', a: 4, ttl: 1 })).toBe(201);
    run.emulator.advanceClock(2000);
    expect(await create({ id: '5', pk: 'p', mail: 'x', a: 6 })).toBe(201);
    await container.item('5', 'p').delete();
    const batch = await container.items.batch(
      [
        { operationType: 'Create', resourceBody: { id: '6', pk: 'p', mail: 'x', a: 7 } },
        { operationType: 'Create', resourceBody: { id: '1', pk: 'p', mail: 'v', a: 8 } },
      ],
      'p',
    );
    expect(batch.result?.map((one) => one.statusCode)).toEqual([424, 409]);
    expect(await create({ id: '7', pk: 'p', mail: 'x', a: 9 })).toBe(201);
    await container.items.batch(
      [
        { operationType: 'Upsert', resourceBody: { id: '1', pk: 'p', mail: 'changed', a: 1, b: 1 } },
        { operationType: 'Delete', id: 'absent' },
      ],
      'p',
    );
    expect(await create({ id: '8', pk: 'p', mail: 'w', a: 10 })).toBe(409);
    expect(await create({ id: '8', pk: 'p', mail: 'changed', a: 10 })).toBe(201);
  });
});

describe('hierarchical partition keys', () => {
  it('address documents by all levels and queries by leading ones', async () => {
    await using run = await running({ partitions: 4 });
    const container = await run.container({
      id: 'c',
      partitionKey: { paths: ['/t', '/u/v', '/s'], kind: 'MultiHash', version: 2 },
    });
    for (const t of ['T', 'U']) {
      for (const v of [1, 2]) await container.items.create({ id: `${t}${v}`, t, u: { v }, s: null });
    }
    await container.items.create({ id: 'none', t: 'T' });
    expect((await container.item('T1', ['T', 1, null]).read()).statusCode).toBe(200);
    expect((await container.item('T1', ['T', '1', null]).read()).statusCode).toBe(404);
    const ids = async (partitionKey: readonly unknown[]): Promise<readonly string[]> =>
      (await container.items.query('SELECT VALUE c.id FROM c', { partitionKey: partitionKey as never }).fetchAll())
        .resources;
    expect(await ids(['U', 2, null])).toEqual(['U2']);
    expect((await ids(['T'])).toSorted()).toEqual(['T1', 'T2', 'none']);
    expect(await ids(['T', 2])).toEqual(['T2']);
    expect(await ids(['T', undefined, undefined])).toEqual(['none']);
    const short = await raw(run.emulator, 'GET', '/dbs/db/colls/c/docs/T1', { headers: key('T') });
    expect(short.status).toBe(400);
  });

  it('are refused with more than three levels or version 1', async () => {
    await using run = await running();
    const attempt = (partitionKey: NewContainer['partitionKey']): Promise<number | string | undefined> =>
      statusOf(run.container({ id: 'x', partitionKey }) as never);
    expect(await attempt({ paths: ['/a', '/b', '/c', '/d'], kind: 'MultiHash', version: 2 })).toBe(400);
    expect(await attempt({ paths: ['/a', '/b'], kind: 'MultiHash', version: 1 })).toBe(400);
    expect(await attempt({ paths: ['/a', '/b'], kind: 'Hash' })).toBe(400);
    expect(await attempt({ paths: ['/a'], kind: 'Range' })).toBe(400);
  });
});

describe('deletion by partition key', () => {
  it('takes one logical partition and nothing else', async () => {
    await using run = await running({ partitions: 2 });
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    for (const pk of ['p', 'q']) for (const id of ['1', '2']) await container.items.create({ id, pk });
    await container.deleteAllItemsForPartitionKey('p');
    const left = (await container.items.query('SELECT c.id, c.pk FROM c').fetchAll()).resources as object[];
    expect(left).toEqual([
      { id: '1', pk: 'q' },
      { id: '2', pk: 'q' },
    ]);
  });
});
