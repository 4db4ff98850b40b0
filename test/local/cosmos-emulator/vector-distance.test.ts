import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Container } from '@azure/cosmos';
import { running, type Running } from './client.ts';

// Nearest first, over as many partitions as there are.
let run: Running;
let container: Container;
beforeAll(async () => {
  run = await running({ partitions: 3 });
  const embedding = (path: string, distanceFunction: string): object => ({
    path,
    dataType: 'float32',
    dimensions: 2,
    distanceFunction,
  });
  container = await run.container({
    id: 'c',
    partitionKey: { paths: ['/id'], version: 2 },
    vectorEmbeddingPolicy: { vectorEmbeddings: [embedding('/far', 'euclidean'), embedding('/in/dot', 'dotproduct')] },
  } as never);
  for (let n = 1; n <= 9; n++) await container.items.create({ id: `v${n}`, n, far: [n, 0], in: { dot: [n, n] } });
  await container.items.create({ id: 'other', n: 10, far: [1, 2, 3] });
});
afterAll(async () => {
  await run[Symbol.asyncDispose]();
});
const rows = async (query: string): Promise<unknown[]> =>
  (await container.items.query(query).fetchAll()).resources as unknown[];

it.each([
  ['SELECT TOP 3 VALUE c.n FROM c ORDER BY VectorDistance([5.1, 0], c.far)', [10, 5, 6]],
  ['SELECT TOP 3 VALUE c.n FROM c WHERE c.n < 10 ORDER BY VectorDistance([5.1, 0], c.far)', [5, 6, 4]],
  ['SELECT TOP 3 VALUE c.n FROM c ORDER BY VectorDistance(c.in.dot, [1, 1])', [9, 8, 7]],
  [
    "SELECT VALUE c.n FROM c ORDER BY VectorDistance(c.in.dot, [1, 1], true, {distanceFunction: 'euclidean'}) OFFSET 1 LIMIT 2",
    [1, 2],
  ],
  ['SELECT VALUE VectorDistance(c.far, [0, 4]) FROM c WHERE c.n = 3', [5]],
  ['SELECT VALUE VectorDistance(c.in.dot, [2, 1]) FROM c WHERE c.n = 3', [9]],
  ['SELECT VALUE VectorDistance([3, 4], [3, 4]) FROM c WHERE c.n = 1', [1]],
  ['SELECT VALUE c.n FROM c WHERE IS_DEFINED(VectorDistance([0, 0, 0], c.far))', [10]],
])('%s', async (query, expected) => {
  expect(await rows(query)).toEqual(expected);
});

it('refuses measures and arguments it does not know', async () => {
  for (const call of ["VectorDistance([1], [1], true, {distanceFunction: 'taxi'})", 'VectorDistance([1])']) {
    await expect(rows(`SELECT VALUE ${call} FROM c`)).rejects.toMatchObject({ code: 400 });
  }
});
