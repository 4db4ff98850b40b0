import { crc32 } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHybridRows } from '../../../src/local/cosmos-emulator/hybrid-row.ts';
import { Refusal } from '../../../src/local/cosmos-emulator/refusal.ts';
import { batchHeaders, raw, running, type RawAnswer, type Running } from './client.ts';

/** Batches as Microsoft.Azure.Cosmos 3.64.0 sent them. */
const FIVE_OPERATIONS = Buffer.from(
  '81f0d8ff7f010a00000081f1d8ff7f22000000095101a8817054e17f430000000002000000137b226964223a2231222c22706b223a2262227d' +
    '81f1d8ff7f28000000b519d9c3817054e17f431400000002000000197b226964223a2232222c22706b223a2262222c226e223a317d' +
    '81f1d8ff7f10000000d473e835817054e17f1302000000020000000131' +
    '81f1d8ff7f4500000048e6d0b1817054e17f5301000000020000000132347b226f7065726174696f6e73223a5b7b226f70223a22696e6372' +
    '222c2270617468223a222f6e222c2276616c7565223a317d5d7d81f1d8ff7f100000009303f638817054e17f1304000000020000000131',
  'hex',
);
const WITH_OPTIONS = Buffer.from(
  '81f0d8ff7f010a00000081f1d8ff7f3a000000f4a9f30b817054e17f431400000002000000197b226964223a2232222c22706b223a2262222c' +
    '226e223a317d140807496e636c756465140903224522030c81f1d8ff7f160000000a6d65f7817054e17f1302000000020000000131140a03' +
    '224e22',
  'hex',
);

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};
const short = (text: string): Buffer => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);

/** A batch of upserts (20) or other operations, each with its partition key and a document or an id. */
function batchOf(
  operations: readonly { readonly type: number; readonly key: string; readonly id?: string; readonly body?: string }[],
): Buffer {
  const rows = operations.map(({ type, key, id, body }) => {
    const present = 3 | 4 | (id === undefined ? 0 : 16) | (body === undefined ? 0 : 64);
    const fields = [key, id, body].filter((text) => text !== undefined).map(short);
    return Buffer.concat([Buffer.from('817054e17f', 'hex'), Buffer.from([present]), int32(type), int32(2), ...fields]);
  });
  const records = rows.flatMap((row) => [Buffer.from('81f1d8ff7f', 'hex'), int32(row.length), int32(crc32(row)), row]);
  return Buffer.concat([Buffer.from('81f0d8ff7f010a000000', 'hex'), ...records]);
}

/** The results of an answer; each record's checksum is checked. */
function resultsOf(answer: RawAnswer): readonly Record<string, unknown>[] {
  const data = answer.bytes;
  expect(data.subarray(0, 10).toString('hex')).toBe('81f0d8ff7f010a000000');
  const results: Record<string, unknown>[] = [];
  for (let at = 10; at < data.length;) {
    const row = data.subarray(at + 13, at + 13 + data.readInt32LE(at + 5));
    expect(crc32(row)).toBe(data.readUInt32LE(at + 9));
    expect(row.subarray(0, 5).toString('hex')).toBe('817154e17f');
    at += 13 + row.length;
    const result: Record<string, unknown> = { status: row.readInt32LE(6), substatus: row.readInt32LE(10) };
    let place = 14;
    const text = (): string => {
      let length = row[place++] ?? 0;
      if (length > 127) length = (length & 127) | ((row[place++] ?? 0) << 7);
      place += length;
      return row.subarray(place - length, place).toString('utf8');
    };
    if (((row[5] ?? 0) & 4) !== 0) result['etag'] = text();
    if (((row[5] ?? 0) & 8) !== 0) result['resource'] = JSON.parse(text());
    while (place < row.length) {
      const name = row.readUInt16BE(place);
      if (name === 0x0b05) result['retryAfter'] = row.readUInt32LE(place + 2);
      else if (name === 0x1006) result['charge'] = row.readDoubleLE(place + 2);
      else throw new Error(`field ${name}`);
      place += name === 0x0b05 ? 6 : 10;
    }
    results.push(result);
  }
  return results;
}

const ATOMIC = { 'x-ms-cosmos-is-batch-request': 'true', 'x-ms-cosmos-batch-atomic': 'true' };

function send(run: Running, body: Buffer, headers: Readonly<Record<string, string>>): Promise<RawAnswer> {
  return raw(run.emulator, 'POST', '/dbs/db/colls/c/docs', { body, headers });
}

describe('a batch in HybridRow', () => {
  it('is read as the SDK for .NET writes it', () => {
    expect(readHybridRows(FIVE_OPERATIONS)).toEqual([
      { operationType: 'Create', resourceBody: { id: '1', pk: 'b' } },
      { operationType: 'Upsert', resourceBody: { id: '2', pk: 'b', n: 1 } },
      { operationType: 'Read', id: '1' },
      { operationType: 'Patch', id: '2', resourceBody: { operations: [{ op: 'incr', path: '/n', value: 1 }] } },
      { operationType: 'Delete', id: '1' },
    ]);
    expect(readHybridRows(WITH_OPTIONS)).toEqual([
      {
        operationType: 'Upsert',
        resourceBody: { id: '2', pk: 'b', n: 1 },
        indexingDirective: 'Include',
        ifMatch: '"E"',
        minimalReturnPreference: true,
      },
      { operationType: 'Read', id: '1', ifNoneMatch: '"N"' },
    ]);
  });

  it('is run and answered in its form, all or nothing', async () => {
    await using run = await running();
    const container = await run.container({ id: 'c', partitionKey: '/pk' });
    const headers = { ...ATOMIC, 'x-ms-documentdb-partitionkey': '["b"]' };
    const done = await send(run, FIVE_OPERATIONS, headers);
    expect([done.status, done.headers.get('content-type')]).toEqual([200, 'application/octet-stream']);
    const results = resultsOf(done);
    expect(results.map(({ status }) => status)).toEqual([201, 201, 200, 200, 204]);
    expect(results[3]).toMatchObject({ substatus: 0, resource: { id: '2', n: 2 } });
    const stored = (await container.item('2', 'b').read()).resource as { readonly _etag: string } | undefined;
    expect(results[3]?.['etag']).toBe(stored?._etag);
    const charge = results.reduce((sum, result) => sum + Number(result['charge']), 0);
    expect(charge).toBeCloseTo(Number(done.headers.get('x-ms-request-charge')), 5);

    const failed = await send(
      run,
      batchOf([
        { type: 0, key: '["b"]', body: '{"id":"9","pk":"b"}' },
        { type: 0, key: '["b"]', body: '{"id":"2","pk":"b"}' },
      ]),
      headers,
    );
    expect([failed.status, resultsOf(failed).map(({ status }) => status)]).toEqual([207, [424, 409]]);
    expect((await container.item('9', 'b').read()).statusCode).toBe(404);

    const unseen = await send(run, WITH_OPTIONS, headers);
    expect(resultsOf(unseen)[0]).toMatchObject({ status: 412 });
  });

  it('stands operation by operation, and tells when to try again', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    run.emulator.faults.add({
      level: 'operation',
      match: { id: 'b' },
      action: { kind: 'answer', status: 429, substatus: 3200, retryAfterMs: 25 },
    });
    const answer = await send(
      run,
      batchOf([
        { type: 20, key: '["p"]', body: '{"id":"a","pk":"p"}' },
        { type: 20, key: '["p"]', body: '{"id":"b","pk":"p"}' },
        { type: 2, key: '["q"]', id: 'none' },
      ]),
      batchHeaders('0'),
    );
    expect([answer.status, resultsOf(answer)]).toMatchObject([
      207,
      [
        { status: 201, resource: { id: 'a' } },
        { status: 429, substatus: 3200, retryAfter: 25 },
        { status: 404, charge: 1 },
      ],
    ]);
  });

  it('that is damaged or holds what is not known is refused', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    const damaged = Buffer.from(FIVE_OPERATIONS);
    damaged[60] = 0x20;
    for (const body of [damaged, FIVE_OPERATIONS.subarray(0, 100), batchOf([{ type: 3, key: '["p"]' }])]) {
      const answer = await send(run, body, batchHeaders('0'));
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('HybridRow')]);
    }
    const bytes = fc.tuple(fc.nat(FIVE_OPERATIONS.length - 1), fc.nat(255), fc.nat(FIVE_OPERATIONS.length));
    fc.assert(
      fc.property(fc.constantFrom(FIVE_OPERATIONS, WITH_OPTIONS), bytes, (batch, [place, value, length]) => {
        const changed = Buffer.from(batch.subarray(0, length));
        changed[place] = value;
        try {
          expect(readHybridRows(changed).length).toBeLessThan(6);
        } catch (thrown) {
          if (!(thrown instanceof Refusal)) throw thrown;
        }
      }),
      { seed: 17, numRuns: 2000 },
    );
  });
});

it('a document in binary JSON is refused by name', async () => {
  await using run = await running();
  await run.container({ id: 'c', partitionKey: '/pk' });
  // An object, as its first byte says.
  const body = Buffer.from('80ea040c8161', 'hex');
  const answer = await send(run, body, { 'x-ms-documentdb-partitionkey': '["b"]' });
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('binary JSON')]);
});
