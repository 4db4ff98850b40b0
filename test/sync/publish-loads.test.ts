import { PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import type { PlanSummary } from '../../src/sync/activity-messages.ts';
import { planEpoch } from '../../src/sync/plan-epoch.ts';
import { runSlice } from '../../src/sync/run-slice.ts';
import { sealStage } from '../../src/sync/seal-stage.ts';
import { NO_COUNTS } from '../../src/sync/state-store.ts';
import { row, rows } from '../support/priced-table.ts';
import {
  GRACE_SECONDS,
  SMALL,
  published,
  pointer,
  slotDocuments,
  read,
  names,
  approve,
  switchToTitles,
  damageBeforeVerification,
  Reader,
  type Strategy,
  type Published,
} from '../support/published-table.ts';
import { SyncWorld } from '../support/sync-harness.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

describe.each<Strategy>(['versionFlag', 'blueGreen'])('%s', (strategy) => {
  test('a load that does not equal the table is not published; resync loads it again', async () => {
    const shop = await published(world, strategy);
    const { table, writer, settings, first } = shop;
    await writer.insert(rows(4));
    await table.sync();
    table.configure({ ...settings, columns: { rename: { name: 'title' } } });
    await table.sync();
    await approve(table);
    await damageBeforeVerification(shop);
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
    const shop = await published(world, strategy);
    const { table, writer, second } = shop;
    await writer.insert(rows(4));
    await table.sync();
    await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
    await damageBeforeVerification(shop);
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'publishUnverified' });
    await approve(table);
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await pointer(table)).toMatchObject({ live: second });
  });

  test('a reader that follows the pointer never sees a mixture while loads, switches and clean-ups go on', async () => {
    const shop = await published(world, strategy, 'full', SMALL);
    const { table, writer, settings } = shop;
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
    const shop = await published(world, 'versionFlag', 'full', SMALL);
    const { table, writer } = shop;
    await writer.insert(rows(100));
    await table.sync();
    const { planId } = await beginLoad(shop);
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
    const flagged = await published(world, 'versionFlag', 'full', SMALL);
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

    const pair = await published(world, 'blueGreen', 'full', SMALL);
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
  const { table, writer } = await published(world, 'versionFlag');
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
  const { table, writer, settings, first, second } = await published(world, 'blueGreen');
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
  const { table, writer, settings } = await published(world, 'versionFlag');
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
  const { table, writer, first, second, other } = await published(world, 'blueGreen');
  await other.delete();
  await table.database.containers.create({
    id: other.id,
    partitionKey: { paths: ['/name'], version: PartitionKeyDefinitionVersion.V1 },
  });
  await writer.insert(rows(3));
  await table.sync();
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: second });
  await table.database.container(String(first)).delete();
  table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
  await writer.insert([row(3)]);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await read(table)).toEqual(names(4));
  expect((await table.state()).publication.retired).toEqual([]);
});

test('an idle container that is still read is not loaded before its time', async () => {
  const shop = await published(world, 'blueGreen');
  const { table, writer, first, second } = shop;
  await writer.insert(rows(3));
  await table.sync();
  await switchToTitles(shop);
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'standbyInUse' });
  expect((await slotDocuments(table, first)).map((each) => each['name'])).toEqual(expect.arrayContaining(names(3)));
  table.skewMs += GRACE_SECONDS * 1_000 + 1_000;
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: first });
  expect(await slotDocuments(table, second)).toHaveLength(3);
});

test('the second container of a pair is not overwritten when something else has filled it', async () => {
  const { table, writer, other } = await published(world, 'blueGreen');
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
  const shop = await published(world, 'versionFlag', 'counts');
  const { table, writer } = shop;
  await writer.insert(rows(4));
  await table.sync();
  await administer(table.dependencies, table.id, { kind: 'resync' }, 'ann');
  await damageBeforeVerification(shop, async (container, document) => {
    await container.items.upsert({ ...document, name: 'edited' });
  });
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await pointer(table)).toMatchObject({ live: 2 });
});
