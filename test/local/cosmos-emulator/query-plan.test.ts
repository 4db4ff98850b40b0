import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Container } from '@azure/cosmos';
import { parseQuery } from '../../../src/local/cosmos-emulator/query/query-parser.ts';
import { queryText } from '../../../src/local/cosmos-emulator/query/query-text.ts';
import { running, type Running } from './client.ts';

// A client that insists on a plan merges the results of the partitions itself, and must come to the same end.
describe('a query run by its plan gives what it gives as a whole:', () => {
  let run: Running;
  let container: Container;
  beforeAll(async () => {
    run = await running({ partitions: 3 });
    container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
    for (let n = 0; n < 40; n++) {
      await container.items.create({
        id: `i${n}`,
        pk: `k${n % 11}`,
        n,
        half: Math.floor(n / 2),
        team: ['red', 'green', 'blue'][n % 3],
        ...(n % 4 === 0 ? {} : { maybe: n % 5 }),
        tags: n % 2 === 0 ? ['even', 'x'] : ['odd'],
      });
    }
  });
  afterAll(async () => {
    await run[Symbol.asyncDispose]();
  });

  const unordered = (values: readonly unknown[]): readonly string[] =>
    values.map((value) => JSON.stringify(value)).toSorted();

  it.each([
    'SELECT * FROM c',
    'SELECT VALUE c.id FROM c WHERE c.n BETWEEN 5 AND 9 OR c.team LIKE "b%"',
    'SELECT c.id, c.tags[0] AS first FROM c WHERE c.n IN (1, 2, 3) AND NOT c.team = "red"',
    'SELECT VALUE t FROM c JOIN t IN c.tags WHERE t != "x"',
    'SELECT DISTINCT VALUE c.team FROM c',
    'SELECT DISTINCT c.team, c.maybe FROM c',
    'SELECT VALUE COUNT(1) FROM c',
    'SELECT VALUE SUM(c.n) FROM c WHERE c.n > 3',
    'SELECT VALUE AVG(c.n) FROM c',
    'SELECT VALUE MIN(c.maybe) FROM c',
    'SELECT VALUE MAX(c.team) FROM c',
    'SELECT COUNT(1) AS count, MAX(c.n) AS top FROM c',
    'SELECT c.team FROM c GROUP BY c.team',
    'SELECT c.team, COUNT(1) AS count, AVG(c.n) AS mean, MIN(c.n) AS low, SUM(c.maybe) AS s FROM c GROUP BY c.team',
    'SELECT VALUE c.team FROM c GROUP BY c.team',
    'SELECT VALUE AVG(c.n) FROM c GROUP BY c.team',
    'SELECT UPPER(c.team) AS team, c.maybe, COUNT(1) AS count FROM c GROUP BY UPPER(c.team), c.maybe',
    'SELECT VALUE {"a": (SELECT VALUE COUNT(1) FROM t IN c.tags), "b": EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = "x")} FROM c',
  ])('%s', async (query) => {
    const whole = (await container.items.query(query).fetchAll()).resources as unknown[];
    const planned = (await container.items.query(query, { forceQueryPlan: true }).fetchAll()).resources as unknown[];
    expect(whole.length).toBeGreaterThan(0);
    expect(unordered(planned)).toEqual(unordered(whole));
  });

  it.each([
    'SELECT * FROM c ORDER BY c.n DESC',
    'SELECT VALUE c.id FROM c WHERE c.n > 4 ORDER BY c.team, c.n DESC',
    'SELECT c.id, c.half FROM c ORDER BY c.half DESC, c.id',
    'SELECT c.id FROM c ORDER BY c.n OFFSET 7 LIMIT 9',
    'SELECT TOP 5 c.id FROM c ORDER BY c.n',
    'SELECT DISTINCT VALUE c.team FROM c ORDER BY c.team DESC',
  ])('%s, in order', async (query) => {
    const whole = (await container.items.query(query).fetchAll()).resources as unknown[];
    const options = { forceQueryPlan: true, maxItemCount: 4 };
    const planned = (await container.items.query(query, options).fetchAll()).resources as unknown[];
    expect(whole.length).toBeGreaterThan(0);
    expect(planned).toEqual(whole);
  });

  it('limits without an order, by their number', async () => {
    const count = async (query: string): Promise<number> =>
      (await container.items.query(query, { forceQueryPlan: true }).fetchAll()).resources.length;
    expect(await count('SELECT TOP 7 * FROM c')).toBe(7);
    expect(await count('SELECT * FROM c OFFSET 35 LIMIT 10')).toBe(5);
  });

  it('takes parameters', async () => {
    const spec = {
      query: 'SELECT TOP @top VALUE c.n FROM c WHERE c.n >= @n ORDER BY c.n',
      parameters: [
        { name: '@n', value: 10 },
        { name: '@top', value: 3 },
      ],
    };
    expect((await container.items.query(spec, { forceQueryPlan: true }).fetchAll()).resources).toEqual([10, 11, 12]);
  });

  it('refuses a faulty query', async () => {
    const faulty = container.items.query('SELECT * FRM c', { forceQueryPlan: true }).fetchAll();
    await expect(faulty).rejects.toMatchObject({ code: 400 });
  });
});

it.each([
  `SELECT TOP 3 a["b c"].d AS e, -1, NOT (x.y = 1 OR x.z) FROM r.list AS a JOIN x IN a.xs WHERE a.k NOT LIKE "%!_" ESCAPE "!"`,
  'SELECT DISTINCT VALUE [1, {"q": null}, undefined, "\\u2028\\"", @p ?? true] FROM c WHERE c.a IN (1, "2") OFFSET 1 LIMIT 2',
  'SELECT c.k, COUNT(1) AS n FROM c JOIN (SELECT VALUE s FROM s IN c.list) AS t GROUP BY c.k ORDER BY c.k DESC, c.n',
  'SELECT VALUE ARRAY(SELECT VALUE x FROM x IN c.a) FROM c WHERE EXISTS(SELECT 1 FROM c.b) AND c.q BETWEEN 1 AND 2 ? 1 : 2',
])('the text of a parsed query is that query: %s', (text) => {
  const query = parseQuery(text);
  expect(parseQuery(queryText(query))).toEqual(query);
});
