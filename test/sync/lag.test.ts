/** How far behind a table is, and that a lake which cannot be read is an answer. */
import { rename, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SyncError } from '../../src/shared/errors.ts';
import { tableLag, type TableLag } from '../../src/sync/lag.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(1);
});
afterAll(() => world.stop());

const lag = async (table: SyncTable, signal = new AbortController().signal): Promise<TableLag> =>
  tableLag(table.dependencies, table.id, await table.state(), signal);

async function made(): Promise<{ table: SyncTable; writer: DeltaWriter }> {
  const table = await world.table();
  return { table, writer: await DeltaWriter.create(table.folder, { columns: primitives({ id: 'string' }) }) };
}

test('counts the commits behind the checkpoint, and all of them before the first load', async () => {
  const { table, writer } = await made();
  await writer.insert([{ id: 'a' }]);
  expect(await lag(table)).toEqual({ newest: 1, commits: 2, since: expect.any(Number) as number });
  await table.sync();
  expect(await lag(table)).toEqual({ newest: 1, commits: 0, since: null });
  await writer.insert([{ id: 'b' }]);
  await writer.checkpoint();
  await writer.insert([{ id: 'c' }]);
  const behind = await lag(table);
  expect(behind).toMatchObject({ newest: 3, commits: 2 });
  // The first commit that waits may be cleaned up.
  await rm(`${table.folder}/_delta_log/${'2'.padStart(20, '0')}.json`);
  expect(await lag(table)).toEqual({ newest: 3, commits: 2, since: null });
});

test('lists once, from the checkpoint on', async () => {
  const { table, writer } = await made();
  for (const id of ['a', 'b', 'c']) await writer.insert([{ id }]);
  await table.sync();
  const { source } = await table.dependencies.target(table.id);
  const asked: string[] = [];
  const list = source.list.bind(source);
  source.list = (folder, from, signal) => {
    asked.push(from);
    return list(folder, from, signal);
  };
  expect(await lag(table)).toMatchObject({ newest: 3, commits: 0 });
  expect(asked).toEqual([`_delta_log/${'3'.padStart(20, '0')}`]);
});

test('a log that is not there, a lake that refuses or does not answer: a code', async () => {
  const { table, writer } = await made();
  expect(await lag(await world.table())).toEqual({ error: 'notADeltaTable' });
  await writer.insert([{ id: 'a' }]);
  await table.sync();
  const { source } = await table.dependencies.target(table.id);
  await rename(table.folder, `${table.folder}-away`);
  expect(await lag(table)).toEqual({ error: 'tableVanished' });
  source.list = () => {
    throw new SyncError('storageForbidden', { problem: 'No.' });
  };
  expect(await lag(table)).toEqual({ error: 'storageForbidden' });
  source.list = () => ({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new DOMException('The operation timed out.', 'TimeoutError')),
    }),
  });
  expect(await lag(table, AbortSignal.abort())).toEqual({ error: 'storageUnavailable' });
});
