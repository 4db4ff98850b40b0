/** Deployments while a table is being synchronised: to a later version, and back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { SyncState } from '../../src/sync/state.ts';
import { until } from '../local/functions-host/test-host.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';
import { packageOf, upgradedPackageOf } from './app-package.ts';
import { LocalCloud, type RunningHost } from './local-cloud.ts';

vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

const ROWS = 240;
/** So little that the first load is under way for many seconds; and enough that nobody has to wait. */
const SLOW = 150;
const FAST = 100_000;
const PATIENCE_MS = 240_000;
/** The version of orchestrations that is deployed later. */
const NEWER = '1.1';

let folder: string;
let cloud: LocalCloud;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-upgrade-'));
  cloud = await LocalCloud.start();
  await cloud.target('parts');
});
afterEach(async () => {
  await cloud.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Table {
  readonly writer: DeltaWriter;
  /** What the container has to hold. */
  expected(): Readonly<Record<string, unknown>>;
  publish(): Promise<void>;
  /** Puts the commits into the lake without any event. */
  upload(): Promise<void>;
}

async function makeTable(): Promise<Table> {
  const path = join(folder, 'parts');
  const columns = primitives({ id: 'string', n: 'integer' });
  const writer = await DeltaWriter.create(path, { columns, rowsPerFile: 50 });
  await writer.insert(Array.from({ length: ROWS }, (_, n) => ({ id: `p${n}`, n })));
  return {
    writer,
    expected: () => Object.fromEntries(writer.rows().map((row) => [row['id'] as string, row['n']])),
    publish: () => cloud.publish(path, 'parts', writer.version),
    upload: () => cloud.upload(path, 'parts'),
  };
}

/** Waits until the load of the table is under way: documents are there, but not all. */
async function underWay(most: number): Promise<void> {
  await until(
    'a load that is under way',
    async () => {
      const [state, count] = [await cloud.state('parts'), await cloud.count('parts')];
      return (state?.current?.phase === 'applying' && count > 0) || undefined;
    },
    PATIENCE_MS,
  );
  expect(await cloud.count('parts')).toBeLessThan(most);
}

async function ended(host: RunningHost): Promise<unknown> {
  return until(
    'the end of the orchestration',
    async () => {
      const instance = await host.instance('parts');
      return instance !== null && ['Completed', 'Failed', 'Terminated'].includes(instance.runtimeStatus)
        ? { status: instance.runtimeStatus, output: instance.output }
        : undefined;
    },
    PATIENCE_MS,
  );
}

async function atVersion(version: number): Promise<void> {
  await until(
    `version ${version}`,
    async () => {
      const state = await cloud.state('parts');
      return (state?.checkpoint?.version === version && state.current === null) || undefined;
    },
    PATIENCE_MS,
  );
}

async function changeState(change: (state: SyncState) => unknown): Promise<void> {
  const item = cloud.stateContainer.item('state', 'parts');
  const { resource } = await item.read<{ readonly id: string; readonly state: SyncState }>();
  if (resource === undefined) throw new Error('There is no state.');
  await item.replace({ ...resource, state: change(resource.state) });
}

test('an orchestration in flight is finished by the version that is deployed meanwhile, which then hints at its own', async () => {
  const table = await makeTable();
  const first = await cloud.run(packageOf(join(folder, 'v1'), cloud.configuration(['parts'], SLOW)));
  await table.publish();
  await underWay(ROWS);
  await first.stop('kill');
  // What it registered could have written for another minute, and what comes next would wait for that long.
  await changeState((state) => ({
    ...state,
    registrations: state.registrations.map((each) => ({ ...each, until: 0 })),
  }));
  // A commit of which no event tells: there is no sweep either.
  await table.writer.update(
    (row) => Number(row['n']) < 10,
    (row) => ({ ...row, n: Number(row['n']) + 1000 }),
  );
  await table.writer.delete((row) => row['id'] === 'p77');
  await table.upload();

  const second = await cloud.run(
    await upgradedPackageOf(join(folder, 'v2'), cloud.configuration(['parts'], FAST), NEWER),
  );
  expect((await second.instance('parts'))?.runtimeStatus).toMatch(/Running|Pending/);
  // The old run ends with its epoch; the hint that it leaves starts one of the new version, which finds the commit.
  await atVersion(table.writer.version);
  expect(await cloud.documents('parts')).toEqual(table.expected());
  expect(second.output()).not.toMatch(/non-?determinis/i);
  expect(second.output()).toContain('hintRequeued');
  expect(second.output()).not.toContain('sweepStarted');
  expect(await ended(second)).toMatchObject({ status: 'Completed', output: { kind: 'idle' } });
});

test('after a rollback the older version reads the state, leaves the newer run alone, and the sweep replaces it', async () => {
  const table = await makeTable();
  const newer = await cloud.run(
    await upgradedPackageOf(join(folder, 'v2'), cloud.configuration(['parts'], SLOW), NEWER),
  );
  await table.publish();
  await underWay(ROWS);
  await newer.stop('drain');

  const older = await cloud.run(packageOf(join(folder, 'v1'), cloud.configuration(['parts'], FAST)));
  await until(
    'the refusal of the newer run',
    () => older.output().includes('version rejected') || undefined,
    PATIENCE_MS,
  );
  expect((await older.instance('parts'))?.runtimeStatus).toBe('Running');
  // Fields that the newer version added do not keep the older one from reading; and a quarter of an hour without progress
  // goes by.
  const long = 16 * 60_000;
  await changeState((state) => ({
    ...state,
    addedLater: { by: '1.1' },
    current:
      state.current === null
        ? null
        : {
            ...state.current,
            driver: { ...state.current.driver, until: 0 },
            progress: { ...state.current.progress, at: state.current.progress.at - long },
          },
  }));
  const { planId } = (await cloud.state('parts'))?.current ?? {};
  expect((await older.fetch('/admin/functions/onSweep', { method: 'POST' })).status).toBe(202);
  await atVersion(table.writer.version);
  expect(older.output()).toContain('sweepRestarted');
  expect(older.output()).toContain(String(planId));
  expect(await cloud.documents('parts')).toEqual(table.expected());
});
