import { ChangeFeedStartFrom, type Container } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { effectivePartitionKey } from '../../../src/documents/effective-partition-key.ts';
import { batchHeaders, raw, running, statusOf } from './client.ts';

interface Range {
  readonly id: string;
  readonly minInclusive: string;
  readonly maxExclusive: string;
  readonly parents?: readonly string[];
}

async function ranges(container: Container): Promise<readonly Range[]> {
  return (await container.readPartitionKeyRanges().fetchAll()).resources;
}

/** True when the ranges cover every key, each once. */
function seamless(all: readonly Range[]): boolean {
  const sorted = all.toSorted((a, b) => (a.minInclusive < b.minInclusive ? -1 : 1));
  return (
    sorted[0]?.minInclusive === '' &&
    sorted.at(-1)?.maxExclusive === 'FF' &&
    sorted.slice(1).every((range, index) => range.minInclusive === sorted[index]?.maxExclusive)
  );
}

async function fill(container: Container, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) await container.items.create({ id: String(n), pk: `k${n}`, n });
}

describe.each([
  { name: 'version 1', partitionKey: { paths: ['/pk'], version: 1 }, hashing: { kind: 'Hash', version: 1 } as const },
  { name: 'version 2', partitionKey: { paths: ['/pk'], version: 2 }, hashing: { kind: 'Hash', version: 2 } as const },
  {
    name: 'MultiHash',
    partitionKey: { paths: ['/pk'], kind: 'MultiHash', version: 2 },
    hashing: { kind: 'MultiHash', version: 2 } as const,
  },
])('partitions of a container hashed by $name', ({ partitionKey, hashing }) => {
  it('cover all keys and share documents roughly evenly', async () => {
    await using run = await running({ partitions: 5 });
    const container = await run.container({ id: 'c', partitionKey });
    const all = await ranges(container);
    expect(all).toHaveLength(5);
    expect(seamless(all)).toBe(true);
    const counts = all.map(() => 0);
    for (let n = 0; n < 2000; n++) {
      const epk = effectivePartitionKey([`key ${n}`], hashing);
      const index = all.findIndex((range) => epk >= range.minInclusive && epk < range.maxExclusive);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(250);
  });

  it('split, and split again, without losing or moving a document for its readers', async () => {
    await using run = await running({ partitions: 2 });
    const container = await run.container({ id: 'c', partitionKey });
    await fill(container, 0, 60);
    const before = (await container.items.query('SELECT * FROM c ORDER BY c.n').fetchAll()).resources as unknown[];
    const children = run.emulator.split('db', 'c', '0');
    expect(children).toEqual(['2', '3']);
    expect(run.emulator.split('db', 'c', '3')).toEqual(['4', '5']);
    const all = await ranges(container);
    expect(seamless(all)).toBe(true);
    expect(Object.fromEntries(all.map((range) => [range.id, range.parents]))).toEqual({
      1: [],
      2: ['0'],
      4: ['0', '3'],
      5: ['0', '3'],
    });
    expect((await container.items.query('SELECT * FROM c ORDER BY c.n').fetchAll()).resources).toEqual(before);
    for (let n = 0; n < 60; n++) expect((await container.item(String(n), `k${n}`).read()).statusCode).toBe(200);
    await fill(container, 60, 20);
    expect((await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources).toEqual([80]);
  });
});

describe('routing', () => {
  it('tells clients of a split range that it is gone', async () => {
    await using run = await running({ partitions: 2 });
    await run.container({ id: 'c', partitionKey: '/pk' });
    run.emulator.split('db', 'c', '1');
    const batch = await raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', {
      body: [{ operationType: 'Read', partitionKey: '["p"]', id: 'a' }],
      headers: batchHeaders('1'),
    });
    const feed = await raw(run.emulator, 'GET', '/dbs/db/colls/c/docs', {
      headers: { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '1' },
    });
    expect([batch.status, batch.substatus, feed.status, feed.substatus]).toEqual([410, 1002, 410, 1002]);
  });

  it('answers 410/1008 while a partition moves, and keeps its range', async () => {
    await using run = await running({ partitions: 2 });
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    run.emulator.migrate('db', 'c', '0', 2);
    const read = { body: [{ operationType: 'Read', partitionKey: '["k0"]', id: 'a' }], headers: batchHeaders('0') };
    const statuses: (readonly [number, number])[] = [];
    for (let n = 0; n < 3; n++) {
      const answer = await raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', read);
      statuses.push([answer.status, answer.substatus]);
    }
    expect(statuses.slice(0, 2)).toEqual([
      [410, 1008],
      [410, 1008],
    ]);
    expect(statuses[2]?.[1]).not.toBe(1008);
    expect((await ranges(container)).map((range) => range.id)).toEqual(['0', '1']);
  });

  it('shows the ranges before a split for as long as a fault says', async () => {
    await using run = await running({ partitions: 2 });
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    run.emulator.faults.add({ match: { kind: 'ranges' }, times: 2, action: { kind: 'staleRanges' } });
    run.emulator.split('db', 'c', '0');
    const seen: string[] = [];
    for (let n = 0; n < 3; n++) seen.push((await ranges(container)).map((range) => range.id).join());
    expect(seen).toEqual(['0,1', '0,1', '2,3,1']);
  });

  it('makes partitions by RU/s unless it is told how many', async () => {
    await using run = await running();
    expect(await ranges(await run.container({ id: 'small', partitionKey: '/pk', throughput: 6_000 }))).toHaveLength(1);
    expect(await ranges(await run.container({ id: 'big', partitionKey: '/pk', throughput: 25_100 }))).toHaveLength(5);
    expect(await ranges(await run.container({ id: 'auto', partitionKey: '/pk', maxThroughput: 40_000 }))).toHaveLength(
      4,
    );
  });
});

describe('pages', () => {
  it('go on after a split, a delete and a restart of the reader, each document once', async () => {
    await using run = await running({ partitions: 3 });
    const container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    await fill(container, 0, 50);
    const seen: string[] = [];
    let token: string | undefined;
    let pages = 0;
    do {
      const page = await container.items
        .query('SELECT VALUE c.id FROM c', {
          maxItemCount: 7,
          ...(token === undefined ? {} : { continuationToken: token }),
        })
        .fetchNext();
      seen.push(...(page.resources as unknown as string[]));
      token = page.continuationToken;
      pages++;
      if (pages === 2) run.emulator.split('db', 'c', '0');
      if (pages === 3) run.emulator.split('db', 'c', '1');
    } while (token !== undefined && token !== '');
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
  });

  it('of two queries at the same place do not mix', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await fill(container, 0, 9);
    const first = container.items.query('SELECT VALUE {"a": t} FROM c JOIN t IN [1, 2, 3]', { maxItemCount: 4 });
    const second = container.items.query('SELECT VALUE {"b": t} FROM c JOIN t IN [1, 2, 3]', { maxItemCount: 4 });
    const names: (readonly string[])[] = [];
    for (let n = 0; n < 3; n++) {
      for (const iterator of [first, second]) {
        names.push([...new Set((await iterator.fetchNext()).resources.flatMap((one: object) => Object.keys(one)))]);
      }
    }
    expect(names).toEqual([['a'], ['b'], ['a'], ['b'], ['a'], ['b']]);
  });

  it('of sorted and joined results have the size asked for', async () => {
    await using run = await running({ partitions: 2 });
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await fill(container, 0, 10);
    const sizes = async (query: string): Promise<readonly number[]> => {
      const found: number[] = [];
      for await (const page of container.items.query(query, { maxItemCount: 4 }).getAsyncIterator()) {
        found.push(page.resources.length);
      }
      return found;
    };
    expect(await sizes('SELECT * FROM c ORDER BY c.n DESC')).toEqual([4, 4, 2]);
    expect(await sizes('SELECT VALUE t FROM c JOIN t IN [1, 2, 3]')).toEqual([4, 4, 4, 4, 4, 4, 4, 2]);
    expect(await sizes('SELECT VALUE COUNT(1) FROM c')).toEqual([1]);
  });

  it('refuse tokens they did not give', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const other = await run.container({ id: 'other', partitionKey: '/pk' });
    await fill(other, 0, 3);
    const foreign = (await other.items.readAll({ maxItemCount: 1 }).fetchNext()).continuationToken;
    for (const continuationToken of ['junk', '{}', '[]', 'null', '{"kind":"scan","rid":1}', foreign]) {
      expect(await statusOf(container.items.query('SELECT * FROM c', { continuationToken }).fetchNext() as never)).toBe(
        400,
      );
    }
  });
});

it('an order by several properties needs a composite index where there are some', async () => {
  await using run = await running();
  const container = await run.container({
    id: 'c',
    partitionKey: '/pk',
    indexingPolicy: {
      compositeIndexes: [
        [
          { path: '/n', order: 'ascending' },
          { path: '/"deep down"/x', order: 'descending' },
        ],
      ],
    },
  });
  await fill(container, 0, 3);
  const status = (order: string): Promise<unknown> =>
    container.items
      .query(`SELECT * FROM c ORDER BY ${order}`)
      .fetchAll()
      .then(
        () => 200,
        (thrown: { code: number }) => thrown.code,
      );
  expect(await status('c.n, c["deep down"].x DESC')).toBe(200);
  expect(await status('c.n DESC, c["deep down"].x')).toBe(200);
  expect(await status('c.n, c["deep down"].x')).toBe(400);
  expect(await status('c["deep down"].x DESC, c.n')).toBe(400);
  expect(await status('c.n')).toBe(200);
});

describe('the change feed', () => {
  it('gives each document once, in its latest version, in the order of the writes', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await fill(container, 0, 5);
    await container.items.upsert({ id: '1', pk: 'k1', v: 2 });
    await container.item('3', 'k3').delete();
    const iterator = container.items.getChangeFeedIterator({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
      maxItemCount: 2,
    });
    const ids: string[] = [];
    for (let page = await iterator.readNext(); page.statusCode !== 304; page = await iterator.readNext()) {
      ids.push(...page.result.map((one: { id: string }) => one.id));
    }
    expect(ids).toEqual(['0', '2', '4', '1']);
    await container.items.create({ id: 'late', pk: 'k0' });
    expect((await iterator.readNext()).result.map((one: { id: string }) => one.id)).toEqual(['late']);
  });

  it('begins now, or at a time, when asked', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await fill(container, 0, 3);
    const now = container.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Now() });
    expect((await now.readNext()).statusCode).toBe(304);
    run.emulator.advanceClock(60_000);
    const later = new Date(run.emulator.now() - 1000);
    await container.items.create({ id: 'new', pk: 'k' });
    expect((await now.readNext()).result).toMatchObject([{ id: 'new' }]);
    const since = container.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Time(later) });
    expect((await since.readNext()).result).toMatchObject([{ id: 'new' }]);
  });

  it('goes on through a split by sub-ranges of keys', async () => {
    await using run = await running({ partitions: 1 });
    const container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    await fill(container, 0, 20);
    const first = container.items.getChangeFeedIterator({
      changeFeedStartFrom: ChangeFeedStartFrom.Beginning(),
      maxItemCount: 8,
    });
    const page = await first.readNext();
    const seen: string[] = page.result.map((one: { id: string }) => one.id);
    run.emulator.split('db', 'c', '0');
    await fill(container, 20, 5);
    const rest = container.items.getChangeFeedIterator({
      changeFeedStartFrom: ChangeFeedStartFrom.Continuation(page.continuationToken),
      maxItemCount: 8,
    });
    for (let quiet = 0; quiet < 4;) {
      const next = await rest.readNext();
      quiet = next.statusCode === 304 ? quiet + 1 : 0;
      seen.push(...(next.result ?? []).map((one: { id: string }) => one.id));
    }
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 25 }, (_, n) => String(n)));
  });

  it('of a part of a range holds the documents whose keys lie in it', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    await fill(container, 0, 20);
    const read = async (more: Readonly<Record<string, string>>): Promise<readonly string[]> => {
      const headers = { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': '0', ...more };
      const feed = await raw(run.emulator, 'GET', '/dbs/db/colls/c/docs', { headers });
      return (feed.json as { Documents: { id: string }[] }).Documents.map((one) => one.id);
    };
    const middle = '20000000000000000000000000000000';
    const isLow = (id: number): boolean => effectivePartitionKey([`k${id}`], { kind: 'Hash', version: 2 }) < middle;
    const all = Array.from({ length: 20 }, (_, n) => n);
    expect(await read({ 'x-ms-end-epk': middle })).toEqual(all.filter(isLow).map(String));
    expect(await read({ 'x-ms-start-epk': middle, 'x-ms-end-epk': 'FF' })).toEqual(
      all.filter((id) => !isLow(id)).map(String),
    );
  });

  it('of one partition key holds nothing else', async () => {
    await using run = await running({ partitions: 2 });
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    for (const pk of ['p', 'q']) for (const id of ['1', '2']) await container.items.create({ id, pk });
    const feed = container.items.getChangeFeedIterator({ changeFeedStartFrom: ChangeFeedStartFrom.Beginning('q') });
    expect((await feed.readNext()).result).toMatchObject([
      { id: '1', pk: 'q' },
      { id: '2', pk: 'q' },
    ]);
    expect((await feed.readNext()).statusCode).toBe(304);
  });
});
