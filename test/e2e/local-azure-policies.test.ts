/** Every setting of a table that says what is read, how it is written and what becomes of rows that cannot be, on the local Azure. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Row } from '../../src/delta/schema.ts';
import type { DeltaWriterOptions } from '../support/delta-writer.ts';
import { LocalAzureTables, type TableSpec } from './local-azure.ts';
import { becomes, byId, type Document, type LocalTable } from './local-table.ts';

// A safety net only: several processes start, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 6 });

const COLUMNS = { id: 'string', group: 'string', stock: 'long' };
const row = (id: string, group: string | null, stock: number): { id: string; group: string | null; stock: number } => ({
  id,
  group,
  stock,
});
const is = (id: string) => (each: Row) => each['id'] === id;

interface PolicyCase {
  readonly name: string;
  readonly spec: TableSpec;
  readonly rows: readonly Row[];
  readonly options?: Omit<DeltaWriterOptions, 'columns'>;
  readonly documents: readonly Document[];
  /** Codes of dead letters. */
  readonly letters?: readonly string[];
  /** Further commits in one epoch, and the documents then. */
  readonly further?: (table: LocalTable) => Promise<void>;
  readonly documentsAfter?: readonly Document[];
}

const ROWS = [row('a', 'x', 1), row('b', null, 2)];

const CASES: Readonly<Record<string, PolicyCase>> = {
  'nulls-null': { name: 'nulls: null', spec: { settings: { nulls: 'null' } }, rows: ROWS, documents: ROWS },
  'nulls-omit': {
    name: 'nulls: omit',
    spec: { settings: { nulls: 'omit' } },
    rows: ROWS,
    documents: [row('a', 'x', 1), { id: 'b', stock: 2 }],
  },
  include: {
    name: 'columns.include',
    spec: { settings: { columns: { include: ['id', 'stock'] } } },
    rows: ROWS,
    documents: [
      { id: 'a', stock: 1 },
      { id: 'b', stock: 2 },
    ],
  },
  exclude: {
    name: 'columns.exclude',
    spec: { settings: { columns: { exclude: ['group'] } } },
    rows: ROWS,
    documents: [
      { id: 'a', stock: 1 },
      { id: 'b', stock: 2 },
    ],
  },
  shape: {
    name: 'columns.rename into nested fields, constants, sourceVersion',
    spec: {
      settings: {
        columns: { rename: { group: '/meta/group', stock: 'count' } },
        constants: { type: 'part', '/meta/source': 'lake' },
        sourceVersion: 'version',
      },
    },
    rows: [row('a', 'x', 1)],
    documents: [{ id: 'a', count: 1, meta: { group: 'x', source: 'lake' }, type: 'part', version: 1 }],
    further: async ({ writer }) => writer.insert([row('b', 'y', 2)]),
    documentsAfter: [
      { id: 'a', count: 1, meta: { group: 'x', source: 'lake' }, type: 'part', version: 1 },
      { id: 'b', count: 2, meta: { group: 'y', source: 'lake' }, type: 'part', version: 2 },
    ],
  },
  keys: {
    name: 'id of two columns, partition key template; a row that moves between partitions',
    spec: {
      settings: { id: '${group}|${id}', partitionKey: 'g-${group}', columns: { rename: { id: 'sku' } } },
      definition: { partitionKey: '/pk' },
    },
    rows: [row('a', 'x|y', 1), row('b', 'z', 2)],
    documents: [
      { id: 'x%7Cy|a', sku: 'a', group: 'x|y', stock: 1, pk: 'g-x|y' },
      { id: 'z|b', sku: 'b', group: 'z', stock: 2, pk: 'g-z' },
    ],
    further: async ({ writer }) => writer.update(is('a'), (each) => ({ ...each, group: 'z' })),
    documentsAfter: [
      { id: 'z|a', sku: 'a', group: 'z', stock: 1, pk: 'g-z' },
      { id: 'z|b', sku: 'b', group: 'z', stock: 2, pk: 'g-z' },
    ],
  },
  'id-reject': {
    name: 'idEscaping: reject',
    spec: { settings: {} },
    rows: [row('a/b', 'x', 1), row('c', 'x', 2)],
    documents: [row('c', 'x', 2)],
    letters: ['idIllegalCharacter'],
  },
  'id-escape': {
    name: 'idEscaping: escape',
    spec: { settings: { idEscaping: 'escape' } },
    rows: [row('a/b', 'x', 1), row('c', 'x', 2)],
    documents: [row('a%2Fb', 'x', 1), row('c', 'x', 2)],
  },
  where: {
    name: 'where: a row that leaves the filter is deleted, one that enters comes',
    spec: { settings: { where: "stock >= 2 AND group = 'x'" } },
    rows: [row('a', 'x', 1), row('b', 'x', 2), row('c', 'x', 3), row('d', 'y', 4), row('e', null, 5)],
    documents: [row('b', 'x', 2), row('c', 'x', 3)],
    further: async ({ writer }) => {
      await writer.update(is('b'), (each) => ({ ...each, stock: 0 }));
      await writer.update(is('d'), (each) => ({ ...each, group: 'x' }));
    },
    documentsAfter: [row('c', 'x', 3), row('d', 'x', 4)],
  },
  'duplicates-error': {
    name: 'duplicates: error',
    spec: { settings: { duplicates: 'error' } },
    rows: [row('a', 'x', 1), row('a', 'x', 2), row('b', 'x', 3)],
    documents: [row('b', 'x', 3)],
    letters: ['duplicateKey', 'duplicateKey'],
    further: async ({ writer }) => writer.delete((each) => each['stock'] === 1),
    documentsAfter: [row('a', 'x', 2), row('b', 'x', 3)],
  },
  'duplicates-last': {
    name: 'duplicates: last',
    spec: { settings: { duplicates: 'last' } },
    rows: [row('a', 'x', 1), row('a', 'x', 2), row('b', 'x', 3)],
    documents: [row('a', 'x', 2), row('b', 'x', 3)],
    further: async ({ writer }) => writer.delete((each) => each['stock'] === 2),
    documentsAfter: [row('a', 'x', 1), row('b', 'x', 3)],
  },
  trusted: { name: 'uniqueKey: trusted', spec: { settings: { uniqueKey: 'trusted' } }, rows: ROWS, documents: ROWS },
  'feed-on-and-off': {
    name: 'change feed on, off and on again',
    spec: {},
    rows: ROWS,
    documents: ROWS,
    options: { changeFeed: true, deletionVectors: true },
    further: async ({ writer }) => {
      await writer.update(is('a'), (each) => ({ ...each, stock: 5 }));
      await writer.setChangeFeed(false);
      await writer.update(is('b'), (each) => ({ ...each, stock: 6 }));
      await writer.setChangeFeed(true);
      await writer.update(is('a'), (each) => ({ ...each, group: 'z' }));
    },
    documentsAfter: [row('a', 'z', 5), row('b', null, 6)],
  },
};

let azure: LocalAzureTables;

beforeAll(async () => {
  const specs: Record<string, TableSpec> = {
    ...Object.fromEntries(Object.entries(CASES).map(([id, { spec }]) => [id, spec])),
    'start-version': { settings: { start: { version: 3 } } },
    'start-time': { settings: { start: { timestamp: '2026-01-01T00:03:00Z' } } },
    'start-outside': { settings: { start: { version: 99 } } },
    adopt: { settings: { existing: 'adopt' } },
    replace: { settings: { existing: 'replace' } },
    refuse: { settings: { existing: 'refuse' } },
    limits: { settings: { limits: { rows: 5 } } },
    threshold: { settings: { deadLetters: { threshold: 2, content: 'keys' } } },
    'content-none': {},
    'content-keys': { settings: { deadLetters: { content: 'keys' } } },
    'content-row': { settings: { deadLetters: { content: 'row' } } },
    books: { settings: { discriminator: { field: 'kind', value: 'book' } }, container: 'shared' },
    games: {
      settings: { discriminator: { field: 'kind', value: 'game' } },
      container: 'shared',
    },
  };
  azure = await LocalAzureTables.start(specs);
});
afterAll(() => azure?.stop());

describe.concurrent('settings of a table', () => {
  test.each(Object.entries(CASES).map(([id, each]) => [each.name, id, each] as const))(
    '%s',
    async (_name, id, each) => {
      const table = azure.table(id);
      await table.create(COLUMNS, each.rows, each.options);
      const { deadLetters } = await table.arrives();
      expect(await table.documents()).toEqual(byId(each.documents));
      expect((await table.deadLetters()).map(({ code }) => code)).toEqual(each.letters ?? []);
      expect(deadLetters).toBe(each.letters?.length ?? 0);
      if (each.further === undefined) return;
      await each.further(table);
      await table.arrives();
      // Documents that several rows claimed are looked up by an epoch that follows at once.
      await becomes(() => table.documents(), byId(each.documentsAfter ?? []));
    },
  );

  test.each([['start-version'], ['start-time']])('%s: what was committed before is not read', async (id) => {
    const table = azure.table(id);
    const writer = await table.create(COLUMNS, [row('a', 'x', 1)]);
    await writer.insert([row('b', 'x', 2)]);
    await writer.insert([row('c', 'x', 3)]);
    await writer.insert([row('d', 'x', 4)]);
    await table.arrives();
    expect(await table.documents()).toEqual([row('c', 'x', 3), row('d', 'x', 4)]);
  });

  test('start at a version that is not there: refused by its code, nothing is written', async () => {
    const table = azure.table('start-outside');
    await table.create(COLUMNS, ROWS);
    await table.announce();
    const failed = await table.logged('epochFailed');
    expect(failed['code']).toBe('versionNotFound');
    expect(await table.documents()).toEqual([]);
    expect((await table.status()).checkpoint).toBeNull();
  });

  test.each(['adopt', 'replace'])('existing: %s a container that something else has filled', async (id) => {
    const table = azure.table(id);
    for (const document of [{ ...row('a', 'x', 1), own: true }, row('b', null, 2), { id: 'stranger' }]) {
      await table.container.items.create(document);
    }
    await table.create(COLUMNS, ROWS);
    const { lastEpoch } = await table.arrives();
    expect(await table.documents()).toEqual(byId(ROWS));
    expect(lastEpoch).toMatchObject({ kind: 'reconcile', counts: { deletes: 1 } });
    if (id === 'adopt') expect(lastEpoch?.counts).toMatchObject({ upserts: 1, skipped: 1 });
  });

  test('existing: refuse keeps a container that something else has filled as it is', async () => {
    const table = azure.table('refuse');
    await table.container.items.create({ id: 'stranger' });
    await table.create(COLUMNS, ROWS);
    await table.announce();
    expect((await table.logged('epochFailed'))['code']).toBe('targetUnsafe');
    expect(await table.documents()).toEqual([{ id: 'stranger' }]);
  });

  test('limits: catching up is cut into several epochs', async () => {
    const table = azure.table('limits');
    const writer = await table.create(COLUMNS, ROWS);
    await table.arrives();
    for (let commit = 0; commit < 4; commit++) {
      await writer.insert([0, 1, 2].map((n) => row(`c${commit}-${n}`, 'x', n)));
    }
    await table.arrives();
    expect(await table.documents()).toEqual(byId(writer.rows()));
    const epochs = (await table.history()).map(({ kind, from, to }) => ({ kind, from, to }));
    expect(epochs.toReversed()).toEqual([
      { kind: 'snapshot', from: null, to: 1 },
      ...[1, 2, 3, 4].map((from) => ({ kind: 'changes', from, to: from + 1 })),
    ]);
  });

  test('deadLetters.threshold: too many hold the epoch before they are left behind; approval goes on without them', async () => {
    const table = azure.table('threshold');
    await table.create(COLUMNS, [row('a', 'x', 1), row('b/1', 'x', 2), row('b/2', 'x', 3), row('b/3', 'x', 4)]);
    const { planId } = await table.isHeld('tooManyDeadLetters');
    expect((await table.status()).checkpoint).toBeNull();
    await table.act('approve', planId);
    await table.reached();
    expect(await table.documents()).toEqual([row('a', 'x', 1)]);
  });

  test.each([
    ['content-none', {}],
    ['content-keys', { id: 'n', partitionKey: ['n'] }],
    ['content-row', { id: 'n', partitionKey: ['n'] }],
  ])('dead letters: %s', async (id, kept) => {
    const table = azure.table(id);
    const columns = { id: 'string', price: 'double' };
    await table.create(columns, [
      { id: 'a', price: 1 },
      { id: 'n', price: Number.NaN },
    ]);
    await table.arrives();
    const [letter, ...others] = await table.deadLetters();
    expect(others).toEqual([]);
    const { reason, path, key, ...rest } = letter ?? {};
    expect(rest).toEqual({ code: 'notFinite', version: 1, row: 1, column: 'price', ...kept });
    expect([typeof reason, typeof path, typeof key]).toEqual(['string', 'string', 'string']);
    // Listed alike on the command line; once the row is repaired, asking again brings it.
    const listed = await azure.remote('dead-letters', '--table', id);
    expect(JSON.parse(listed.out)).toEqual(letter);
    await table.writer.update(is('n'), (each) => ({ ...each, price: 2 }));
    await table.arrives();
    expect(await table.documents()).toEqual([
      { id: 'a', price: 1 },
      { id: 'n', price: 2 },
    ]);
    await table.act('replay');
    await becomes(() => table.deadLetters(), []);
  });

  test('discriminator: two tables in one container leave each other alone', async () => {
    const [books, games] = [azure.table('books', 'shared'), azure.table('games', 'shared')];
    await books.create(COLUMNS, [row('b1', 'x', 1), row('b2', 'x', 2)]);
    await books.arrives();
    await games.create(COLUMNS, [row('g1', 'x', 1), row('g2', 'x', 2)]);
    await games.arrives();
    await games.writer.delete(is('g1'));
    await games.arrives();
    await books.act('resync');
    await books.reached();
    expect(await books.documents()).toEqual([
      { ...row('b1', 'x', 1), kind: 'book' },
      { ...row('b2', 'x', 2), kind: 'book' },
      { ...row('g2', 'x', 2), kind: 'game' },
    ]);
  });
});
