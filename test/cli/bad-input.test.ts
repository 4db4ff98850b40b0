/** Bad targets, bad accounts and bad rows through the command line: the app's own composition, Azurite and the Cosmos emulator. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CosmosClient, type ContainerRequest } from '@azure/cosmos';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { startCosmosEmulator, type CosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import { startAzurite, type Azurite } from '../support/azurite.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';

const WRONG_KEY = 'd3Jvbmcga2V5IHdyb25nIGtleQ==';
const ROW_CONTENT = 'content of a row';

let folder: string;
let emulator: CosmosEmulator;
let azurite: Azurite;
let client: CosmosClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bad-input-'));
  [emulator, azurite] = await Promise.all([startCosmosEmulator(), startAzurite()]);
  client = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  const { database } = await client.databases.create({ id: 'db' });
  const containers = {
    state: '/target',
    leases: '/id',
    byCategory: '/category',
    byKind: '/kind',
    expiring: '/category',
  };
  for (const [id, path] of Object.entries(containers)) {
    const ttl = id === 'state' ? { defaultTtl: -1 } : id === 'expiring' ? { defaultTtl: 60 } : {};
    const definition = { id, partitionKey: { paths: [path], kind: 'Hash', version: 2 }, ...ttl };
    // The SDK's enums are the same words.
    await database.containers.create(definition as unknown as ContainerRequest);
  }
  await azurite.service.createContainer('sync-plans');
  const columns = primitives({ id: 'string', category: 'string', text: 'string' });
  const writer = await DeltaWriter.create(join(folder, 'table'), { columns });
  const rows: readonly (readonly [string | null, string, string])[] = [
    ['good', 'c', ROW_CONTENT],
    ['a/b', 'c', ROW_CONTENT],
    ['é'.repeat(512), 'c', ROW_CONTENT],
    ['', 'c', ROW_CONTENT],
    [null, 'c', ROW_CONTENT],
    ['long key', 'k'.repeat(2_049), ROW_CONTENT],
    ['large', 'c', ROW_CONTENT.repeat(150_000)],
  ];
  await writer.insert(rows.map(([id, category, text]) => ({ id, category, text })));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(async () => {
  client.dispose();
  await Promise.all([emulator.close(), azurite.stop()]);
  await rm(folder, { recursive: true, force: true });
});

/** What is bad about a call. */
interface Bad {
  readonly database?: string;
  readonly container?: string;
  readonly budget?: Readonly<Record<string, unknown>>;
  readonly table?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

let tables = 0;

async function run(command: string, bad: Bad): Promise<{ code: number; out: string; err: string }> {
  const { database = 'db', container = 'byCategory', budget = { ruPerSecond: 5_000 }, table = {} } = bad;
  const environment = {
    COSMOS_ENDPOINT: emulator.endpoint,
    COSMOS_KEY: emulator.key,
    STATE_DATABASE: 'db',
    AzureWebJobsStorage: azurite.connectionString,
    ALLOW_FOLDER_SOURCES: '1',
    ...bad.environment,
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const file = join(folder, 'sync.json');
  const source = join(folder, 'table');
  const settings = { source, target: { database, container }, id: '${id}', budget: 'all', ...table };
  const budgets = { all: { target: `${database}/${container}`, ...budget } };
  await writeFile(file, JSON.stringify({ budgets, tables: { [`table${tables++}`]: settings } }));
  let [out, err] = ['', ''];
  const code = await runCommandLine([command, '--config', file], {
    stdout: { write: (text) => Promise.resolve(void (out += text)) },
    stderr: { write: (text) => Promise.resolve(void (err += text)) },
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

test.each<[string, number, RegExp, RegExp, Bad]>([
  ['an unknown container', 1, /targetMissing.*db\/none does not exist/, /Create the database/, { container: 'none' }],
  ['an unknown database', 1, /targetMissing.*none\/c does not exist/, /Create/, { database: 'none', container: 'c' }],
  ['a key path that is not filled', 3, /mappingInvalid.*\/kind/, /columns\.rename/, { container: 'byKind' }],
  [
    'more templates than levels',
    3,
    /mappingInvalid.*2 levels/,
    /one template/,
    { table: { partitionKey: ['${category}', '${text}'] } },
  ],
  ['a container that expires', 3, /targetUnsafe.*60 seconds/, /time to live/, { container: 'expiring' }],
  ['a share of nothing', 2, /configInvalid.*budgets\.all\.share.*too small/s, /above 0/, { budget: { share: 0 } }],
  ['a share of more than all', 2, /configInvalid.*share.*too big/s, /at most 1/, { budget: { share: 1.5 } }],
  ['two figures', 2, /configInvalid.*share and ruPerSecond/s, /exactly one/, { budget: { share: 1, ruPerSecond: 1 } }],
  ['a wrong key', 1, /stateUnavailable.*refused the key/, /current key/, { environment: { COSMOS_KEY: WRONG_KEY } }],
  [
    'a key that is none',
    2,
    /configInvalid.*COSMOS_KEY/,
    /application settings/,
    { environment: { COSMOS_KEY: 'a b' } },
  ],
  [
    'a CA certificate that is not there',
    2,
    /configInvalid.*COSMOS_CA_FILE/,
    /remove the setting/,
    { environment: { COSMOS_CA_FILE: '/nowhere/ca.pem' } },
  ],
  [
    'a missing state container',
    1,
    /stateUnavailable.*does not exist/,
    /STATE_CONTAINER/,
    { environment: { STATE_CONTAINER: 'none' } },
  ],
])('%s ends plan and sync alike, with problem and remedy', async (_, exitCode, problem, remedy, bad) => {
  for (const command of ['plan', 'sync']) {
    const { code, out, err } = await run(command, bad);
    expect([command, code]).toEqual([command, exitCode]);
    expect(err).toMatch(problem);
    expect(err).toMatch(remedy);
    for (const secret of [WRONG_KEY, emulator.key, ROW_CONTENT]) expect(out + err).not.toContain(secret);
  }
});

test('a certificate that nobody vouches for', async () => {
  const secure = await startCosmosEmulator({ https: true });
  try {
    const { code, err } = await run('plan', { environment: { COSMOS_ENDPOINT: secure.endpoint } });
    expect(code).toBe(1);
    expect(err).toMatch(/is not trusted.*name its CA certificate/);
  } finally {
    await secure.close();
  }
});

test('nothing at the endpoint, which sync would wait out', async () => {
  const { code, err } = await run('plan', { environment: { COSMOS_ENDPOINT: 'http://127.0.0.1:9/' } });
  expect(code).toBe(1);
  expect(err).toMatch(/stateUnavailable.*ECONNREFUSED.*host and port/);
});

test('rows that cannot be written are counted as dead letters, and the others are written', async () => {
  const { code, out, err } = await run('sync', {});
  expect({ code, err: err.replaceAll(/^epoch.*\n|^rowDeadLettered.*\n/gm, '') }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/1 writes, 0 deletes, 6 dead letters,/);
  expect(out + err).not.toContain(ROW_CONTENT);
  const { resources } = await client
    .database('db')
    .container('byCategory')
    .items.query('SELECT c.id FROM c')
    .fetchAll();
  expect(resources).toEqual([{ id: 'good' }]);
  const blobs = azurite.service.getContainerClient('sync-plans');
  const letters: { readonly code: string; readonly reason: string }[] = [];
  for await (const { name } of blobs.listBlobsFlat({ prefix: 'dead-letters/' })) {
    const text = (await blobs.getBlobClient(name).downloadToBuffer()).toString();
    expect(text).not.toContain(ROW_CONTENT);
    for (const line of text.trim().split('\n')) letters.push(JSON.parse(line) as (typeof letters)[number]);
  }
  // What is wrong, and what to do.
  for (const { reason } of letters) expect(reason).toMatch(/^(\w+: )?[A-Z][^.]*\. [A-Z].*\.$/);
  expect(letters.map((letter) => letter.code).toSorted()).toEqual([
    'documentTooLarge',
    'idEmpty',
    'idIllegalCharacter',
    'idTooLong',
    'keyNull',
    'partitionKeyTooLong',
  ]);
});
