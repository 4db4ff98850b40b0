/** The custom roles of infra/cosmos-roles.json under the emulator's Entra mode: they suffice, and nothing in them is spare. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseSyncConfiguration, type TableConfiguration } from '../../src/config/sync-configuration.ts';
import { openDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { createCosmosClient } from '../../src/cosmos/cosmos-client.ts';
import { cosmosLeaseStore } from '../../src/cosmos/lease/cosmos-lease-store.ts';
import { openRuBudget, type RuBudget } from '../../src/cosmos/ru-lease.ts';
import { cosmosPublicationStore } from '../../src/cosmos/publication-documents.ts';
import { cosmosStateStore } from '../../src/cosmos/state-documents.ts';
import type { Row } from '../../src/delta/schema.ts';
import { startCosmosEmulator, type CosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import type { RoleAssignment } from '../../src/local/cosmos-emulator/options.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { silentLog } from '../../src/shared/telemetry.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { administer, tableHistory, tableStatus } from '../../src/sync/administration.ts';
import { driveRun } from '../../src/sync/drive-run.ts';
import type { DocumentWriter } from '../../src/sync/document-writer.ts';
import type { RunOutcome } from '../../src/sync/next-step.ts';
import type { RemovedTable } from '../../src/sync/removal.ts';
import type { SyncDependencies, SyncTarget } from '../../src/sync/sync-target.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { MemoryPlanStore } from '../support/memory-plan-store.ts';
import { primitives } from '../support/writer-columns.ts';

const ROLES = ['state', 'lease', 'target', 'publication'] as const;
type Role = (typeof ROLES)[number];
const roles = JSON.parse(await readFile(new URL('../../infra/cosmos-roles.json', import.meta.url), 'utf8')) as Readonly<
  Record<Role, readonly string[]>
>;

const APP = 'app';
const DATABASE = 'shop';
/** Tables in the three modes, and tables that are published in both ways. */
const LIVES = ['mirror', 'patch', 'insertOnly', 'versionFlag', 'blueGreen'] as const;
type Life = (typeof LIVES)[number];
/** A run that is refused something may try again and again; this long is enough to tell, in milliseconds. */
const PATIENCE_MS = 20_000;
/** More columns than a patch has steps, so that mode patch reads and replaces. */
const COLUMNS = primitives({
  id: 'string',
  ...(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`n${i}`, 'double'])) as Record<string, 'double'>),
});
const row = (id: string, n: number): Row => ({
  id,
  ...Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`n${i}`, n])),
});

const assignments: RoleAssignment[] = [];
let emulator: CosmosEmulator;
let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-roles-'));
  emulator = await startCosmosEmulator({
    https: true,
    partitions: 2,
    auth: { entra: { roles: { [APP]: assignments } } },
  });
  const account = await openCosmosAccount({
    endpoint: emulator.endpoint,
    identity: { kind: 'key', key: emulator.key },
    caPem: emulator.caCertificate ?? '',
  });
  const client = createCosmosClient(account);
  await client.databases.create({ id: 'control' });
  await client.databases.create({ id: DATABASE });
  client.dispose();
  account.close();
});
afterAll(async () => {
  await emulator.close();
  await rm(folder, { recursive: true, force: true });
});

/**
 * Full lives of tables under these actions: first load, changes, deletes, verification and history; publication, rollback
 * and removal. Throws when refused.
 */
async function live(actions: Readonly<Record<Role, readonly string[]>>, lives: readonly Life[] = LIVES): Promise<void> {
  const run = `r${++runs}`;
  const owner = await openCosmosAccount({
    endpoint: emulator.endpoint,
    identity: { kind: 'key', key: emulator.key },
    caPem: emulator.caCertificate ?? '',
  });
  const operator = createCosmosClient(owner);
  const control = operator.database('control').containers;
  await control.create({ id: `state-${run}`, partitionKey: { paths: ['/target'] }, defaultTtl: -1 });
  await control.create({ id: `lease-${run}`, partitionKey: { paths: ['/id'] } });
  const names = [...lives.map((each) => `${each}-${run}`), `blueGreen-${run}-other`];
  for (const id of [...names, `publication-${run}`])
    await operator.database(DATABASE).containers.create({
      id,
      partitionKey: { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 },
    });
  operator.dispose();
  owner.close();
  assignments.splice(
    0,
    assignments.length,
    { dataActions: actions.state, scope: `/dbs/control/colls/state-${run}` },
    { dataActions: actions.lease, scope: `/dbs/control/colls/lease-${run}` },
    { dataActions: actions.publication, scope: `/dbs/${DATABASE}/colls/publication-${run}` },
    ...names.map((name) => ({ dataActions: actions.target, scope: `/dbs/${DATABASE}/colls/${name}` })),
  );

  const token = `e30.${Buffer.from(JSON.stringify({ oid: APP, exp: 4_000_000_000 })).toString('base64url')}.x`;
  const account = await openCosmosAccount({
    endpoint: emulator.endpoint,
    identity: {
      kind: 'credential',
      credential: { getToken: () => Promise.resolve({ token, expiresOnTimestamp: 4e12 }) },
    },
    caPem: emulator.caCertificate ?? '',
  });
  const client = createCosmosClient(account);
  const signal = AbortSignal.timeout(PATIENCE_MS * lives.length);
  try {
    for (const each of lives) {
      // Each in a process of its own: the first one makes the lease document, the others join it.
      const budget = openRuBudget({
        store: cosmosLeaseStore(client.database('control').container(`lease-${run}`), 'all'),
        ruPerSecond: () => Promise.resolve(50_000),
      });
      try {
        await oneLife(each, `${each}-${run}`, budget);
      } finally {
        await budget.close().catch(() => undefined);
      }
    }
  } finally {
    client.dispose();
    account.close();
  }

  async function oneLife(life: Life, name: string, budget: RuBudget): Promise<void> {
    const publishes = life === 'versionFlag' || life === 'blueGreen';
    const mode = publishes ? 'mirror' : life;
    const configure = (further: Readonly<Record<string, unknown>> = {}): TableConfiguration => {
      const text = JSON.stringify({
        ...(publishes ? { freshness: { database: DATABASE, container: `publication-${run}` } } : {}),
        budgets: { all: { target: `${DATABASE}/${name}`, ruPerSecond: 50_000 } },
        tables: {
          [name]: {
            source: 'https://lake.blob.core.windows.net/lake/t',
            target: { database: DATABASE, container: name },
            id: '${id}',
            budget: 'all',
            mode,
            ...(mode === 'patch' ? { onDelete: 'delete' } : {}),
            ...(life === 'versionFlag' ? { publish: { kind: life, graceSeconds: 0 } } : {}),
            ...(life === 'blueGreen' ? { publish: { kind: life, other: `${name}-other`, graceSeconds: 0 } } : {}),
            ...further,
          },
        },
      });
      const table = parseSyncConfiguration(text, 'test').tables[name];
      if (table === undefined) throw new Error('no such table');
      return table;
    };
    const limiter = budget.limiterFor({ id: name, priority: 'bulk', container: `${DATABASE}/${name}` });
    const writerOf = (container: string): DocumentWriter =>
      openDocumentWriter({ account, database: DATABASE, container, limiter });
    let target: SyncTarget = {
      tableId: name,
      id: name,
      configuration: configure(),
      source: new FolderLogStore(join(folder, name)),
      writer: writerOf(name),
      writerOf,
    };
    const removedTables = new Map<string, RemovedTable>();
    const deps: SyncDependencies = {
      target: () => Promise.resolve(target),
      plans: new MemoryPlanStore(),
      states: cosmosStateStore(client.database('control').container(`state-${run}`)),
      publications: publishes
        ? cosmosPublicationStore(client.database(DATABASE).container(`publication-${run}`))
        : null,
      clock: systemClock,
      log: silentLog,
      sizes: WORK_SIZES,
      removedTables,
      appVersion: '1.0',
    };
    const once = (): Promise<RunOutcome> => driveRun(deps, name, run, signal);
    const sync = async (): Promise<void> => {
      const outcome = await once();
      if (outcome.kind !== 'idle') throw new Error(JSON.stringify(outcome));
      const entries = await tableHistory(deps, name, 5);
      if (entries.length === 0) throw new Error('no history');
    };
    const writer = await DeltaWriter.create(join(folder, name), { columns: COLUMNS, changeFeed: true });
    await writer.insert([row('a', 1), row('b', 1), row('c', 1)]);
    await sync();
    await writer.update(
      (each) => each['id'] === 'a',
      (each) => ({ ...each, ...row('a', 2) }),
    );
    await sync();
    if (mode !== 'insertOnly') {
      await writer.delete((each) => each['id'] === 'b');
      await sync();
      await administer(deps, name, { kind: 'verify' }, 'test');
      await sync();
    }
    if (publishes) {
      // Another mapping is another load, which readers are sent to; then back to the former one, and away with all of it.
      target = { ...target, configuration: configure({ columns: { rename: { n0: 'first' } } }) };
      const held = await once();
      if (held.kind !== 'held') throw new Error(JSON.stringify(held));
      const { held: hold } = await tableStatus(deps, name);
      await administer(deps, name, { kind: 'approve', planId: hold?.planId ?? '' }, 'test');
      await sync();
      removedTables.set(name, { documents: 'delete', configured: [] });
      const removed = await once();
      if (removed.kind !== 'idle') throw new Error(JSON.stringify(removed));
    }
  }
}

test.each(LIVES)('the roles suffice for a table of the kind %s', async (life) => {
  await expect(live(roles, [life])).resolves.toBeUndefined();
});

const all = ROLES.flatMap((role) => roles[role].map((action) => [role, action] as const));

test.each(all)('role %s needs %s', async (role, action) => {
  const fewer = { ...roles, [role]: roles[role].filter((each) => each !== action) };
  const lives = role === 'publication' ? (['versionFlag'] as const) : (['mirror', 'patch', 'insertOnly'] as const);
  const problem = await live(fewer, lives).then(
    () => 'none',
    (error: unknown) => `${(error as Error).message} ${(error as Error).name}`,
  );
  const container = role === 'target' ? '(mirror|patch|insertOnly)' : role;
  const refused =
    role === 'publication' ? 'cannot be used. The service answered 403' : '(refuses|may not be used by) this identity';
  expect(problem).toMatch(new RegExp(`container \\S*${container}-\\S* .*${refused}`));
});
