import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { effectivePartitionKey } from '../../../src/documents/effective-partition-key.ts';
import { batchHeaders, raw, running, type Running } from './client.ts';

// Random histories of point operations, batches of both kinds, splits and restarts, against a plain map.

const DOCS = '/dbs/db/colls/c/docs';
const KEYS = ['a', 'b', 'c', 'd'] as const;

const operation = fc.record({
  kind: fc.constantFrom('Create', 'Upsert', 'Replace', 'Delete', 'Patch', 'Read'),
  id: fc.constantFrom('1', '2', '3'),
  pk: fc.constantFrom(...KEYS),
  value: fc.nat(100),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('each' as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('atomic' as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('split' as const), nth: fc.nat(9) }) },
);

type Model = Map<string, { readonly value: number }>;

/** Status the service must answer, and the model after it. */
function expected(model: Model, { kind, id, pk, value }: Operation): number {
  const key = `${pk}/${id}`;
  const exists = model.has(key);
  switch (kind) {
    case 'Create':
      if (exists) return 409;
      model.set(key, { value });
      return 201;
    case 'Upsert':
      model.set(key, { value });
      return exists ? 200 : 201;
    case 'Replace':
    case 'Patch':
      if (!exists) return 404;
      model.set(key, { value });
      return 200;
    case 'Delete':
      return model.delete(key) ? 204 : 404;
    case 'Read':
      return exists ? 200 : 404;
  }
}

function wire({ kind, id, pk, value }: Operation): object {
  const base = { operationType: kind, partitionKey: JSON.stringify([pk]) };
  if (kind === 'Patch') return { ...base, id, resourceBody: { operations: [{ op: 'set', path: '/value', value }] } };
  if (kind === 'Delete' || kind === 'Read') return { ...base, id };
  return { ...base, ...(kind === 'Replace' ? { id } : {}), resourceBody: { id, pk, value } };
}

async function statuses(
  run: Running,
  body: readonly object[],
  headers: Record<string, string>,
): Promise<readonly number[]> {
  const answer = await raw(run.emulator, 'POST', DOCS, { body, headers });
  return (answer.json as { statusCode: number }[]).map((one) => one.statusCode);
}

it('agrees with a plain map over any history', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      await using run = await running({ partitions: 2 });
      const container = await run.container({ id: 'c', partitionKey: { paths: ['/pk'], version: 2 } });
      const model: Model = new Map();
      const seen = new Map<string, string>();
      for (const one of steps) {
        const ranges = (await container.readPartitionKeyRanges().fetchAll()).resources;
        const rangeOf = (pk: string): string => {
          const epk = effectivePartitionKey([pk], { kind: 'Hash', version: 2 });
          return ranges.find((range) => epk >= range.minInclusive && epk < range.maxExclusive)?.id ?? '';
        };
        if (one.kind === 'split') run.emulator.split('db', 'c', ranges[one.nth % ranges.length]?.id ?? '');
        else if (one.kind === 'each') {
          for (const { id } of ranges) {
            const mine = one.operations.filter(({ pk }) => rangeOf(pk) === id);
            if (mine.length === 0) continue;
            const wanted = mine.map((operation) => expected(model, operation));
            expect(await statuses(run, mine.map(wire), batchHeaders(id))).toEqual(wanted);
          }
        } else {
          const pk = one.operations[0]?.pk ?? 'a';
          const mine = one.operations.map((operation) => ({ ...operation, pk }));
          const attempt = new Map(model);
          const wanted = mine.map((operation) => expected(attempt, operation));
          const failed = wanted.findIndex((status) => status >= 400);
          const headers = {
            'x-ms-cosmos-is-batch-request': 'true',
            'x-ms-cosmos-batch-atomic': 'true',
            'x-ms-documentdb-partitionkey': JSON.stringify([pk]),
          };
          const answered = await statuses(run, mine.map(wire), headers);
          if (failed < 0) {
            expect(answered).toEqual(wanted);
            model.clear();
            for (const [key, value] of attempt) model.set(key, value);
          } else expect(answered).toEqual(wanted.map((status, at) => (at === failed ? status : 424)));
        }
        const all = (await container.items.query('SELECT c.id, c.pk, c["value"], c._etag FROM c').fetchAll())
          .resources as { id: string; pk: string; value: number; _etag: string }[];
        expect(Object.fromEntries(all.map((item) => [`${item.pk}/${item.id}`, item.value]))).toEqual(
          Object.fromEntries([...model].map(([key, { value }]) => [key, value])),
        );
        expect(all).toHaveLength(model.size);
        // Two versions never share an etag.
        for (const item of all) {
          const version = `${item.pk}/${item.id}`;
          expect([undefined, version]).toContain(seen.get(item._etag));
          seen.set(item._etag, version);
        }
        for (const pk of KEYS) {
          const within = (await container.items.query('SELECT VALUE c.id FROM c', { partitionKey: pk }).fetchAll())
            .resources;
          expect(within).toHaveLength([...model.keys()].filter((key) => key.startsWith(`${pk}/`)).length);
        }
      }
      const feeds = await Promise.all(
        (await container.readPartitionKeyRanges().fetchAll()).resources.map((range) =>
          raw(run.emulator, 'GET', DOCS, {
            headers: { 'a-im': 'Incremental Feed', 'x-ms-documentdb-partitionkeyrangeid': range.id },
          }),
        ),
      );
      const fed = feeds.flatMap(
        (feed) => (feed.json as { Documents: { id: string; pk: string }[] } | undefined)?.Documents ?? [],
      );
      expect(fed.map((item) => `${item.pk}/${item.id}`).toSorted()).toEqual([...model.keys()].toSorted());
    }),
    { seed: 2026, numRuns: Number(process.env['EMULATOR_RUNS'] ?? 40) },
  );
});
