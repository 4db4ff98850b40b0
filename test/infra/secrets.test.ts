/**
 * Credentials are nowhere but where they belong: keys, signatures and tokens that are easy to recognise go into every
 * setting and source, and must not come out of logs, answers, histories, dead letters, error texts and commands.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { until } from '../local/functions-host/test-host.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';
import { packageOf } from './app-package.ts';
import { LocalCloud, type RunningHost } from './local-cloud.ts';

vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

const MAIN = fileURLToPath(new URL('../../build/cli/main.js', import.meta.url));

/** 48 bytes each, so that no encoding needs padding; the words in them are found again however they are encoded. */
const secret = (word: string): string => `canary-${word}-`.padEnd(48, 'abcdefghijklmnopqrstuvwxyz0123456789');
const SECRETS = {
  cosmos: secret('cosmos-key'),
  wrongCosmos: secret('wrong-cosmos-key'),
  storage: secret('storage-key'),
  wrongStorage: secret('wrong-storage-key'),
  signature: secret('sas-signature'),
  password: secret('url-password'),
  token: secret('identity-token'),
  header: secret('identity-header'),
  functionKey: secret('function-key'),
};
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A secret as it is, and what is recognisable of it in base64 at any offset, percent-encoded or in hexadecimal. */
function formsOf(text: string): readonly string[] {
  const shifted = [0, 1, 2].map((pad) => base64(`${'_'.repeat(pad)}${text}`).slice(4, -4));
  const forms = [text, ...shifted, base64(base64(text)).slice(4, -4), Buffer.from(text).toString('hex')];
  return forms.flatMap((form) => [form, encodeURIComponent(form), form.replaceAll('+', '-').replaceAll('/', '_')]);
}

function expectNoSecret(what: string, text: string): void {
  for (const [name, value] of Object.entries(SECRETS))
    for (const form of formsOf(value))
      if (text.includes(form)) throw new Error(`${what} shows the secret "${name}":\n${around(text, form)}`);
}

function around(text: string, form: string): string {
  const at = text.indexOf(form);
  return text.slice(Math.max(0, at - 200), at + form.length + 50);
}

let folder: string;
let cloud: LocalCloud;
let identity: Server;
let identityUrl: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-secrets-'));
  cloud = await LocalCloud.start({
    storageAccount: { name: 'canaryaccount', key: base64(SECRETS.storage) },
    // Any token is let in as somebody without a role.
    cosmos: { https: true, key: base64(SECRETS.cosmos), auth: { entra: { roles: {} } } },
  });
  // Where the platform hands out tokens, and a Resource Manager that repeats what it was asked.
  identity = createServer((request, response) => {
    if (request.url?.startsWith('/token') === true) {
      const claims = base64(JSON.stringify({ oid: 'app', exp: 4_000_000_000, secret: SECRETS.token }));
      response.end(
        JSON.stringify({ access_token: `e30.${claims}.${base64(SECRETS.token)}`, expires_on: '4000000000' }),
      );
      return;
    }
    response.writeHead(403).end(JSON.stringify({ error: request.headers.authorization }));
  });
  await new Promise<void>((resolve) => {
    identity.listen(0, '127.0.0.1', resolve);
  });
  identityUrl = `http://127.0.0.1:${(identity.address() as AddressInfo).port}`;
  writeFileSync(join(folder, 'ca.pem'), cloud.emulator.caCertificate ?? '');
});
afterAll(async () => {
  identity.close();
  await cloud.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What the host prints for its launcher and not for a log: the keys that it made up itself. */
function logOf(host: RunningHost): string {
  return host
    .output()
    .split('\n')
    .filter((line) => !line.startsWith('{"type":"ready"'))
    .join('\n');
}

/** Answers of the API and the history of the orchestration, inputs and outputs included. */
async function answersOf(host: RunningHost, table: string): Promise<string> {
  const paths = ['tables', `tables/${table}`, `tables/${table}/history`, `tables/${table}/dead-letters`];
  const bodies = await Promise.all(paths.map(async (path) => (await host.fetch(`/api/${path}`)).text()));
  const instance = await host.instance(table, '&showInput=true&showHistory=true&showHistoryOutput=true');
  return [...bodies, JSON.stringify(instance)].join('\n');
}

/** Everything that the app stored: plans with dead letters, states, leases. */
async function stored(): Promise<string> {
  const parts: string[] = [];
  for await (const { name } of cloud.plans.listBlobsFlat())
    parts.push(name, (await cloud.plans.getBlobClient(name).downloadToBuffer()).toString('latin1'));
  for (const container of ['state', 'leases']) {
    const { resources } = await cloud.client
      .database('delta-cosmos-sync')
      .container(container)
      .items.readAll<Readonly<Record<string, unknown>>>()
      .fetchAll();
    parts.push(JSON.stringify(resources));
  }
  return parts.join('\n');
}

async function command(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly code: number; readonly text: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...argv], { env: { PATH: process.env['PATH'], ...environment } });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()));
    child.once('close', (code) => resolve({ code: code ?? -1, text }));
  });
}

const settings = (): Record<string, string> => ({ ...cloud.settings, COSMOS_CA_FILE: join(folder, 'ca.pem') });

async function makeTable(name: string): Promise<{ readonly path: string; readonly version: number }> {
  await cloud.target(name);
  const path = join(folder, name);
  const writer = await DeltaWriter.create(path, { columns: primitives({ id: 'string', n: 'double' }) });
  // One of them cannot be written.
  await writer.insert([
    { id: 'a', n: 1 },
    { id: 'b', n: Number.NaN },
  ]);
  return { path, version: writer.version };
}

test('the search finds a secret in every form', () => {
  for (const value of Object.values(SECRETS))
    for (const text of [
      value,
      base64(value),
      encodeURIComponent(base64(value)),
      Buffer.from(`x=${value}&y`).toString('base64url'),
      base64(base64(value)),
      Buffer.from(value).toString('hex'),
    ])
      expect(() => expectNoSecret('a text', `before ${text} after`)).toThrow(/shows the secret/);
  expect(() => expectNoSecret('a text', 'canary')).not.toThrow();
});

test('a synchronisation with a dead letter', async () => {
  const { path, version } = await makeTable('good');
  const configuration = cloud.configuration(['good'], 100_000);
  const host = await cloud.run(packageOf(join(folder, 'app-good'), configuration), settings());
  await cloud.publish(path, 'good', version);
  await until(
    'the end of the epoch',
    async () => (await cloud.state('good'))?.checkpoint?.version === version || undefined,
    120_000,
  );
  const answers = await answersOf(host, 'good');
  expect(answers).toContain('"n"');
  expect(answers).toContain('planEpoch');
  expectNoSecret('an answer', answers);
  expectNoSecret('what is stored', await stored());
  await host.stop('drain');
  expect(logOf(host)).toContain('rowDeadLettered');
  expectNoSecret('the log', logOf(host));

  const file = join(folder, 'good.json');
  writeFileSync(file, configuration);
  for (const argv of [['plan'], ['sync', '--json'], ['verify']]) {
    const { code, text } = await command([...argv, '--config', file], settings());
    expect([0, 1], text).toContain(code);
    expectNoSecret(argv.join(' '), text);
  }
});

/** Settings and sources that do not work, each with a secret in it. */
function failures(): readonly (readonly [string, () => Record<string, string>, (configuration: string) => string])[] {
  const wrongStorage = (): string =>
    (cloud.settings['DELTA_LAKE'] ?? '').replace(base64(SECRETS.storage), base64(SECRETS.wrongStorage));
  const expired = `sv=2024-11-04&sr=c&sp=rl&st=2020-01-01T00:00:00Z&se=2020-01-02T00:00:00Z&sig=${encodeURIComponent(base64(SECRETS.signature))}`;
  const same = (configuration: string): string => configuration;
  const keyless = (): Record<string, string> => ({
    ...settings(),
    COSMOS_KEY: '',
    IDENTITY_ENDPOINT: `${identityUrl}/token`,
    IDENTITY_HEADER: SECRETS.header,
  });
  return [
    ['a wrong key of Cosmos DB', () => ({ ...settings(), COSMOS_KEY: base64(SECRETS.wrongCosmos) }), same],
    ['a key that is none', () => ({ ...settings(), COSMOS_KEY: `${SECRETS.wrongCosmos}!` }), same],
    ['a wrong key of the lake', () => ({ ...settings(), DELTA_LAKE: wrongStorage() }), same],
    [
      'a connection string with an expired signature',
      () => ({ ...settings(), DELTA_LAKE: `BlobEndpoint=${accountUrl()};SharedAccessSignature=${expired}` }),
      same,
    ],
    ['a connection string that is none', () => ({ ...settings(), DELTA_LAKE: `AccountKey ${SECRETS.storage}` }), same],
    [
      'an address with a password',
      () => ({ ...settings(), COSMOS_ENDPOINT: `https://user:${SECRETS.password}@cosmos.example/` }),
      same,
    ],
    [
      'a source with a signature',
      settings,
      (configuration) => configuration.replace(/("source":"[^"]*)"/, `$1?${expired}"`),
    ],
    [
      'a source with a password',
      settings,
      (configuration) => configuration.replace('"source":"http://', `"source":"http://user:${SECRETS.password}@`),
    ],
    ['an identity without a role', keyless, same],
    [
      'an identity that may not read RU/s',
      () => ({
        ...keyless(),
        COSMOS_RESOURCE_ID: '/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/a',
        RESOURCE_MANAGER_ENDPOINT: identityUrl,
      }),
      (configuration) => configuration.replace('"ruPerSecond":100000', '"share":0.5'),
    ],
  ];
}

const IN_THE_APP = [
  'a wrong key of Cosmos DB',
  'a wrong key of the lake',
  'a source with a signature',
  'an identity that may not read RU/s',
];

const accountUrl = (): string => cloud.lake.url.replace(/\/lake$/, '');

test('failures of every kind, in the app', async () => {
  const { path, version } = await makeTable('bad');
  await cloud.publish(path, 'bad', version);
  // Each with the messages that the former left behind: they fail again and again, and end as poison.
  for (const [index, [what, environment, change]] of failures().entries()) {
    // The others are met where settings are read, which the command line does in the same way.
    if (!IN_THE_APP.includes(what)) continue;
    const configuration = change(cloud.configuration(['bad'], 100_000));
    const host = await cloud.run(packageOf(join(folder, `app-${index}`), configuration), {
      ...environment(),
      TASKHUB_NAME: `failure${index}`,
      AzureFunctionsJobHost__extensions__queues__visibilityTimeout: '00:00:00',
    });
    await cloud.hint('bad', version);
    const asked = await host.fetch('/api/tables/bad/sync', { method: 'POST' });
    const answer = await asked.text();
    await host.fetch('/admin/functions/onSweep', { method: 'POST' });
    // Something has failed and was told.
    await until(
      `${what} to be told`,
      async () =>
        /epochFailed|functionFailed|sliceFailed|"failed"/.test(logOf(host) + (await answersOf(host, 'bad'))) ||
        undefined,
      240_000,
    );
    expectNoSecret(what, [answer, await answersOf(host, 'bad')].join('\n'));
    await host.stop('drain');
    expectNoSecret(`the log of ${what}`, logOf(host));
    expect((await cloud.state('bad'))?.checkpoint ?? null, what).toBeNull();
  }
  expectNoSecret('what is stored', await stored());
});

test('failures of every kind, on the command line', async () => {
  for (const [index, [what, environment, change]] of failures().entries()) {
    const file = join(folder, `failure-${index}.json`);
    writeFileSync(file, change(cloud.configuration(['good'], 100_000)));
    const { code, text } = await command(['plan', '--config', file], environment());
    expect(code, `${what}: ${text}`).not.toBe(-1);
    expectNoSecret(what, text);
  }
  const source = `${cloud.lake.url}/good?sig=${encodeURIComponent(base64(SECRETS.signature))}&se=2020-01-02T00:00:00Z&sp=r&sv=2024-11-04&sr=c`;
  for (const argv of [
    ['inspect', source],
    ['rows', source],
    ['inspect', cloud.lake.url.replace('http://', `http://user:${SECRETS.password}@`)],
    ['status', '--app', `http://127.0.0.1:9/?code=${SECRETS.functionKey}`, '--key', SECRETS.functionKey],
    ['status', '--app', identityUrl, '--key', SECRETS.functionKey],
  ]) {
    const { code, text } = await command(argv, {});
    expect(code, text).toBeGreaterThan(0);
    expectNoSecret(argv[0] ?? '', text);
  }
});
