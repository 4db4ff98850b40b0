/** Where a table begins: in which container, and at which version. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { ids, pricedTable, row, rows } from '../support/priced-table.ts';
import { SyncWorld } from '../support/sync-harness.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

describe('a container that is not empty', () => {
  test('a container that something else has filled is refused where the configuration says so', async () => {
    const { table, writer } = await pricedTable(world, { existing: 'refuse' });
    await table.container.items.create({ id: 'theirs' });
    await writer.insert(rows(2));
    expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'targetUnsafe' });
    expect(await ids(table)).toEqual(['theirs']);
  });

  test('documents of another table in the container are no concern of a table with a discriminator', async () => {
    const { table, writer } = await pricedTable(world, { discriminator: { field: 'kind', value: 'ours' } });
    await table.container.items.create({ id: 'theirs', kind: 'other' });
    await writer.insert(rows(2));
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: 1 });
    expect(await ids(table)).toEqual(['p0', 'p1', 'theirs']);
  });

  test('a container that something else has filled is held, adopted on approval, and equal documents are not written', async () => {
    const { table, writer } = await pricedTable(world);
    await writer.insert(rows(4));
    await table.container.items.create({ id: 'p0', name: 'name 0', price: 0 });
    await table.container.items.create({ id: 'stranger', name: 'x' });
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'containerNotEmpty' });
    const { held } = await tableStatus(table.dependencies, table.id);
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle' });
    expect(await ids(table)).toEqual(['p0', 'p1', 'p2', 'p3']);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.counts).toMatchObject({
      upserts: 3,
      deletes: 1,
      skipped: 1,
    });
  });
});

describe('starting points', () => {
  test('start at a version reads only what came with it and after it', async () => {
    const { table, writer } = await pricedTable(world, { start: { version: 3 }, existing: 'adopt' });
    await writer.insert([row(1)]);
    await writer.insert([row(2)]);
    await writer.insert([row(3)]);
    await writer.insert([row(4)]);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: 4 });
    expect(await ids(table)).toEqual(['p3', 'p4']);
  });

  test('a start outside of the log is refused with a code', async () => {
    const { table, writer } = await pricedTable(world, { start: { version: 99 } });
    await writer.insert([row(1)]);
    expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'versionNotFound' });
  });

  test('rows that leave the filter are deleted', async () => {
    const { table, writer } = await pricedTable(world, {
      where: 'price < 3',
      guards: { maxDeletes: { percent: 100 } },
    });
    await writer.insert(rows(5));
    await table.sync();
    expect(await ids(table)).toEqual(['p0', 'p1', 'p2']);
    await writer.update(
      (each) => each['id'] === 'p1',
      () => ({ price: 50 }),
    );
    await table.sync();
    expect(await ids(table)).toEqual(['p0', 'p2']);
  });
});
