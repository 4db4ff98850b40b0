import { createServer, request as forward, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { openAppDependencies } from '../../src/activities/app-dependencies.ts';
import { readAppSettings } from '../../src/config/app-settings.ts';
import { parseSyncConfiguration } from '../../src/config/sync-configuration.ts';
import { silentLog } from '../../src/shared/telemetry.ts';
import { CONTAINER, DATABASE, openWriterTarget, pagesOf, upsert } from '../support/writer-target.ts';

const { signal } = new AbortController();

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

let proxy: Server | undefined;
afterEach(async () => {
  proxy?.closeAllConnections();
  proxy?.close();
});

/** Passes requests on to the emulator and remembers them. */
async function watched(endpoint: string): Promise<{ readonly endpoint: string; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const { hostname, port } = new URL(endpoint);
  proxy = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming;
    seen.push({ method, path: url, headers });
    const passed = forward({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => void proxy?.listen(0, '127.0.0.1', resolve));
  return { endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`, seen };
}

describe('the marks of a budget', () => {
  it.each([
    [{ priority: 'Low', throughputBucket: 3 }, 'Low', '3'],
    [{}, undefined, undefined],
  ])('%j are on every request to the mirrored container, and on none to the state', async (marks, priority, bucket) => {
    const target = await openWriterTarget({ partitions: 2 });
    await target.client.databases.create({ id: 'delta-cosmos-sync' });
    const control = target.client.database('delta-cosmos-sync');
    for (const id of ['state', 'leases']) await control.containers.create({ id, partitionKey: { paths: ['/target'] } });
    const { endpoint, seen } = await watched(target.emulator.endpoint);
    const configuration = parseSyncConfiguration(
      JSON.stringify({
        budgets: { shop: { target: `${DATABASE}/${CONTAINER}`, ruPerSecond: 5000, ...marks } },
        tables: {
          products: {
            source: tmpdir(),
            target: { database: DATABASE, container: CONTAINER },
            id: '${id}',
            mode: 'mirror',
            budget: 'shop',
          },
        },
      }),
      'sync.json',
    );
    const settings = readAppSettings({
      COSMOS_ENDPOINT: endpoint,
      COSMOS_KEY: target.emulator.key,
      AzureWebJobsStorage: 'UseDevelopmentStorage=true',
      ALLOW_FOLDER_SOURCES: '1',
    });
    const deps = await openAppDependencies({ settings, configuration, log: silentLog, appVersion: '1.0' });
    try {
      const { writer } = await deps.target('products');
      await writer.describe(signal);
      const operations = Array.from({ length: 250 }, (_, n) => upsert(`p${n}`, `category ${n % 7}`));
      for await (const outcomes of writer.write(pagesOf([operations]), signal))
        expect(outcomes.every(({ status }) => status === 'applied')).toBe(true);
      const identities = operations.slice(0, 5).map(({ identity }) => identity);
      expect((await writer.read(identities, signal)).documents).toHaveLength(5);
      await writer.scan({ start: '', end: 'FF' }, null, signal);
    } finally {
      await deps.close();
    }
    const mirrored = seen.filter(({ path }) => path.startsWith(`/dbs/${DATABASE}/colls/${CONTAINER}`));
    expect(new Set(mirrored.map(({ method, path }) => `${method} ${path}`)).size).toBeGreaterThanOrEqual(3);
    expect(mirrored.length).toBeGreaterThan(5);
    for (const { headers } of mirrored) {
      expect(headers['x-ms-cosmos-priority-level']).toBe(priority);
      expect(headers['x-ms-cosmos-throughput-bucket']).toBe(bucket);
    }
    const others = seen.filter(({ path }) => path.startsWith('/dbs/delta-cosmos-sync'));
    expect(others.length).toBeGreaterThan(0);
    for (const { headers } of others) {
      expect(headers['x-ms-cosmos-priority-level']).toBeUndefined();
      expect(headers['x-ms-cosmos-throughput-bucket']).toBeUndefined();
    }
  });
});
