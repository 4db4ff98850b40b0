/** What operators do and meet on the local Azure: bad input, drift made by hand, plans, other configurations, removed tables. */
import { mkdir, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Row } from '../../src/delta/schema.ts';
import { LocalAzureTables, type TableSpec, type TableSpecs } from './local-azure.ts';
import { becomes, byId, type LocalTable } from './local-table.ts';

// A safety net only: several processes start, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 6 });

const COLUMNS = { id: 'string', stock: 'long' };
const rows = (count: number, from = 0): { id: string; stock: number }[] =>
  Array.from({ length: count }, (_, i) => ({ id: `p${from + i}`, stock: from + i }));
const below = (limit: number) => (row: Row) => Number(row['stock']) < limit;

/** Writes the next commit as it should not be, long enough ago to be meant. */
async function commitText({ folder, writer }: LocalTable, text: string): Promise<void> {
  const file = join(folder, '_delta_log', `${String(writer.version + 1).padStart(20, '0')}.json`);
  await writeFile(file, text);
  await utimes(file, 1_700_000_000, 1_700_000_000);
}

interface BadInput {
  readonly code: string;
  readonly spec: TableSpec;
  /** Before the first commit. */
  readonly before?: (table: LocalTable) => Promise<unknown>;
  /** After the first load; without it the first load is what fails. */
  readonly after?: (table: LocalTable) => Promise<unknown>;
}

const protocol = {
  minReaderVersion: 3,
  minWriterVersion: 7,
  readerFeatures: ['teleport'],
  writerFeatures: ['teleport'],
};

const BAD: Readonly<Record<string, BadInput>> = {
  'unknown column in the id': { code: 'columnUnknown', spec: { settings: { id: '${sku}' } } },
  'unknown column in the mapping': {
    code: 'columnUnknown',
    spec: { settings: { columns: { rename: { sku: 'code' } } } },
  },
  'unknown column in the filter': { code: 'columnUnknown', spec: { settings: { where: 'price > 1' } } },
  'container that does not exist': {
    code: 'targetMissing',
    spec: {},
    before: ({ container }) => container.delete(),
  },
  'container that expires documents': {
    code: 'targetUnsafe',
    spec: { definition: { partitionKey: '/id', defaultTtl: 60 } },
  },
  'container with a key that no field has': {
    code: 'mappingInvalid',
    spec: { definition: { partitionKey: '/tenant' } },
  },
  'key column that is dropped': {
    code: 'columnUnknown',
    spec: { settings: { schemaDrift: { dropped: 'accept' } } },
    after: ({ writer }) => writer.dropColumn('id'),
  },
  'damaged commit': { code: 'logDamaged', spec: {}, after: (table) => commitText(table, '{"add":{"path":"x') },
  'unsupported reader feature': {
    code: 'unsupportedFeature',
    spec: {},
    after: (table) => commitText(table, `${JSON.stringify({ protocol })}\n`),
  },
};
const idOf = (name: string): string => name.replaceAll(' ', '-');

const FIRST: TableSpecs = {
  ...Object.fromEntries(Object.entries(BAD).map(([name, { spec }]) => [idOf(name), spec])),
  nothing: {},
  vanished: {},
  vacuumed: {},
  cleaned: {},
  'missing-file': {},
  drifted: {},
  planned: { settings: { guards: { maxDeletes: { count: 3 } } } },
  remapped: {},
  'removed-keep': {},
  'removed-delete': {},
  'swept-keep': {},
  'swept-delete': {},
};

let azure: LocalAzureTables;

beforeAll(async () => {
  azure = await LocalAzureTables.start(FIRST);
});
afterAll(() => azure?.stop());

async function loaded(id: string, count = 5): Promise<LocalTable> {
  const table = azure.table(id);
  await table.create(COLUMNS, rows(count), { columnMapping: 'name' });
  await table.arrives();
  expect(await table.documents()).toEqual(rows(count));
  return table;
}

describe.concurrent('bad input fails by its code before anything is written', () => {
  test.each(Object.entries(BAD))('%s', async (name, { code, before, after }) => {
    const table = azure.table(idOf(name));
    await before?.(table);
    await table.create(COLUMNS, rows(5), { columnMapping: 'name' });
    await table.announce();
    if (after !== undefined) {
      await table.reached();
      await after(table);
      await table.announce();
    }
    const failed = await table.logged('epochFailed');
    expect(failed).toMatchObject({ code });
    expect(String(failed['message'])).toMatch(/\. .*\.$/s);
    if (code !== 'targetMissing') expect(await table.documents()).toEqual(after === undefined ? [] : rows(5));
  });

  test('a folder that is no table', async () => {
    const table = azure.table('nothing');
    await mkdir(table.folder, { recursive: true });
    await table.act('sync');
    expect(await table.logged('epochFailed')).toMatchObject({ code: 'notADeltaTable' });
  });
});

describe.concurrent('tables that lose files', () => {
  test('a log that vanished is held, and goes on when it is back', async () => {
    const table = await loaded('vanished');
    await rename(table.folder, `${table.folder}-away`);
    await table.act('sync');
    await table.logged('epochHeld', { code: 'tableVanished' });
    await table.until('waiting', ({ phase }) => phase === 'waiting');
    const told = await azure.remote('status', '--table', table.id);
    expect(JSON.parse(told.out)).toMatchObject({
      phase: 'waiting',
      concern: { code: 'tableVanished', remedy: 'Restore the table, or remove it from the configuration.' },
      checkpoint: { version: table.writer.version },
      behind: { error: 'tableVanished' },
    });
    expect(await table.documents()).toEqual(rows(5));
    await rename(`${table.folder}-away`, table.folder);
    await table.writer.insert(rows(1, 5));
    const { concern, behind } = await table.arrives();
    expect(concern).toBeNull();
    expect(behind).toEqual({ newest: table.writer.version, commits: 0, since: null });
    expect(await table.documents()).toEqual(rows(6));
  });

  test.each(['vacuumed', 'cleaned'])('%s while nobody followed: what is left is compared', async (id) => {
    const table = await loaded(id);
    const { writer } = table;
    await writer.update(below(2), (row) => ({ ...row, stock: 100 }));
    await writer.delete((row) => row['id'] === 'p4');
    await writer.insert(rows(1, 5));
    if (id === 'vacuumed') await writer.vacuum();
    else {
      await writer.checkpoint();
      await writer.cleanLog(writer.version);
    }
    const { lastEpoch } = await table.arrives();
    expect(lastEpoch?.kind).toBe('reconcile');
    expect(await table.documents()).toEqual(byId(writer.rows()));
  });

  test('a missing data file holds the first load, which goes on when the file is back', async () => {
    const table = azure.table('missing-file');
    await table.create(COLUMNS, rows(5));
    const [file = ''] = (await readdir(table.folder)).filter((name) => name.endsWith('.parquet'));
    await rename(join(table.folder, file), join(table.folder, 'away'));
    const { planId, reason } = await table.isHeld('chunkFailed');
    expect(reason).toContain('is missing');
    await rename(join(table.folder, 'away'), join(table.folder, file));
    expect(await azure.remote('approve', '--table', table.id, '--plan', planId)).toMatchObject({ code: 0 });
    await table.reached();
    expect(await table.documents()).toEqual(rows(5));
  });
});

describe.concurrent('operators', () => {
  test('verify explains drift that was made by hand, resync repairs it', async () => {
    const table = await loaded('drifted');
    await table.container.item('p0', 'p0').delete();
    await table.container.item('p1', 'p1').patch([{ op: 'replace', path: '/stock', value: -1 }]);
    await table.container.items.create({ id: 'stranger' });
    await table.act('verify');
    const verified = await table.until('verified', ({ lastEpoch, request }) => {
      return lastEpoch?.kind === 'verify' && request === null;
    });
    expect(verified.lastEpoch?.report).toMatchObject({ equal: 3, missing: 1, different: 1, extra: 1 });
    const found = await azure.command('verify', '--config', azure.config, '--table', table.id);
    expect(found.code).toBe(1);
    expect(found.out).toContain('3 equal, 1 missing, 1 different, 1 extra');
    await table.act('resync');
    await table.reached();
    expect(await table.documents()).toEqual(rows(5));
  });

  test('plan --exact says what sync then does; a plan that would be held ends with 3', async () => {
    const table = await loaded('planned', 10);
    const session = ['--config', azure.config, '--table', table.id, '--json'];
    // No event: the command line is the one that looks.
    await table.writer.update(below(2), (row) => ({ ...row, stock: -1 }));
    await table.writer.delete((row) => row['id'] === 'p9');
    await table.writer.insert(rows(2, 20));
    const plan = await azure.command('plan', ...session, '--exact');
    expect(plan.code).toBe(0);
    expect(JSON.parse(plan.out)).toMatchObject({ counts: { creates: 2, upserts: 2, deletes: 1 }, hold: null });
    const synced = await azure.command('sync', ...session);
    expect(synced.code).toBe(0);
    expect(JSON.parse(synced.out)).toMatchObject({ lastEpoch: { counts: { upserts: 4, deletes: 1 } } });
    expect(await table.documents()).toEqual(byId(table.writer.rows()));

    await table.writer.delete(below(6));
    const refused = await azure.command('plan', ...session, '--exact');
    expect(refused.code).toBe(3);
    expect(JSON.parse(refused.out)).toMatchObject({ hold: { code: 'tooManyDeletes' } });
    expect((await table.status()).held).toBeNull();
    expect((await azure.command('sync', ...session)).code).toBe(3);
    const { planId } = await table.isHeld('tooManyDeletes');
    expect((await azure.remote('approve', '--table', table.id, '--plan', planId)).code).toBe(0);
    await table.reached();
    expect(await table.documents()).toEqual(byId(table.writer.rows()));
  });
});

test('another configuration: a changed mapping asks, removed tables keep their documents or lose them, whoever finds them', async () => {
  const [remapped, kept, deleted, sweptKept, sweptDeleted] = await Promise.all([
    loaded('remapped'),
    loaded('removed-keep'),
    loaded('removed-delete'),
    loaded('swept-keep'),
    loaded('swept-delete'),
  ]);
  const { 'removed-keep': _, 'removed-delete': __, 'swept-keep': ___, 'swept-delete': ____, ...others } = FIRST;
  const removedTables = {
    'removed-keep': { documents: 'keep' },
    'removed-delete': { documents: 'delete', budget: 'removed-delete' },
    'swept-keep': { documents: 'keep' },
    'swept-delete': { documents: 'delete', budget: 'swept-delete' },
  };
  await azure.reconfigure(
    { ...others, remapped: { settings: { columns: { rename: { stock: 'count' } } } } },
    { removedTables },
    ['removed-delete', 'swept-delete'],
  );

  await remapped.act('sync');
  const { planId } = await remapped.isHeld('mappingChanged');
  expect(await remapped.documents()).toEqual(rows(5));
  await remapped.act('approve', planId);
  await remapped.reached();
  expect(await remapped.documents()).toEqual(rows(5).map(({ id, stock }) => ({ id, count: stock })));

  for (const table of [kept, deleted]) await table.act('sync');
  await becomes(() => deleted.documents(), []);
  await deleted.until('removed', ({ removal }) => removal?.phase === 'done');
  await kept.until('removed', ({ removal }) => removal?.phase === 'done');
  expect(await kept.documents()).toEqual(rows(5));
  await rm(kept.folder, { recursive: true });

  // No event tells of the others: the timer finds them.
  for (const table of [sweptKept, sweptDeleted]) {
    expect((await table.status()).removal).toMatchObject({ phase: 'pending' });
    expect(await table.documents()).toEqual(rows(5));
  }
  await azure.sweep();
  await becomes(() => sweptDeleted.documents(), []);
  for (const table of [sweptKept, sweptDeleted]) {
    await becomes(async () => (await table.status()).removal?.phase, 'done');
    expect(await table.status()).toMatchObject({ checkpoint: null, phase: 'idle', concern: null });
  }
  expect(await sweptKept.documents()).toEqual(rows(5));
});
