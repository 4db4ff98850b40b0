import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { hasNews } from '../../src/sync/plan-epoch.ts';
import { slotName } from '../../src/sync/publication-state.ts';
import type { PublicationDocument } from '../../src/sync/publication.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { COLUMNS, row, rows } from '../support/priced-table.ts';
import {
  GRACE_SECONDS,
  published,
  freshness,
  pointer,
  slotDocuments,
  read,
  names,
  approve,
  switchToTitles,
  type Strategy,
} from '../support/published-table.ts';
import { SyncWorld } from '../support/sync-harness.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

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

test('an epoch is done although nobody can be told how fresh it is; the next sweep tells, without a commit', async () => {
  const table = await world.table();
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true });
  await writer.insert(rows(2));
  const { publications } = table.dependencies;
  const deaf = { read: () => Promise.reject(new Error('no answer')), write: () => Promise.resolve(false) };
  Object.assign(table.dependencies, { publications: deaf });
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  expect(table.events.some((event) => event.name === 'publicationFailed')).toBe(true);
  expect(await pointer(table)).toBeUndefined();
  expect(await hasNews(table.dependencies, table.id)).toBe(true);
  // A sweep in which the container is still away changes nothing.
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await hasNews(table.dependencies, table.id)).toBe(true);
  Object.assign(table.dependencies, { publications });
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  const { checkpoint } = await table.state();
  expect(await pointer(table)).toMatchObject({
    version: writer.version,
    syncedAt: new Date(checkpoint?.syncedAt ?? 0).toISOString(),
  });
  expect(await hasNews(table.dependencies, table.id)).toBe(false);
  expect(checkpoint?.epoch).toBe(1);
});

test('an answer that is lost with the end of an epoch loses no freshness', async () => {
  const table = await world.table();
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true });
  await writer.insert(rows(2));
  const { states } = table.dependencies;
  const replace = states.replace.bind(states);
  let lost = false;
  states.replace = async (state, etag, signal) => {
    const made = await replace(state, etag, signal);
    if (lost || state.checkpoint === null) return made;
    lost = true;
    throw new Error('the answer was lost');
  };
  await table.sync('driver');
  await table.sync('driver');
  expect(await pointer(table)).toMatchObject({ version: writer.version });
  expect(await table.state()).toMatchObject({ freshnessDue: false, checkpoint: { epoch: 1 } });
});

describe.each<Strategy>(['versionFlag', 'blueGreen'])('%s', (strategy) => {
  test('the first load is verified before readers are sent to it, and increments go into it', async () => {
    const { table, writer, first } = await published(world, strategy);
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
    const shop = await published(world, strategy);
    const { table, writer, first, second } = shop;
    await writer.insert(rows(4));
    await table.sync();
    await switchToTitles(shop);
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
    const { table, writer, first, second } = await published(world, strategy);
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
    const shop = await published(world, strategy);
    const { table, writer, settings, first } = shop;
    await writer.insert(rows(3));
    await table.sync();
    const before = (await table.state()).checkpoint;
    await expect(administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann')).rejects.toMatchObject({
      code: 'nothingToRollBack',
    });
    await writer.insert([row(3)]);
    await switchToTitles(shop);
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
    const shop = await published(world, strategy);
    const { table, writer, first, second } = shop;
    await writer.insert(rows(30));
    await table.sync();
    await switchToTitles(shop);
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
    const shop = await published(world, strategy);
    const { table, writer, first, second } = shop;
    await writer.insert(rows(3));
    await table.sync();
    await switchToTitles(shop);
    const document = await pointer(table);
    await freshness(table).items.upsert({ ...document, live: first });
    // Time to delete what the pointer names now.
    table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
    await writer.insert([row(3)]);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'pointerChanged' });
    const concern = { code: 'pointerChanged', remedy: expect.stringContaining('run rollback') as string };
    expect(await tableStatus(table.dependencies, table.id)).toMatchObject({ phase: 'waiting', concern });
    expect(await slotDocuments(table, first)).toHaveLength(3);
    expect(await slotDocuments(table, second)).toHaveLength(3);
    // Either somebody follows it …
    await administer(table.dependencies, table.id, { kind: 'rollback' }, 'ann');
    expect((await tableStatus(table.dependencies, table.id)).publication).toMatchObject({ live: first });
    // … or it is put back.
    await freshness(table).items.upsert({ ...document, live: 'elsewhere' });
    await administer(table.dependencies, table.id, { kind: 'resume' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'pointerChanged' });
    await freshness(table).items.upsert({ ...document, live: first });
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
    expect(await tableStatus(table.dependencies, table.id)).toMatchObject({ phase: 'held', concern: null });
  });

  test('a switch whose end was lost is finished by whoever comes next', async () => {
    const { table, writer, second } = await published(world, strategy);
    await writer.insert(rows(3));
    await table.sync();
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    const { states } = table.dependencies;
    const replace = states.replace.bind(states);
    let away = false;
    states.replace = (state, etag, signal) => {
      const { live, standby } = state.publication;
      away ||= live !== null && slotName(live) === second && standby !== null;
      return away ? Promise.reject(new Error('the state container is away')) : replace(state, etag, signal);
    };
    expect(await table.sync('lost')).toMatchObject({ kind: 'failed' });
    expect(await pointer(table)).toMatchObject({ live: second });
    states.replace = replace;
    table.skewMs += 130_000;
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect((await tableStatus(table.dependencies, table.id)).publication).toMatchObject({ live: second });
    expect(await read(table)).toEqual(names(3));
  });

  test('a pointer that is changed while a load is verified is not overwritten', async () => {
    const { table, writer } = await published(world, strategy);
    await writer.insert(rows(3));
    await table.sync();
    const store = table.dependencies.publications;
    const document = await pointer(table);
    let reads = 0;
    const meddled = {
      write: (written: PublicationDocument, etag: string | null) => store?.write(written, etag),
      read: async (id: string) => {
        // The first look is planning's; the verified load comes with the third.
        if (++reads === 3) await freshness(table).items.upsert({ ...document, live: 'elsewhere' });
        return store?.read(id);
      },
    };
    Object.assign(table.dependencies, { publications: meddled });
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    expect(await table.sync('driver')).toMatchObject({ kind: 'failed', code: 'pointerChanged' });
    expect(await pointer(table)).toMatchObject({ live: 'elsewhere' });
    Object.assign(table.dependencies, { publications: store });
    expect(await table.sync('driver')).toMatchObject({ kind: 'held', code: 'pointerChanged' });
    await freshness(table).items.upsert(document);
    expect(await table.sync('driver')).toMatchObject({ kind: 'idle' });
    expect(await read(table)).toEqual(names(3));
  });
});
