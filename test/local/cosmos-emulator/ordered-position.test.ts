import { describe, expect, it } from 'vitest';
import { raw, running, type Running } from './client.ts';

interface Answer {
  readonly results: readonly { readonly payload: unknown }[];
  readonly token: string | undefined;
}

/** A page of what an SDK sends to one partition for an ordered query, with a condition in place of its filter. */
async function page(
  space: Running,
  condition: string,
  order: string,
  options: { readonly token?: string; readonly from?: string; readonly size?: number } = {},
): Promise<Answer> {
  const keys = order.split(', ').map((key) => `{"item": ${key.split(' ')[0]}}`);
  const query =
    `SELECT c._rid, [${keys.join(', ')}] AS orderByItems, {"id": c.id, "tag": t} AS payload ` +
    `FROM ${options.from ?? 'c JOIN t IN c.tags'} WHERE ${condition} ORDER BY ${order}`;
  const answer = await raw(space.emulator, 'POST', '/dbs/db/colls/c/docs', {
    body: { query },
    headers: {
      'content-type': 'application/query+json',
      'x-ms-documentdb-isquery': 'true',
      'x-ms-documentdb-query-enablecrosspartition': 'true',
      'x-ms-documentdb-partitionkeyrangeid': '0',
      'x-ms-max-item-count': String(options.size ?? 2),
      ...(options.token === undefined ? {} : { 'x-ms-continuation': options.token }),
    },
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  const { Documents: results } = answer.json as { readonly Documents: Answer['results'] };
  return { results, token: answer.headers.get('x-ms-continuation') ?? undefined };
}

/** Documents with equal, missing and unusual values of `k`. */
async function filled(): Promise<Running> {
  const space = await running();
  const container = await space.container({ id: 'c', partitionKey: '/id' });
  const values = [3, 1, 2, 3, undefined, 2, 'Ω\n"é', 3, null, 'a', true, 1, 2];
  for (const [i, k] of values.entries()) {
    await container.items.create({ id: `d${i}`, k, n: i % 2, tags: ['x', 'y', 'z'].slice(0, 1 + (i % 3)) });
  }
  return space;
}

describe.each(['c.k ASC', 'c.k DESC', 'c.n DESC, c.k ASC', 'c.n ASC, c.k ASC'])('a query ordered by %s', (order) => {
  it('goes on after the last result under a filter that the first request did not have, as often as asked', async () => {
    await using space = await filled();
    const all = (await page(space, 'true', order, { size: 100 })).results.map((result) => result.payload);
    expect(all).toHaveLength(25);
    let given = 0;
    let token: string | undefined;
    do {
      const next: Answer = await page(space, 'true', order, token === undefined ? {} : { token });
      given += next.results.length;
      token = next.token;
      if (token === undefined) break;
      // Leaves out what lies far before the place, as the filters of SDKs do.
      const gone = JSON.stringify(all.slice(0, Math.max(0, given - 8)).map((result) => (result as { id: string }).id));
      const still = JSON.stringify(all.slice(given - 1).map((result) => (result as { id: string }).id));
      const condition = `NOT ARRAY_CONTAINS(${gone}, c.id) OR ARRAY_CONTAINS(${still}, c.id)`;
      for (const filter of ['true', condition, condition]) {
        const rest = await page(space, filter, order, { token, size: 100 });
        expect(rest.results.map((result) => result.payload)).toEqual(all.slice(given));
      }
    } while (given < all.length);
    expect(given).toBe(all.length);
  });
});

it('a place whose document is gone is still a place', async () => {
  await using space = await filled();
  const from = 'c JOIN t IN ["once"]';
  const all = (await page(space, 'true', 'c.k ASC', { from, size: 100 })).results.map((result) => result.payload);
  const first = await page(space, 'true', 'c.k ASC', { from, size: 5 });
  const { id } = all[4] as { readonly id: string };
  await space.client.database('db').container('c').item(id, id).delete();
  // The answer that was under way is used up first: it shows the container as it was.
  for (let i = 0; i < 2; i++) {
    const rest = await page(space, 'true', 'c.k ASC', { from, token: first.token ?? '', size: 100 });
    expect(rest.results.map((result) => result.payload)).toEqual(all.slice(5));
  }
});

it('a place in another order, or without its keys, is refused', async () => {
  await using space = await filled();
  const { token = '' } = await page(space, 'true', 'c.k ASC');
  await page(space, 'true', 'c.k ASC', { token, size: 100 });
  await expect(page(space, 'true', 'c.n ASC, c.k ASC', { token })).rejects.toThrow('400');
  await expect(page(space, 'true', 'c.k ASC', { token: token.replace('"keys"', '"kees"') })).rejects.toThrow('400');
});

it('keys too long for a header go on all the same', async () => {
  await using space = await running();
  const container = await space.container({ id: 'c', partitionKey: '/id' });
  for (const i of [2, 0, 1]) {
    await container.items.create({ id: `d${i}`, k: `${'long '.repeat(4000)}${i}`, tags: ['x'] });
  }
  const ids: unknown[] = [];
  let token: string | undefined;
  do {
    const next: Answer = await page(space, 'true', 'c.k ASC', { size: 1, ...(token === undefined ? {} : { token }) });
    ids.push(...next.results.map((result) => (result.payload as { id: string }).id));
    token = next.token;
  } while (token !== undefined);
  expect(ids).toEqual(['d0', 'd1', 'd2']);
});
