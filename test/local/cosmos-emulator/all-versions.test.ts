import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChangeFeedMode, ChangeFeedStartFrom } from '@azure/cosmos';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { JsonMap } from '../../../src/local/cosmos-emulator/json.ts';
import type { CosmosEmulator } from '../../../src/local/cosmos-emulator/emulator.ts';
import { raw, running, statusOf, type NewContainer } from './client.ts';

const MINUTES = 10;
const KEPT: NewContainer = { id: 'kept', partitionKey: '/who', changeFeedPolicy: { retentionDuration: MINUTES } };

interface Read {
  readonly status: number;
  readonly text: string;
  /** Changes as `operation id n`. */
  readonly changes: readonly string[];
  readonly documents: readonly JsonMap[];
  readonly etag: string;
}

/** One page of the feed after `from`. */
async function read(
  emulator: CosmosEmulator,
  from: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<Read> {
  const answer = await raw(emulator, 'GET', '/dbs/db/colls/kept/docs', {
    headers: {
      'a-im': 'Full-Fidelity Feed',
      'x-ms-documentdb-partitionkeyrangeid': '0',
      ...(from === undefined ? {} : { 'if-none-match': from }),
      ...headers,
    },
  });
  const { Documents: documents = [] } = (answer.json ?? {}) as { readonly Documents?: readonly JsonMap[] };
  const changes = documents.map(({ current, previous, metadata }) => {
    const { id, n } = (current ?? previous) as JsonMap;
    return [(metadata as JsonMap)['operationType'], id, n]
      .map((part) => JSON.stringify(part))
      .join(' ')
      .replaceAll('"', '');
  });
  return { status: answer.status, text: answer.text, changes, documents, etag: answer.headers.get('etag') ?? '' };
}

describe('the change feed of all versions', () => {
  it('gives every create, replace, patch and delete in order, each once', async () => {
    await using space = await running();
    const container = await space.container(KEPT);
    await container.items.create({ id: 'early', who: 'ann', n: 0 });
    const start = await read(space.emulator, '*');
    expect(start).toMatchObject({ status: 304, etag: '"1"' });

    await container.items.create({ id: 'a', who: 'ann', n: 1 });
    await container.items.upsert({ id: 'a', who: 'ann', n: 2 });
    await container.item('a', 'ann').replace({ id: 'a', who: 'ann', n: 3 });
    await container.item('a', 'ann').patch([{ op: 'incr', path: '/n', value: 1 }]);
    await container.items.upsert({ id: 'b', who: 'bob', n: 1 });
    await container.item('a', 'ann').delete();
    await container.items.create({ id: 'a', who: 'ann', n: 5 });
    await container.item('early', 'ann').delete();

    const all = await read(space.emulator, start.etag);
    expect(all.changes.join(', ')).toBe(
      'create a 1, replace a 2, replace a 3, replace a 4, create b 1, delete a 4, create a 5, delete early 0',
    );
    expect(await read(space.emulator, all.etag)).toMatchObject({ status: 304, etag: all.etag });

    const pages: string[] = [];
    let etag = start.etag;
    for (let page = await read(space.emulator, etag, { 'x-ms-max-item-count': '3' }); page.status === 200;) {
      expect(page.changes.length).toBeLessThanOrEqual(3);
      pages.push(...page.changes);
      ({ etag } = page);
      page = await read(space.emulator, etag, { 'x-ms-max-item-count': '3' });
    }
    expect(pages).toEqual(all.changes);

    const [created, , , , , deleted] = all.documents;
    expect(created).toEqual({
      current: expect.objectContaining({
        id: 'a',
        n: 1,
        _rid: expect.any(String),
        _etag: expect.any(String),
      }) as unknown,
      metadata: { operationType: 'create', lsn: 2, crts: expect.any(Number) as unknown },
    });
    expect(deleted).toEqual({
      current: null,
      previous: expect.objectContaining({ id: 'a', n: 4 }) as unknown,
      metadata: {
        operationType: 'delete',
        lsn: 7,
        crts: expect.any(Number) as unknown,
        previousImageLSN: 5,
        id: 'a',
        partitionKey: { who: 'ann' },
        timeToLiveExpired: false,
      },
    });
  });

  it('can be read of one partition key and of a range of keys, also through the SDK', async () => {
    await using space = await running();
    const container = await space.container({ ...KEPT, throughput: 20_000 });
    const modes = { changeFeedMode: ChangeFeedMode.AllVersionsAndDeletes };
    const iterators = [
      container.items.getChangeFeedIterator(modes),
      container.items.getChangeFeedIterator({ ...modes, changeFeedStartFrom: ChangeFeedStartFrom.Now('bob') }),
    ];
    for (const iterator of iterators) expect((await iterator.readNext()).statusCode).toBe(304);
    for (const who of ['ann', 'bob', 'cid', 'dan', 'eve']) await container.items.create({ id: 'x', who });
    await container.item('x', 'bob').delete();
    const counts: number[] = [];
    for (const iterator of iterators) {
      let count = 0;
      // A round over the ranges ends with the first that has nothing, or with all of them having nothing.
      for (let empty = 0; empty < 8;) {
        const { result } = await iterator.readNext();
        count += result.length;
        empty = result.length === 0 ? empty + 1 : 0;
      }
      counts.push(count);
    }
    expect(counts).toEqual([6, 2]);
  });

  it('has the writes of an atomic batch when it succeeds, and nothing of one that fails', async () => {
    await using space = await running();
    const container = await space.container(KEPT);
    const upsert = (n: number): unknown => ({ operationType: 'Upsert', resourceBody: { id: 'a', who: 'ann', n } });
    await container.items.batch([upsert(1), upsert(2), { operationType: 'Delete', id: 'none' }] as never, 'ann');
    await container.items.batch([upsert(3), { operationType: 'Delete', id: 'a' }, upsert(4)] as never, 'ann');
    const { changes, documents } = await read(space.emulator, '"0"');
    expect(changes).toEqual(['create a 3', 'delete a 3', 'create a 4']);
    expect(documents.map(({ metadata }) => (metadata as JsonMap)['lsn'])).toEqual([1, 2, 3]);
  });

  it('tells deletes by time to live from others', async () => {
    await using space = await running();
    const container = await space.container({ ...KEPT, defaultTtl: -1 });
    await container.items.create({ id: 'short', who: 'ann', n: 1, ttl: 5 });
    await container.items.create({ id: 'long', who: 'ann', n: 1 });
    space.emulator.advanceClock(6_000);
    const { changes, documents } = await read(space.emulator, '"2"');
    expect(changes).toEqual(['delete short 1']);
    expect(documents[0]?.['metadata']).toMatchObject({ timeToLiveExpired: true });
  });

  it('refuses to go on where changes are forgotten', async () => {
    await using space = await running();
    const container = await space.container(KEPT);
    const refusal = 'You must read the change feed from within the retention period.';
    await container.items.create({ id: 'a', who: 'ann', n: 1 });
    space.emulator.advanceClock(60_000);
    await container.items.create({ id: 'b', who: 'ann', n: 2 });
    expect((await read(space.emulator, '"0"')).changes).toHaveLength(2);
    space.emulator.advanceClock((MINUTES - 1) * 60_000 + 1_000);
    expect(await read(space.emulator, '"0"')).toMatchObject({ status: 400, text: expect.stringContaining(refusal) });
    expect((await read(space.emulator, '"1"')).changes).toEqual(['create b 2']);
    for (const headers of [{}, { 'if-modified-since': new Date().toUTCString() }]) {
      const begun = await read(space.emulator, undefined, headers);
      expect(begun).toMatchObject({ status: 400, text: expect.stringContaining(refusal) });
    }
  });

  it('goes on in the children of a split', async () => {
    await using space = await running();
    const container = await space.container(KEPT);
    const names = Array.from({ length: 20 }, (_, i) => `w${i}`);
    for (const who of names) await container.items.create({ id: 'a', who, n: who });
    for (const who of names) await container.item('a', who).delete();
    const children = space.emulator.split('db', 'kept', '0');
    const found: string[] = [];
    for (const id of children) {
      found.push(...(await read(space.emulator, '"0"', { 'x-ms-documentdb-partitionkeyrangeid': id })).changes);
    }
    expect(found.toSorted()).toEqual(names.flatMap((n) => [`create a ${n}`, `delete a ${n}`]).toSorted());
  });

  it('does not pretend to know what was before a restart', async () => {
    const dataFolder = mkdtempSync(join(tmpdir(), 'emulator-versions-'));
    onTestFinished(() => {
      rmSync(dataFolder, { recursive: true, force: true });
    });
    {
      await using space = await running({ dataFolder });
      const container = await space.container(KEPT);
      await container.items.create({ id: 'a', who: 'ann', n: 1 });
      expect((await read(space.emulator, '"0"')).changes).toEqual(['create a 1']);
    }
    await using space = await running({ dataFolder });
    expect((await read(space.emulator, '"0"')).status).toBe(400);
    await space.client.database('db').container('kept').item('a', 'ann').delete();
    expect((await read(space.emulator, '"1"')).changes).toEqual(['delete a 1']);
  });

  it('needs a policy, which a replace of the container gives and takes', async () => {
    await using space = await running();
    const container = await space.container({ id: 'kept', partitionKey: '/who' });
    await container.items.create({ id: 'a', who: 'ann', n: 1 });
    expect((await read(space.emulator, '*')).status).toBe(400);
    const { resource } = await container.read();
    const replace = (policy: unknown): Promise<number | string | undefined> =>
      statusOf(container.replace({ ...resource, changeFeedPolicy: policy } as never));
    expect(await replace({ retentionDuration: 5 })).toBe(200);
    await container.items.create({ id: 'b', who: 'ann', n: 2 });
    expect((await read(space.emulator, '"0"')).status).toBe(400);
    expect((await read(space.emulator, '"1"')).changes).toEqual(['create b 2']);
    for (const bad of [{ retentionDuration: -1 }, { retentionDuration: 1.5 }, { retentionDuration: '5' }, 5]) {
      expect(await replace(bad)).toBe(400);
    }
    expect(await replace({ retentionDuration: 0 })).toBe(200);
    expect((await read(space.emulator, '"2"')).status).toBe(400);
    const unknown = await raw(space.emulator, 'GET', '/dbs/db/colls/kept/docs', { headers: { 'a-im': 'Other Feed' } });
    expect(unknown.status).toBe(400);
  });
});
