import { Agent } from 'node:https';
import { CosmosClient } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosmosLeaseStore } from '../../../src/cosmos/lease/cosmos-lease-store.ts';
import { newLeaseDocument, nextLeaseDocument } from '../../../src/cosmos/lease/lease-document.ts';
import type { LeaseStore } from '../../../src/cosmos/lease/lease-store.ts';
import { openRuBudget } from '../../../src/cosmos/ru-lease.ts';
import { budgetRuPerSecond, offerThroughput } from '../../../src/cosmos/throughput-source.ts';
import { startCosmosEmulator } from '../../../src/local/cosmos-emulator/emulator.ts';
import type { CosmosEmulator } from '../../../src/local/cosmos-emulator/emulator.ts';

const signal = new AbortController().signal;
let emulator: CosmosEmulator;
let client: CosmosClient;

function connect(of: CosmosEmulator): CosmosClient {
  return new CosmosClient({ endpoint: of.endpoint, key: of.key });
}

async function storeIn(container: string, paths: readonly string[], budget = 'shop'): Promise<LeaseStore> {
  const { database } = await client.databases.createIfNotExists({ id: 'control' });
  const kind = paths.length > 1 ? { kind: 'MultiHash' as never, version: 2 } : {};
  await database.containers.createIfNotExists({
    id: container,
    partitionKey: { paths: [...paths], ...kind },
    defaultTtl: 1,
  });
  return cosmosLeaseStore(database.container(container), budget);
}

beforeAll(async () => {
  emulator = await startCosmosEmulator({ ruPerSecond: 10_000 });
  client = connect(emulator);
});

afterAll(async () => {
  client.dispose();
  await emulator.close();
});

describe('lease document in a container', () => {
  it.each([['/target'], ['/id'], ['/a/b']])('is created, read and replaced under the key path %s', async (path) => {
    const store = await storeIn(`keyed${path.replaceAll('/', '-')}`, [path]);
    expect(await store.read(null, signal)).toEqual({ kind: 'absent' });
    const first = newLeaseDocument(300_000, 1000);
    const created = await store.replace(first, null, signal);
    expect(created.kind).toBe('written');
    const etag = created.kind === 'written' ? created.etag : '';
    expect(await store.read(etag, signal)).toEqual({ kind: 'unchanged' });
    expect(await store.read(null, signal)).toEqual({ kind: 'document', document: first, etag });
    const entry = { grant: 5, demand: 7, operation: 3, turn: 2, seq: 1, ttl: 4000 };
    const second = nextLeaseDocument(first, new Map([['a.1', entry]]), ['b.1']);
    expect((await store.replace(second, etag, signal)).kind).toBe('written');
    expect(await store.replace(second, etag, signal)).toEqual({ kind: 'conflict' });
    expect(await store.replace(first, null, signal)).toEqual({ kind: 'conflict' });
    expect(await store.read(etag, signal)).toMatchObject({ kind: 'document', document: second });
  });

  it('outlives the TTL of its container', async () => {
    const store = await storeIn('short-lived', ['/target']);
    await store.replace(newLeaseDocument(100, 1), null, signal);
    emulator.advanceClock(10_000);
    expect((await store.read(null, signal)).kind).toBe('document');
  });

  it('keeps budgets of one container apart', async () => {
    const one = await storeIn('several', ['/target'], 'one');
    const two = await storeIn('several', ['/target'], 'two/?#');
    await one.replace(newLeaseDocument(100, 1), null, signal);
    expect(await two.read(null, signal)).toEqual({ kind: 'absent' });
    expect((await two.replace(newLeaseDocument(200, 1), null, signal)).kind).toBe('written');
  });

  it('reports a lost answer as retryable, and the write may have been applied', async () => {
    const store = await storeIn('lossy', ['/target']);
    await store.read(null, signal);
    emulator.faults.add({ match: { container: 'lossy', method: 'POST' }, action: { kind: 'reset', when: 'after' } });
    await expect(store.replace(newLeaseDocument(100, 1), null, signal)).rejects.toMatchObject({
      code: 'leaseUnavailable',
      retryable: true,
    });
    expect((await store.read(null, signal)).kind).toBe('document');
  });

  it('says what is wrong with a container that is missing or cannot hold it', async () => {
    const missing = cosmosLeaseStore(client.database('control').container('nowhere'), 'shop');
    await expect(missing.read(null, signal)).rejects.toMatchObject({ code: 'leaseContainerMissing' });
    const wrong = await storeIn('hierarchical', ['/a', '/b']);
    await expect(wrong.read(null, signal)).rejects.toMatchObject({ code: 'leaseContainerUnsuitable' });
  });

  it('refuses a document that somebody else made', async () => {
    const store = await storeIn('foreign', ['/target']);
    await store.read(null, signal);
    const container = client.database('control').container('foreign');
    const item = { id: 'ru-lease-shop', target: 'ru-lease-shop', ttl: -1 };
    const good = { version: 1, budget: 100, configured: 100, sum: 0, holders: {}, ended: [] };
    const entry = { grant: 1, demand: 1, operation: 1, turn: 1, seq: 1, ttl: 4000 };
    const bad: readonly Record<string, unknown>[] = [
      {},
      { ...good, holders: [] },
      { ...good, budget: -1 },
      { ...good, budget: '100' },
      { ...good, version: 0.5 },
      { ...good, ended: Array.from({ length: 33 }, () => 'x') },
      { ...good, holders: { x: { ...entry, ttl: 1e12 } }, sum: 1 },
      { ...good, holders: { x: entry }, sum: 2 },
      { ...good, holders: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`h${i}`, entry])), sum: 1001 },
    ];
    for (const body of bad) {
      await container.items.upsert({ ...item, ...body });
      await expect(store.read(null, signal)).rejects.toMatchObject({ code: 'leaseDamaged', retryable: false });
    }
  });

  it('says that the key, the certificate or the network is at fault, where it is', async () => {
    const reading = (endpoint: string, key: string): Promise<unknown> => {
      const other = new CosmosClient({ endpoint, key, connectionPolicy: { enableEndpointDiscovery: false } });
      const store = cosmosLeaseStore(other.database('control').container('state'), 'shop');
      return store.read(null, signal).finally(() => other.dispose());
    };
    await expect(reading(emulator.endpoint, Buffer.alloc(64).toString('base64'))).rejects.toMatchObject({
      code: 'leaseForbidden',
      remedy: expect.stringContaining('key') as string,
    });
    const secured = await startCosmosEmulator({ https: true });
    try {
      await expect(reading(secured.endpoint, secured.key)).rejects.toMatchObject({
        code: 'leaseForbidden',
        retryable: false,
        reason: expect.stringContaining('TLS') as string,
      });
    } finally {
      await secured.close();
    }
  });

  it('names the missing role', async () => {
    const guarded = await startCosmosEmulator({ https: true, auth: { entra: { roles: { nobody: [] } } } });
    try {
      const owner = new CosmosClient({
        endpoint: guarded.endpoint,
        key: guarded.key,
        agent: new Agent({ ca: guarded.caCertificate }),
      });
      await owner.databases.create({ id: 'control' });
      await owner.database('control').containers.create({ id: 'state', partitionKey: { paths: ['/target'] } });
      owner.dispose();
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const exp = Math.floor(Date.now() / 1000) + 3600;
      const token = `${part({ alg: 'none' })}.${part({ oid: 'nobody', aud: guarded.endpoint, exp })}.`;
      const other = new CosmosClient({
        endpoint: guarded.endpoint,
        aadCredentials: { getToken: () => Promise.resolve({ token, expiresOnTimestamp: exp * 1000 }) },
        agent: new Agent({ ca: guarded.caCertificate }),
      });
      const store = cosmosLeaseStore(other.database('control').container('state'), 'shop');
      await expect(store.read(null, signal)).rejects.toMatchObject({ code: 'leaseForbidden', retryable: false });
      other.dispose();
    } finally {
      await guarded.close();
    }
  });
});

describe('RU/s from the offer', () => {
  it('reads manual, autoscale and shared throughput, and none on a serverless account', async () => {
    const { database } = await client.databases.create({ id: 'offers', throughput: 1000 });
    const manual = await database.containers.create({ id: 'm', partitionKey: { paths: ['/a'] }, throughput: 4000 });
    const auto = await database.containers.create({ id: 'x', partitionKey: { paths: ['/a'] }, maxThroughput: 8000 });
    const shared = await database.containers.create({ id: 's', partitionKey: { paths: ['/a'] } });
    expect(await offerThroughput(database, manual.container).read(signal)).toBe(4000);
    expect(await offerThroughput(database, auto.container).read(signal)).toBe(8000);
    expect(await budgetRuPerSecond({ share: 0.5 }, offerThroughput(database, auto.container), signal)).toBe(4000);
    expect(await offerThroughput(database, shared.container).read(signal)).toBe(1000);

    const serverless = await startCosmosEmulator({ serverless: true });
    const other = connect(serverless);
    const { database: db } = await other.databases.create({ id: 'd' });
    const { container } = await db.containers.create({ id: 'c', partitionKey: { paths: ['/a'] } });
    expect(await offerThroughput(db, container).read(signal)).toBeNull();
    other.dispose();
    await serverless.close();
  });
});

describe('budget on a real container', () => {
  it('fails what waits when the lease cannot be used, and works once it can', async () => {
    const missing = cosmosLeaseStore(client.database('control').container('nowhere'), 'shop');
    const broken = openRuBudget({ store: missing, ruPerSecond: () => Promise.resolve(1000) });
    const limiter = broken.limiterFor({ id: 't', priority: 'bulk' });
    const request = { partition: null, estimatedRu: 10, operations: 1 };
    await expect(limiter.reserve(request, signal)).rejects.toMatchObject({ code: 'leaseContainerMissing' });
    await broken.close();

    const store = await storeIn('working', ['/target']);
    const invalid = openRuBudget({ store, ruPerSecond: () => Promise.resolve(0) });
    await expect(invalid.limiterFor({ id: 't', priority: 'bulk' }).reserve(request, signal)).rejects.toMatchObject({
      code: 'budgetInvalid',
    });
    await invalid.close();

    const budget = openRuBudget({ store, ruPerSecond: () => Promise.resolve(1000), processId: 'one' });
    const registered: string[] = [];
    const register = (holderId: string): Promise<void> => {
      registered.push(holderId);
      return Promise.resolve();
    };
    const used = budget.limiterFor({ id: 't', priority: 'bulk', register });
    const reservation = await used.reserve(request, signal);
    expect(reservation.expired.aborted).toBe(false);
    expect(registered).toEqual(['one.1']);
    expect(budget.held()).toMatchObject({ holderId: 'one.1', grant: 990, budget: 1000, holders: 1 });
    reservation.settle(12);
    expect(budget.held().spent).toBe(12);

    await budget.changeBudget(500, signal);
    await used.close();
    await budget.close();
    const read = await store.read(null, signal);
    expect(read.kind === 'document' && read.document).toMatchObject({ budget: 50_000, sum: 0, ended: ['one.1'] });
  });
});
