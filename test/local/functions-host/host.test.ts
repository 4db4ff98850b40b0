/** Starting a host: configuration, refusals with codes, the process, its ready line and its end. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostConfiguration, overrideHostJson, readHostJson } from '../../../src/local/functions-host/host-json.ts';
import type { HostConfiguration } from '../../../src/local/functions-host/host-json.ts';
import type { JsonObject } from '../../../src/local/functions-host/json.ts';
import { AppSettings } from '../../../src/local/functions-host/settings.ts';
import { SyncError } from '../../../src/shared/errors.ts';
import { isAlive, spawnHost } from './host-process.ts';
import { copyApp, startTestHost, until } from './test-host.ts';

const SETTINGS = { TASKHUB_NAME: 'process' };
let folders: string[] = [];
let servers: Server[] = [];
beforeEach(() => {
  folders = [];
  servers = [];
});
afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  for (const server of servers) server.close();
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'functions-host-'));
  folders.push(folder);
  return folder;
}

function app(files: Readonly<Record<string, string>>): string {
  const folder = copyApp('durable');
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

async function refusal(started: Promise<unknown>): Promise<SyncError> {
  const error = await started.then(
    () => new Error('It started.'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SyncError);
  return error as SyncError;
}

async function takenPort(): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

describe('host.json', () => {
  function configuration(hostJson: JsonObject, settings: Record<string, string> = {}): HostConfiguration {
    const appSettings = new AppSettings(settings);
    return hostConfiguration(overrideHostJson({ version: '2.0', ...hostJson }, {}, appSettings), appSettings);
  }

  it('has the official defaults', () => {
    const { functionTimeoutMilliseconds, routePrefix, durable, queues, blobs } = configuration({});
    expect({ functionTimeoutMilliseconds, routePrefix }).toEqual({
      functionTimeoutMilliseconds: 1_800_000,
      routePrefix: 'api',
    });
    expect(durable).toMatchObject({
      hubName: 'TestHubName',
      defaultVersion: null,
      versionMatchStrategy: 'CurrentOrOlder',
    });
    expect(queues).toEqual({
      maxPollingInterval: 60_000,
      visibilityTimeout: 0,
      batchSize: 16,
      newBatchThreshold: 8,
      maxDequeueCount: 5,
      messageEncoding: 'base64',
    });
    expect(blobs.poisonBlobThreshold).toBe(5);
  });

  it('is overridden by settings, whatever the case, and by %SETTING%', () => {
    const { durable, queues, functionTimeoutMilliseconds } = configuration(
      { functionTimeout: '-1', extensions: { durableTask: { hubName: '%hub%' }, queues: { batchSize: 1 } } },
      {
        HUB: 'named',
        AzureFunctionsJobHost__extensions__DurableTask__maxConcurrentActivityFunctions: '7',
        'azurefunctionsjobhost:extensions:queues:maxPollingInterval': '00:00:00.250',
        AzureFunctionsJobHost__extensions__queues__batchSize: '9',
      },
    );
    expect(durable).toMatchObject({ hubName: 'named', maxConcurrentActivities: 7 });
    expect(queues).toMatchObject({ batchSize: 9, newBatchThreshold: 4, maxPollingInterval: 250 });
    expect(functionTimeoutMilliseconds).toBeUndefined();
  });

  it.each([
    [{ extensions: { queues: { batchSize: 33 } } }, 'extensions.queues.batchSize'],
    [{ extensions: { queues: { visibilityTimeout: 'soon' } } }, 'extensions.queues.visibilityTimeout'],
    [{ functionTimeout: {} }, 'functionTimeout'],
    [{ extensions: { durableTask: { versionMatchStrategy: 'Maybe' } } }, 'versionMatchStrategy'],
    [{ extensions: { durableTask: { hubName: '%MISSING%' } } }, 'MISSING'],
  ])('with %j is refused by name', (hostJson, name) => {
    expect(() => configuration(hostJson)).toThrow(name);
  });

  it.each([
    ['{', 'configMalformed'],
    ['[]', 'configInvalid'],
    ['{"version":"1.0"}', 'configInvalid'],
  ])('with the text %s is refused', (text, code) => {
    const folder = app({ 'host.json': text });
    expect(() => readHostJson(folder)).toThrow(expect.objectContaining({ code }) as Error);
  });
});

describe('a host that cannot start', () => {
  it.each([
    ['without package.json main', { 'package.json': '{}' }, 'names no "main"'],
    ['whose main is not built', { 'package.json': '{"main":"dist/main.cjs"}' }, 'build the app'],
    ['that throws while loading', { 'index.js': 'throw new Error("setting X is missing")' }, 'setting X is missing'],
    ['that ends while loading', { 'index.js': 'process.exit(7)' }, 'code 7'],
    ['with a syntax error', { 'index.js': 'const = 1' }, 'SyntaxError'],
    [
      'that registers a function twice',
      {
        'index.js':
          "const { app } = require('@azure/functions'); for (const i of [1, 2]) app.http('same', { handler: () => i });",
      },
      'already been registered',
    ],
  ])('says why it does not load an app %s', async (_name, files, reason) => {
    const dataFolder = temporary();
    const error = await refusal(startTestHost({ appFolder: app(files), dataFolder, settings: SETTINGS, workers: 2 }));
    expect(error.code).toBe('appLoadFailed');
    expect(error.message).toContain(reason);
  });

  it('names the port that is taken, and a missing app folder', async () => {
    const port = await takenPort();
    const taken = await refusal(
      startTestHost({ fixture: 'durable', dataFolder: temporary(), port, settings: SETTINGS }),
    );
    expect(taken.code).toBe('portTaken');
    expect(taken.message).toContain(String(port));
    const appFolder = join(temporary(), 'none');
    expect((await refusal(startTestHost({ appFolder, dataFolder: temporary() }))).code).toBe('configNotFound');
  });

  it('names the storage that is missing, malformed or not reachable, and never its key', async () => {
    const port = await takenPort();
    const connection = (endpoint: string): string =>
      `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=${endpoint};QueueEndpoint=${endpoint};`;
    servers[0]?.close();
    const settings = { WORK_QUEUE: 'w', HOURLY: '0 0 * * * *' };
    for (const [storage, code] of [
      [undefined, 'settingMissing'],
      ['AccountKey=c2VjcmV0', 'configInvalid'],
      [connection(`http://127.0.0.1:${port}/a`), 'storageUnavailable'],
    ] as const) {
      const withStorage = storage === undefined ? settings : { ...settings, AzureWebJobsStorage: storage };
      const error = await refusal(
        startTestHost({ fixture: 'triggers', dataFolder: temporary(), settings: withStorage }),
      );
      expect(error.code).toBe(code);
      expect(error.message).not.toContain('c2VjcmV0');
    }
  });

  it('is one JSON line and an exit code, as a process', async () => {
    const dataFolder = temporary();
    const port = await takenPort();
    const host = spawnHost({ appFolder: app({}), dataFolder, settings: SETTINGS, port });
    expect(await host.first).toMatchObject({ type: 'error', code: 'portTaken' });
    expect((await host.exited).code).toBe(1);
  });
});

describe('a host process', () => {
  it('prints where it is, keeps its keys, and ends with its workers on SIGTERM', async () => {
    const dataFolder = temporary();
    const appFolder = app({});
    const start = async (): Promise<{ masterKey: string; pid: number; stop: () => Promise<number | null> }> => {
      const host = spawnHost({ appFolder, dataFolder, settings: SETTINGS, workers: 2 });
      const ready = await host.first;
      if (!('url' in ready)) throw new Error(ready.message);
      expect(ready.functions).toContainEqual({ name: 'whoami', trigger: 'http', url: `${ready.url}/api/whoami` });
      const { pid } = (await (await fetch(`${ready.url}/api/whoami`)).json()) as { pid: number };
      return {
        masterKey: ready.masterKey,
        pid,
        stop: async () => {
          host.child.kill('SIGTERM');
          return (await host.exited).code;
        },
      };
    };
    const first = await start();
    expect(await first.stop()).toBe(0);
    await until('end of the worker', () => !isAlive(first.pid) || undefined);
    const second = await start();
    expect(second.masterKey).toBe(first.masterKey);
    await second.stop();
    expect(existsSync(join(dataFolder, 'keys.json'))).toBe(true);
  });
});
