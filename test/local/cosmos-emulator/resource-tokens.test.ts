import { CosmosClient, PermissionMode, type Container } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { raw, running, statusOf, type Running } from './client.ts';

interface Granted {
  readonly container: Container;
  /** A client that has nothing but the token. */
  readonly client: CosmosClient;
  readonly token: string;
}

/** A container with two documents, and what a user may do with it who has this permission. */
async function granted(space: Running, mode: PermissionMode, more: object = {}): Promise<Granted> {
  const container = await space.container({ id: 'open', partitionKey: '/pk' });
  await space.container({ id: 'closed', partitionKey: '/pk' });
  for (const pk of ['p', 'q']) await container.items.create({ id: 'doc', pk });
  const { users } = space.client.database('db');
  await users.create({ id: 'Ada' });
  const permission = { id: 'x', permissionMode: mode, resource: container.url, ...more };
  const { resource } = await space.client.database('db').user('Ada').permissions.create(permission);
  const token = (resource as unknown as { readonly _token: string })._token;
  const { endpoint } = space.emulator;
  const client = new CosmosClient({ endpoint, resourceTokens: { open: token, closed: token, db: token } });
  return { container: client.database('db').container('open'), client, token };
}

describe('a resource token', () => {
  it('for reading lets its holder read the container and what is in it, and nothing else', async () => {
    await using space = await running({ partitions: 2 });
    const { container, client } = await granted(space, PermissionMode.Read);
    expect((await container.read()).resource?.id).toBe('open');
    expect((await container.item('doc', 'p').read()).resource).toMatchObject({ pk: 'p' });
    expect((await container.items.readAll().fetchAll()).resources).toHaveLength(2);
    expect((await container.items.query('SELECT VALUE COUNT(1) FROM c').fetchAll()).resources).toEqual([2]);
    expect(await statusOf(container.items.upsert({ id: 'doc', pk: 'p' }))).toBe(403);
    expect(await statusOf(container.item('doc', 'p').delete())).toBe(403);
    expect(await statusOf(container.delete())).toBe(403);
    const db = client.database('db');
    expect(await statusOf(db.container('closed').read())).toBe(403);
    expect(await statusOf(db.read())).toBe(403);
    expect(await statusOf(db.containers.create({ id: 'new' }))).toBe(403);
    client.dispose();
  });

  it('for everything lets its holder write, in its partition if it has one', async () => {
    await using space = await running();
    const { container, client } = await granted(space, PermissionMode.All, { resourcePartitionKey: ['p'] });
    expect(await statusOf(container.items.create({ id: 'new', pk: 'p' }))).toBe(201);
    expect(await statusOf(container.items.create({ id: 'new', pk: 'q' }))).toBe(403);
    expect(await statusOf(container.item('doc', 'q').read())).toBe(403);
    const all = container.items.query('SELECT * FROM c');
    await expect(all.fetchAll()).rejects.toMatchObject({ code: 403 });
    const own = await container.items.query('SELECT * FROM c', { partitionKey: 'p' }).fetchAll();
    expect(own.resources).toHaveLength(2);
    client.dispose();
  });

  it('may be for one document, by name or by _rid', async () => {
    await using space = await running();
    const { container: _, token: ofAll, client } = await granted(space, PermissionMode.Read);
    const open = space.client.database('db').container('open');
    const self = ((await open.item('doc', 'p').read()).resource as { readonly _self: string })._self;
    const { permissions } = space.client.database('db').user('Ada');
    for (const [id, resource] of [
      ['name', `${open.url}/docs/doc`],
      ['rid', self],
    ] as const) {
      const made = await permissions.create({ id, permissionMode: PermissionMode.All, resource });
      const token = (made.resource as unknown as { readonly _token: string })._token;
      const ask = async (method: string, path: string): Promise<number> =>
        (
          await raw(space.emulator, method, path, {
            authorization: encodeURIComponent(token),
            headers: { 'x-ms-documentdb-partitionkey': '["p"]' },
          })
        ).status;
      expect(await ask('GET', '/dbs/db/colls/open/docs/doc')).toBe(200);
      expect(await ask('GET', '/dbs/db/colls/open/docs/other')).toBe(403);
      expect(await ask('GET', '/dbs/db/colls/open')).toBe(403);
    }
    expect(ofAll).toContain('type=resource');
    client.dispose();
  });

  it('is good for an hour, and only as it was made', async () => {
    await using space = await running();
    const { container, client, token } = await granted(space, PermissionMode.Read);
    const [, signature = '', payload = ''] = /sig=([^;]+);([^;]+);/.exec(token) ?? [];
    const forged = Buffer.from(Buffer.from(payload, 'base64').toString().replace('"read"', '"all"')).toString('base64');
    for (const bad of [
      `type=resource&ver=1&sig=${signature};${forged};`,
      `type=resource&ver=1&sig=;${payload};`,
      'type=resource&ver=1&sig=x',
      'type=resource&',
    ]) {
      const answer = await raw(space.emulator, 'GET', '/dbs/db/colls/open', { authorization: encodeURIComponent(bad) });
      expect(answer.status).toBe(401);
    }
    space.emulator.advanceClock(3_500_000);
    expect(await statusOf(container.read())).toBe(200);
    space.emulator.advanceClock(200_000);
    expect(await statusOf(container.read())).toBe(403);
    client.dispose();
  });
});
