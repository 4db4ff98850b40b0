import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readChangeFeed } from '../../src/delta/change-feed.ts';
import { availableFeed } from '../../src/delta/feed-range.ts';
import type { LogStore } from '../../src/delta/log-store.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { DeltaWriter, type DeltaWriterOptions } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-feed-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const make = (options: Partial<DeltaWriterOptions> = {}): Promise<DeltaWriter> =>
  DeltaWriter.create(join(folder, 'table'), { columns: primitives({ id: 'long' }), ...options });
const storeOf = (writer: DeltaWriter): FolderLogStore => new FolderLogStore(writer.folder);

async function rowsOfFeed(store: LogStore, from: number, to?: number): Promise<number> {
  let rows = 0;
  for await (const batch of readChangeFeed(store, to === undefined ? { from } : { from, to }))
    rows += batch.rows.length;
  return rows;
}

describe('the change data feed', () => {
  it('refuses ranges in which it was off, and serves the others', async () => {
    const writer = await make();
    await writer.insert([{ id: 1 }]);
    await writer.setChangeFeed(true);
    await writer.insert([{ id: 2 }, { id: 3 }]);
    await writer.update(
      (row) => row['id'] === 2,
      () => ({ id: 20 }),
    );
    await writer.setChangeFeed(false);
    await writer.insert([{ id: 4 }]);
    const store = storeOf(writer);
    expect(await rowsOfFeed(store, 2, 4)).toBe(4);
    expect(await rowsOfFeed(store, 3, 3)).toBe(2);
    for (const [from, to] of [
      [0, 4],
      [1, 2],
      [4, 5],
      [4, undefined],
      [6, 6],
    ] as const) {
      await expect(rowsOfFeed(store, from, to), `${from}-${to}`).rejects.toMatchObject({
        code: 'changeFeedUnavailable',
      });
    }
    await expect(rowsOfFeed(store, 4, 3)).rejects.toMatchObject({ code: 'usage' });
    await expect(rowsOfFeed(store, 4, 9)).rejects.toMatchObject({ code: 'versionNotFound' });
  });

  it('is available from where it was last switched on, or where the log begins', async () => {
    const writer = await make();
    const store = storeOf(writer);
    const available = async () => availableFeed(store, await loadSnapshot(store, { kind: 'latest' }));
    expect(await available()).toBeUndefined();
    await writer.setChangeFeed(true);
    await writer.insert([{ id: 1 }]);
    await writer.setProperties({ note: 'x' });
    expect(await available()).toEqual({ from: 1, to: 3, isComplete: true });
    await writer.setChangeFeed(false);
    await writer.setChangeFeed(true);
    await writer.insert([{ id: 2 }]);
    await writer.insert([{ id: 3 }]);
    expect(await available()).toEqual({ from: 5, to: 7, isComplete: true });
    await writer.checkpoint();
    await writer.insert([{ id: 4 }]);
    await writer.cleanLog(7);
    expect(await available()).toEqual({ from: 7, to: 8, isComplete: true });
  });

  it('has nothing for OPTIMIZE, and says so when VACUUM or clean-up took its data', async () => {
    const writer = await make({ changeFeed: true, rowsPerFile: 1 });
    await writer.insert([{ id: 1 }, { id: 2 }]);
    await writer.optimize();
    const store = storeOf(writer);
    expect(await rowsOfFeed(store, 2)).toBe(0);
    expect(await rowsOfFeed(store, 0)).toBe(2);
    await writer.vacuum();
    await expect(rowsOfFeed(store, 0)).rejects.toMatchObject({ code: 'changeFeedUnavailable' });
    expect(await rowsOfFeed(store, 2)).toBe(0);
    await writer.checkpoint();
    await writer.cleanLog(2);
    await expect(rowsOfFeed(store, 1)).rejects.toMatchObject({ code: 'changeFeedUnavailable' });
  });

  it('serves added and widened columns in the last schema, and refuses renamed and dropped ones', async () => {
    const writer = await make({
      changeFeed: true,
      columnMapping: 'name',
      columns: primitives({ id: 'integer', a: 'string', b: 'string' }),
    });
    await writer.insert([{ id: 1, a: 'x', b: 'y' }]);
    await writer.addColumn({ name: 'c', type: { kind: 'primitive', name: 'double' } });
    await writer.widenColumn('id', { kind: 'primitive', name: 'long' });
    await writer.insert([{ id: 2, a: 'x', b: null, c: 1.5 }]);
    const store = storeOf(writer);
    const rows = [];
    for await (const batch of readChangeFeed(store, { from: 1 })) rows.push(...batch.rows);
    expect(rows).toEqual([
      { id: 1, a: 'x', b: 'y', c: null },
      { id: 2, a: 'x', b: null, c: 1.5 },
    ]);
    await writer.renameColumn('a', 'z');
    await expect(rowsOfFeed(store, 1)).rejects.toMatchObject({ code: 'changeFeedUnavailable' });
    expect(await rowsOfFeed(store, 1, 4)).toBe(2);
    const renamed = writer.version;
    await writer.dropColumn('b');
    await expect(rowsOfFeed(store, renamed)).rejects.toMatchObject({ code: 'changeFeedUnavailable' });
    expect(await rowsOfFeed(store, writer.version)).toBe(0);
  });
});
