import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PermissionMode, type Database } from '@azure/cosmos';
import { describe, expect, it, onTestFinished } from 'vitest';
import { raw, running, statusOf, type Running } from './client.ts';

async function database(space: Running): Promise<Database> {
  return (await space.client.databases.createIfNotExists({ id: 'db' })).database;
}

async function ids(feed: {
  fetchAll(): Promise<{ readonly resources: readonly { id?: string }[] }>;
}): Promise<unknown> {
  return (await feed.fetchAll()).resources.map((one) => one.id);
}

describe('users', () => {
  it('are created, read, listed, queried, renamed and deleted', async () => {
    await using space = await running();
    const db = await database(space);
    const { users } = db;
    expect(await ids(users.readAll())).toEqual([]);
    const { resource: ada, statusCode } = await users.create({ id: 'Ada' });
    expect(statusCode).toBe(201);
    expect(ada).toMatchObject({ id: 'Ada', _permissions: 'permissions/' });
    expect(await statusOf(users.create({ id: 'Ada' }))).toBe(409);
    expect((await users.upsert({ id: 'Ada' })).statusCode).toBe(200);
    expect((await users.upsert({ id: 'Bo' })).statusCode).toBe(201);
    expect(await ids(users.readAll())).toEqual(['Ada', 'Bo']);
    expect(await ids(users.readAll({ maxItemCount: 1 }))).toEqual(['Ada', 'Bo']);
    const query = { query: 'SELECT * FROM u WHERE u.id = @id', parameters: [{ name: '@id', value: 'Bo' }] };
    expect(await ids(users.query(query))).toEqual(['Bo']);

    expect(await statusOf(db.user('Ada').replace({ id: 'Bo' }))).toBe(409);
    const { resource: renamed } = await db.user('Ada').replace({ id: 'Ada L.' });
    expect(renamed).toMatchObject({ id: 'Ada L.', _rid: ada?._rid });
    expect(renamed?._etag).not.toBe(ada?._etag);
    expect(await statusOf(db.user('Ada').read())).toBe(404);
    expect((await db.user('Ada L.').read()).resource?.id).toBe('Ada L.');
    expect((await db.user('Ada L.').delete()).statusCode).toBe(204);
    expect(await statusOf(db.user('Ada L.').delete())).toBe(404);
    expect(await ids(users.readAll())).toEqual(['Bo']);
  });

  it('have permissions, which go with them', async () => {
    await using space = await running();
    const db = await database(space);
    await db.users.create({ id: 'Ada' });
    const user = db.user('Ada');
    const read = { id: 'look', permissionMode: PermissionMode.Read, resource: 'dbs/db/colls/c' };
    const made = await user.permissions.create({ ...read, resourcePartitionKey: [1] });
    expect(made.statusCode).toBe(201);
    expect(made.resource).toMatchObject({ id: 'look', permissionMode: 'read', resource: read.resource });
    expect(made.resource).toHaveProperty('resourcePartitionKey', [1]);
    expect(made.resource).toHaveProperty('_token', expect.stringMatching(/^type=resource&ver=1&sig=/));
    expect((await user.permissions.upsert({ ...read, permissionMode: PermissionMode.All })).resource).toMatchObject({
      permissionMode: 'all',
    });
    await user.permission('look').replace({ ...read, id: 'see' });
    expect(await ids(user.permissions.readAll())).toEqual(['see']);
    expect((await user.permission('see').read()).resource?.permissionMode).toBe('read');
    for (const bad of [{ permissionMode: 'Write' }, { resource: '' }, { resourcePartitionKey: 'p' }]) {
      expect(await statusOf(user.permissions.create({ ...read, ...bad } as never))).toBe(400);
    }
    await user.replace({ id: 'Ada L.' });
    expect(await ids(db.user('Ada L.').permissions.readAll())).toEqual(['see']);
    await db.user('Ada L.').delete();
    expect(await statusOf(db.user('Ada L.').permission('see').read())).toBe(404);
    await db.users.create({ id: 'Ada L.' });
    expect(await ids(db.user('Ada L.').permissions.readAll())).toEqual([]);
    expect((await raw(space.emulator, 'GET', '/dbs/db/users/Ada%20L./keys')).status).toBe(400);
  });

  it('are there again after a restart', async () => {
    const dataFolder = mkdtempSync(join(tmpdir(), 'emulator-users-'));
    onTestFinished(() => {
      rmSync(dataFolder, { recursive: true, force: true });
    });
    const about = async (space: Running): Promise<unknown> => {
      const user = (await database(space)).user('Ada');
      const { resources } = await user.permissions.readAll().fetchAll();
      return [(await user.read()).resource, resources.map((one) => ({ ...one, _token: undefined }))];
    };
    let before: unknown;
    {
      await using space = await running({ dataFolder });
      const db = await database(space);
      await db.users.create({ id: 'Ada' });
      const permission = { id: 'look', permissionMode: PermissionMode.Read, resource: 'dbs/db/colls/c' };
      await db.user('Ada').permissions.create(permission);
      before = await about(space);
    }
    await using space = await running({ dataFolder });
    expect(await about(space)).toEqual(before);
    expect((await (await database(space)).users.create({ id: 'Bo' })).statusCode).toBe(201);
  });
});
