/** Everything that holds an epoch on the local Azure: nothing is written, then somebody approves or rejects, over HTTP or on the command line. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Row } from '../../src/delta/schema.ts';
import { LocalAzureTables, type TableSpec } from './local-azure.ts';
import { byId, type LocalTable } from './local-table.ts';

// A safety net only: several processes start, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 6 });

const COLUMNS = { id: 'string', stock: 'long' };
const rows = (count: number, from = 0): { id: string; stock: number }[] =>
  Array.from({ length: count }, (_, i) => ({ id: `p${from + i}`, stock: from + i }));
const below = (limit: number) => (row: Row) => Number(row['stock']) < limit;

interface GuardCase {
  readonly code: string;
  readonly spec: TableSpec;
  readonly rows: number;
  /** What must be held. */
  readonly dangerous: (table: LocalTable) => Promise<void>;
  readonly decision: 'approve' | 'reject';
  readonly by: 'http' | 'command line';
}

const guards = (settings: Readonly<Record<string, unknown>>, more: Omit<TableSpec, 'settings'> = {}): TableSpec => ({
  settings: { guards: settings },
  ...more,
});

const CASES: Readonly<Record<string, GuardCase>> = {
  'maxDeletes-count': {
    code: 'tooManyDeletes',
    spec: guards({ maxDeletes: { count: 3 } }),
    rows: 10,
    dangerous: async ({ writer }) => writer.delete(below(4)),
    decision: 'approve',
    by: 'http',
  },
  'maxDeletes-percent': {
    code: 'tooManyDeletes',
    spec: {},
    rows: 60,
    dangerous: async ({ writer }) => writer.delete(below(13)),
    decision: 'approve',
    by: 'command line',
  },
  'maxDeletes-perDay': {
    code: 'tooManyDeletes',
    spec: guards({ maxDeletes: { count: 3, perDay: { count: 4 } } }),
    rows: 10,
    dangerous: async (table) => {
      await table.writer.delete(below(3));
      await table.arrives();
      await table.writer.delete(below(6));
    },
    decision: 'reject',
    by: 'http',
  },
  emptySource: {
    code: 'emptySource',
    spec: guards({ maxDeletes: {}, emptySourceSettleSeconds: 1 }),
    rows: 3,
    dangerous: async ({ writer }) => writer.overwrite([]),
    decision: 'approve',
    by: 'http',
  },
  'emptySource-reject': {
    code: 'emptySource',
    spec: guards({ maxDeletes: {}, emptySourceSettleSeconds: 0 }),
    rows: 3,
    dangerous: async ({ writer }) => writer.delete(() => true),
    decision: 'reject',
    by: 'command line',
  },
  maxRu: {
    code: 'ruCeiling',
    spec: guards({ maxRu: 1_000 }),
    rows: 5,
    dangerous: async ({ writer }) => writer.insert(rows(150, 5)),
    decision: 'approve',
    by: 'command line',
  },
  maxSeconds: {
    code: 'durationCeiling',
    // Slow enough that the next load of the kind is known to take longer.
    spec: guards({ maxSeconds: 1 }, { ruPerSecond: 4_000 }),
    rows: 1_200,
    dangerous: async ({ writer }) => writer.insert(rows(2_400, 2_000)),
    decision: 'reject',
    by: 'http',
  },
  deleteUndecided: {
    code: 'deleteUndecided',
    spec: { settings: { mode: 'patch' } },
    rows: 3,
    dangerous: async ({ writer }) => writer.delete(below(1)),
    decision: 'reject',
    by: 'http',
  },
  tableRecreated: {
    code: 'tableRecreated',
    spec: {},
    rows: 3,
    dangerous: async ({ writer }) => {
      await writer.recreate();
      await writer.insert(rows(2, 10));
    },
    decision: 'approve',
    by: 'command line',
  },
};

let azure: LocalAzureTables;

beforeAll(async () => {
  azure = await LocalAzureTables.start({
    ...Object.fromEntries(Object.entries(CASES).map(([id, { spec }]) => [id, spec])),
    'cleared-by-itself': guards({ maxDeletes: { count: 3 } }),
    'empty-for-a-moment': guards({ maxDeletes: {}, emptySourceSettleSeconds: 4 }),
    'empty-accepted': guards({ maxDeletes: {}, emptySource: 'accept' }),
    foreign: {},
    unique: { settings: { deadLetters: { threshold: 1 } } },
    replaced: {},
    paused: {},
  });
});
afterAll(() => azure?.stop());

async function decide(table: LocalTable, { decision, by }: GuardCase, planId: string): Promise<void> {
  if (by === 'http') {
    await table.act(decision, planId);
    return;
  }
  const end = await azure.remote(decision, '--table', table.id, '--plan', planId);
  expect(end).toMatchObject({ code: 0, err: '' });
}

describe.concurrent('guards', () => {
  test.each(Object.entries(CASES))('%s', async (id, each) => {
    const table = azure.table(id);
    await table.create(COLUMNS, rows(each.rows));
    await table.arrives();
    await each.dangerous(table);
    const before = await table.documents();
    const { version } = (await table.status()).checkpoint ?? {};
    const { planId } = await table.isHeld(each.code);
    expect(await table.documents()).toEqual(before);
    await expect(table.act('approve', `${planId}0`)).rejects.toThrow('planStale');
    await decide(table, each, planId);
    if (each.decision === 'approve') {
      const { lastEpoch } = await table.reached();
      expect(lastEpoch).toMatchObject({ planId, approvedBy: 'http' });
      expect(await table.documents()).toEqual(byId(table.writer.rows()));
      return;
    }
    // The head that was rejected is not offered again, not even when somebody asks.
    await table.act('sync');
    await table.settled('rejected', ({ checkpoint, held }) => checkpoint?.version === version && held === null);
    expect(await table.documents()).toEqual(before);
  });

  test('a held epoch is planned anew at the next head, and clears itself when that is harmless', async () => {
    const table = azure.table('cleared-by-itself');
    const writer = await table.create(COLUMNS, rows(10));
    await table.arrives();
    const loaded = writer.version;
    await writer.delete(below(5));
    const first = await table.isHeld('tooManyDeletes');
    await writer.delete(below(6));
    await table.announce();
    const second = await table.until('another plan', ({ held }) => held !== null && held.planId !== first.planId);
    await expect(table.act('approve', first.planId)).rejects.toThrow('planStale');
    expect(second.held?.reason).toContain('6 documents');
    await writer.restore(loaded);
    await table.arrives();
    expect(await table.documents()).toEqual(rows(10));
  });

  test('a table that is empty between two commits empties nothing', async () => {
    const table = azure.table('empty-for-a-moment');
    const writer = await table.create(COLUMNS, rows(3));
    await table.arrives();
    await writer.overwrite([]);
    await table.announce();
    await table.logged('hintReceived', { version: writer.version });
    expect(await table.documents()).toEqual(rows(3));
    await writer.overwrite(rows(4));
    await table.arrives();
    expect(await table.documents()).toEqual(rows(4));
  });

  test('emptySource: accept lets an empty table empty the container', async () => {
    const table = azure.table('empty-accepted');
    const writer = await table.create(COLUMNS, rows(3));
    await table.arrives();
    await writer.delete(() => true);
    await table.arrives();
    expect(await table.documents()).toEqual([]);
  });

  test('a first load into a container that something else has filled asks first', async () => {
    const table = azure.table('foreign');
    await table.container.items.create({ id: 'stranger' });
    await table.create(COLUMNS, rows(2));
    const { planId } = await table.isHeld('containerNotEmpty');
    expect(await table.documents()).toEqual([{ id: 'stranger' }]);
    await table.act('approve', planId);
    await table.reached();
    expect(await table.documents()).toEqual(rows(2));
  });

  test('a key that is not unique is held before the first write', async () => {
    const table = azure.table('unique');
    await table.create(COLUMNS, [...rows(3), ...rows(3)]);
    await table.isHeld('keyNotUnique');
    expect(await table.documents()).toEqual([]);
  });

  test('a container that was dropped and created again is loaded again on approval', async () => {
    const table = azure.table('replaced');
    await table.create(COLUMNS, rows(3));
    await table.arrives();
    await azure.replaceContainer('replaced');
    await table.writer.insert(rows(1, 3));
    const { planId } = await table.isHeld('containerReplaced');
    expect(await table.documents()).toEqual([]);
    await table.act('approve', planId);
    await table.reached();
    expect(await table.documents()).toEqual(rows(4));
  });

  test('pause and resume on the command line: what is committed meanwhile waits', async () => {
    const table = azure.table('paused');
    await table.create(COLUMNS, rows(1));
    await table.arrives();
    const paused = await azure.remote('pause', '--table', 'paused');
    expect(JSON.parse(paused.out)).toMatchObject({ phase: 'paused', pause: { by: 'http' } });
    await table.writer.insert(rows(1, 1));
    await table.announce();
    await table.logged('hintReceived', { version: table.writer.version });
    expect(await table.documents()).toEqual(rows(1));
    expect((await azure.remote('resume', '--table', 'paused')).code).toBe(0);
    await table.reached();
    expect(await table.documents()).toEqual(rows(2));
  });
});
