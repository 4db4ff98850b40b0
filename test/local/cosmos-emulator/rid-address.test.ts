import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { raw, running, type RawAnswer, type Running } from './client.ts';

describe('addresses by _rid', () => {
  let run: Running;
  let databaseRid: string;
  let containerRid: string;
  beforeAll(async () => {
    run = await running({ partitions: 2 });
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    await container.items.create({ id: 'a', pk: 'p' });
    databaseRid = (await run.client.database('db').read()).resource?._rid ?? '';
    containerRid = (await container.read()).resource?._rid ?? '';
  });
  afterAll(async () => {
    await run[Symbol.asyncDispose]();
  });

  /** Sends a request signed as the SDK for .NET does: over the last `_rid` alone, in lower case. */
  function byRid(
    method: string,
    path: string,
    type: string,
    rid: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown } = {},
  ): Promise<RawAnswer> {
    const date = new Date();
    const text = `${method.toLowerCase()}\n${type}\n${rid.toLowerCase()}\n${date.toUTCString().toLowerCase()}\n\n`;
    const signature = createHmac('sha256', Buffer.from(run.emulator.key, 'base64')).update(text).digest('base64');
    const authorization = encodeURIComponent(`type=master&ver=1.0&sig=${signature}`);
    return raw(run.emulator, method, path, { date, authorization, ...options });
  }

  it('reach what addresses by name reach', async () => {
    const path = `/dbs/${databaseRid}/colls/${containerRid}`;
    const database = await byRid('GET', `/dbs/${databaseRid}`, 'dbs', databaseRid);
    const container = await byRid('GET', path, 'colls', containerRid);
    const ranges = await byRid('GET', `${path}/pkranges`, 'pkranges', containerRid);
    const results = await byRid('POST', `${path}/docs`, 'docs', containerRid, {
      body: { query: 'SELECT VALUE c.id FROM c' },
      headers: { 'content-type': 'application/query+json', 'x-ms-documentdb-isquery': 'true' },
    });
    expect([database, container, ranges, results].map((answer) => answer.json)).toMatchObject([
      { id: 'db' },
      { id: 'c' },
      { PartitionKeyRanges: [{ id: '0' }, { id: '1' }] },
      { Documents: ['a'] },
    ]);
  });

  it('that belong to nothing are not found, and are signed as the others', async () => {
    const gone = containerRid.replace(/^./, 'x');
    const read = (rid: string, signed: string): Promise<RawAnswer> =>
      byRid('GET', `/dbs/${databaseRid}/colls/${rid}`, 'colls', signed);
    expect([(await read(gone, gone)).status, (await read(containerRid, gone)).status]).toEqual([404, 401]);
  });

  it('give way to a name that looks like one', async () => {
    await run.client.databases.create({ id: databaseRid });
    const { resource } = await run.client.database(databaseRid).read();
    await run.client.database(databaseRid).delete();
    expect(resource?.id).toBe(databaseRid);
  });
});

describe('partition key ranges as a feed of changes', () => {
  it('say that there is nothing new until a partition splits', async () => {
    await using run = await running({ partitions: 2 });
    await run.container({ id: 'c', partitionKey: '/pk' });
    const read = (etag: string, headers: Readonly<Record<string, string>>): Promise<RawAnswer> =>
      raw(run.emulator, 'GET', '/dbs/db/colls/c/pkranges', { headers: { 'if-none-match': etag, ...headers } });
    const incremental = { 'a-im': 'Incremental feed' };
    const first = await read('', incremental);
    const etag = first.headers.get('etag') ?? '';
    expect([first.status, (await read(etag, incremental)).status, (await read(etag, {})).status]).toEqual([
      200, 304, 200,
    ]);
    run.emulator.split('db', 'c', '1');
    const after = await read(etag, incremental);
    expect(after.json).toMatchObject({ PartitionKeyRanges: [{ id: '0' }, { id: '2' }, { id: '3' }] });
    expect((await read(after.headers.get('etag') ?? '', incremental)).status).toBe(304);
  });
});
