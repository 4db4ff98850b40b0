/** What keeps a table from moving before there is any plan: the status tells it until planning passes. */
import { rename } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { administer, tableStatus, type TableStatus } from '../../src/sync/administration.ts';
import { driveRun } from '../../src/sync/drive-run.ts';
import type { DocumentWriter } from '../../src/sync/document-writer.ts';
import { hasNews } from '../../src/sync/plan-epoch.ts';
import { transition } from '../../src/sync/state-store.ts';
import type { SyncState } from '../../src/sync/state.ts';
import type { SyncDependencies } from '../../src/sync/sync-target.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(1);
});
afterAll(() => world.stop());

async function loaded(
  settings: Readonly<Record<string, unknown>> = {},
): Promise<{ table: SyncTable; writer: DeltaWriter }> {
  const table = await world.table(settings);
  const writer = await DeltaWriter.create(table.folder, { columns: primitives({ id: 'string', name: 'string' }) });
  await writer.insert([
    { id: 'a', name: 'x' },
    { id: 'b', name: 'y' },
  ]);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  return { table, writer };
}

const status = (table: SyncTable): Promise<TableStatus> => tableStatus(table.dependencies, table.id);
const change = (table: SyncTable, to: (state: SyncState) => SyncState): Promise<SyncState | null> =>
  transition(table.dependencies.states, table.id, to);

test('a log that vanished is told with its remedy, since it was met first, until the log is back', async () => {
  const { table } = await loaded();
  expect(await status(table)).toMatchObject({ phase: 'idle', concern: null, due: [] });
  await rename(table.folder, `${table.folder}-away`);
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tableVanished' });
  const { phase, concern, checkpoint } = await status(table);
  expect(phase).toBe('waiting');
  expect(checkpoint).toMatchObject({ version: 1 });
  expect(concern).toMatchObject({
    code: 'tableVanished',
    reason: expect.stringContaining('nothing at or after version 1') as string,
    remedy: expect.stringContaining('Restore the table') as string,
  });
  table.skewMs += 60_000;
  await table.sync();
  expect((await status(table)).concern).toEqual(concern);
  // Nothing is new when it is back, and still the sweep looks at it.
  await rename(`${table.folder}-away`, table.folder);
  expect(await hasNews(table.dependencies, table.id)).toBe(true);
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: 1 });
  expect(await status(table)).toMatchObject({ phase: 'idle', concern: null });
  expect(await hasNews(table.dependencies, table.id)).toBe(false);
  expect(table.events.filter(({ name }) => name === 'epochHeld')).toHaveLength(2);
});

test('planning that fails tells why, and another failure replaces what was told', async () => {
  const { table, writer } = await loaded();
  await writer.insert([{ id: 'c', name: 'z' }]);
  await table.container.delete();
  expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'targetMissing' });
  expect(await status(table)).toMatchObject({ phase: 'waiting', current: null, concern: { code: 'targetMissing' } });
  await rename(table.folder, `${table.folder}-away`);
  await table.sync();
  expect(await status(table)).toMatchObject({ phase: 'waiting', concern: { code: 'tableVanished' } });
});

test('a table that never was one is told of before its first load', async () => {
  const table = await world.table();
  expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'notADeltaTable' });
  expect(await status(table)).toMatchObject({ phase: 'waiting', concern: { code: 'notADeltaTable' } });
  const writer = await DeltaWriter.create(table.folder, { columns: primitives({ id: 'string' }) });
  await writer.insert([{ id: 'a' }]);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await status(table)).toMatchObject({ phase: 'idle', concern: null });
});

test('a table that vanished and is taken out of the configuration waits for nobody', async () => {
  const { table } = await loaded();
  await rename(table.folder, `${table.folder}-away`);
  await table.sync();
  table.remove('keep');
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await status(table)).toMatchObject({ phase: 'idle', concern: null, removal: { phase: 'done' } });
});

test('work that is known already is named: duplicates to look up, requests, ranges that were given up', async () => {
  const { table } = await loaded();
  await change(table, (state) => ({ ...state, forced: { blob: 'forced/none.json', count: 2, due: true } }));
  expect(await status(table)).toMatchObject({ phase: 'due', due: ['duplicates'] });
  await change(table, (state) => ({ ...state, forced: null, dirty: { from: 1, to: 1 } }));
  expect(await status(table)).toMatchObject({ phase: 'due', due: ['dirty'] });
  await administer(table.dependencies, table.id, { kind: 'verify' }, 'ann');
  expect(await status(table)).toMatchObject({ phase: 'due', due: ['dirty', 'verify'] });
  await administer(table.dependencies, table.id, { kind: 'pause' }, 'ann');
  expect(await status(table)).toMatchObject({ phase: 'paused', due: ['dirty', 'verify'] });
  await administer(table.dependencies, table.id, { kind: 'resume' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect(await status(table)).toMatchObject({ phase: 'idle', due: [] });
});

test('a slice that fails for a passing reason and is tried again is told with its attempts until it gets on', async () => {
  const { table, writer } = await loaded();
  await writer.insert([{ id: 'c', name: 'z' }]);
  const target = await table.dependencies.target(table.id);
  let left = 5;
  const seen: TableStatus[] = [];
  const running = new AbortController().signal;
  const writerThatFails: DocumentWriter = {
    describe: (signal) => target.writer.describe(signal),
    read: (identities, signal) => target.writer.read(identities, signal),
    scan: (range, cursor, signal) => target.writer.scan(range, cursor, signal),
    write: (operations, signal) => {
      if (left === 0) return target.writer.write(operations, signal);
      left--;
      throw new SyncError('targetUnavailable', { problem: 'The container does not answer.' });
    },
  };
  const deps: SyncDependencies = {
    ...table.dependencies,
    target: () => Promise.resolve({ ...target, writer: writerThatFails, writerOf: () => writerThatFails }),
    clock: {
      ...table.dependencies.clock,
      // Between two attempts.
      sleep: async (ms, signal) => {
        if (signal !== running) return table.dependencies.clock.sleep(ms, signal);
        seen.push(await status(table));
        table.skewMs += ms;
      },
    },
  };
  expect(await driveRun(deps, table.id, 'one', running)).toMatchObject({ kind: 'failed', code: 'targetUnavailable' });
  const { phase, concern, current, held } = await status(table);
  expect(held).toBeNull();
  expect(phase).toBe('retrying');
  expect(current).toMatchObject({ kind: 'changes', stage: 'apply' });
  expect(concern).toMatchObject({
    code: 'targetUnavailable',
    reason: 'The container does not answer.',
    remedy: expect.stringMatching(/It is tried again by itself\.$/) as string,
    chunk: 0,
    attempts: 5,
  });
  expect(seen[0]?.concern).toMatchObject({ attempts: 1, since: concern?.since });
  // The next run takes it up again: one more failure, and then it gets on.
  left = 1;
  expect(await driveRun(deps, table.id, 'one', running)).toMatchObject({ kind: 'idle', version: writer.version });
  expect(seen.at(-1)?.concern).toMatchObject({ attempts: 6, since: concern?.since });
  expect(await status(table)).toMatchObject({ phase: 'idle', concern: null });
});
