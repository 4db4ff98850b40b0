/** A commit that changes how the table is partitioned, and removes files without saying their partition values. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { add, HandmadeTable, metaData, protocol, remove } from '../support/handmade-table.ts';
import { SyncWorld } from '../support/sync-harness.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

test('the rows that go have the partition values of the files they were in', async () => {
  const synced = await world.table({ id: '${region}|${id}' });
  const table = new HandmadeTable(synced.folder);
  const columns = { region: 'string', id: 'string', stock: 'integer' };
  const written = { id: 'string', stock: 'integer' };
  const north = { partitionValues: { region: 'north' } };
  const south = { partitionValues: { region: 'south' } };
  await table.data('north.parquet', written, [
    { id: 'a', stock: 1 },
    { id: 'b', stock: 2 },
  ]);
  await table.data('south.parquet', written, [{ id: 'a', stock: 3 }]);
  await table.data('all.parquet', columns, [
    { region: 'north', id: 'a', stock: 1 },
    { region: 'south', id: 'c', stock: 4 },
  ]);
  await table.log(0, [
    protocol(),
    metaData(columns, { partitionColumns: ['region'] }),
    add('north.parquet', north),
    add('south.parquet', south),
  ]);
  await synced.sync();
  expect([...(await synced.documents()).keys()].toSorted()).toEqual(['north|a', 'north|b', 'south|a']);

  await table.log(1, [metaData(columns), remove('north.parquet'), remove('south.parquet'), add('all.parquet')]);
  expect(await synced.sync()).toMatchObject({ kind: 'idle', version: 1 });
  expect([...(await synced.documents()).keys()].toSorted()).toEqual(['north|a', 'south|c']);
});
