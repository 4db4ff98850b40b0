/** A published table through the command line: the app's own composition, Azurite and the Cosmos emulator. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { startCosmosEmulator, type CosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import { startAzurite, type Azurite } from '../support/azurite.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';

let folder: string;
let emulator: CosmosEmulator;
let azurite: Azurite;
let client: CosmosClient;
let writer: DeltaWriter;
let config: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'publish-'));
  [emulator, azurite] = await Promise.all([startCosmosEmulator({ partitions: 2 }), startAzurite()]);
  client = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  const { database } = await client.databases.create({ id: 'db' });
  const containers = { state: '/target', leases: '/id', blue: '/id', green: '/id', pointers: '/table' };
  for (const [id, path] of Object.entries(containers)) {
    const partitionKey = { paths: [path], version: PartitionKeyDefinitionVersion.V2 };
    await database.containers.create({ id, partitionKey, ...(id === 'state' ? { defaultTtl: -1 } : {}) });
  }
  await azurite.service.createContainer('sync-plans');
  writer = await DeltaWriter.create(join(folder, 'table'), { columns: primitives({ id: 'string', stock: 'long' }) });
  await writer.insert([1, 2, 3].map((number) => ({ id: `p${number}`, stock: number })));
  config = join(folder, 'sync.json');
  const table = {
    source: join(folder, 'table'),
    target: { database: 'db', container: 'blue' },
    id: '${id}',
    budget: 'all',
    publish: { kind: 'blueGreen', other: 'green' },
  };
  const budgets = { all: { target: 'db/blue', ruPerSecond: 5_000 } };
  const freshness = { database: 'db', container: 'pointers' };
  await writeFile(config, JSON.stringify({ budgets, freshness, tables: { parts: table } }));
  vi.stubEnv('COSMOS_ENDPOINT', emulator.endpoint);
  vi.stubEnv('COSMOS_KEY', emulator.key);
  vi.stubEnv('STATE_DATABASE', 'db');
  vi.stubEnv('AzureWebJobsStorage', azurite.connectionString);
  vi.stubEnv('ALLOW_FOLDER_SOURCES', '1');
});

afterAll(async () => {
  vi.unstubAllEnvs();
  client.dispose();
  await Promise.all([emulator.close(), azurite.stop()]);
  await rm(folder, { recursive: true, force: true });
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await runCommandLine(argv, {
    stdout: { write: (text) => Promise.resolve(void (out += text)) },
    stderr: { write: (text) => Promise.resolve(void (err += text)) },
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

async function pointer(): Promise<unknown> {
  return (await client.database('db').container('pointers').item('parts', 'parts').read()).resource;
}

test('load, resync into the other container, rollback and a second rollback that goes forth again', async () => {
  expect(await run('sync', '--config', config)).toMatchObject({ code: 0 });
  expect(await pointer()).toMatchObject({ id: 'parts', live: 'blue', version: writer.version });
  expect(await run('rollback', '--config', config, '--table', 'parts')).toMatchObject({ code: 1 });

  expect(await run('resync', '--config', config)).toMatchObject({ code: 0 });
  expect(await pointer()).toMatchObject({ live: 'green' });
  const { resources } = await client.database('db').container('green').items.query('SELECT * FROM c').fetchAll();
  expect(resources).toHaveLength(3);

  const back = await run('rollback', '--config', config, '--table', 'parts');
  expect(back).toMatchObject({
    code: 0,
    out: `parts: readers are sent to blue at version ${writer.version}; paused\n`,
  });
  expect(await pointer()).toMatchObject({ live: 'blue' });
  const forth = await run('rollback', '--config', config, '--table', 'parts', '--json');
  expect(JSON.parse(forth.out)).toEqual({
    table: 'parts',
    version: writer.version,
    publication: { live: 'green', working: 'green', rollback: { to: 'blue', version: writer.version }, retired: [] },
  });
}, 60_000);

test('rollback needs a table', async () => {
  expect(await run('rollback', '--config', config)).toMatchObject({ code: 2 });
});
