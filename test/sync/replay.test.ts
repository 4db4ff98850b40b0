import { PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonObject } from '../../src/documents/document.ts';
import { deadLetters, replayDeadLetters, tableStatus } from '../../src/sync/administration.ts';
import type { LedgerEntry } from '../../src/sync/state-store.ts';
import { hasNews } from '../../src/sync/plan-epoch.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

const COLUMNS = primitives({ id: 'string', name: 'string', price: 'double' });
const ROWS_PER_FILE = 10;
const ROWS = 60;

const row = (id: number): JsonObject => ({ id: `p${id}`, name: `name ${id % 7}`, price: id });

interface Shop {
  readonly table: SyncTable;
  readonly writer: DeltaWriter;
  /** Documents of the application whose unique keys rows want as well. */
  readonly block: (...ids: readonly number[]) => Promise<void>;
  readonly unblock: (...ids: readonly number[]) => Promise<void>;
}

/** A table of several files in a container where the price is unique within a name: the service can refuse rows. */
async function shop(
  settings: Readonly<Record<string, unknown>> = {},
  sizes = WORK_SIZES,
  uniqueKey = '/price',
): Promise<Shop> {
  const table = await world.table({ existing: 'adopt', mode: 'upsert', ...settings }, '/name', sizes);
  await table.container.delete();
  await table.database.containers.create({
    id: table.id,
    partitionKey: { paths: ['/name'], version: PartitionKeyDefinitionVersion.V2 },
    uniqueKeyPolicy: { uniqueKeys: [{ paths: [uniqueKey] }] },
  });
  const writer = await DeltaWriter.create(table.folder, {
    columns: COLUMNS,
    changeFeed: true,
    rowsPerFile: ROWS_PER_FILE,
  });
  return {
    table,
    writer,
    async block(...ids) {
      for (const id of ids) await table.container.items.create({ ...row(id), id: `application ${id}` });
    },
    async unblock(...ids) {
      for (const id of ids) await table.container.item(`application ${id}`, `name ${id % 7}`).delete();
    },
  };
}

const letters = (table: SyncTable): ReturnType<typeof deadLetters> => deadLetters(table.dependencies, table.id, 100);

async function letterNames(table: SyncTable): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const name of table.plans.list(`dead-letters/${table.id}/`)) names.push(name);
  return names;
}

async function lastEpoch(table: SyncTable): Promise<LedgerEntry> {
  const { lastEpoch } = await tableStatus(table.dependencies, table.id);
  if (lastEpoch === null) throw new Error('no epoch');
  return lastEpoch;
}

const replay = (table: SyncTable): Promise<unknown> => replayDeadLetters(table.dependencies, table.id, 'ann');

test.each([
  ['a small table', WORK_SIZES, 2 * ROWS_PER_FILE],
  ['a table that is shuffled', { ...WORK_SIZES, smallRows: 4, rangeRows: 5 }, 2],
])(
  '%s: a row that can be written now loses its letter, one that cannot keeps one; no other row is looked at',
  async (_name, sizes, read) => {
    const { table, writer, block, unblock } = await shop({}, sizes);
    await block(3, 44);
    await writer.insert(Array.from({ length: ROWS }, (_, id) => row(id)));
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    const first = await letters(table);
    expect(first.map(({ code }) => code)).toEqual(['rejected409', 'rejected409']);
    expect(await replay(table)).toMatchObject({ replay: { by: 'ann' } });
    await unblock(3);
    // Somebody damages a document that no letter is about: a replay has no business with it.
    await table.container.items.upsert({ ...row(10), price: 1_000 });
    expect(await hasNews(table.dependencies, table.id)).toBe(true);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    const documents = await table.documents();
    expect(documents.get('p3')).toMatchObject({ price: 3 });
    expect(documents.get('p10')).toMatchObject({ price: 1_000 });
    const { kind, counts, why } = await lastEpoch(table);
    expect({ kind, why }).toEqual({ kind: 'reconcile', why: 'dead letters are tried again, asked for by ann' });
    // Two files of six were read, and of their rows two went on; two documents were looked up, one written.
    expect(counts).toMatchObject({ rows: read, creates: 0, upserts: 1, skipped: 0, deadLettered: 1 });
    const left = await letters(table);
    expect(left).toHaveLength(1);
    expect(first.map(({ key }) => key)).toContain(left[0]?.key);
    expect(left[0]).toMatchObject({ code: 'rejected409' });
    const { epoch } = (await tableStatus(table.dependencies, table.id)).checkpoint ?? { epoch: 0 };
    for (const name of await letterNames(table)) {
      expect(name).toMatch(new RegExp(`^dead-letters/${table.id}/${String(epoch).padStart(10, '0')}/`));
    }
    expect((await table.state()).replay).toBeNull();
    expect(await hasNews(table.dependencies, table.id)).toBe(false);
    await unblock(44);
    await replay(table);
    await table.sync();
    expect(await letters(table)).toEqual([]);
    expect((await table.documents()).get('p44')).toMatchObject({ price: 44 });
  },
);

test('a row that was moved to another file is found by its key, wherever it is', async () => {
  const { table, writer, block, unblock } = await shop();
  await block(3);
  await writer.insert(Array.from({ length: ROWS }, (_, id) => row(id)));
  await table.sync();
  await writer.optimize();
  await table.sync();
  await unblock(3);
  await replay(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect((await table.documents()).get('p3')).toMatchObject({ price: 3 });
  expect(await letters(table)).toEqual([]);
  expect((await lastEpoch(table)).counts).toMatchObject({ rows: ROWS, upserts: 1, skipped: 0 });
});

test('a row that was deleted meanwhile is not written, and its letter goes', async () => {
  const { table, writer, block, unblock } = await shop({ mode: 'mirror', guards: { maxDeletes: { percent: 100 } } });
  await writer.insert(Array.from({ length: ROWS }, (_, id) => row(id)));
  await table.sync();
  await block(70);
  await writer.insert([row(70)]);
  await table.sync();
  expect(await letters(table)).toHaveLength(1);
  await writer.delete((each) => each['id'] === 'p70');
  await unblock(70);
  await replay(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect((await table.documents()).has('p70')).toBe(false);
  expect(await letters(table)).toEqual([]);
});

test('the increments come first: what is tried again is the row at the checkpoint', async () => {
  const { table, writer, block, unblock } = await shop();
  await block(3);
  await writer.insert(Array.from({ length: ROWS }, (_, id) => row(id)));
  await table.sync();
  await replay(table);
  await unblock(3);
  await writer.update(
    (each) => each['id'] === 'p3',
    () => ({ price: 333 }),
  );
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  expect((await table.documents()).get('p3')).toMatchObject({ price: 333 });
  const kinds = (await table.dependencies.states.history(table.id, 2)).map(({ kind }) => kind);
  expect(kinds).toEqual(['reconcile', 'changes']);
  expect(await letters(table)).toEqual([]);
});

test('rows without an identity keep their letters, and a letter says nothing of its row unless configured', async () => {
  const { table, writer, block } = await shop();
  const nameless = { id: null, name: 'name 1', price: 99 };
  await block(3);
  await writer.insert([...Array.from({ length: ROWS }, (_, id) => row(id)), nameless]);
  await table.sync();
  const before = await letters(table);
  expect(before.map(({ code }) => code).toSorted()).toEqual(['keyNull', 'rejected409']);
  for (const letter of before) expect(JSON.stringify(letter)).not.toMatch(/p3|name \d/);
  await replay(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  const after = await letters(table);
  const plain = (all: typeof before): string[] =>
    all.map(({ code, path, row: at, key }) => JSON.stringify([code, path, at, key])).toSorted();
  expect(plain(after)).toEqual(plain(before));
  await writer.optimize();
  await table.sync();
  await replay(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect((await letters(table)).map(({ code }) => code).toSorted()).toEqual(['keyNull', 'rejected409']);
});

test('several rows of one document are looked up in all files, and written once they are one', async () => {
  const { table, writer } = await shop({ mode: 'mirror' }, WORK_SIZES, '/id');
  await writer.insert(Array.from({ length: ROWS }, (_, id) => row(id)));
  await table.sync();
  await writer.insert([{ ...row(3), price: -1 }, row(71)]);
  await table.sync();
  await replay(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  const codes = new Set((await letters(table)).map(({ code }) => code));
  expect([...codes]).toEqual(['duplicateKey']);
  await writer.delete((each) => each['price'] === -1);
  await table.sync();
  await replay(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect((await table.documents()).get('p3')).toMatchObject({ price: 3 });
  expect(await letters(table)).toEqual([]);
});

test('letters that are answered while somebody lists them are no error', async () => {
  const { table, writer, block } = await shop();
  await block(3, 44);
  await writer.insert(Array.from({ length: ROWS }, (_, id) => row(id)));
  await table.sync();
  const { plans } = table.dependencies;
  const read = plans.read.bind(plans);
  plans.read = async (name, ...rest) => {
    if (name.startsWith('dead-letters/')) await plans.remove('dead-letters/');
    return read(name, ...rest);
  };
  expect(await letters(table)).toEqual([]);
});

test('nothing is asked for where there are no letters', async () => {
  const { table, writer } = await shop();
  await writer.insert([row(1)]);
  await table.sync();
  expect(await replay(table)).toMatchObject({ replay: null });
  expect(await hasNews(table.dependencies, table.id)).toBe(false);
});
