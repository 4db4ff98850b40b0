/** Settings that change while commits wait: whose documents they were is still known when the plan is approved. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, tableStatus, type TableStatus } from '../../src/sync/administration.ts';
import { previewEpoch } from '../../src/sync/preview-epoch.ts';
import { WORK_SIZES, type WorkSizes } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { MemoryPlanStore } from '../support/memory-plan-store.ts';
import { COLUMNS, ids, row, rows } from '../support/priced-table.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(3);
});
afterAll(() => world.stop());

type Settings = Readonly<Record<string, unknown>>;

const PATCH = { mode: 'patch', onDelete: 'delete', guards: { maxDeletes: { percent: 100 } } };
const RENAMED = { columns: { rename: { name: 'title' } } };
/** Every file is a chunk, a range holds few identities, and a pass a few of those. */
const LARGE: WorkSizes = {
  ...WORK_SIZES,
  smallRows: 1,
  chunkSources: 1,
  rangeRows: 4,
  passRows: 20,
  batchDecisions: 3,
};

async function loaded(
  settings: Settings,
  sizes: WorkSizes = WORK_SIZES,
  changeFeed = true,
): Promise<{ readonly table: SyncTable; readonly writer: DeltaWriter }> {
  const table = await world.table(settings, '/id', sizes);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed, rowsPerFile: 3 });
  await writer.insert(rows(8));
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  return { table, writer };
}

const without = (writer: DeltaWriter, ...gone: readonly string[]): Promise<void> =>
  writer.delete((each) => gone.some((id) => each['id'] === id));

async function held(table: SyncTable, code: string): Promise<NonNullable<TableStatus['held']>> {
  expect(await table.sync()).toMatchObject({ kind: 'held', code });
  const { held: reason } = await tableStatus(table.dependencies, table.id);
  if (reason === null) throw new Error('not held');
  return reason;
}

async function approve(table: SyncTable, { planId }: { readonly planId: string }): Promise<void> {
  await administer(table.dependencies, table.id, { kind: 'approve', planId }, 'ann');
}

/** Writes the file actions of a commit twice. */
async function repeatLines(table: SyncTable, version: number): Promise<void> {
  const file = join(table.folder, '_delta_log', `${String(version).padStart(20, '0')}.json`);
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  const files = lines.filter((line) => /^\{"(add|remove)"/.test(line));
  await writeFile(file, [...lines, ...files].join('\n'));
}

describe('mode patch, a row deleted before the changed mapping is approved', () => {
  test.each([
    ['small, with a change feed', WORK_SIZES, true],
    ['small, without one', WORK_SIZES, false],
    ['large', LARGE, true],
  ] as const)('loses its document (%s); those of the application stay', async (_name, sizes, changeFeed) => {
    const { table, writer } = await loaded(PATCH, sizes, changeFeed);
    await table.container.items.create({ id: 'app', own: true });
    await table.container.item('p2', 'p2').patch([{ op: 'set', path: '/own', value: 1 }]);
    await without(writer, 'p1', 'p6');
    await writer.insert([row(9)]);
    table.configure({ ...PATCH, ...RENAMED });
    const plan = await held(table, 'mappingChanged');
    expect(plan.remedy).toBe('Approve the plan to rewrite what differs, or restore the configuration.');
    expect(await ids(table)).toContain('p1');
    await approve(table, plan);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toEqual(['app', 'p0', 'p2', 'p3', 'p4', 'p5', 'p7', 'p9']);
    // What the mapping no longer writes is the application's.
    expect((await table.documents()).get('p2')).toEqual({
      id: 'p2',
      title: 'name 2',
      name: 'name 2',
      price: 2,
      own: 1,
    });
    const { lastEpoch } = await tableStatus(table.dependencies, table.id);
    expect(lastEpoch?.counts.deletes).toBe(2);
    // From here on changes tell again.
    await without(writer, 'p0');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).not.toContain('p0');
  });

  test('and one deleted while the plan is held, too', async () => {
    const { table, writer } = await loaded(PATCH);
    table.configure({ ...PATCH, ...RENAMED });
    await held(table, 'mappingChanged');
    await without(writer, 'p1');
    await approve(table, await held(table, 'mappingChanged'));
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).not.toContain('p1');
  });

  test('is counted by a dry run, and by the guard once nobody has approved', async () => {
    const { table, writer } = await loaded({ ...PATCH, guards: { maxDeletes: { count: 1, percent: 0 } } });
    await without(writer, 'p1', 'p2');
    const guarded = { ...PATCH, guards: { maxDeletes: { count: 1, percent: 0 } }, ...RENAMED };
    table.configure(guarded);
    const signal = new AbortController().signal;
    const preview = await previewEpoch(table.dependencies, new MemoryPlanStore(), table.id, { exact: true }, signal);
    expect(preview).toMatchObject({ hold: { code: 'mappingChanged' }, counts: { deletes: 2 } });
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    await held(table, 'tooManyDeletes');
    expect(await ids(table)).toHaveLength(8);
  });

  test.each([
    ['small', WORK_SIZES],
    ['large', LARGE],
  ] as const)('keeps it where onDelete is not set, until somebody says so (%s)', async (_name, sizes) => {
    const { table, writer } = await loaded({ ...PATCH, onDelete: undefined }, sizes);
    await without(writer, 'p1');
    table.configure({ ...PATCH, onDelete: undefined, ...RENAMED });
    await approve(table, await held(table, 'mappingChanged'));
    const undecided = await held(table, 'deleteUndecided');
    expect((await table.documents()).get('p2')).toEqual(row(2));
    // Looked at once more before anybody answers: what was found out is not forgotten.
    expect(await held(table, 'deleteUndecided')).toEqual(undecided);
    await approve(table, undecided);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toHaveLength(8);
    expect((await table.documents()).get('p2')).toMatchObject({ title: 'name 2' });
  });

  test('keeps it with onDelete keep', async () => {
    const { table, writer } = await loaded({ ...PATCH, onDelete: 'keep' });
    await without(writer, 'p1');
    table.configure({ ...PATCH, onDelete: 'keep', ...RENAMED });
    await approve(table, await held(table, 'mappingChanged'));
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toHaveLength(8);
  });

  test('is said to keep it where the rows of the checkpoint cannot be read any more', async () => {
    const { table, writer } = await loaded(PATCH, WORK_SIZES, false);
    await without(writer, 'p1');
    await writer.checkpoint();
    await writer.cleanLog(writer.version);
    table.configure({ ...PATCH, ...RENAMED });
    const plan = await held(table, 'mappingChanged');
    expect(plan.reason).toContain('cannot be read any more: those stay');
    expect(plan.remedy).toContain('delete those documents yourself');
    await approve(table, plan);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toHaveLength(8);
  });

  test('is said to keep it where those files turn out to be gone after the approval', async () => {
    const { table, writer } = await loaded(PATCH);
    await without(writer, 'p1');
    table.configure({ ...PATCH, ...RENAMED });
    const plan = await held(table, 'mappingChanged');
    await approve(table, plan);
    await writer.vacuum();
    const again = await held(table, 'mappingChanged');
    expect(again.planId).not.toBe(plan.planId);
    expect(again.reason).toContain('cannot be read any more: those stay');
    expect(await held(table, 'mappingChanged')).toEqual(again);
    await approve(table, again);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toHaveLength(8);
  });
});

describe('mode patch, rows deleted while changes cannot be read', () => {
  test('lose their documents where the rows of the checkpoint still can be', async () => {
    const { table, writer } = await loaded(PATCH, WORK_SIZES, false);
    await table.container.items.create({ id: 'app' });
    await without(writer, 'p1');
    // What a commit changed cannot be told: it names its file twice.
    await repeatLines(table, writer.version);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toEqual(['app', 'p0', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7']);
    const { lastEpoch } = await tableStatus(table.dependencies, table.id);
    expect(lastEpoch).toMatchObject({ kind: 'reconcile', why: 'the log was cleaned up' });
  });

  test.each([
    ['the log was cleaned up', true],
    ['the files were vacuumed', false],
  ] as const)('are said to leave them: %s', async (_name, cleaned) => {
    const { table, writer } = await loaded(PATCH, WORK_SIZES, false);
    await without(writer, 'p1');
    await writer.update(
      (each) => each['id'] === 'p2',
      () => ({ name: 'new' }),
    );
    if (cleaned) {
      await writer.checkpoint();
      await writer.cleanLog(writer.version);
    } else await writer.vacuum();
    const plan = await held(table, 'deletesUnread');
    expect(plan.reason).toContain('gone since version 1 cannot be read any more: those stay');
    expect((await table.documents()).get('p2')).toEqual(row(2));
    expect(await held(table, 'deletesUnread')).toEqual(plan);
    await approve(table, plan);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toHaveLength(8);
    expect((await table.documents()).get('p2')).toEqual(row(2, 'new'));
  });

  test.each([
    ['they are kept anyway', { onDelete: 'keep' }],
    ['a discriminator tells the documents', { discriminator: { field: 'type', value: 'a' } }],
  ] as const)('hold nothing where %s', async (_name, settings) => {
    const { table, writer } = await loaded({ ...PATCH, ...settings }, WORK_SIZES, false);
    await without(writer, 'p1');
    await writer.vacuum();
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toHaveLength('onDelete' in settings ? 8 : 7);
  });
});

test('mode patch, a document that several rows claimed goes with them, also when everything is compared', async () => {
  const { table, writer } = await loaded({
    ...PATCH,
    duplicates: 'last',
    nulls: 'null',
    schemaDrift: { added: 'accept' },
  });
  await writer.insert([row(1, 'second')]);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  // Changes do not decide about it, and the comparison that the new column calls for comes before it is looked up.
  await without(writer, 'p1');
  await writer.addColumn({ name: 'late', type: { kind: 'primitive', name: 'string' } });
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  expect(await ids(table)).not.toContain('p1');
  expect((await table.documents()).get('p2')).toMatchObject({ late: null });
});

describe('mode patch, what a changed mapping no longer makes', () => {
  test('documents under their former ids are deleted', async () => {
    const { table, writer } = await loaded(PATCH);
    await table.container.items.create({ id: 'app' });
    await without(writer, 'p1');
    table.configure({ ...PATCH, id: 'k-${id}' });
    await approve(table, await held(table, 'mappingChanged'));
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toEqual(['app', ...[0, 2, 3, 4, 5, 6, 7].map((id) => `k-p${id}`)]);
  });

  test('documents of rows outside of a narrower filter are deleted', async () => {
    const { table } = await loaded(PATCH);
    table.configure({ ...PATCH, where: 'price < 3' });
    await approve(table, await held(table, 'mappingChanged'));
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toEqual(['p0', 'p1', 'p2']);
  });

  test('resync, asked for instead of an approval, deletes them, too', async () => {
    const { table, writer } = await loaded(PATCH);
    await without(writer, 'p1');
    table.configure({ ...PATCH, id: 'k-${id}' });
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toEqual([0, 2, 3, 4, 5, 6, 7].map((id) => `k-p${id}`));
  });
});

test('a row deleted before another discriminator is approved loses its document', async () => {
  const settings = { guards: { maxDeletes: { percent: 100 } } };
  const { table, writer } = await loaded({ ...settings, discriminator: { field: 'type', value: 'a' } });
  await table.container.items.create({ id: 'other', type: 'c' });
  await without(writer, 'p1');
  table.configure({ ...settings, discriminator: { field: 'type', value: 'b' } });
  await approve(table, await held(table, 'mappingChanged'));
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await ids(table)).toEqual(['other', 'p0', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7']);
  expect((await table.documents()).get('p2')?.['type']).toBe('b');
});

test('mode patch, a row deleted before a change of schema that pauses is approved loses its document', async () => {
  const settings = { ...PATCH, schemaDrift: { added: 'pause' } };
  const { table, writer } = await loaded(settings);
  await writer.addColumn({ name: 'late', type: { kind: 'primitive', name: 'string' } });
  await without(writer, 'p1');
  const plan = await held(table, 'schemaDrift');
  expect(await ids(table)).toHaveLength(8);
  await approve(table, plan);
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  expect(await ids(table)).not.toContain('p1');
});

test('a table that is created again while another discriminator waits is said to leave documents', async () => {
  const { table, writer } = await loaded({ discriminator: { field: 'type', value: 'a' } });
  await writer.recreate();
  await writer.insert([row(9)]);
  table.configure({ discriminator: { field: 'type', value: 'b' } });
  expect((await held(table, 'tableRecreated')).reason).toMatch(/cannot be told from others: those stay\.$/);
  table.configure({ discriminator: { field: 'type', value: 'a' } });
  expect((await held(table, 'tableRecreated')).reason).not.toContain('stay');
});

test('a file of the table that is missing is told after the approval, not the changed mapping once more', async () => {
  const { table } = await loaded({});
  for (const name of await readdir(table.folder)) {
    if (name.endsWith('.parquet')) await rm(join(table.folder, name));
  }
  table.configure(RENAMED);
  await approve(table, await held(table, 'mappingChanged'));
  await approve(table, await held(table, 'mappingChanged'));
  const failed = await held(table, 'chunkFailed');
  expect(failed.reason).toContain('is missing');
  // Looked at once more it is the same.
  expect(await held(table, 'chunkFailed')).toEqual(failed);
});
