import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Container } from '@azure/cosmos';
import { mergingOf } from '../../../src/local/cosmos-emulator/query/merging.ts';
import { parseQuery } from '../../../src/local/cosmos-emulator/query/query-parser.ts';
import { raw, running, type Running } from './client.ts';

const QUERY = { 'content-type': 'application/query+json', 'x-ms-documentdb-isquery': 'true' };
const SDK = { ...QUERY, 'x-ms-cosmos-sdk-supportedcapabilities': '1' };

it.each([
  ['none', 'SELECT * FROM c WHERE c.a > 1'],
  ['none', 'SELECT VALUE t FROM c JOIN t IN c.tags'],
  ['none', 'SELECT VALUE (SELECT VALUE COUNT(1) FROM t IN c.tags) FROM c'],
  ['none', 'SELECT VALUE s FROM (SELECT VALUE c.a FROM c) s'],
  ['plan', 'SELECT * FROM c ORDER BY c.a'],
  ['plan', 'SELECT TOP 1 * FROM c'],
  ['plan', 'SELECT * FROM c OFFSET 1 LIMIT 1'],
  ['plan', 'SELECT DISTINCT c.a FROM c'],
  ['plan', 'SELECT VALUE COUNT(1) FROM c'],
  ['plan', 'SELECT VALUE MAX(c.a) FROM c ORDER BY c.a'],
  ['plan', 'SELECT c.a, SUM(c.b) AS s FROM c GROUP BY c.a'],
  ['plan', 'SELECT DISTINCT c.a FROM c ORDER BY c.a DESC'],
  ['whole', 'SELECT DISTINCT c.a FROM c ORDER BY c.b'],
  ['whole', 'SELECT VALUE COUNT(1) * 2 FROM c'],
  ['whole', 'SELECT VALUE {"n": COUNT(1)} FROM c'],
  ['whole', 'SELECT c.a, COUNT(1) AS n FROM c GROUP BY c.a ORDER BY c.a'],
  ['whole', 'SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.a FROM c)'],
  ['whole', 'SELECT * FROM t IN c.tags ORDER BY t.a'],
  ['whole', 'SELECT VALUE 1'],
])('partitions are merged by %s: %s', (merging, text) => {
  expect(mergingOf(parseQuery(text))).toBe(merging);
});

describe('over several partitions, a query whose results must be merged', () => {
  let run: Running;
  let container: Container;
  beforeAll(async () => {
    run = await running({ partitions: 3 });
    container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    for (let n = 0; n < 30; n++)
      await container.items.create({ id: `i${n}`, pk: `k${n % 10}`, n, team: n % 3, kind: 1 + (n % 10) });
  });
  afterAll(async () => {
    await run[Symbol.asyncDispose]();
  });
  const ask = (query: string, headers: Record<string, string>): ReturnType<typeof raw> =>
    raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', { body: { query }, headers });

  it('is left to clients with the capabilities of an SDK, with the plan', async () => {
    const answer = await ask('SELECT VALUE COUNT(1) FROM c', SDK);
    expect([answer.status, answer.substatus]).toEqual([400, 1004]);
    const { additionalErrorInfo } = answer.json as { readonly additionalErrorInfo: string };
    expect(JSON.parse(additionalErrorInfo)).toMatchObject({ queryInfo: { aggregates: ['Count'] } });
  });

  it('is answered at once to other clients, in one partition, and where no plan says how to merge', async () => {
    const counts = async (query: string, headers: Record<string, string>): Promise<unknown> =>
      ((await ask(query, headers)).json as { readonly Documents?: unknown }).Documents;
    expect(await counts('SELECT VALUE COUNT(1) FROM c', QUERY)).toEqual([30]);
    expect(await counts('SELECT VALUE COUNT(1) * 2 FROM c', SDK)).toEqual([60]);
    const key = { ...SDK, 'x-ms-documentdb-partitionkey': '["k4"]' };
    expect(await counts('SELECT VALUE COUNT(1) FROM c', key)).toEqual([3]);
    const range = { ...SDK, 'x-ms-documentdb-partitionkeyrangeid': '0' };
    expect(await counts('SELECT VALUE COUNT(1) FROM c', range)).toEqual([expect.any(Number)]);
  });

  it('is run by the SDK, which sees what it sees of the service', async () => {
    const rows = async (query: string): Promise<unknown[]> =>
      (await container.items.query(query).fetchAll()).resources as unknown[];
    expect(await rows('SELECT VALUE AVG(c.n) FROM c ORDER BY c.n')).toEqual([14.5]);
    expect(await rows('SELECT TOP 3 VALUE c.n FROM c ORDER BY c.n DESC')).toEqual([29, 28, 27]);
    // The SDK's own merging names aggregates without a value; an answer over all partitions would leave them out.
    const groups = await rows('SELECT c.team, MAX(c.none) AS none FROM c GROUP BY c.team');
    expect(groups).toHaveLength(3);
    for (const group of groups) expect(Object.keys(group as object)).toContain('none');
    expect(await rows('SELECT VALUE COUNTIF(c.n > 20) FROM c')).toEqual([9]);
    expect(await rows('SELECT DISTINCT c.team FROM c ORDER BY c.team')).toEqual([0, 1, 2].map((team) => ({ team })));
  });

  it('may read the results of another query', async () => {
    const rows = async (query: string): Promise<unknown[]> =>
      (await container.items.query(query).fetchAll()).resources as unknown[];
    expect(await rows('SELECT VALUE COUNT(1) FROM (SELECT DISTINCT c.team FROM c)')).toEqual([3]);
    expect(await rows('SELECT VALUE SUM(s.n) FROM (SELECT c.n FROM c WHERE c.n < 4) AS s')).toEqual([6]);
    expect(
      await rows('SELECT VALUE s.n * t FROM (SELECT c.n, [1, 2] AS ts FROM c WHERE c.n = 5) s JOIN t IN s.ts'),
    ).toEqual([5, 10]);
    expect(await rows('SELECT VALUE s FROM (SELECT TOP 2 VALUE c.n FROM c ORDER BY c.n DESC) s')).toEqual([29, 28]);
    expect(await rows('SELECT VALUE MAX(s.n) FROM (SELECT c.team, COUNT(1) AS n FROM c GROUP BY c.team) s')).toEqual([
      10,
    ]);
  });

  it('is refused as a plan when no plan gives its results', async () => {
    const planned = container.items.query('SELECT VALUE COUNT(1) * 2 FROM c', { forceQueryPlan: true }).fetchAll();
    await expect(planned).rejects.toMatchObject({ code: 400 });
  });

  it.each([
    ['SELECT VALUE c.n FROM c', 30],
    ['SELECT VALUE c.n FROM c ORDER BY c.n', 30],
    ['SELECT VALUE c.n FROM c ORDER BY c.team', 30],
    ['SELECT VALUE c.n FROM c ORDER BY c.team DESC', 30],
    ['SELECT DISTINCT VALUE c.kind FROM c ORDER BY c.kind', 10],
  ])('pages by tokens of the client, which a new iterator goes on with: %s', async (query, count) => {
    const options = { maxItemCount: 2, enableQueryControl: true };
    const seen: number[] = [];
    let token: string | undefined;
    do {
      const pages = container.items.query<number>(query, token ? { ...options, continuationToken: token } : options);
      token = undefined;
      while (pages.hasMoreResults() && !token) {
        const page = await pages.fetchNext();
        seen.push(...(page.resources ?? []));
        token = page.continuationToken;
      }
    } while (token);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n + (count === 10 ? 1 : 0)));
  });

  it('is answered at once after a split, which the SDK does not get over', async () => {
    run.emulator.split('db', 'c', '1');
    expect((await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources).toEqual([30]);
  });
});
