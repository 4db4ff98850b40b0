import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tableHistory } from '../../src/sync/administration.ts';
import { isBeyond, NO_COMMITS, weightOf } from '../../src/sync/catch-up.ts';
import type { LedgerEntry } from '../../src/sync/state-store.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

const COMMITS = 24;
const ROWS = 5;

/** A table whose container is COMMITS commits behind. */
async function tableBehind(limits: Readonly<Record<string, number>>): Promise<[SyncTable, DeltaWriter]> {
  const table = await world.table({ limits });
  const columns = primitives({ id: 'string', name: 'string' });
  const writer = await DeltaWriter.create(table.folder, { columns });
  await writer.insert([{ id: 'first', name: 'x' }]);
  await table.sync();
  for (let commit = 0; commit < COMMITS; commit++) {
    await writer.insert(Array.from({ length: ROWS }, (_, i) => ({ id: `c${commit}-${i}`, name: `name ${commit}` })));
  }
  return [table, writer];
}

async function caughtUp(table: SyncTable, writer: DeltaWriter): Promise<readonly LedgerEntry[]> {
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  const rows = table.expected(writer.rows(), { kind: 'struct', fields: writer.columns });
  expect(await table.documents()).toEqual(rows);
  const history = await tableHistory(table.dependencies, table.id, 100);
  const epochs = history.filter((entry) => entry.kind === 'changes').toReversed();
  // Without gaps, one after the other.
  for (const [index, epoch] of epochs.entries()) if (index > 0) expect(epoch.from).toBe(epochs[index - 1]?.to);
  return epochs;
}

describe('catching up over many commits', () => {
  test('is one epoch where nothing limits it', async () => {
    const epochs = await caughtUp(...(await tableBehind({})));
    expect(epochs).toHaveLength(1);
    expect(epochs[0]?.counts.rows).toBe(COMMITS * ROWS);
  });

  test('is cut by rows', async () => {
    const epochs = await caughtUp(...(await tableBehind({ rows: 4 * ROWS })));
    expect(epochs).toHaveLength(COMMITS / 4);
    for (const epoch of epochs) expect(epoch.counts.rows).toBe(4 * ROWS);
  });

  test('is cut by bytes', async () => {
    const [table, writer] = await tableBehind({ bytes: 1 });
    // Less than one commit: each is an epoch of its own rather than none at all.
    expect(await caughtUp(table, writer)).toHaveLength(COMMITS);
  });

  test('is cut by RU, from what rows have cost', async () => {
    // Nothing is measured yet: ten RU for each row.
    const epochs = await caughtUp(...(await tableBehind({ ru: 3 * ROWS * 10 })));
    expect(epochs).toHaveLength(COMMITS / 3);
    for (const epoch of epochs) expect(epoch.counts.requestUnits).toBeLessThan(3 * ROWS * 10);
  });
});

describe('the weight of a commit', () => {
  const partitionValues = {};
  const stats = { size: 1_000, partitionValues, deletionVector: null, numRecords: 10 };
  const add = { ...stats, kind: 'add' as const, path: 'a', dataChange: true, modificationTime: 0 };
  const remove = { ...stats, kind: 'remove' as const, path: 'b', dataChange: true, deletionTimestamp: 1 };
  const commit = { adds: [], removes: [], cdc: [] };

  test('counts what is read: added and removed files, not what merely moved', () => {
    expect(weightOf({ ...commit, adds: [add], removes: [remove] } as never)).toEqual({
      commits: 1,
      rows: 20,
      bytes: 2_000,
    });
    const moved = { adds: [{ ...add, dataChange: false }], removes: [{ ...remove, dataChange: false }] };
    expect(weightOf({ ...commit, ...moved } as never)).toEqual({ commits: 1, rows: 0, bytes: 0 });
  });

  test('is that of the change files where there are any', () => {
    const cdc = { kind: 'cdc', path: 'c', size: 320, partitionValues, deletionVector: null };
    expect(weightOf({ ...commit, adds: [add], cdc: [cdc] } as never)).toEqual({ commits: 1, rows: 10, bytes: 320 });
  });

  test('RU limits nothing unless it is configured', () => {
    const weight = { ...NO_COMMITS, rows: 1_000_000 };
    expect(isBeyond(weight, {}, 1_000)).toBe(false);
    expect(isBeyond(weight, { ru: 1e9 }, 1_000)).toBe(false);
    expect(isBeyond(weight, { ru: 1e8 }, 1_000)).toBe(true);
  });
});
