import https from 'node:https';
import { createHmac, X509Certificate } from 'node:crypto';
import { CosmosClient } from '@azure/cosmos';
import { describe, expect, it } from 'vitest';
import { BUILT_IN_ROLES } from '../../../src/local/cosmos-emulator/entra-authentication.ts';
import { startCosmosEmulator } from '../../../src/local/cosmos-emulator/emulator.ts';
import type { RoleAssignment } from '../../../src/local/cosmos-emulator/options.ts';
import { batchHeaders, raw, running, statusOf } from './client.ts';

const SIGNING_KEY = 'a key for tests';

function token(claims: object, key = SIGNING_KEY): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600;

describe('key authentication', () => {
  it('accepts the key, and refuses others with 401', async () => {
    await using run = await running();
    expect((await raw(run.emulator, 'GET', '/')).status).toBe(200);
    const other = { ...run.emulator, key: Buffer.from('another key, quite').toString('base64') };
    expect((await raw(other, 'GET', '/')).status).toBe(401);
    for (const authorization of [
      '',
      'nonsense',
      'type=master&ver=1.0&sig=',
      'type%3Dmaster%26ver%3D1.0%26sig%3D%',
      '%E0%A4%A',
    ]) {
      expect((await raw(run.emulator, 'GET', '/', { authorization })).status).toBe(401);
    }
  });

  it('signs the very request: not another method, path or date', async () => {
    await using run = await running();
    await run.container({ id: 'c', partitionKey: '/pk' });
    const date = new Date();
    const text = `get\ncolls\ndbs/db/colls/c\n${date.toUTCString().toLowerCase()}\n\n`;
    const signature = createHmac('sha256', Buffer.from(run.emulator.key, 'base64')).update(text).digest('base64');
    const authorization = encodeURIComponent(`type=master&ver=1.0&sig=${signature}`);
    const status = async (method: string, path: string, at: Date): Promise<number> =>
      (await raw(run.emulator, method, path, { authorization, date: at })).status;
    expect(await status('GET', '/dbs/db/colls/c', date)).toBe(200);
    expect(await status('DELETE', '/dbs/db/colls/c', date)).toBe(401);
    expect(await status('GET', '/dbs/db', date)).toBe(401);
    expect(await status('GET', '/dbs/db/colls/c', new Date(date.getTime() + 1000))).toBe(401);
  });

  it('refuses a clock more than 15 minutes off with 403, whatever the emulated time', async () => {
    await using run = await running();
    run.emulator.advanceClock(3_600_000);
    const at = (minutes: number): Promise<number> =>
      raw(run.emulator, 'GET', '/', { date: new Date(Date.now() + minutes * 60_000) }).then((answer) => answer.status);
    expect([await at(-14), await at(14), await at(-16), await at(16)]).toEqual([200, 200, 403, 403]);
  });

  it('can be switched off', async () => {
    await using run = await running({ auth: { key: false } });
    expect((await raw(run.emulator, 'GET', '/', { authorization: '' })).status).toBe(200);
  });
});

describe('Entra tokens', () => {
  const bearer = (text: string): { authorization: string } => ({ authorization: `type=aad&ver=1.0&sig=${text}` });

  it('are refused unless they are switched on', async () => {
    await using run = await running();
    expect((await raw(run.emulator, 'GET', '/', bearer('x.y.z'))).status).toBe(401);
  });

  it('work through the SDK over TLS, for data but not for the control plane or offers', async () => {
    const emulator = await startCosmosEmulator({ https: true, auth: { entra: 'anyToken' } });
    const agent = new https.Agent({ keepAlive: true, ca: emulator.caCertificate });
    const owner = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key, agent });
    const { database } = await owner.databases.create({ id: 'db' });
    await database.containers.create({ id: 'c', partitionKey: '/pk' });
    const client = new CosmosClient({
      endpoint: emulator.endpoint,
      aadCredentials: {
        getToken: async () => ({ token: 'any.old.token', expiresOnTimestamp: Date.now() + 3_600_000 }),
      },
      agent,
    });
    const container = client.database('db').container('c');
    expect(await statusOf(container.items.upsert({ id: 'a', pk: 'p' }))).toBe(201);
    expect((await container.items.query('SELECT * FROM c').fetchAll()).resources).toHaveLength(1);
    for (const call of [
      () => client.databases.create({ id: 'no' }),
      () => client.database('db').delete(),
      () => client.database('db').containers.create({ id: 'no', partitionKey: '/pk' }),
      () => container.delete(),
      () => container.readOffer(),
      () => client.offers.readAll().fetchAll(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 403, substatus: 5300 });
    }
    client.dispose();
    owner.dispose();
    agent.destroy();
    await emulator.close();
  });

  it('need a role for each action, where they act', async () => {
    const assignment = (dataActions: readonly string[], scope: string): readonly RoleAssignment[] => [
      { dataActions, scope },
    ];
    await using run = await running({
      auth: {
        entra: {
          signingKey: SIGNING_KEY,
          roles: {
            writer: assignment(BUILT_IN_ROLES.dataContributor, '/dbs/db/colls/c'),
            reader: assignment(BUILT_IN_ROLES.dataReader, '/dbs/db'),
          },
        },
      },
    });
    await run.container({ id: 'c', partitionKey: '/pk' });
    await run.container({ id: 'other', partitionKey: '/pk' });
    const as = async (oid: string, method: string, path: string, body?: unknown, headers = {}): Promise<string> => {
      const answer = await raw(run.emulator, method, path, {
        ...bearer(token({ oid, exp: inAnHour() })),
        body,
        headers: { 'x-ms-documentdb-partitionkey': '["p"]', ...headers },
      });
      return `${answer.status}/${answer.substatus}`;
    };
    const docs = '/dbs/db/colls/c/docs';
    const query = { 'content-type': 'application/query+json' };
    const document = { id: 'a', pk: 'p' };
    expect(await as('writer', 'POST', docs, document)).toBe('201/0');
    expect(await as('writer', 'GET', '/')).toBe('200/0');
    expect(await as('writer', 'GET', '/dbs/db/colls/c/pkranges')).toBe('200/0');
    expect(await as('writer', 'POST', '/dbs/db/colls/other/docs', document)).toBe('403/5301');
    expect(await as('writer', 'POST', '/offers', { query: 'SELECT * FROM r' }, query)).toBe('403/5300');
    expect(await as('writer', 'PUT', '/dbs/db/colls/c', { id: 'c' })).toBe('403/5300');
    expect(await as('reader', 'GET', `${docs}/a`)).toBe('200/0');
    expect(await as('reader', 'POST', docs, { query: 'SELECT * FROM c' }, query)).toBe('200/0');
    expect(await as('reader', 'POST', docs, { id: 'b', pk: 'p' })).toBe('403/5301');
    expect(await as('reader', 'DELETE', `${docs}/a`)).toBe('403/5301');
    const read = { operationType: 'Read', partitionKey: '["p"]', id: 'a' };
    const remove = { operationType: 'Delete', partitionKey: '["p"]', id: 'a' };
    expect(await as('reader', 'POST', docs, [read], batchHeaders('0'))).toBe('200/0');
    expect(await as('reader', 'POST', docs, [read, remove], batchHeaders('0'))).toBe('403/5301');
    expect(await as('nobody', 'GET', '/')).toBe('403/5301');
    expect(await as('__proto__', 'GET', '/')).toBe('403/5301');
  });

  it('must be whole, current and signed', async () => {
    await using run = await running({
      auth: {
        entra: {
          signingKey: SIGNING_KEY,
          roles: { me: [{ dataActions: [...BUILT_IN_ROLES.dataReader], scope: '/' }] },
        },
      },
    });
    const status = async (text: string): Promise<number> => (await raw(run.emulator, 'GET', '/', bearer(text))).status;
    expect(await status(token({ oid: 'me', exp: inAnHour() }))).toBe(200);
    expect(await status(token({ oid: 'me', exp: inAnHour() }, 'another key'))).toBe(401);
    expect(await status(token({ oid: 'me', exp: Math.floor(Date.now() / 1000) - 1 }))).toBe(401);
    expect(await status(token({ oid: 'me' }))).toBe(401);
    expect(await status(token({ oid: 'me', exp: inAnHour(), nbf: inAnHour() }))).toBe(401);
    expect(await status('a.b')).toBe(401);
    expect(await status('')).toBe(401);
  });
});

describe('the certificate', () => {
  it('is signed by an authority of its own and names every way to the server', async () => {
    const emulator = await startCosmosEmulator({ https: true });
    const { port } = new URL(emulator.endpoint);
    const get = (host: string, ca: string | undefined): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        https
          .get({ host: '127.0.0.1', port, ca, servername: host === '127.0.0.1' ? '' : host, path: '/' }, (response) => {
            response.resume();
            resolve(response.statusCode);
          })
          .on('error', reject);
      });
    expect(await get('localhost', emulator.caCertificate)).toBe(401);
    expect(await get('127.0.0.1', emulator.caCertificate)).toBe(401);
    await expect(get('example.com', emulator.caCertificate)).rejects.toThrow(/altnames/i);
    await expect(get('localhost', undefined)).rejects.toMatchObject({ code: /CERT|ISSUER|VERIFY/ });
    const authority = new X509Certificate(emulator.caCertificate ?? '');
    expect(authority.ca).toBe(true);
    expect(authority.verify(authority.publicKey)).toBe(true);
    await emulator.close();
  });
});
