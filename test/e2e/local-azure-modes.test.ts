/** Every mode on the local Azure: rows come, change, go and move to another key; what the container holds afterwards. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Row } from '../../src/delta/schema.ts';
import { LocalAzureTables } from './local-azure.ts';
import { byId, type Document, type LocalTable } from './local-table.ts';

// A safety net only: several processes start, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 6 });

const TTL_SECONDS = 86_400;
let azure: LocalAzureTables;

beforeAll(async () => {
  azure = await LocalAzureTables.start({
    mirror: {},
    'mirror-feed': {},
    upsert: { settings: { mode: 'upsert' } },
    insertOnly: { settings: { mode: 'insertOnly' } },
    softDelete: {
      settings: { mode: 'softDelete', softDelete: { flag: 'gone', at: 'goneAt', ttlSeconds: TTL_SECONDS } },
      definition: { partitionKey: '/id', defaultTtl: -1 },
    },
    'patch-delete': { settings: { mode: 'patch', onDelete: 'delete' } },
    'patch-keep': { settings: { mode: 'patch', onDelete: 'keep' } },
  });
});
afterAll(() => azure?.stop());

const COLUMNS = { id: 'string', name: 'string', stock: 'long' };
const row = (id: string, stock: number, name = `part ${id}`): { id: string; name: string; stock: number } => ({
  id,
  name,
  stock,
});
const is = (id: string) => (each: Row) => each['id'] === id;

/** Four rows; then one is changed, one goes, one comes, and one gets another key, each in a commit of its own. */
async function lifeOf(
  id: string,
  changeFeed: boolean,
  loaded: (table: LocalTable) => Promise<void>,
): Promise<LocalTable> {
  const table = azure.table(id);
  const writer = await table.create(COLUMNS, [row('a', 1), row('b', 2), row('c', 3), row('d', 4)], { changeFeed });
  await table.arrives();
  expect(await table.documents()).toEqual(byId(table.writer.rows()));
  await loaded(table);
  await writer.update(is('a'), (each) => ({ ...each, stock: 10 }));
  await table.arrives();
  await writer.delete(is('b'));
  await writer.insert([row('e', 5)]);
  await writer.update(is('c'), (each) => ({ ...each, id: 'c2' }));
  await table.arrives();
  const epoch = await table.logged('epochCompleted', { to: writer.version });
  expect(epoch).toMatchObject({ kind: 'changes' });
  return table;
}

const nothing = async (): Promise<void> => undefined;

describe.concurrent('modes', () => {
  test.each([
    ['mirror', false],
    ['mirror-feed', true],
  ])(
    '%s (change feed: %s): the container equals the table; a row that moves leaves its old document',
    async (id, feed) => {
      const table = await lifeOf(id, feed, nothing);
      expect(await table.documents()).toEqual(byId([row('a', 10), row('c2', 3, 'part c'), row('d', 4), row('e', 5)]));
      expect(await table.documents()).toEqual(byId(table.writer.rows()));
    },
  );

  test('upsert: what is gone from the table stays', async () => {
    const table = await lifeOf('upsert', true, nothing);
    expect(await table.documents()).toEqual(
      byId([row('a', 10), row('b', 2), row('c', 3), row('c2', 3, 'part c'), row('d', 4), row('e', 5)]),
    );
  });

  test('insertOnly: new documents come, nothing else changes, and one that is there already stays as it is', async () => {
    const own: Document = { id: 'e', by: 'the application' };
    const table = await lifeOf('insertOnly', true, async (each) => {
      await each.container.items.create(own);
    });
    expect(await table.documents()).toEqual(
      byId([row('a', 1), row('b', 2), row('c', 3), row('c2', 3, 'part c'), row('d', 4), own]),
    );
  });

  test('softDelete: what is gone is flagged with commit time and ttl; a row that comes back loses both', async () => {
    const table = await lifeOf('softDelete', false, nothing);
    // The commit that the epoch went up to: this one or a later one.
    const times = [3, 4, 5].map((version) => new Date(table.writer.commitTime(version)).toISOString());
    const goneAt: unknown = expect.toBeOneOf(times.map((time) => time.replace('Z', '0000Z')));
    const flagged = { gone: true, goneAt, ttl: TTL_SECONDS };
    expect(await table.documents()).toEqual(
      byId([
        row('a', 10),
        { ...row('b', 2), ...flagged },
        { ...row('c', 3), ...flagged },
        row('c2', 3, 'part c'),
        row('d', 4),
        row('e', 5),
      ]),
    );
    await table.writer.insert([row('b', 20)]);
    await table.arrives();
    expect((await table.documents()).find(({ id }) => id === 'b')).toEqual(row('b', 20));
  });

  test.each([
    ['patch-delete', false],
    ['patch-keep', true],
  ])('%s: fields that the application owns survive changes', async (id, kept) => {
    const table = await lifeOf(id, true, async (each) => {
      for (const name of ['a', 'b', 'd']) {
        await each.container.item(name, name).patch([{ op: 'add', path: '/rating', value: 5 }]);
      }
    });
    expect(await table.documents()).toEqual(
      byId([
        { ...row('a', 10), rating: 5 },
        ...(kept ? [{ ...row('b', 2), rating: 5 }, row('c', 3)] : []),
        row('c2', 3, 'part c'),
        { ...row('d', 4), rating: 5 },
        row('e', 5),
      ]),
    );
  });
});
