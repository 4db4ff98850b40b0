import { describe, expect, it } from 'vitest';
import { raw, running, type RawAnswer, type Running } from './client.ts';

interface Result {
  readonly _rid: string;
  readonly orderByItems: readonly { readonly item?: unknown }[];
  readonly payload: unknown;
}

/** What the SDK for .NET sends to one partition for an ordered query. */
function ask(
  space: Running,
  order: string,
  options: {
    readonly resume?: unknown;
    readonly rangeId?: string;
    readonly token?: string;
    readonly size?: number;
  } = {},
): Promise<RawAnswer> {
  const keys = order.split(', ').map((key) => `{"item": ${key.split(' ')[0]}}`);
  const query =
    `SELECT c._rid, [${keys.join(', ')}] AS orderByItems, [c.id, t] AS payload ` +
    `FROM c JOIN t IN c.tags ORDER BY ${order}`;
  return raw(space.emulator, 'POST', '/dbs/db/colls/c/docs', {
    body: { query, ...(options.resume === undefined ? {} : { resumeFilter: options.resume }) },
    headers: {
      'content-type': 'application/query+json',
      'x-ms-documentdb-isquery': 'true',
      'x-ms-documentdb-query-enablecrosspartition': 'true',
      'x-ms-documentdb-partitionkeyrangeid': options.rangeId ?? '0',
      'x-ms-max-item-count': String(options.size ?? 1000),
      ...(options.token === undefined ? {} : { 'x-ms-continuation': options.token }),
    },
  });
}

const resultsOf = (answer: RawAnswer): readonly Result[] =>
  (answer.json as { readonly Documents: readonly Result[] }).Documents;

async function filled(): Promise<Running> {
  const space = await running();
  const container = await space.container({ id: 'c', partitionKey: '/id' });
  const values = [3, 1, 2, 3, undefined, 2, 'é', 3, null, 'a', true, 1, 2];
  for (const [i, k] of values.entries()) {
    await container.items.create({ id: `d${i}`, k, n: i % 2, tags: ['x', 'y'].slice(i % 2) });
  }
  return space;
}

/** Keys as the SDK writes them: an empty array stands for undefined. */
const valuesOf = (result: Result): readonly unknown[] => result.orderByItems.map(({ item = [] }) => item);

describe.each(['c.k ASC', 'c.k DESC', 'c.n DESC, c.k ASC', 'c.n ASC, c.k DESC'])('a query ordered by %s', (order) => {
  it('goes on at or after given keys, and among equal keys at or after a given document', async () => {
    await using space = await filled();
    const all = resultsOf(await ask(space, order));
    const same = (left: Result, right: Result): boolean =>
      JSON.stringify(left.orderByItems) === JSON.stringify(right.orderByItems);
    for (const result of all) {
      const value = valuesOf(result);
      const rest = async (resume: unknown): Promise<unknown> => resultsOf(await ask(space, order, { resume }));
      const firstEqual = all.findIndex((one) => same(one, result));
      const lastEqual = all.findLastIndex((one) => same(one, result));
      expect(await rest({ value, exclude: false })).toEqual(all.slice(firstEqual));
      expect(await rest({ value, exclude: true })).toEqual(all.slice(lastEqual + 1));
      const { _rid: rid } = result;
      const first = all.findIndex((one) => one._rid === rid);
      const last = all.findLastIndex((one) => one._rid === rid);
      expect(await rest({ value, rid, exclude: false })).toEqual(all.slice(first));
      expect(await rest({ value, rid, exclude: true })).toEqual(all.slice(last + 1));
    }
  });

  it('goes on from one token in both parts of a partition that was split', async () => {
    await using space = await filled();
    const all = resultsOf(await ask(space, order));
    const first = await ask(space, order, { size: 7 });
    const token = first.headers.get('x-ms-continuation') ?? '';
    space.emulator.split('db', 'c', '0');
    const parts = [await ask(space, order, { rangeId: '1', token }), await ask(space, order, { rangeId: '2', token })];
    const rest = parts.flatMap(resultsOf).map((result) => JSON.stringify(result));
    expect(rest.toSorted()).toEqual(
      all
        .slice(7)
        .map((result) => JSON.stringify(result))
        .toSorted(),
    );
  });

  it('says in which order documents of equal keys come', async () => {
    await using space = await filled();
    const answer = await ask(space, order);
    const info = JSON.parse(answer.headers.get('x-ms-cosmos-query-execution-info') ?? '{}') as unknown;
    expect(info).toEqual({ reverseRidEnabled: false, reverseIndexScan: order.includes('DESC') });
  });
});

it('a resume filter that fits no order, or goes on from an array, is refused', async () => {
  await using space = await filled();
  const status = async (resume: unknown): Promise<number> => (await ask(space, 'c.k ASC', { resume })).status;
  const plain = await raw(space.emulator, 'POST', '/dbs/db/colls/c/docs', {
    body: { query: 'SELECT * FROM c', resumeFilter: { value: [1], exclude: true } },
    headers: { 'content-type': 'application/query+json', 'x-ms-documentdb-isquery': 'true' },
  });
  expect([
    await status({ value: [1], exclude: true }),
    await status({ value: [1, 2], exclude: true }),
    await status({ value: [{ type: 'array', low: 1, high: 2 }], exclude: true }),
    await status({ value: [1], rid: 'x', exclude: true }),
    await status('x'),
    plain.status,
  ]).toEqual([200, 400, 400, 400, 400, 400]);
});

it('groups of a partition that is split between two pages are given once, and again to who asks again', async () => {
  await using space = await running();
  const container = await space.container({ id: 'c', partitionKey: '/id' });
  for (let n = 0; n < 24; n++) await container.items.create({ id: `d${n}`, team: n % 8 });
  const groups = async (rangeId: string, size: number, token?: string): Promise<RawAnswer> =>
    raw(space.emulator, 'POST', '/dbs/db/colls/c/docs', {
      body: { query: 'SELECT [{"item": c.team}] AS groupByItems, {"n": COUNT(1)} AS payload FROM c GROUP BY c.team' },
      headers: {
        'content-type': 'application/query+json',
        'x-ms-documentdb-isquery': 'true',
        'x-ms-documentdb-partitionkeyrangeid': rangeId,
        'x-ms-max-item-count': String(size),
        ...(token === undefined ? {} : { 'x-ms-continuation': token }),
      },
    });
  const all = (await groups('0', 100)).json as { readonly Documents: readonly unknown[] };
  const first = await groups('0', 3);
  const token = first.headers.get('x-ms-continuation') ?? '';
  space.emulator.split('db', 'c', '0');
  for (let time = 0; time < 2; time++) {
    const left = (await groups('1', 100, token)).json as typeof all;
    const right = (await groups('2', 100, token)).json as typeof all;
    expect([left.Documents, right.Documents]).toEqual([all.Documents.slice(3), []]);
  }
});
