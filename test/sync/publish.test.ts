import { PartitionKeyDefinitionVersion, type Container } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/documents/document.ts';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import type { PlanSummary } from '../../src/sync/activity-messages.ts';
import { hasNews, planEpoch } from '../../src/sync/plan-epoch.ts';
import type { PublicationDocument } from '../../src/sync/publication.ts';
import { runSlice } from '../../src/sync/run-slice.ts';
import { sealStage } from '../../src/sync/seal-stage.ts';
import { NO_COUNTS } from '../../src/sync/state-store.ts';
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
const GRACE_SECONDS = 600;
/** Every load is cut into several chunks and slices. */
const SMALL = { ...WORK_SIZES, smallRows: 20, rangeRows: 40 };

const row = (id: number, name = `name ${id}`): { id: string; name: string; price: number } => ({
  id: `p${id}`,
  name,
  price: id,
});
const rows = (count: number): ReturnType<typeof row>[] => Array.from({ length: count }, (_, i) => row(i));

type Strategy = 'versionFlag' | 'blueGreen';

interface Published {
  readonly table: SyncTable;
  readonly writer: DeltaWriter;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly other: Container;
  /** What the pointer calls the slot of the first load, and that of the second. */
  readonly first: string | number;
  readonly second: string | number;
}

async function published(strategy: Strategy, verify = 'checksums', sizes = WORK_SIZES): Promise<Published> {
  const table = await world.table({}, '/id', sizes);
  const database = world.client.database('cosmicworks');
  const other = `${table.id}-b`;
  if (strategy === 'blueGreen') {
    const partitionKey = { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 };
    await database.containers.create({ id: other, partitionKey });
  }
  const pair = strategy === 'blueGreen' ? { other } : {};
  const settings = { publish: { kind: strategy, graceSeconds: GRACE_SECONDS, verify, ...pair } };
  table.configure(settings);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true });
  const [first, second] = strategy === 'blueGreen' ? [table.id, other] : [1, 2];
  return { table, writer, settings, other: database.container(other), first, second };
}

function freshness(): Container {
  return world.client.database('cosmicworks').container('freshness');
}

async function pointer(table: SyncTable): Promise<PublicationDocument | undefined> {
  return (await freshness().item(table.id, table.id).read<PublicationDocument>()).resource;
}

/** Everything in a slot, as a reader sees it that was sent there. */
async function slotDocuments(table: SyncTable, live: string | number): Promise<readonly JsonObject[]> {
  const database = world.client.database('cosmicworks');
  const container = typeof live === 'string' ? database.container(live) : table.container;
  const query =
    typeof live === 'string'
      ? 'SELECT * FROM c'
      : { query: 'SELECT * FROM c WHERE c.generation = @live', parameters: [{ name: '@live', value: live }] };
  return (await container.items.query<JsonObject>(query).fetchAll()).resources;
}

/** What a reader that follows the pointer sees: the names by price, under whatever field they lie. */
async function read(table: SyncTable, field = 'name'): Promise<readonly unknown[]> {
  const document = await pointer(table);
  if (document === undefined) return [];
  const documents = await slotDocuments(table, document.live);
  return documents.toSorted((a, b) => Number(a['price']) - Number(b['price'])).map((each) => each[field]);
}

const names = (count: number): string[] => rows(count).map((each) => each.name);

async function approve(table: SyncTable): Promise<void> {
  const { held } = await tableStatus(table.dependencies, table.id);
  await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
}

/** A changed mapping, approved: the next load under the field name `title`. */
async function switchToTitles({ table, settings }: Published): Promise<void> {
  table.configure({ ...settings, columns: { rename: { name: 'title' } } });
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
  await approve(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
}

test('a table that is written in place tells how fresh it is', async () => {
  const table = await world.table();
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true });
  await writer.insert(rows(2));
  await table.sync();
  expect(await pointer(table)).toMatchObject({
    id: table.id,
    table: table.id,
    version: writer.version,
    live: table.id,
  });
  await writer.insert([row(2)]);
  await table.sync();
  const { checkpoint } = await table.state();
  expect(await pointer(table)).toMatchObject({
    version: writer.version,
    commitTime: new Date(checkpoint?.commitTimestamp ?? 0).toISOString(),
    syncedAt: new Date(checkpoint?.syncedAt ?? 0).toISOString(),
  });
});

test('an epoch is done although nobody can be told how fresh it is', async () => {
  const table = await world.table();
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true });
  await writer.insert(rows(2));
  const { publications } = table.dependencies;
  const deaf = { read: () => Promise.reject(new Error('no answer')), write: () => Promise.resolve(false) };
  Object.assign(table.dependencies, { publications: deaf });
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(table.events.some((event) => event.name === 'publicationFailed')).toBe(true);
  Object.assign(table.dependencies, { publications });
  await writer.insert([row(2)]);
  await table.sync();
  expect(await pointer(table)).toMatchObject({ version: writer.version });
});

describe.each<Strategy>(['versionFlag', 'blueGreen'])('%s', (strategy) => {
  test('the first load is verified before readers are sent to it, and increments go into it', async () => {
    const { table, writer, first } = await published(strategy);
    await writer.insert(rows(4));
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await pointer(table)).toMatchObject({ live: first, version: writer.version });
    expect(await read(table)).toEqual(names(4));
    const history = await table.dependencies.states.history(table.id, 10);
    expect(history.map((entry) => entry.kind)).toEqual(['verify', 'snapshot']);
    await writer.update(
      (each) => each['id'] === 'p1',
      () => ({ name: 'changed' }),
    );
    await writer.delete((each) => each['id'] === 'p3');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await read(table)).toEqual(['name 0', 'changed', 'name 2']);
    expect(await pointer(table)).toMatchObject({ live: first, version: writer.version });
    expect((await table.state()).publication.lastGeneration).toBe(strategy === 'versionFlag' ? 1 : 0);
  });

  test('a changed mapping is loaded beside what is read, and readers are switched over', async () => {
    const world = await published(strategy);
    const { table, writer, first, second } = world;
    await writer.insert(rows(4));
    await table.sync();
    await switchToTitles(world);
    expect(await pointer(table)).toMatchObject({ live: second, version: writer.version });
    expect(await read(table, 'title')).toEqual(names(4));
    // What was read before is still whole for readers that have not looked again.
    expect((await slotDocuments(table, first)).map((each) => each['name'])).toEqual(expect.arrayContaining(names(4)));
    await writer.insert([row(4)]);
    await table.sync();
    expect(await read(table, 'title')).toEqual(names(5));
    expect(await slotDocuments(table, first)).toHaveLength(4);
  });

  test('resync loads anew, and a table that was created again too', async () => {
    const { table, writer, first, second } = await published(strategy);
    await writer.insert(rows(3));
    await table.sync();
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await pointer(table)).toMatchObject({ live: second });
    expect((await table.state()).request).toBeNull();
    table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
    await table.sync();
    await writer.recreate();
    await writer.insert([row(9)]);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tableRecreated' });
    expect(await read(table)).toEqual(names(3));
    await approve(table);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await pointer(table)).toMatchObject({ live: strategy === 'blueGreen' ? first : 3 });
    expect(await read(table)).toEqual(['name 9']);
  });

  test('rollback sends readers back with the checkpoint of what they read before, and pauses', async () => {
    const world = await published(strategy);
    const { table, writer, settings, first } = world;
    await writer.insert(rows(3));
    await table.sync();
    const before = (await table.state()).checkpoint;
    await expect(administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann')).rejects.toMatchObject({
      code: 'nothingToRollBack',
    });
    await writer.insert([row(3)]);
    await switchToTitles(world);
    await administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann');
    expect(await pointer(table)).toMatchObject({ live: first, version: before?.version });
    expect(await table.state()).toMatchObject({ checkpoint: before, pause: { by: 'ann' } });
    expect(await read(table)).toEqual(names(3));
    expect(await table.sync()).toMatchObject({ kind: 'paused' });
    // The old mapping again: what was missed since that checkpoint follows as an increment.
    table.configure(settings);
    await administer(table.dependencies, table.id, { kind: 'resume' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await read(table)).toEqual(names(4));
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({ kind: 'changes' });
  });

  test('what readers left is deleted after the time of grace, and can no longer be gone back to', async () => {
    const world = await published(strategy);
    const { table, writer, first, second } = world;
    await writer.insert(rows(30));
    await table.sync();
    await switchToTitles(world);
    expect(await hasNews(table.dependencies, table.id)).toBe(false);
    table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
    expect(await hasNews(table.dependencies, table.id)).toBe(true);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await slotDocuments(table, first)).toEqual([]);
    expect(await slotDocuments(table, second)).toHaveLength(30);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({
      kind: 'cleanup',
      counts: { deletes: 30 },
    });
    await expect(administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann')).rejects.toMatchObject({
      code: 'nothingToRollBack',
    });
    expect(await hasNews(table.dependencies, table.id)).toBe(false);
    await writer.insert([row(30)]);
    await table.sync();
    expect(await read(table, 'title')).toEqual(names(31));
    expect((await table.state()).checkpoint?.documents).toBe(31);
  });

  test('a pointer that somebody else changed holds everything until it is clear what is read', async () => {
    const world = await published(strategy);
    const { table, writer, first, second } = world;
    await writer.insert(rows(3));
    await table.sync();
    await switchToTitles(world);
    const document = await pointer(table);
    await freshness().items.upsert({ ...document, live: first });
    // Time to delete what the pointer names now.
    table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
    await writer.insert([row(3)]);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'pointerChanged' });
    expect(await slotDocuments(table, first)).toHaveLength(3);
    expect(await slotDocuments(table, second)).toHaveLength(3);
    // Either somebody follows it …
    await administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann');
    expect((await tableStatus(table.dependencies, table.id)).publication).toMatchObject({ live: first });
    // … or it is put back.
    await freshness().items.upsert({ ...document, live: 'elsewhere' });
    await administer(table.dependencies, table.id, { kind: 'resume' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'pointerChanged' });
    await freshness().items.upsert({ ...document, live: first });
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
  });

  test('a pointer that is changed while a load is verified is not overwritten', async () => {
    const { table, writer } = await published(strategy);
    await writer.insert(rows(3));
    await table.sync();
    const store = table.dependencies.publications;
    const document = await pointer(table);
    let reads = 0;
    const meddled = {
      write: (written: PublicationDocument, etag: string | null) => store?.write(written, etag),
      read: async (id: string) => {
        // The first look is planning's; the verified load comes with the third.
        if (++reads === 3) await freshness().items.upsert({ ...document, live: 'elsewhere' });
        return store?.read(id);
      },
    };
    Object.assign(table.dependencies, { publications: meddled });
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    expect(await table.sync('driver')).toMatchObject({ kind: 'failed', code: 'pointerChanged' });
    expect(await pointer(table)).toMatchObject({ live: 'elsewhere' });
    Object.assign(table.dependencies, { publications: store });
    expect(await table.sync('driver')).toMatchObject({ kind: 'held', code: 'pointerChanged' });
    await freshness().items.upsert(document);
    expect(await table.sync('driver')).toMatchObject({ kind: 'idle' });
    expect(await read(table)).toEqual(names(3));
  });

  test('a load that does not equal the table is not published; resync loads it again', async () => {
    const world = await published(strategy);
    const { table, writer, settings, first } = world;
    await writer.insert(rows(4));
    await table.sync();
    table.configure({ ...settings, columns: { rename: { name: 'title' } } });
    await table.sync();
    await approve(table);
    await damageBeforeVerification(world);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'publishUnverified' });
    expect(await pointer(table)).toMatchObject({ live: first });
    expect(await read(table)).toEqual(names(4));
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.report).toMatchObject({ missing: 1 });
    await expect(administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann')).rejects.toMatchObject({
      code: 'nothingToRollBack',
    });
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'publishUnverified' });
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await read(table, 'title')).toEqual(names(4));
  });

  test('a load that does not equal the table is published when somebody says so', async () => {
    const world = await published(strategy);
    const { table, writer, second } = world;
    await writer.insert(rows(4));
    await table.sync();
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    await damageBeforeVerification(world);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'publishUnverified' });
    await approve(table);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await pointer(table)).toMatchObject({ live: second });
  });

  test('a reader that follows the pointer never sees a mixture while loads, switches and clean-ups go on', async () => {
    const world = await published(strategy, 'full', SMALL);
    const { table, writer, settings } = world;
    await writer.insert(rows(150));
    await table.sync();
    const reader = new Reader(table);
    const reading = reader.run();
    try {
      for (const field of ['title', 'label', 'name', 'title']) {
        table.configure({ ...settings, columns: field === 'name' ? {} : { rename: { name: field } } });
        expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
        await approve(table);
        expect(await table.sync()).toMatchObject({ kind: 'idle' });
        expect(await read(table, field)).toEqual(names(150));
        await reader.looked();
        table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
        expect(await table.sync()).toMatchObject({ kind: 'idle' });
        await reader.looked();
      }
    } finally {
      reader.stop();
      await reading;
    }
    expect(reader.mixtures).toEqual([]);
    expect([...reader.seen].toSorted()).toEqual(['label', 'name', 'title']);
  }, 60_000);
});

describe('a load that does not end well', () => {
  /** Plans the approved load as `driver` and writes its first chunk. */
  async function beginLoad({ table, settings }: Published): Promise<PlanSummary> {
    table.configure({ ...settings, columns: { rename: { name: 'title' } } });
    await table.sync();
    await approve(table);
    const signal = new AbortController().signal;
    const planned = await planEpoch(table.dependencies, { tableId: table.id, driver: 'driver', failure: null }, signal);
    if (planned.kind !== 'epoch') throw new Error(`planned ${planned.kind}`);
    const { planId } = planned.plan;
    const keys = { tableId: table.id, planId, chunk: 0, cursor: null, attempt: '0.0' };
    const counted = { kind: 'ok' as const, cursor: null };
    expect(await runSlice(table.dependencies, { ...keys, stage: 'uniqueKeys' }, signal)).toMatchObject(counted);
    const seal = { tableId: table.id, planId, stage: 'uniqueKeys' as const, outputs: [], counts: NO_COUNTS };
    expect(await sealStage(table.dependencies, seal, signal)).toEqual({ kind: 'ok' });
    expect(await runSlice(table.dependencies, { ...keys, stage: 'apply' }, signal)).toMatchObject(counted);
    return planned.plan;
  }

  test('is given up when its files vanish; another slot is loaded, and the documents it left are deleted', async () => {
    const world = await published('versionFlag', 'full', SMALL);
    const { table, writer } = world;
    await writer.insert(rows(100));
    await table.sync();
    const { planId } = await beginLoad(world);
    expect(await slotDocuments(table, 2)).toHaveLength(100);
    const failure = { planId, code: 'storageNotFound', message: 'gone' };
    const signal = new AbortController().signal;
    await planEpoch(table.dependencies, { tableId: table.id, driver: 'driver', failure }, signal);
    expect(await table.state()).toMatchObject({ dirty: null, publication: { live: { generation: { value: 1 } } } });
    expect(await read(table)).toEqual(names(100));
    // At the same head and with the same files it would fail again: a person has to look at it.
    await approve(table);
    expect(await table.sync('driver')).toMatchObject({ kind: 'idle' });
    expect(await pointer(table)).toMatchObject({ live: 3 });
    expect(await read(table, 'title')).toEqual(names(100));
    table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
    await table.sync();
    expect(await slotDocuments(table, 2)).toEqual([]);
    expect(await slotDocuments(table, 1)).toEqual([]);
    expect(await read(table, 'title')).toEqual(names(100));
  });

  test('leaves rollback possible while it goes on beside it, but not where it overwrites what that would go back to', async () => {
    const flagged = await published('versionFlag', 'full', SMALL);
    await flagged.writer.insert(rows(100));
    await flagged.table.sync();
    await administer(flagged.table.dependencies, flagged.table.id, { kind: 'resync' }, 'ann');
    await flagged.table.sync();
    await beginLoad(flagged);
    await administer(flagged.table.dependencies, flagged.table.id, { kind: 'rollback' }, 'ann');
    expect(await flagged.table.state()).toMatchObject({ current: null, dirty: null, checkpoint: { epoch: 2 } });
    expect((await tableStatus(flagged.table.dependencies, flagged.table.id)).publication).toEqual({
      live: 1,
      working: 1,
      rollback: { to: 2, version: flagged.writer.version },
      retired: [3],
    });

    const pair = await published('blueGreen', 'full', SMALL);
    await pair.writer.insert(rows(100));
    await pair.table.sync();
    await administer(pair.table.dependencies, pair.table.id, { kind: 'resync' }, 'ann');
    await pair.table.sync();
    pair.table.configure({ ...pair.settings, columns: { rename: { name: 'title' } } });
    expect(await pair.table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
    const { held } = await tableStatus(pair.table.dependencies, pair.table.id);
    expect(held?.reason).toContain(`may still read ${pair.table.id}`);
    await approve(pair.table);
    const signal = new AbortController().signal;
    const planned = await planEpoch(
      pair.table.dependencies,
      { tableId: pair.table.id, driver: 'd', failure: null },
      signal,
    );
    const stage = planned.kind === 'epoch' ? planned.plan.stages[0] : undefined;
    expect(stage).toMatchObject({ name: 'shuffle' });
    expect((await tableStatus(pair.table.dependencies, pair.table.id)).publication?.rollback).not.toBeNull();
    const { states } = pair.table.dependencies;
    const record = states.record.bind(states);
    const standbys: unknown[] = [];
    states.record = async (entry, to) => {
      standbys.push((await pair.table.state()).publication.standby);
      await record(entry, to);
    };
    expect(await pair.table.sync('d')).toMatchObject({ kind: 'idle' });
    expect(standbys[0]).toBeNull();
    expect(await read(pair.table, 'title')).toEqual(names(100));
  });
});

test('a load is verified at the version it shows while the table moves on', async () => {
  const { table, writer } = await published('versionFlag');
  await writer.insert(rows(3));
  const { states } = table.dependencies;
  const record = states.record.bind(states);
  states.record = async (entry, signal) => {
    if (entry.kind === 'snapshot') await writer.insert([row(3)]);
    await record(entry, signal);
  };
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  const history = await states.history(table.id, 10);
  expect(history.map(({ kind, to }) => [kind, to])).toEqual([
    ['changes', writer.version],
    ['verify', writer.version - 1],
    ['snapshot', writer.version - 1],
  ]);
  expect(await read(table)).toEqual(names(4));
});

test('a table that was written in place becomes one of a pair without a load, and can be gone back to', async () => {
  const { table, writer, settings, first, second } = await published('blueGreen');
  table.configure({});
  await writer.insert(rows(3));
  await table.sync();
  table.configure(settings);
  await writer.insert([row(3)]);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({ kind: 'changes' });
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: second });
  await administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann');
  expect(await pointer(table)).toMatchObject({ live: first });
  expect(await read(table)).toEqual(names(4));
});

test('a table that was written in place is loaded as generation 1 when somebody agrees, and written in place again', async () => {
  const { table, writer, settings } = await published('versionFlag');
  table.configure({});
  await writer.insert(rows(3));
  await table.sync();
  table.configure(settings);
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
  await approve(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: 1 });
  expect(await read(table)).toEqual(names(3));
  expect((await table.documents()).size).toBe(6);
  table.configure({});
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
  await approve(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect([...(await table.documents()).keys()].toSorted()).toEqual(['p0', 'p1', 'p2']);
  expect(await pointer(table)).toMatchObject({ live: table.id });
  expect((await table.state()).publication).toMatchObject({ working: null, live: null });
});

test('the containers of a pair may be partitioned differently, and one that was dropped needs no clean-up', async () => {
  const { table, writer, first, second, other } = await published('blueGreen');
  await other.delete();
  await world.client
    .database('cosmicworks')
    .containers.create({ id: other.id, partitionKey: { paths: ['/name'], version: PartitionKeyDefinitionVersion.V1 } });
  await writer.insert(rows(3));
  await table.sync();
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: second });
  await world.client.database('cosmicworks').container(String(first)).delete();
  table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
  await writer.insert([row(3)]);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await read(table)).toEqual(names(4));
  expect((await table.state()).publication.retired).toEqual([]);
});

test('an idle container that is still read is not loaded before its time', async () => {
  const world = await published('blueGreen');
  const { table, writer, first, second } = world;
  await writer.insert(rows(3));
  await table.sync();
  await switchToTitles(world);
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'standbyInUse' });
  expect((await slotDocuments(table, first)).map((each) => each['name'])).toEqual(expect.arrayContaining(names(3)));
  table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: first });
  expect(await slotDocuments(table, second)).toHaveLength(3);
});

test('the second container of a pair is not overwritten when something else has filled it', async () => {
  const { table, writer, other } = await published('blueGreen');
  await writer.insert(rows(3));
  await table.sync();
  await other.items.create({ id: 'stranger' });
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'containerNotEmpty' });
  expect(await slotDocuments(table, other.id)).toHaveLength(1);
  await approve(table);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await read(table)).toEqual(names(3));
});

test('counts alone are compared where the configuration says so', async () => {
  const world = await published('versionFlag', 'counts');
  const { table, writer } = world;
  await writer.insert(rows(4));
  await table.sync();
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  await damageBeforeVerification(world, async (container, document) => {
    await container.items.upsert({ ...document, name: 'edited' });
  });
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: 2 });
});

/** Once the slot is loaded, one of its documents is changed behind the sync's back (default: deleted). */
async function damageBeforeVerification(
  { table, second }: Published,
  damage = async (container: Container, document: JsonObject): Promise<void> => {
    const id = document['id'] as string;
    await container.item(id, id).delete();
  },
): Promise<void> {
  const { states } = table.dependencies;
  const record = states.record.bind(states);
  const container =
    typeof second === 'string' ? world.client.database('cosmicworks').container(second) : table.container;
  let done = false;
  states.record = async (entry, signal) => {
    const [document] = entry.kind === 'verify' || done ? [] : await slotDocuments(table, second);
    if (document !== undefined) {
      done = true;
      await damage(container, document);
    }
    await record(entry, signal);
  };
}

/** Follows the pointer without pause and remembers what did not fit together. */
class Reader {
  readonly mixtures: string[] = [];
  readonly seen = new Set<string>();
  readonly #table: SyncTable;
  #stopped = false;
  #looks = 0;

  constructor(table: SyncTable) {
    this.#table = table;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const live = (await pointer(this.#table))?.live ?? '';
      const documents = await slotDocuments(this.#table, live);
      const fields = new Set(documents.flatMap((each) => ['name', 'title', 'label'].filter((name) => name in each)));
      for (const field of fields) this.seen.add(field);
      const ids = new Set(documents.map((each) => each['price']));
      if (documents.length !== 150 || fields.size !== 1 || ids.size !== 150)
        this.mixtures.push(`${live}: ${documents.length} documents with ${[...fields].join(', ')}`);
      this.#looks++;
    }
  }

  /** Resolves when the pointer was read and followed since: nobody is where it led to before. */
  async looked(): Promise<void> {
    const from = this.#looks;
    while (this.#looks < from + 2) await new Promise((resolve) => setImmediate(resolve));
  }

  stop(): void {
    this.#stopped = true;
  }
}
