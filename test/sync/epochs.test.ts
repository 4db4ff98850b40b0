import { PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { ids, pricedTable, row, rows } from '../support/priced-table.ts';
import { SyncWorld } from '../support/sync-harness.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

describe('guards', () => {
  test('an epoch that would delete too much is held before its first write, and goes on when it is approved', async () => {
    const { table, writer } = await pricedTable(world, { guards: { maxDeletes: { count: 3 } } });
    await writer.insert(rows(40));
    await table.sync();
    await writer.delete((each) => Number(each['price']) < 20);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tooManyDeletes' });
    expect(await ids(table)).toHaveLength(40);
    const { held } = await tableStatus(table.dependencies, table.id);
    await expect(
      administer(table.dependencies, table.id, { kind: 'approve', planId: 'e9-v9-000000000000' }, 'ann'),
    ).rejects.toMatchObject({ code: 'planStale' });
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toHaveLength(20);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({
      approvedBy: 'ann',
      counts: { deletes: 20 },
    });
  });

  test('a held epoch clears itself when a later commit brings the rows back', async () => {
    const { table, writer } = await pricedTable(world, { guards: { maxDeletes: { count: 3 } } });
    await writer.insert(rows(40));
    await table.sync();
    const version = writer.version;
    await writer.delete(() => true);
    await table.sync();
    await writer.restore(version);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toHaveLength(40);
  });

  test('a rejected plan is not offered again at the same head', async () => {
    const { table, writer } = await pricedTable(world, { guards: { maxDeletes: { count: 0 } } });
    await writer.insert(rows(5));
    await table.sync();
    await writer.delete((each) => each['id'] === 'p1');
    await table.sync();
    const { held } = await tableStatus(table.dependencies, table.id);
    await administer(table.dependencies, table.id, { kind: 'reject', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'rejected' });
    await writer.insert([row(1)]);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
  });

  test('a rejection counts, even when the plan is being made once more at that moment', async () => {
    const { table, writer } = await pricedTable(world, { guards: { maxDeletes: { count: 3 } } });
    await writer.insert(rows(40));
    await table.sync();
    await writer.delete((each) => Number(each['price']) < 20);
    await table.sync();
    const planId = (await tableStatus(table.dependencies, table.id)).held?.planId ?? '';
    const write = table.plans.write.bind(table.plans);
    table.plans.write = async (name, bytes, signal) => {
      await write(name, bytes, signal);
      if (!name.endsWith('header.json')) return;
      table.plans.write = write;
      await administer(table.dependencies, table.id, { kind: 'reject', planId }, 'ann');
    };
    await table.sync();
    expect((await tableStatus(table.dependencies, table.id)).held).toBeNull();
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'rejected' });
    expect(await ids(table)).toHaveLength(40);
  });

  test('a table that is empty for a moment between two commits empties nothing', async () => {
    const { table, writer } = await pricedTable(world, {
      guards: { maxDeletes: { percent: 100 }, emptySourceSettleSeconds: 2 },
    });
    await writer.insert(rows(5));
    await table.sync();
    await writer.delete(() => true);
    const run = table.sync();
    await writer.insert(rows(6));
    expect(await run).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toHaveLength(6);
  });

  test('a table that stays empty is held as emptySource', async () => {
    const { table, writer } = await pricedTable(world, {
      guards: { maxDeletes: { percent: 100 }, emptySourceSettleSeconds: 0 },
    });
    await writer.insert(rows(5));
    await table.sync();
    await writer.delete(() => true);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'emptySource' });
    expect(await ids(table)).toHaveLength(5);
  });

  test('a table that was dropped and created again is held, and reconciled on approval', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(4));
    await table.sync();
    await writer.recreate();
    await writer.insert([row(9)]);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tableRecreated' });
    const { held } = await tableStatus(table.dependencies, table.id);
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toEqual(['p9']);
  });

  test('a table that was created again and has fewer versions than before is held as well', async () => {
    const { table, writer } = await pricedTable(world);
    for (let id = 0; id < 4; id++) await writer.insert([row(id)]);
    await table.sync();
    await writer.recreate();
    await writer.insert([row(9)]);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tableRecreated' });
    expect(await ids(table)).toHaveLength(4);
    const { held } = await tableStatus(table.dependencies, table.id);
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: 1 });
    expect(await ids(table)).toEqual(['p9']);
  });

  test('a container that was dropped and created again is held as containerReplaced', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(4));
    await table.sync();
    await table.container.delete();
    await world.client
      .database('cosmicworks')
      .containers.create({ id: table.id, partitionKey: { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 } });
    await writer.insert([row(9)]);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'containerReplaced' });
  });

  test('a changed mapping is held, and rewrites what differs on approval', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(4));
    await table.sync();
    table.configure({ columns: { rename: { name: 'title' } } });
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'mappingChanged' });
    const { held } = await tableStatus(table.dependencies, table.id);
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect((await table.documents()).get('p1')).toEqual({ id: 'p1', title: 'name 1', price: 1 });
  });
});

describe('keys that are not unique', () => {
  test('rows that claim one document are dead letters naming both, and deleting one of them leaves the other', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert([row(1), row(2), row(1, 'second')]);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toEqual(['p2']);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.counts.deadLettered).toBe(2);
    await writer.delete((each) => each['name'] === 'second');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect((await table.documents()).get('p1')).toEqual({ id: 'p1', name: 'name 1', price: 1 });
  });

  test('a second row that arrives later, and the first one going, leave the document of the row that is there', async () => {
    const { table, writer } = await pricedTable(world, { duplicates: 'last' });
    await writer.insert([row(1), row(2)]);
    await table.sync();
    await writer.insert([row(1, 'newer')]);
    await table.sync();
    await writer.delete((each) => each['name'] === 'name 1');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect((await table.documents()).get('p1')?.['name']).toBe('newer');
  });

  test('more of them than the threshold hold the epoch', async () => {
    const { table, writer } = await pricedTable(world, { deadLetters: { threshold: 1 } });
    await writer.insert([...rows(5), ...rows(5)]);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'keyNotUnique' });
    expect(await ids(table)).toEqual([]);
  });
});

describe('rows that cannot be written', () => {
  test('are dead letters with their place and reason; the others arrive', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert([
      row(1),
      { id: 'a/b', name: 'bad', price: 1 },
      { id: null, name: 'none', price: 2 },
      { id: 'p2', name: 'nan', price: Number.NaN },
    ]);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toEqual(['p1']);
    const blobs = [...table.plans.blobs.keys()].filter((name) => name.startsWith('dead-letters/'));
    const text = blobs.map((name) => new TextDecoder().decode(table.plans.blobs.get(name))).join('');
    const letters = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { code: string; row: number; id?: string });
    expect(letters.map((letter) => letter.code).toSorted()).toEqual(['idIllegalCharacter', 'keyNull', 'notFinite']);
    expect(text).not.toContain('bad');
  });

  test('an update that cannot be written leaves the old document and is not taken for a delete', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(2));
    await table.sync();
    await writer.update(
      (each) => each['id'] === 'p1',
      () => ({ price: Number.NaN }),
    );
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect((await table.documents()).get('p1')).toEqual({ id: 'p1', name: 'name 1', price: 1 });
    await writer.delete((each) => each['id'] === 'p1');
    await table.sync();
    expect(await ids(table)).toEqual(['p0']);
  });
});

describe('operators', () => {
  test('a paused table is left alone and goes on after resume', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(2));
    await administer(table.dependencies, table.id, { kind: 'pause' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'paused' });
    await administer(table.dependencies, table.id, { kind: 'resume' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
  });

  test('verify finds drift made by hand and names it; resync repairs it', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(5));
    await table.sync();
    await table.container.item('p1', 'p1').delete();
    await table.container.items.upsert({ id: 'p2', name: 'edited', price: 2 });
    await table.container.items.create({ id: 'extra', name: 'x' });
    await administer(table.dependencies, table.id, { kind: 'verify' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    const { lastEpoch } = await tableStatus(table.dependencies, table.id);
    expect(lastEpoch?.why).toBe('asked for by ann; reads 5 documents, about 1 RU');
    expect(lastEpoch?.counts.requestUnits).toBeGreaterThan(0);
    expect(lastEpoch?.report).toMatchObject({ equal: 3, missing: 1, different: 1, extra: 1 });
    expect(lastEpoch?.report?.samples).toContainEqual({ kind: 'different', id: 'p2', fields: ['name'] });
    expect(await ids(table)).toEqual(['extra', 'p0', 'p2', 'p3', 'p4']);
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    await table.sync();
    expect(await ids(table)).toEqual(['p0', 'p1', 'p2', 'p3', 'p4']);
  });

  test('resync in mode patch first learns from the changes which rows are gone', async () => {
    const { table, writer } = await pricedTable(world, {
      mode: 'patch',
      onDelete: 'delete',
      guards: { maxDeletes: { percent: 100 } },
    });
    await writer.insert(rows(4));
    await table.sync();
    await writer.delete((each) => each['id'] === 'p1');
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await ids(table)).toEqual(['p0', 'p2', 'p3']);
    const kinds = (await table.dependencies.states.history(table.id, 2)).map(({ kind }) => kind);
    expect(kinds).toEqual(['reconcile', 'changes']);
  });

  test('a second driver is told busy while the first one works', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(2));
    const { planEpoch } = await import('../../src/sync/plan-epoch.ts');
    const signal = new AbortController().signal;
    expect(
      await planEpoch(table.dependencies, { tableId: table.id, driver: 'a', failure: null }, signal),
    ).toMatchObject({ kind: 'epoch' });
    expect(await planEpoch(table.dependencies, { tableId: table.id, driver: 'b', failure: null }, signal)).toEqual({
      kind: 'busy',
    });
    table.skewMs += 130_000;
    expect(
      await planEpoch(table.dependencies, { tableId: table.id, driver: 'b', failure: null }, signal),
    ).toMatchObject({ kind: 'epoch' });
  });
});

describe('what is not written', () => {
  test('updates that change nothing in the document cost no write', async () => {
    const { table, writer } = await pricedTable(world, { columns: { exclude: ['price'] } });
    await writer.insert(rows(5));
    await table.sync();
    await writer.update(
      () => true,
      () => ({ price: 7 }),
    );
    await table.sync();
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.counts).toMatchObject({
      upserts: 0,
      skipped: 5,
    });
  });

  test('an idle table costs one list call', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(2));
    await table.sync();
    const { hasNews } = await import('../../src/sync/plan-epoch.ts');
    const target = await table.dependencies.target(table.id);
    const calls: string[] = [];
    const source = new Proxy(target.source, {
      get: (store, name) => {
        calls.push(String(name));
        const value: unknown = Reflect.get(store, name);
        return typeof value === 'function' ? value.bind(store) : value;
      },
    });
    const deps = { ...table.dependencies, target: () => Promise.resolve({ ...target, source }) };
    expect(await hasNews(deps, table.id)).toBe(false);
    expect(calls).toEqual(['list']);
  });

  test('a container that is dropped and created again under an idle table is found out within the hour', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(2));
    await table.sync();
    const { hasNews } = await import('../../src/sync/plan-epoch.ts');
    const target = await table.dependencies.target(table.id);
    let looks = 0;
    const counted = new Proxy(target.writer, {
      get: (each, name) => {
        if (name === 'describe') looks++;
        const value: unknown = Reflect.get(each, name);
        return typeof value === 'function' ? value.bind(each) : value;
      },
    });
    const deps = { ...table.dependencies, target: () => Promise.resolve({ ...target, writer: counted }) };
    const hour = 3_600_000;
    for (const [skew, looked] of [
      [hour - 60_000, 0],
      [2 * 60_000, 1],
      [hour - 60_000, 1],
      [2 * 60_000, 2],
    ] as const) {
      table.skewMs += skew;
      expect(await hasNews(deps, table.id)).toBe(false);
      expect(looks).toBe(looked);
    }
    await table.container.delete();
    expect(await hasNews(deps, table.id)).toBe(false);
    table.skewMs += hour;
    expect(await hasNews(deps, table.id)).toBe(true);
    expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'targetMissing' });
    expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'targetMissing' });
    expect(await tableStatus(table.dependencies, table.id)).toMatchObject({
      phase: 'waiting',
      concern: { code: 'targetMissing' },
    });
    await world.client.database('cosmicworks').containers.create({ id: table.id, partitionKey: { paths: ['/id'] } });
    expect(await hasNews(deps, table.id)).toBe(true);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'containerReplaced' });
    const { held, concern } = await tableStatus(table.dependencies, table.id);
    expect(concern).toBeNull();
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toEqual(['p0', 'p1']);
  });
});
