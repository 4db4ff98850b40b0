import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { commitTimestamps } from '../../src/delta/history.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import { actionRow, CHECKPOINT_COLUMNS, type Action } from '../support/delta-log-writer.ts';
import { type HandmadeTable, metaData, protocol } from '../support/handmade-table.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
beforeEach(async () => {
  table = await temporaryTable();
});

const columns = { id: 'long' };
const start = [protocol(), metaData(columns)];
const stamped = (inCommitTimestamp: unknown): Action => ({ commitInfo: { inCommitTimestamp, timestamp: 1 } });
const enabled = (rest: Readonly<Record<string, string>> = {}) =>
  metaData(columns, { configuration: { 'delta.enableInCommitTimestamps': 'true', ...rest } });
const since = (version: number, time: number) =>
  enabled({
    'delta.inCommitTimestampEnablementVersion': String(version),
    'delta.inCommitTimestampEnablementTimestamp': String(time),
  });

/** The version at a time; `none` when there is none. */
async function versionAt(timestamp: number): Promise<number | string> {
  try {
    return (await loadSnapshot(table.store, { kind: 'timestamp', timestamp })).version;
  } catch (error) {
    expect(error).toMatchObject({ code: 'versionNotFound', class: 'refused' });
    return 'none';
  }
}

const versionsAt = (times: readonly number[]) => Promise.all(times.map(versionAt));

async function times(): Promise<readonly number[]> {
  const { metadata } = await loadSnapshot(table.store, { kind: 'latest' });
  return (await commitTimestamps(table.store, metadata)).map(({ timestamp }) => timestamp);
}

describe('the version of a point in time', () => {
  it('is the newest at or before it, by modification times made ascending', async () => {
    for (const [version, time] of [10_000, 30_000, 20_000, 40_000].entries())
      await table.log(version, version === 0 ? start : [stamped(99)], time);
    expect(await times()).toEqual([10_000, 30_000, 30_001, 40_000]);
    expect(await versionsAt([9_999, 10_000, 29_999, 30_000, 30_001, 39_999, 40_000, 9e15])).toEqual([
      'none',
      0,
      0,
      1,
      2,
      2,
      3,
      3,
    ]);
  });

  it('is found by the times in the commits where they were on from the start, whatever the files say', async () => {
    for (const [version, time] of [10_000, 20_000, 30_000].entries())
      await table.log(version, [stamped(time), ...(version === 0 ? [protocol(), enabled()] : [])], 90_000 - version);
    expect(await times()).toEqual([10_000, 20_000, 30_000]);
    expect(await versionsAt([9_999, 10_000, 19_999, 20_000, 30_000, 90_000])).toEqual(['none', 0, 0, 1, 2, 2]);
    expect((await loadSnapshot(table.store, { kind: 'version', version: 1 })).timestamp).toBe(20_000);
  });

  it('is found among the commits before or after they were switched on', async () => {
    await table.log(0, start, 10_000);
    await table.log(1, [{ txn: { appId: 'x', version: 1 } }], 50_000);
    await table.log(2, [stamped(60_000), since(2, 60_000)], 1_000);
    await table.log(3, [stamped(70_000)], 2_000);
    expect(await times()).toEqual([10_000, 50_000, 60_000, 70_000]);
    expect(await versionsAt([9_999, 10_000, 50_000, 59_999, 60_000, 69_999, 70_000])).toEqual([
      'none',
      0,
      1,
      1,
      2,
      2,
      3,
    ]);
    expect((await loadSnapshot(table.store, { kind: 'version', version: 1 })).timestamp).toBe(50_000);
    expect((await loadSnapshot(table.store, { kind: 'version', version: 3 })).timestamp).toBe(70_000);
  });

  it('goes by modification times again once they were switched off', async () => {
    await table.log(0, [stamped(10_000), protocol(), enabled()], 50_000);
    await table.log(1, [metaData(columns)], 60_000);
    expect(await times()).toEqual([50_000, 60_000]);
    expect(await versionsAt([49_999, 50_000, 60_000])).toEqual(['none', 0, 1]);
  });

  it('does not fail on times that no clock shows', async () => {
    await table.log(0, [protocol(), enabled()], 10_000);
    for (const [i, time] of [9_007_199_254_740_991, 'soon', null, 1.5, -1].entries()) {
      await table.log(i + 1, [stamped(time)], 20_000 + i);
      const { timestamp } = await loadSnapshot(table.store, { kind: 'latest' });
      expect(timestamp, String(time)).toBe(time === -1 ? -1 : 20_000 + i);
    }
  });

  it('is refused when the log no longer holds what that version was made of', async () => {
    for (const [version, time] of [10_000, 20_000, 30_000, 40_000].entries())
      await table.log(version, version === 0 ? start : [stamped(0)], time);
    await table.log(
      '00000000000000000002.checkpoint.parquet',
      parquetBytes(
        CHECKPOINT_COLUMNS,
        start.map((action) => actionRow(CHECKPOINT_COLUMNS, action)),
      ),
    );
    await rm(join(table.folder, table.logPath(0)));
    expect(await versionsAt([10_000, 20_000, 30_000, 40_000])).toEqual(['none', 'none', 2, 3]);
  });
});
