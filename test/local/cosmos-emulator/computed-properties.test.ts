import { describe, expect, it } from 'vitest';
import type { Container } from '@azure/cosmos';
import { running, statusOf, type Running } from './client.ts';

/** `price`s of parts: some have a discount, one has a stored property that a computed one hides. */
const PARTS = [
  { id: 'bolt', kind: 'Metal', price: 10, off: 0.5, tags: ['M8', 'Zinc'] },
  { id: 'nut', kind: 'metal', price: 4, tags: ['M8'], label: 'stored' },
  { id: 'peg', kind: 'Wood', price: 6, off: 0.1, tags: [] },
  { id: 'dowel', kind: 'wood' },
];
const COMPUTED = [
  { name: 'family', query: 'SELECT VALUE LOWER(c.kind) FROM c' },
  { name: 'net', query: 'SELECT VALUE p.price * (1 - (p.off ?? 0)) FROM parts p' },
  { name: 'sizes', query: 'SELECT VALUE c.tags FROM root c' },
  { name: 'label', query: "SELECT VALUE CONCAT(c.id, '!') FROM c" },
  { name: 'first', query: 'SELECT VALUE {"tag": c.tags[0]} FROM c' },
];

/** A container of parts over several partitions, or one. */
async function parts(space: Running, throughput: number, computedProperties: unknown = COMPUTED): Promise<Container> {
  const container = await space.container({
    id: 'parts',
    partitionKey: '/id',
    throughput,
    computedProperties,
  } as never);
  for (const part of PARTS) await container.items.create(part);
  return container;
}

async function query(container: Container, text: string, parameter?: string): Promise<unknown[]> {
  const parameters = parameter === undefined ? [] : [{ name: '@p', value: parameter }];
  return (await container.items.query({ query: text, parameters }).fetchAll()).resources;
}

describe.each([400, 20000])('computed properties at %d RU/s', (throughput) => {
  it('are used by name wherever a property is, and are no part of the document', async () => {
    await using space = await running({ throttling: false });
    const container = await parts(space, throughput);
    const sorted = async (text: string, parameter?: string): Promise<unknown[]> =>
      (await query(container, text, parameter)).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

    expect(await sorted('SELECT c.id, c.family, c.net FROM c')).toEqual([
      { id: 'bolt', family: 'metal', net: 5 },
      { id: 'dowel', family: 'wood' },
      { id: 'nut', family: 'metal', net: 4 },
      { id: 'peg', family: 'wood', net: 5.4 },
    ]);
    expect(await sorted("SELECT VALUE c.id FROM c WHERE c.family = 'wood'")).toEqual(['dowel', 'peg']);
    expect(await query(container, 'SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.net) ORDER BY c.net')).toEqual([
      'nut',
      'bolt',
      'peg',
    ]);
    expect(await sorted('SELECT c.family, SUM(c.net) AS net FROM c WHERE c.net > 0 GROUP BY c.family')).toEqual([
      { family: 'metal', net: 9 },
      { family: 'wood', net: 5.4 },
    ]);
    expect(await sorted('SELECT VALUE s FROM c JOIN s IN c.sizes')).toEqual(['M8', 'M8', 'Zinc']);
    expect(await sorted('SELECT DISTINCT VALUE s FROM s IN c.sizes')).toEqual(['M8', 'Zinc']);
    expect(await sorted("SELECT VALUE c['family'] FROM c WHERE c[@p] = 4", 'net')).toEqual(['metal']);
    expect(await sorted("SELECT VALUE c.first.tag FROM c WHERE STARTSWITH(c.family, 'm')")).toEqual(['M8', 'M8']);
    expect(
      await sorted("SELECT VALUE c.id FROM c WHERE EXISTS(SELECT VALUE 1 FROM c WHERE c.family = 'metal')"),
    ).toEqual(['bolt', 'nut']);
    // The same names inside the document and in the results of a subquery are ordinary properties.
    expect(await query(container, 'SELECT VALUE x.net FROM (SELECT c.id, c.off AS net FROM c) x')).toHaveLength(2);
    const [nut] = (await query(container, "SELECT * FROM c WHERE c.family = 'metal' AND c.id = 'nut'")) as object[];
    expect(nut).toMatchObject({ id: 'nut', label: 'stored' });
    expect(nut).not.toHaveProperty('family');
    expect(await query(container, "SELECT c.label FROM c WHERE c.id = 'nut'")).toEqual([{ label: 'nut!' }]);
    expect((await container.item('nut', 'nut').read()).resource).not.toHaveProperty('net');
  });
});

it('computed properties follow the definition when the container is replaced', async () => {
  await using space = await running();
  const container = await parts(space, 400);
  const { resource } = await container.read();
  expect(resource).toHaveProperty('computedProperties', COMPUTED);
  await container.replace({
    ...resource,
    computedProperties: [{ name: 'net', query: 'SELECT VALUE 7 FROM c' }],
  });
  expect(await query(container, "SELECT c.net, c.family, c.label FROM c WHERE c.id = 'nut'")).toEqual([
    { net: 7, label: 'stored' },
  ]);
  await container.replace({ ...resource, computedProperties: [] });
  expect(await query(container, "SELECT c.net FROM c WHERE c.id = 'nut'")).toEqual([{}]);
});

describe('definitions', () => {
  const one = (text: string, name = 'x'): unknown => [{ name, query: text }];
  const good = 'SELECT VALUE c.a FROM c';
  it.each([
    ['no array', {}],
    ['no name', [{ query: good }]],
    ['no query', [{ name: 'x' }]],
    ['a system property', one(good, '_ts')],
    ['the id', one(good, 'id')],
    ['the same name twice', [...COMPUTED, { name: 'net', query: good }]],
    ['more than 20', Array.from({ length: 21 }, (_, i) => ({ name: `x${i}`, query: good }))],
    ['not a query', one('SELECT VALUE')],
    ['no VALUE', one('SELECT c.a FROM c')],
    ['no FROM', one('SELECT VALUE 1')],
    ['a part of the document', one('SELECT VALUE a FROM a IN c.list')],
    ['a path', one('SELECT VALUE a FROM c.list a')],
    ['a subquery as source', one('SELECT VALUE a FROM (SELECT VALUE c.a FROM c) a')],
    ['JOIN', one('SELECT VALUE t FROM c JOIN t IN c.tags')],
    ['WHERE', one('SELECT VALUE c.a FROM c WHERE c.b = 1')],
    ['GROUP BY', one('SELECT VALUE c.a FROM c GROUP BY c.a')],
    ['ORDER BY', one('SELECT VALUE c.a FROM c ORDER BY c.a')],
    ['TOP', one('SELECT TOP 1 VALUE c.a FROM c')],
    ['DISTINCT', one('SELECT DISTINCT VALUE c.a FROM c')],
    ['OFFSET', one('SELECT VALUE c.a FROM c OFFSET 0 LIMIT 1')],
    ['a scalar subquery', one('SELECT VALUE (SELECT VALUE 1) FROM c')],
    ['EXISTS', one('SELECT VALUE EXISTS(SELECT VALUE t FROM t IN c.tags) FROM c')],
    ['ARRAY inside a call', one('SELECT VALUE ARRAY_LENGTH(ARRAY(SELECT VALUE t FROM t IN c.tags)) FROM c')],
    ['an aggregate', one('SELECT VALUE COUNT(c.a) FROM c')],
    ['an aggregate inside', one('SELECT VALUE 1 + MAX(c.a) FROM c')],
    ['the time', one('SELECT VALUE GetCurrentDateTime() FROM c')],
    ['chance', one('SELECT VALUE c.a + RAND() FROM c')],
    ['a function of users', one('SELECT VALUE udf.f(c.a) FROM c')],
    ['a spatial function', one('SELECT VALUE ST_ISVALID(c.a) FROM c')],
    ['an unknown function', one('SELECT VALUE NOSUCH(c.a) FROM c')],
    ['a parameter', one('SELECT VALUE c.a + @p FROM c')],
    ['an unknown alias', one('SELECT VALUE d.a FROM c')],
  ])('with %s are refused', async (_what, computedProperties) => {
    await using space = await running();
    expect(
      await statusOf(space.container({ id: 'x', partitionKey: '/id', computedProperties } as never) as never),
    ).toBe(400);
  });

  it('of 20 properties are taken, and do not see one another', async () => {
    await using space = await running();
    const computedProperties = Array.from({ length: 20 }, (_, i) => ({
      name: `x${i}`,
      query: `SELECT VALUE ${i === 0 ? 1 : `c.x${i - 1} ?? 'unseen'`} FROM c`,
    }));
    const container = await space.container({ id: 'x', partitionKey: '/id', computedProperties });
    await container.items.create({ id: '1' });
    expect(await query(container, 'SELECT c.x0, c.x1, c.x19 FROM c')).toEqual([{ x0: 1, x1: 'unseen', x19: 'unseen' }]);
  });
});
