/** A range of commits read from the files that differ at its two ends, where that is less than what every commit wrote. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { readCommit } from '../../src/delta/log.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import { tableStatus } from '../../src/sync/administration.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { primitives } from '../support/writer-columns.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

const ROWS = 40;
const COMMITS = 12;
const row = (id: number, name: string): { id: string; name: string } => ({ id: `p${id}`, name });

/** A table without a feed, in step with its container, all of whose rows every further commit rewrites. */
async function rewritten(settings: Readonly<Record<string, unknown>> = {}) {
  const table = await world.table(settings, '/id', { ...WORK_SIZES, smallBytes: 3_000 });
  const columns = primitives({ id: 'string', name: 'string' });
  const writer = await DeltaWriter.create(table.folder, { columns, changeFeed: false, deletionVectors: false });
  await writer.insert(Array.from({ length: ROWS }, (_none, id) => row(id, 'first')));
  await table.sync();
  for (let commit = 0; commit < COMMITS; commit++) {
    await writer.update(
      (each) => each['id'] === `p${commit}`,
      (each) => ({ ...each, name: `changed by ${commit}` }),
    );
  }
  await writer.delete((each) => each['id'] === 'p0');
  await writer.insert([row(ROWS, 'new')]);
  return { table, writer };
}

async function expectEqual(table: SyncTable, writer: DeltaWriter): Promise<void> {
  const { metadata } = await loadSnapshot(new FolderLogStore(table.folder), { kind: 'latest' });
  expect(await table.documents()).toEqual(table.expected(writer.rows(), metadata.schema));
}

describe('a table that every commit rewrites', () => {
  test('is read at both ends of the range, and nothing else is written than what differs', async () => {
    const { table, writer } = await rewritten();
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    await expectEqual(table, writer);
    const { lastEpoch } = await tableStatus(table.dependencies, table.id);
    // 40 rows before, 40 after; commit by commit it would be 40 + 40 for each of the 13.
    expect(lastEpoch).toMatchObject({
      kind: 'changes',
      why: expect.stringContaining('files that differ') as string,
      counts: { rows: 2 * ROWS, upserts: COMMITS, deletes: 1 },
    });
  });

  test('needs no file that came and went in between', async () => {
    const { table, writer } = await rewritten();
    const store = new FolderLogStore(table.folder);
    const gone = new Set<string>();
    for (let version = writer.version - COMMITS; version <= writer.version; version++) {
      for (const { path } of (await readCommit(store, version)).removes) gone.add(path);
    }
    const first = (await readCommit(store, writer.version - COMMITS - 1)).removes.map(({ path }) => path);
    for (const path of gone) if (!first.includes(path)) await rm(join(table.folder, path));
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    await expectEqual(table, writer);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({ kind: 'changes' });
  });

  test('is compared with the container when a file of the earlier end is gone, too', async () => {
    const { table, writer } = await rewritten();
    await writer.vacuum();
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    await expectEqual(table, writer);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({ kind: 'reconcile' });
  });

  test('is caught up with in one epoch, however many rows the commits wrote between them', async () => {
    const { table, writer } = await rewritten({ limits: { rows: 3 * ROWS } });
    await table.sync();
    await expectEqual(table, writer);
    expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({ epoch: 2 });
  });
});
