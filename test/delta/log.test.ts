import { mkdir, mkdtemp, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitTimestamps, versionAtTimestamp } from '../../src/delta/history.ts';
import { headVersion, listCommits, readCommit } from '../../src/delta/log.ts';
import { commitPath, parseLogName } from '../../src/delta/log-path.ts';
import type { LogStore } from '../../src/delta/log-store.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { DeltaWriter, type DeltaWriterOptions } from '../support/delta-writer.ts';
import { tableRows } from '../support/read-table.ts';
import { primitives } from '../support/writer-columns.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-log-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const make = (options: Partial<DeltaWriterOptions> = {}): Promise<DeltaWriter> =>
  DeltaWriter.create(join(folder, 'table'), { columns: primitives({ id: 'long' }), ...options });
const storeOf = (writer: DeltaWriter): FolderLogStore => new FolderLogStore(writer.folder);
const inLog = (writer: DeltaWriter, name: string): string => join(writer.folder, '_delta_log', name);

/** Counts what is asked of a store. */
function counting(store: LogStore): { readonly store: LogStore; readonly calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    store: {
      location: store.location,
      list: (path, from, signal) => {
        calls.push(`list ${from}`);
        return store.list(path, from, signal);
      },
      read: (path, signal) => {
        calls.push(`read ${path}`);
        return store.read(path, signal);
      },
      stream: (path, signal) => {
        calls.push(`read ${path}`);
        return store.stream(path, signal);
      },
      open: (path, signal) => {
        calls.push(`open ${path}`);
        return store.open(path, signal);
      },
    },
  };
}

describe('names in the log', () => {
  it.each([
    ['00000000000000000010.json', { kind: 'commit', version: 10 }],
    ['00000000000000000010.checkpoint.parquet', { kind: 'checkpoint', version: 10 }],
    [
      '00000000000000000010.checkpoint.0000000002.0000000003.parquet',
      { kind: 'checkpointPart', version: 10, part: 2, parts: 3 },
    ],
    ['00000000000000000010.checkpoint.80a083e8-7026.json', { kind: 'uuidCheckpoint', version: 10, format: 'json' }],
    ['00000000000000000004.00000000000000000006.compacted.json', { kind: 'compaction', version: 4, end: 6 }],
    ['00000000000000000006.00000000000000000004.compacted.json', undefined],
    ['00000000000000000010.checkpoint.0000000004.0000000003.parquet', undefined],
    ['99999999999999999999.json', undefined],
    ['0000000000000000010.json', undefined],
    ['00000000000000000010.json.tmp', undefined],
    ['00000000000000000010.crc', undefined],
    ['.00000000000000000010.json.crc', undefined],
    ['_last_checkpoint', undefined],
  ])('%s', (name, meaning) => {
    expect(parseLogName(name)).toEqual(meaning);
  });
});

describe('the head of the log', () => {
  it('costs one list call from the version that is known', async () => {
    const writer = await make();
    for (let i = 0; i < 5; i++) await writer.insert([{ id: i }]);
    const { store, calls } = counting(storeOf(writer));
    expect(await headVersion(store, 5)).toBe(5);
    expect(calls).toEqual(['list _delta_log/00000000000000000005']);
    expect(await headVersion(store, undefined)).toBe(5);
    const versions = [];
    for await (const { version } of listCommits(store, 3)) versions.push(version);
    expect(versions).toEqual([3, 4, 5]);
  });

  it('does not count an empty commit file that is younger than a minute', async () => {
    const writer = await make();
    const file = inLog(writer, '00000000000000000001.json');
    await writeFile(file, '');
    const now = Date.now();
    expect(await headVersion(storeOf(writer), 0, undefined, now)).toBe(0);
    expect(await headVersion(storeOf(writer), 0, undefined, now + 120_000)).toBe(1);
    expect(await headVersion(storeOf(writer), 0)).toBe(1);
  });

  it('is the newest checkpoint when no commit is left', async () => {
    const writer = await make();
    await writer.insert([{ id: 1 }]);
    await writer.checkpoint({ kind: 'multiPart', parts: 2 });
    await rm(inLog(writer, '00000000000000000000.json'));
    await rm(inLog(writer, '00000000000000000001.json'));
    expect(await headVersion(storeOf(writer), undefined)).toBe(1);
    expect(await tableRows(storeOf(writer))).toEqual([{ id: 1 }]);
  });
});

describe('a commit file', () => {
  it('that is cut is pending while it is young, and damage later', async () => {
    const writer = await make();
    await writer.insert([{ id: 1 }]);
    const path = join(writer.folder, commitPath(1));
    const whole = await readFile(path);
    const now = Date.now();
    for (const length of [0, 10, whole.length - 5]) {
      await writeFile(path, whole);
      await truncate(path, length);
      await utimes(path, now / 1000, now / 1000);
      await expect(readCommit(storeOf(writer), 1, undefined, now + 1000)).rejects.toMatchObject({
        code: 'commitPending',
        retryable: true,
      });
      await expect(readCommit(storeOf(writer), 1, undefined, now + 61_000)).rejects.toMatchObject({
        code: 'logDamaged',
      });
      await expect(readCommit(storeOf(writer), 1)).rejects.toMatchObject({ code: 'logDamaged' });
    }
    await expect(readCommit(storeOf(writer), 7)).rejects.toMatchObject({ code: 'versionNotFound' });
  });

  it('is recognised by its ETag and its content', async () => {
    const writer = await make();
    const commit = await readCommit(storeOf(writer), 0);
    const listed = [];
    for await (const { file } of listCommits(storeOf(writer), 0)) listed.push(file.etag);
    expect(listed).toEqual([commit.etag]);
    expect((await loadSnapshot(storeOf(writer), { kind: 'latest' })).commitEtag).toBe(commit.etag);
    await writer.recreate();
    const again = await readCommit(storeOf(writer), 0);
    expect(again.etag).not.toBe(commit.etag);
    expect(again.contentHash).not.toBe(commit.contentHash);
  });
});

describe('a snapshot', () => {
  it('starts at the hint and does not list what lies before', async () => {
    const writer = await make();
    for (let i = 0; i < 4; i++) await writer.insert([{ id: i }]);
    await writer.checkpoint();
    await writer.insert([{ id: 9 }]);
    const { store, calls } = counting(storeOf(writer));
    expect(await tableRows(store)).toHaveLength(5);
    expect(calls.filter((call) => call.startsWith('list'))).toEqual(['list _delta_log/00000000000000000004']);
    expect(calls.filter((call) => call.endsWith('.json'))).toEqual(['read _delta_log/00000000000000000005.json']);
  });

  it.each([
    ['garbage', 'not json'],
    ['empty', ''],
    ['ahead of the table', '{"version":99,"size":1}'],
    ['of a version without checkpoint', '{"version":1,"size":1}'],
    ['negative', '{"version":-1}'],
    ['text', '{"version":"1"}'],
  ])('does not believe a hint that is %s', async (_what, hint) => {
    const writer = await make();
    for (let i = 0; i < 3; i++) await writer.insert([{ id: i }]);
    await writer.checkpoint({ kind: 'classic' }, false);
    await writeFile(inLog(writer, '_last_checkpoint'), hint);
    expect(await tableRows(storeOf(writer))).toHaveLength(3);
  });

  it('passes over a checkpoint that is incomplete, empty or cut while the commits are there', async () => {
    const writer = await make();
    for (let i = 0; i < 3; i++) await writer.insert([{ id: i }]);
    await writer.checkpoint({ kind: 'multiPart', parts: 3 });
    await rm(inLog(writer, '00000000000000000003.checkpoint.0000000002.0000000003.parquet'));
    expect(await tableRows(storeOf(writer))).toHaveLength(3);
    await writer.insert([{ id: 3 }]);
    await writer.checkpoint();
    const file = inLog(writer, '00000000000000000004.checkpoint.parquet');
    const whole = await readFile(file);
    for (const length of [0, 5, whole.length - 1, whole.length >> 1]) {
      await writeFile(file, whole.subarray(0, length));
      expect(await tableRows(storeOf(writer)), `cut at ${length}`).toHaveLength(4);
    }
    await writer.cleanLog(3);
    await expect(tableRows(storeOf(writer))).rejects.toMatchObject({ code: 'logDamaged' });
  });

  it('reads compacted logs, even where the commits are gone, and passes over a broken one', async () => {
    const writer = await make({ deletionVectors: true });
    for (let i = 0; i < 4; i++) await writer.insert([{ id: i }, { id: i + 10 }]);
    await writer.delete((row) => row['id'] === 11);
    await writer.compactLog(1, 4);
    const { store, calls } = counting(storeOf(writer));
    expect(await tableRows(store)).toHaveLength(7);
    expect(calls.filter((call) => call.startsWith('read') && call.endsWith('.json'))).toEqual([
      'read _delta_log/00000000000000000005.json',
      'read _delta_log/00000000000000000001.00000000000000000004.compacted.json',
      'read _delta_log/00000000000000000000.json',
    ]);
    const compacted = inLog(writer, '00000000000000000001.00000000000000000004.compacted.json');
    const whole = await readFile(compacted);
    await writeFile(compacted, whole.subarray(0, whole.length - 10));
    expect(await tableRows(storeOf(writer))).toHaveLength(7);
    await writeFile(compacted, whole);
    await rm(inLog(writer, '00000000000000000002.json'));
    expect(await tableRows(storeOf(writer))).toHaveLength(7);
  });

  it('starts anew when log clean-up removes what was listed', async () => {
    const writer = await make();
    for (let i = 0; i < 3; i++) await writer.insert([{ id: i }]);
    await writer.checkpoint({ kind: 'classic' }, false);
    await writer.insert([{ id: 3 }]);
    const inner = storeOf(writer);
    let cleaned = false;
    const racing: LogStore = {
      location: inner.location,
      list: (path, from, signal) => inner.list(path, from, signal),
      open: (path, signal) => inner.open(path, signal),
      read: (path, signal) => inner.read(path, signal),
      async stream(path, signal) {
        if (path === commitPath(4) && !cleaned) {
          cleaned = true;
          await writer.checkpoint();
          await writer.cleanLog(4);
          await rm(join(writer.folder, commitPath(4)));
        }
        return inner.stream(path, signal);
      },
    };
    expect(await tableRows(racing)).toHaveLength(4);
  });

  it('refuses versions that never were, and those that retention has removed', async () => {
    const writer = await make();
    for (let i = 0; i < 4; i++) await writer.insert([{ id: i }]);
    await writer.checkpoint();
    await writer.cleanLog(3);
    const store = storeOf(writer);
    await expect(loadSnapshot(store, { kind: 'version', version: 9 })).rejects.toMatchObject({
      code: 'versionNotFound',
    });
    await expect(loadSnapshot(store, { kind: 'version', version: 3 })).rejects.toMatchObject({
      code: 'versionNotFound',
    });
    expect((await loadSnapshot(store, { kind: 'version', version: 4 })).version).toBe(4);
    await rm(inLog(writer, '00000000000000000004.checkpoint.parquet'));
    await mkdir(join(folder, 'empty'));
    await expect(loadSnapshot(new FolderLogStore(join(folder, 'empty')), { kind: 'latest' })).rejects.toMatchObject({
      code: 'notADeltaTable',
    });
    await expect(loadSnapshot(new FolderLogStore(join(folder, 'none')), { kind: 'latest' })).rejects.toMatchObject({
      code: 'notADeltaTable',
    });
  });
});

describe('commit timestamps', () => {
  it('are modification times made ascending', async () => {
    const writer = await make();
    for (let i = 0; i < 4; i++) await writer.insert([{ id: i }]);
    const times = [5000, 3000, 3000, 9000, 8000];
    for (const [version, time] of times.entries())
      await utimes(join(writer.folder, commitPath(version)), time / 1000, time / 1000);
    const store = storeOf(writer);
    const { metadata } = await loadSnapshot(store, { kind: 'latest' });
    expect((await commitTimestamps(store, metadata)).map((time) => time.timestamp)).toEqual([
      5000, 5001, 5002, 9000, 9001,
    ]);
    for (const [at, version] of [
      [5000, 0],
      [5001, 1],
      [8999, 2],
      [9000, 3],
      [99_999, 4],
    ] as const) {
      expect(await versionAtTimestamp(store, metadata, at), String(at)).toBe(version);
    }
    await expect(versionAtTimestamp(store, metadata, 4999)).rejects.toMatchObject({ code: 'versionNotFound' });
  });

  it('come from the commits where they carry their own', async () => {
    const writer = await make({ inCommitTimestamps: true });
    for (let i = 0; i < 6; i++) await writer.insert([{ id: i }]);
    for (let version = 0; version <= 6; version++) await utimes(join(writer.folder, commitPath(version)), 1, 1);
    const store = storeOf(writer);
    for (let version = 0; version <= 6; version++) {
      const at = await loadSnapshot(store, { kind: 'timestamp', timestamp: writer.commitTime(version) + 1 });
      expect([at.version, at.timestamp]).toEqual([version, writer.commitTime(version)]);
    }
  });
});
