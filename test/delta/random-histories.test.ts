import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCommit } from '../../src/delta/log.ts';
import { RangeDifference } from '../../src/delta/range-difference.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { dice, randomOptions, randomStep } from '../support/random-history.ts';
import { changedRows, commitRows, netTexts, rowTexts, sameNet, snapshotRows } from '../support/read-table.ts';

const SEEDS = Number(process.env['DELTA_HISTORIES'] ?? '12');
const FIRST_SEED = Number(process.env['DELTA_SEED'] ?? '1');
const STEPS = 14;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-history-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function randomTable(seed: number): Promise<DeltaWriter> {
  const roll = dice(seed * 7919);
  const writer = await DeltaWriter.create(join(folder, 'table'), randomOptions(roll));
  let id = 0;
  await writer.insert(Array.from({ length: 5 + roll(20) }, () => ({ id: ++id, name: `first ${id}`, price: '1.00' })));
  for (let step = 0; step < STEPS; step++) await randomStep(writer, roll, () => ++id);
  return writer;
}

describe('random histories, with checkpoints and compactions at random versions', () => {
  it.each(Array.from({ length: SEEDS }, (_none, i) => FIRST_SEED + i))(
    'seed %i: snapshots, file diff and changes',
    async (seed) => {
      const writer = await randomTable(seed);
      const store = new FolderLogStore(writer.folder);
      const snapshots = [];
      for (let version = 0; version <= writer.version; version++) {
        const snapshot = await loadSnapshot(store, { kind: 'version', version });
        const rows = await snapshotRows(store, snapshot);
        expect(rowTexts(rows, snapshot), `version ${version}`).toEqual(rowTexts(writer.rows(version), snapshot));
        expect(snapshot.timestamp).toBe(writer.commitTime(version));
        snapshots.push(snapshot);
      }
      const newest = await loadSnapshot(store, { kind: 'latest' });
      expect(newest.version).toBe(writer.version);
      // The net effect of a range is the same by commit, by file diff, and by comparing the rows.
      const roll = dice(seed);
      for (let i = 0; i < 6; i++) {
        const from = roll(writer.version);
        const to = from + 1 + roll(writer.version - from);
        const [before, after] = [snapshots[from]!, snapshots[to]!];
        const changes = [];
        const difference = new RangeDifference();
        for (let version = from + 1; version <= to; version++) {
          changes.push(...(await commitRows(store, version, after)));
          difference.add(await readCommit(store, version));
        }
        const expected = netTexts(
          [
            ...writer.rows(from, to).map((row) => ({ row, type: 'delete' })),
            ...writer.rows(to).map((row) => ({ row, type: 'insert' })),
          ],
          after,
        );
        const sources = await difference.sources(after.metadata, () => before.fileBatches());
        const diff = netTexts(await changedRows(store, sources, after), after);
        expect(sameNet(diff, expected), `file diff ${from} to ${to}`).toBe(true);
        expect(sameNet(netTexts(changes, after), expected), `changes ${from} to ${to}`).toBe(true);
      }
    },
  );
});
