import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseSyncConfiguration, type TableConfiguration } from '../../src/config/sync-configuration.ts';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { hasNews, planEpoch } from '../../src/sync/plan-epoch.ts';
import { runSlice } from '../../src/sync/run-slice.ts';
import { sealStage } from '../../src/sync/seal-stage.ts';
import { NO_COUNTS } from '../../src/sync/state-store.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { row, rows } from '../support/priced-table.ts';
import {
  GRACE_SECONDS,
  SMALL,
  approve,
  freshness,
  names,
  pointer,
  published,
  read,
  slotDocuments,
  switchToTitles,
  type Strategy,
} from '../support/published-table.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

const COLUMNS = primitives({ id: 'string', name: 'string', price: 'double' });
const UNGUARDED = { guards: { maxDeletes: { percent: 100 } } };

/** A table that was synchronised once. */
async function synchronised(
  settings: Readonly<Record<string, unknown>> = UNGUARDED,
  count = 30,
  sizes = WORK_SIZES,
): Promise<{ readonly table: SyncTable; readonly writer: DeltaWriter }> {
  const table = await world.table(settings, '/id', sizes);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true });
  await writer.insert(rows(count));
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  return { table, writer };
}

const status = (table: SyncTable): ReturnType<typeof tableStatus> => tableStatus(table.dependencies, table.id);
const news = (table: SyncTable): Promise<boolean> => hasNews(table.dependencies, table.id);

async function blobs(table: SyncTable): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const name of table.plans.list('')) found.push(name);
  return found;
}

/** Another table of the configuration, in the container of `table`. */
function neighbour(table: SyncTable, settings: Readonly<Record<string, unknown>> = {}): TableConfiguration {
  const text = JSON.stringify({
    budgets: { all: { target: `cosmicworks/${table.id}`, ruPerSecond: 1000 } },
    tables: {
      other: {
        source: 'https://lake.blob.core.windows.net/lake/other',
        target: { database: 'cosmicworks', container: table.id },
        id: '${id}',
        budget: 'all',
        ...settings,
      },
    },
  });
  const other = parseSyncConfiguration(text, 'test').tables['other'];
  if (other === undefined) throw new Error('no such table');
  return other;
}

describe('documents: keep', () => {
  test('gives up the checkpoint, leaves documents and pointer, and the sweep finds it without an event', async () => {
    const { table, writer } = await synchronised();
    const before = await pointer(table);
    table.remove('keep');
    expect(await status(table)).toMatchObject({ mode: null, removal: { documents: 'keep', phase: 'pending' } });
    expect(await news(table)).toBe(true);
    expect(await table.sync()).toEqual({ kind: 'idle', version: null });
    expect(await news(table)).toBe(false);
    expect((await table.documents()).size).toBe(30);
    expect(await pointer(table)).toEqual(before);
    expect(await status(table)).toMatchObject({
      checkpoint: null,
      phase: 'idle',
      removal: { documents: 'keep', phase: 'done' },
    });
    expect(await blobs(table)).toEqual([]);
    expect(table.events.filter((event) => event.name === 'tableRemoved')).toHaveLength(1);
    await writer.insert([row(30)]);
    expect(await table.sync()).toEqual({ kind: 'idle', version: null });
    expect((await table.documents()).size).toBe(30);
  });

  test('a table that is configured again asks before it touches what is there, and adopts it', async () => {
    const { table, writer } = await synchronised();
    table.remove('keep');
    await table.sync();
    await writer.insert([row(30)]);
    table.configure(UNGUARDED);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'containerNotEmpty' });
    table.configure({ ...UNGUARDED, existing: 'adopt' });
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect((await table.documents()).size).toBe(31);
    const { lastEpoch, removal } = await status(table);
    expect(removal).toBeNull();
    expect(lastEpoch).toMatchObject({ kind: 'reconcile', counts: { skipped: 30 } });
  });

  test('stops an epoch that is under way; slices that come late write nothing', async () => {
    const { table, writer } = await synchronised(UNGUARDED, 30, SMALL);
    await writer.insert(Array.from({ length: 60 }, (_, at) => row(100 + at)));
    const signal = new AbortController().signal;
    const input = { tableId: table.id, driver: 'driver', failure: null };
    const planned = await planEpoch(table.dependencies, input, signal);
    const planId = planned.kind === 'epoch' ? planned.plan.planId : '';
    const slice = { tableId: table.id, planId, stage: 'apply' as const, chunk: 0, cursor: null, attempt: '0.0' };
    table.remove('keep');
    expect(await table.sync()).toMatchObject({ kind: 'busy' });
    expect(await table.sync('driver')).toMatchObject({ kind: 'idle' });
    expect(await runSlice(table.dependencies, slice, signal)).toMatchObject({ kind: 'failed', code: 'tableUnknown' });
    expect((await table.documents()).size).toBe(30);
  });

  test('a table that was never synchronised, and one that nobody knows, leave no trace', async () => {
    const table = await world.table();
    table.remove('keep');
    expect(await news(table)).toBe(false);
    expect(await table.sync()).toEqual({ kind: 'idle', version: null });
    expect(await table.dependencies.states.read(table.id)).toMatchObject({ etag: null });
  });

  test('a paused table is left alone until it is resumed', async () => {
    const { table } = await synchronised();
    await administer(table.dependencies, table.id, { kind: 'pause' }, 'ann');
    table.remove('delete');
    expect(await news(table)).toBe(false);
    expect(await table.sync()).toMatchObject({ kind: 'paused' });
    expect((await table.documents()).size).toBe(30);
    await administer(table.dependencies, table.id, { kind: 'resume' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect((await table.documents()).size).toBe(0);
  });
});

describe('documents: delete', () => {
  test('is held by the guard until this very plan is approved, then deletes documents and pointer', async () => {
    const { table } = await synchronised({}, 40, SMALL);
    table.remove('delete');
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tooManyDeletes' });
    expect((await table.documents()).size).toBe(40);
    expect(await pointer(table)).toBeDefined();
    const { held, checkpoint } = await status(table);
    expect(held?.reason).toContain('About 40 documents');
    expect(checkpoint).not.toBeNull();
    await expect(
      administer(table.dependencies, table.id, { kind: 'approve', planId: 'e9-v9-000000000000' }, 'ann'),
    ).rejects.toMatchObject({ code: 'planStale' });
    await approve(table);
    expect(await table.sync()).toEqual({ kind: 'idle', version: null });
    expect((await table.documents()).size).toBe(0);
    expect(await pointer(table)).toBeUndefined();
    expect(await news(table)).toBe(false);
    expect(await status(table)).toMatchObject({
      checkpoint: null,
      removal: { documents: 'delete', phase: 'done' },
      lastEpoch: { kind: 'cleanup', approvedBy: 'ann', counts: { deletes: 40 } },
    });
    expect((await status(table)).lastEpoch?.counts.requestUnits).toBeGreaterThan(40);
  });

  test('a plan that was rejected is not offered again, and the table goes on when it is configured again', async () => {
    const { table, writer } = await synchronised({}, 40);
    table.remove('delete');
    await table.sync();
    const { held } = await status(table);
    await administer(table.dependencies, table.id, { kind: 'reject', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'rejected' });
    table.configure({});
    await writer.insert([row(40)]);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect((await status(table)).lastEpoch).toMatchObject({ kind: 'changes' });
  });

  test('a table that is configured again in the middle of it is loaded anew', async () => {
    const { table, writer } = await synchronised(UNGUARDED, 150, SMALL);
    table.remove('delete');
    const signal = new AbortController().signal;
    const input = { tableId: table.id, driver: 'driver', failure: null };
    const planned = await planEpoch(table.dependencies, input, signal);
    if (planned.kind !== 'epoch') throw new Error(planned.kind);
    const { planId } = planned.plan;
    await sealStage(
      table.dependencies,
      { tableId: table.id, planId, stage: 'shuffle', outputs: [], counts: NO_COUNTS },
      signal,
    );
    const slice = { tableId: table.id, planId, stage: 'apply' as const, chunk: 0, cursor: null, attempt: '0.0' };
    expect(await runSlice(table.dependencies, slice, signal)).toMatchObject({ kind: 'ok' });
    const left = (await table.documents()).size;
    expect(left).toBeLessThan(150);
    expect(left).toBeGreaterThan(0);
    expect(await status(table)).toMatchObject({ checkpoint: null, removal: { phase: 'begun' } });
    table.configure({ ...UNGUARDED, existing: 'adopt' });
    expect(await table.sync('driver')).toMatchObject({ kind: 'idle', version: writer.version });
    expect((await table.documents()).size).toBe(150);
    expect(await runSlice(table.dependencies, slice, signal)).not.toMatchObject({ kind: 'ok' });
    expect((await table.documents()).size).toBe(150);
    expect(await pointer(table)).toMatchObject({ version: writer.version });
  });

  test('is refused while a configured table writes to the container, unless both have a discriminator', async () => {
    const discriminator = (value: string): Readonly<Record<string, unknown>> => ({
      discriminator: { field: 'kind', value },
    });
    const { table } = await synchronised({ ...UNGUARDED, ...discriminator('a') });
    await table.container.items.create({ id: 'foreign', kind: 'b' });
    table.remove('delete', [neighbour(table)]);
    expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'removalRefused' });
    expect((await table.documents()).size).toBe(31);
    table.remove('delete', [neighbour(table, discriminator('b'))]);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect([...(await table.documents()).keys()]).toEqual(['foreign']);
  });

  test.each(['upsert', 'insertOnly', 'patch'])(
    'mode %s without a discriminator asks: the container may hold documents of others',
    async (mode) => {
      const { table } = await synchronised({ ...UNGUARDED, mode, ...(mode === 'patch' ? { onDelete: 'keep' } : {}) });
      table.remove('delete');
      expect(await table.sync()).toMatchObject({ kind: 'held', code: 'removalUnclear' });
      expect((await table.documents()).size).toBe(30);
      await approve(table);
      expect(await table.sync()).toMatchObject({ kind: 'idle' });
      expect((await table.documents()).size).toBe(0);
    },
  );

  test('flagged documents of mode softDelete are deleted as well', async () => {
    const { table, writer } = await synchronised({ ...UNGUARDED, mode: 'softDelete' });
    await writer.delete((each) => Number(each['price']) < 5);
    await table.sync();
    expect((await table.documents()).size).toBe(30);
    table.remove('delete');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect((await table.documents()).size).toBe(0);
  });

  test('nothing is deleted from a container that was created again, and one that is gone is no obstacle', async () => {
    const { table } = await synchronised();
    await table.container.delete();
    await table.database.containers.create({ id: table.id, partitionKey: { paths: ['/id'] } });
    await table.container.items.create({ id: 'new owner' });
    table.remove('delete');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect([...(await table.documents()).keys()]).toEqual(['new owner']);
    expect(await pointer(table)).toBeUndefined();
    expect((await status(table)).removal).toMatchObject({ phase: 'done' });

    const { table: other } = await synchronised();
    await other.container.delete();
    other.remove('delete');
    expect(await other.sync()).toMatchObject({ kind: 'idle' });
    expect((await status(other)).removal).toMatchObject({ phase: 'done' });
  });

  test('a pointer document that somebody else changed stops it before the first delete', async () => {
    const { table, writer } = await published(world, 'versionFlag');
    await writer.insert(rows(5));
    await table.sync();
    await freshness(table).items.upsert({ ...(await pointer(table)), live: 7 });
    table.remove('delete');
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'pointerChanged' });
    expect(await slotDocuments(table, 1)).toHaveLength(5);
  });
});

describe.each<Strategy>(['versionFlag', 'blueGreen'])('published as %s', (strategy) => {
  test('the copy that is read, the one before it and one that was left are all deleted', async () => {
    const shop = await published(world, strategy, 'checksums', SMALL);
    const { table, writer, first, second } = shop;
    await writer.insert(rows(50));
    await table.sync();
    await switchToTitles(shop);
    expect(await slotDocuments(table, first)).toHaveLength(50);
    expect(await slotDocuments(table, second)).toHaveLength(50);
    table.remove('delete');
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tooManyDeletes' });
    expect((await status(table)).held?.reason).toContain('About 100 documents');
    expect(await read(table, 'title')).toEqual(names(50));
    await approve(table);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await slotDocuments(table, first)).toEqual([]);
    expect(await slotDocuments(table, second)).toEqual([]);
    expect(await pointer(table)).toBeUndefined();
    const history = await table.dependencies.states.history(table.id, 3);
    expect(history.slice(0, 2).map(({ kind, counts }) => [kind, counts.deletes])).toEqual([
      ['cleanup', 50],
      ['cleanup', 50],
    ]);
  });

  test('what is kept can still be read; configured again, the table is loaded beside it', async () => {
    const { table, writer, settings, first, second } = await published(world, strategy);
    await writer.insert(rows(4));
    await table.sync();
    table.remove('keep');
    await table.sync();
    table.skewMs += 2 * GRACE_SECONDS * 1_000;
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await read(table)).toEqual(names(4));
    expect(await pointer(table)).toMatchObject({ live: first });
    await writer.insert([row(4)]);
    table.configure({ ...settings, existing: 'adopt' });
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await read(table)).toEqual(names(5));
    expect(await pointer(table)).toMatchObject({ live: second });
    expect(await slotDocuments(table, first)).toHaveLength(4);
  });
});

test('what is kept of a published table is overwritten in place when the table is configured so, after approval', async () => {
  const { table, writer } = await published(world, 'versionFlag');
  await writer.insert(rows(4));
  await table.sync();
  table.remove('keep');
  await table.sync();
  table.configure({ ...UNGUARDED, existing: 'adopt' });
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  expect([...(await table.documents()).keys()].toSorted()).toEqual(['p0', 'p1', 'p2', 'p3']);
  expect(await pointer(table)).toMatchObject({ live: table.id });
});
