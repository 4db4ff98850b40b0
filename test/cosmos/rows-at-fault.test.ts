import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { openDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { unlimited } from '../../src/cosmos/ru-limiter.ts';
import type { Operation } from '../../src/sync/document-writer.ts';
import { identityOf, openWriterTarget, pagesOf, tally, upsert, writeAll } from '../support/writer-target.ts';

const never = new AbortController().signal;

function products(count: number): readonly Operation[] {
  return Array.from({ length: count }, (_, n) => upsert(`p${n}`, `category ${n % 50}`, { price: n }));
}

describe('rows at fault', () => {
  it.each<[string, Operation]>([
    ['idEmpty', upsert('', 'c')],
    ['idForbiddenCharacter', upsert('a/b', 'c')],
    ['idForbiddenCharacter', upsert('a\\b', 'c')],
    ['idForbiddenCharacter', upsert('a?b', 'c')],
    ['idForbiddenCharacter', upsert('a#b', 'c')],
    ['idTooLong', upsert('é'.repeat(512), 'c')],
    ['idNotUnicode', upsert('\ud800', 'c')],
    ['idDiffers', { kind: 'upsert', identity: identityOf('a', 'c'), document: { id: 'b' } }],
    ['partitionKeyTooLong', upsert('a', 'k'.repeat(2_049))],
    ['partitionKeyLevels', { kind: 'delete', identity: { id: 'a', partitionKey: ['x', 'y'], epk: '00' } }],
    ['documentTooLarge', upsert('a', 'c', { text: 'x'.repeat(2_100_000) })],
    ['nestedTooDeep', upsert('a', 'c', { deep: JSON.parse(`${'['.repeat(128)}${']'.repeat(128)}`) as [] })],
    [
      'tooManyPatchSteps',
      {
        kind: 'patch',
        identity: identityOf('a', 'c'),
        steps: Array.from({ length: 11 }, (_, n) => ({ op: 'set', path: `/f${n}`, value: n }) as const),
      },
    ],
  ])('%s is rejected without being sent, and its neighbours are written', async (reason, bad) => {
    const { emulator, writer } = await openWriterTarget();
    const outcomes = await writeAll(await writer(), [[upsert('before', 'c'), bad, upsert('after', 'c')]]);
    expect(outcomes.find(({ operation }) => operation === bad)).toMatchObject({
      status: 'rejected',
      // The code, then what is wrong and what to do.
      reason: expect.stringMatching(new RegExp(`^${reason}: [A-Z][^.]+\\. [A-Z].*\\.$`)) as string,
      attempts: 0,
    });
    expect(tally(outcomes)).toEqual({ applied: 2, rejected: 1 });
    expect(emulator.counters.total().statuses['400/0']).toBeUndefined();
  });

  it('the largest rows that are allowed are written', async () => {
    const { writer } = await openWriterTarget();
    const deep = JSON.parse(`${'['.repeat(127)}${']'.repeat(127)}`) as [];
    const rows = [upsert('x'.repeat(1_023), 'c'), upsert('a', 'k'.repeat(2_048)), upsert('deep', 'c', { deep })];
    expect(tally(await writeAll(await writer(), [rows]))).toEqual({ applied: 3 });
  });

  it('a row that poisons its whole batch is found and rejected alone', async () => {
    const service = await poisonedService();
    try {
      const account = await openCosmosAccount({ endpoint: service.endpoint, identity: { kind: 'key', key: 'a2V5' } });
      const writer = openDocumentWriter({ account, database: 'd', container: 'c', limiter: unlimited });
      const page = products(300).with(123, upsert('poison', 'category 1'));
      const outcomes = await writeAll(writer, [page]);
      expect(tally(outcomes)).toEqual({ applied: 299, rejected: 1 });
      expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
        operation: { identity: { id: 'poison' } },
        reason: expect.stringMatching(/^badRequest: /) as string,
        statusCode: 400,
      });
      expect(service.requests()).toBeLessThan(30);
      account.close();
    } finally {
      service.close();
    }
  });

  it('a service that refuses everything fails the call instead of rejecting every row', async () => {
    const { emulator, writer } = await openWriterTarget();
    emulator.faults.add({ match: { kind: 'batch' }, times: 10_000, action: { kind: 'answer', status: 400 } });
    const outcomes: string[] = [];
    await expect(async () => {
      for await (const some of (await writer()).write(pagesOf([products(2_000)]), never)) {
        outcomes.push(...some.map(({ status }) => status));
      }
    }).rejects.toMatchObject({ code: 'targetRejects' });
    expect(outcomes).toHaveLength(2_000);
    expect(outcomes.filter((status) => status === 'rejected').length).toBeLessThan(30);
  });
});

/** A service with one partition that answers a batch holding the id `poison` with one 400 for all. */
async function poisonedService(): Promise<{ endpoint: string; requests: () => number; close: () => void }> {
  let requests = 0;
  const ranges = [{ id: '0', minInclusive: '', maxExclusive: 'FF', throughputFraction: 1, parents: [] }];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = (status: number, body: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      if (request.url === '/') answer(200, { writableLocations: [] });
      else if (request.url?.endsWith('/pkranges') === true) answer(200, { _rid: 'r', PartitionKeyRanges: ranges });
      else if (request.method === 'GET')
        answer(200, { _rid: 'r', partitionKey: { paths: ['/category'], kind: 'Hash', version: 2 } });
      else {
        requests++;
        const operations = JSON.parse(Buffer.concat(chunks).toString()) as { resourceBody: { id: string } }[];
        const poisoned = operations.some(({ resourceBody }) => resourceBody.id === 'poison');
        if (poisoned) answer(400, { code: 'BadRequest', message: 'Partition key is too long.' });
        else
          answer(
            200,
            operations.map(() => ({ statusCode: 201, requestCharge: 5 })),
          );
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}/`, requests: () => requests, close: () => server.close() };
}
