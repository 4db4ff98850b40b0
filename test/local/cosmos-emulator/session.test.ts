import { ConsistencyLevel, CosmosClient, PluginOn, ResourceType, type PluginConfig } from '@azure/cosmos';
import { expect, it } from 'vitest';
import { running } from './client.ts';

it('the SDK keeps the session of a container, by its _rid, and shows it when it reads', async () => {
  await using run = await running({ partitions: 3 });
  const container = await run.container({ id: 'Größe 数', partitionKey: '/pk' });
  const shown: (string | undefined)[] = [];
  const note: PluginConfig = {
    on: PluginOn.request,
    plugin: (context, _node, next) => {
      if (context.resourceType === ResourceType.item) shown.push(context.headers?.['x-ms-session-token'] as string);
      return next(context);
    },
  };
  const { endpoint, key } = run.emulator;
  const options = { endpoint, key, consistencyLevel: ConsistencyLevel.Session, plugins: [note] };
  const client = new CosmosClient(options);
  const seen = client.database('db').container(container.id);
  const created = await seen.items.create({ id: 'a', pk: 'p' });
  const token = created.headers['x-ms-session-token'] as string;
  expect(token).toMatch(/^\d:-1#1$/);
  // Another partition's refusal does not count.
  for (const pk of ['q', 'r', 's', 't']) expect((await seen.item('a', pk).read()).statusCode).toBe(404);
  await seen.item('a', 'p').read();
  expect(shown.slice(1)).toEqual(Array.from({ length: 5 }, () => token));
  client.dispose();
});
