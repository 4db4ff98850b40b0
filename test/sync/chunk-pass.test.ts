import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { previewEpoch } from '../../src/sync/preview-epoch.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { DeltaWriter, type DeltaWriterOptions } from '../support/delta-writer.ts';
import { MemoryPlanStore } from '../support/memory-plan-store.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(3);
});
afterAll(() => world.stop());

const COLUMNS = primitives({ id: 'string', group: 'string', name: 'string' });
/** Everything is a large epoch, and each of three passes side by side holds seven documents. */
const TINY = { ...WORK_SIZES, smallRows: 3, rangeRows: 10, passRows: 21, batchDecisions: 5 };
const GUARDS = { maxDeletes: { percent: 100 }, emptySource: 'accept' };

/** A container in which all documents lie in one logical partition. */
async function hotTable(
  settings: Readonly<Record<string, unknown>> = {},
  options: Partial<DeltaWriterOptions> = {},
  sizes = TINY,
): Promise<{ table: SyncTable; writer: DeltaWriter }> {
  const table = await world.table({ guards: GUARDS, ...settings }, '/group', sizes);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, ...options });
  return { table, writer };
}

const row = (id: number, name: string, group = 'hot'): { id: string; group: string; name: string } => ({
  id: `p${id}`,
  group,
  name,
});
const rows = (count: number, name = 'first'): ReturnType<typeof row>[] =>
  Array.from({ length: count }, (_, i) => row(i, name));

async function expectEqual(table: SyncTable, writer: DeltaWriter): Promise<void> {
  const wanted = table.expected(writer.rows(), { kind: 'struct', fields: writer.columns }, '/group');
  expect(await table.documents()).toEqual(wanted);
}

async function expectSynced(table: SyncTable, writer: DeltaWriter): Promise<void> {
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  await expectEqual(table, writer);
}

/** How often the container is scanned from the beginning of a range. */
async function countScans(table: SyncTable): Promise<() => number> {
  let scans = 0;
  const { writer } = await table.dependencies.target(table.id);
  const scan = writer.scan.bind(writer);
  writer.scan = (range, cursor, signal) => {
    if (cursor === null) scans++;
    return scan(range, cursor, signal);
  };
  return () => scans;
}

describe('a partition key with more documents than a pass holds', () => {
  test('is synchronised in several passes, changes as well as comparisons', async () => {
    const { table, writer } = await hotTable();
    await writer.insert(rows(60));
    await expectSynced(table, writer);
    await writer.overwrite(rows(50, 'second'));
    await expectSynced(table, writer);
    const done = table.events.filter(({ name, fields }) => name === 'sliceCompleted' && fields['done'] === false);
    expect(done.length).toBeGreaterThan(5);
    await table.container.item('p3', 'hot').delete();
    await table.container.items.upsert({ id: 'p4', group: 'hot', name: 'by hand' });
    await table.container.items.create({ id: 'extra', group: 'hot' });
    await administer(table.dependencies, table.id, { kind: 'verify' }, 'ann');
    await table.sync();
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.report).toMatchObject({
      equal: 48,
      missing: 1,
      different: 1,
      extra: 1,
    });
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    await expectSynced(table, writer);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.counts).toMatchObject({
      upserts: 2,
      deletes: 1,
      skipped: 48,
    });
  });

  test('is read once from the container however many passes compare it, and once more where memory ran out', async () => {
    const { table, writer } = await hotTable();
    await writer.insert(rows(80));
    await expectSynced(table, writer);
    const scans = await countScans(table);
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    await expectSynced(table, writer);
    const spilled = [...table.plans.blobs.keys()].filter((name) => name.includes('/stored/'));
    expect(spilled.length).toBeGreaterThan(0);
    // Ranges without a row scan once; the hot one is given up before its scan or during it, and then spilled.
    const ranges = (await tableStatus(table.dependencies, table.id)).lastEpoch?.planId ?? '';
    const text = new TextDecoder().decode(table.plans.blobs.get(`plans/${table.id}/${ranges}/ranges.json`));
    expect(scans()).toBeLessThanOrEqual((JSON.parse(text) as unknown[]).length + 1);
  });

  test('does what one pass does, whatever the limits and the rows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 36 }),
        fc.array(fc.tuple(fc.nat(40), fc.constantFrom('hot', 'warm'), fc.constantFrom('a', 'b')), { maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(40), fc.constantFrom('hot', 'warm'), fc.constantFrom('a', 'b')), { maxLength: 60 }),
        fc.boolean(),
        async (passRows, before, after, feed) => {
          const unique = (list: typeof before): ReturnType<typeof row>[] => [
            ...new Map(list.map(([id, group, name]) => [`${id}`, row(id, name, group)])).values(),
          ];
          const { table, writer } = await hotTable({}, { changeFeed: feed }, { ...TINY, passRows });
          await writer.insert(unique(before));
          await expectSynced(table, writer);
          await writer.overwrite(unique(after));
          await expectSynced(table, writer);
          await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
          await table.container.items.upsert({ id: 'extra', group: 'hot' });
          await expectSynced(table, writer);
          expect((await table.state()).checkpoint?.version).toBe(writer.version);
        },
      ),
      { seed: 61, numRuns: 8 },
    );
  });

  test('a small epoch whose rows are large is held by its guard before the first pass writes', async () => {
    const sizes = { ...WORK_SIZES, passBytes: 20_000 };
    const { table, writer } = await hotTable({ guards: { maxDeletes: { count: 10 } } }, {}, sizes);
    await writer.insert(rows(60, 'x'.repeat(2_000)));
    await expectSynced(table, writer);
    await writer.overwrite(rows(40, 'y'.repeat(2_000)));
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tooManyDeletes' });
    expect((await table.documents()).size).toBe(60);
  });
});

test('one document that changed very often takes one pass', async () => {
  const { table, writer } = await hotTable({}, { changeFeed: true });
  await writer.insert(rows(4));
  await expectSynced(table, writer);
  for (let change = 0; change < 40; change++) {
    await writer.update(
      (each) => each['id'] === 'p1',
      () => ({ name: `change ${change}` }),
    );
  }
  await writer.insert([row(9, 'x')]);
  table.events.length = 0;
  await expectSynced(table, writer);
  const slices = table.events.filter(({ name }) => name === 'sliceCompleted');
  expect(slices.every(({ fields }) => fields['done'] === true)).toBe(true);
});

describe('a dry run', () => {
  test('names the partition keys that take most of the writing, and documents as they are and will be', async () => {
    const { table, writer } = await hotTable({}, {}, WORK_SIZES);
    await writer.insert([row(-1, 'x')]);
    await table.sync();
    const cold = Array.from({ length: 30 }, (_, i) => row(1_000 + i, 'x', `cold ${i}`));
    await writer.insert([...rows(300, 'y'), ...cold]);
    await writer.update(
      (each) => each['id'] === 'p-1',
      () => ({ name: 'changed' }),
    );
    const signal = new AbortController().signal;
    const preview = await previewEpoch(table.dependencies, new MemoryPlanStore(), table.id, { exact: true }, signal);
    expect(preview.counts).toMatchObject({ creates: 330, upserts: 1 });
    expect(preview.partitionKeys).toHaveLength(1);
    expect(preview.partitionKeys[0]).toMatchObject({ partitionKey: ['hot'], operations: 301, hot: true });
    expect(preview.partitionKeys[0]?.share).toBeCloseTo(301 / 331, 2);
    expect(preview.partitionKeys[0]?.epochRuPerSecondLimit).toBeCloseTo((10_000 * 331) / 301, -1);
    // Nothing was claimed or written.
    expect((await table.documents()).size).toBe(1);
    expect((await table.state()).current).toBeNull();
  });

  test('of a large first load counts its documents without holding them', async () => {
    const { table, writer } = await hotTable();
    await writer.insert(rows(60));
    const signal = new AbortController().signal;
    const preview = await previewEpoch(table.dependencies, new MemoryPlanStore(), table.id, { exact: true }, signal);
    expect(preview.plan?.stages.map((stage) => stage.name)).toEqual(['uniqueKeys', 'apply']);
    expect(preview.counts).toMatchObject({ upserts: 60, deadLettered: 0 });
    expect(preview.hold).toBeNull();
    await writer.insert(rows(60, 'again'));
    table.configure({ deadLetters: { threshold: 5 } });
    const refused = await previewEpoch(table.dependencies, new MemoryPlanStore(), table.id, { exact: true }, signal);
    expect(refused.hold).toMatchObject({ code: 'keyNotUnique' });
  });

  test('shows what a document is now', async () => {
    const { table, writer } = await hotTable({}, {}, WORK_SIZES);
    await writer.insert(rows(3));
    await table.sync();
    await writer.update(
      (each) => each['id'] === 'p1',
      () => ({ name: 'second' }),
    );
    const signal = new AbortController().signal;
    const preview = await previewEpoch(table.dependencies, new MemoryPlanStore(), table.id, { exact: true }, signal);
    expect(preview.samples).toEqual([
      {
        operation: 'upsert',
        id: 'p1',
        before: { id: 'p1', group: 'hot', name: 'first' },
        after: { id: 'p1', group: 'hot', name: 'second' },
      },
    ]);
  });
});

test('mode patch without onDelete holds a large epoch in which rows are gone before anything is written', async () => {
  const { table, writer } = await hotTable({ mode: 'patch' });
  await writer.insert(rows(40));
  await table.sync();
  await writer.overwrite(rows(30, 'second'));
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'deleteUndecided' });
  expect([...(await table.documents()).values()].every((document) => document['name'] === 'first')).toBe(true);
});
