import { expect, it } from 'vitest';
import type { ContainerRequest } from '@azure/cosmos';
import { running } from './client.ts';

const key = { paths: ['/pk'], version: 2 };
const embedding = (path: string, dimensions = 4): object => ({
  path,
  dataType: 'float32',
  dimensions,
  distanceFunction: 'cosine',
});

it('keeps the policies it does not act on', async () => {
  await using run = await running();
  const given = {
    id: 'c',
    partitionKey: key,
    computedProperties: [{ name: 'low', query: 'SELECT VALUE LOWER(c.name) FROM c' }],
    vectorEmbeddingPolicy: { vectorEmbeddings: [embedding('/v'), embedding('/w')] },
    fullTextPolicy: { defaultLanguage: 'en-US', fullTextPaths: [{ path: '/text', language: 'en-US' }] },
    indexingPolicy: { vectorIndexes: [{ path: '/v', type: 'flat' }], fullTextIndexes: [{ path: '/text' }] },
    changeFeedPolicy: { retentionDuration: 5 },
  };
  const container = await run.container(given as never);
  const { resource } = await container.read();
  expect(resource).toMatchObject(given);
  expect(resource?.geospatialConfig).toEqual({ type: 'Geography' });
});

it('refuses vector indexes without an embedding, and taking them away', async () => {
  await using run = await running();
  const create = (id: string, rest: object): Promise<unknown> => run.container({ id, partitionKey: key, ...rest });
  const indexingPolicy = { vectorIndexes: [{ path: '/v', type: 'flat' }] };
  await expect(create('a', { indexingPolicy })).rejects.toMatchObject({ code: 400 });
  const other = { vectorEmbeddings: [embedding('/w')] };
  await expect(create('b', { indexingPolicy, vectorEmbeddingPolicy: other })).rejects.toMatchObject({ code: 400 });
  const none = { vectorEmbeddings: [embedding('/v', 0)] };
  await expect(create('c', { vectorEmbeddingPolicy: none })).rejects.toMatchObject({ code: 400 });
  const kind = { vectorIndexes: [{ path: '/v', type: 'cube' }] };
  const right = { vectorEmbeddings: [embedding('/v')] };
  await expect(create('d', { indexingPolicy: kind, vectorEmbeddingPolicy: right })).rejects.toMatchObject({
    code: 400,
  });

  const container = await run.container({
    id: 'e',
    partitionKey: key,
    indexingPolicy,
    vectorEmbeddingPolicy: right,
  } as never);
  const replace = (rest: object): Promise<unknown> =>
    container.replace({ id: 'e', partitionKey: key, ...rest } as ContainerRequest as never);
  const changed = { vectorIndexes: [{ path: '/v', type: 'quantizedFlat' }] };
  await expect(replace({ indexingPolicy: changed })).rejects.toMatchObject({ code: 400 });
  await expect(replace({ indexingPolicy: {} })).rejects.toMatchObject({ code: 400 });
  await replace({ indexingPolicy, vectorEmbeddingPolicy: { vectorEmbeddings: [embedding('/v'), embedding('/w')] } });
});

it('wants a bounding box for spatial indexes of the plane, and none for those of the globe', async () => {
  await using run = await running();
  const box = { xmin: -1, ymin: 0, xmax: 9, ymax: 7.5 };
  const create = (id: string, type: string | undefined, index: object): Promise<unknown> =>
    run.container({
      id,
      partitionKey: key,
      indexingPolicy: { spatialIndexes: [{ path: '/place/?', types: ['Point'], ...index }] },
      ...(type === undefined ? {} : { geospatialConfig: { type } }),
    } as never);
  await create('a', undefined, {});
  await create('b', 'Geography', {});
  await create('c', 'Geometry', { boundingBox: box });
  const refused = (type: string): object => ({
    code: 400,
    message: expect.stringMatching(`boundingBox.*${type}`) as string,
  });
  await expect(create('d', undefined, { boundingBox: box })).rejects.toMatchObject(refused('Geography'));
  await expect(create('d', 'Geometry', {})).rejects.toMatchObject(refused('Geometry'));
  const { xmin, ymin, xmax } = box;
  await expect(create('d', 'Geometry', { boundingBox: { xmin, ymin, xmax } })).rejects.toMatchObject(
    refused('Geometry'),
  );
  await expect(create('d', 'Sphere', {})).rejects.toMatchObject({ code: 400 });
});

it('names a partition key path it cannot take', async () => {
  await using run = await running();
  const bad = run.container({ id: 'c', partitionKey: { paths: ['pk', '/b'], kind: 'MultiHash', version: 2 } });
  await expect(bad).rejects.toMatchObject({ code: 400, message: expect.stringContaining("path 'pk'") as string });
});

it('takes partition keys of 2 KB in containers of version 1 too, and no longer ones', async () => {
  await using run = await running({ partitions: 2 });
  const container = await run.container({ id: 'c', partitionKey: '/pk' });
  const pk = 'é'.repeat(1024);
  await container.items.create({ id: 'a', pk });
  expect((await container.item('a', pk).read()).statusCode).toBe(200);
  await expect(container.items.create({ id: 'a', pk: `${pk}x` })).rejects.toMatchObject({ code: 400 });
});

it('has an empty conflict feed, and refuses scripts by name', async () => {
  await using run = await running();
  const container = await run.container({ id: 'c', partitionKey: '/pk' });
  expect((await container.conflicts.readAll().fetchAll()).resources).toEqual([]);
  expect((await container.conflicts.query('SELECT * FROM c').fetchAll()).resources).toEqual([]);
  const message = (name: string): object => ({ code: 400, message: expect.stringContaining(name) as string });
  const { scripts } = container;
  await expect(scripts.storedProcedure('s').execute('p', [])).rejects.toMatchObject(message('sprocs'));
  await expect(scripts.userDefinedFunctions.create({ id: 'u', body: '' })).rejects.toMatchObject(message('udfs'));
  const item = { id: 'a', pk: 1 };
  await expect(container.items.create(item, { preTriggerInclude: 't' })).rejects.toMatchObject(message('trigger'));
  await expect(container.items.upsert(item, { postTriggerInclude: 't' })).rejects.toMatchObject(message('trigger'));
  expect((await container.item('a', 1).read()).statusCode).toBe(404);
});
