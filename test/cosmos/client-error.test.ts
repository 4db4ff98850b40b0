import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openCosmosAccount, type CosmosAccount, type CosmosAccountSettings } from '../../src/cosmos/cosmos-account.ts';
import { createCosmosClient } from '../../src/cosmos/cosmos-client.ts';
import { cosmosPublicationStore } from '../../src/cosmos/publication-documents.ts';
import { cosmosStateStore } from '../../src/cosmos/state-documents.ts';
import { offerThroughput } from '../../src/cosmos/throughput-source.ts';
import { startCosmosEmulator, type CosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import { SyncError } from '../../src/shared/errors.ts';

const never = new AbortController().signal;
const SECRET = 'd3Jvbmcga2V5IHdyb25nIGtleQ==';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function emulator(options: Parameters<typeof startCosmosEmulator>[0] = {}): Promise<CosmosEmulator> {
  const started = await startCosmosEmulator(options);
  closing.push(() => started.close());
  return started;
}

/** A service that refuses everybody as one does whose clock differs by an hour. */
async function skewedService(): Promise<string> {
  const server: Server = createServer((request, response) => {
    request.resume();
    const date = new Date(Date.now() - 3_600_000).toUTCString();
    response.writeHead(403, { date, 'content-type': 'application/json' }).end('{"code":"Forbidden","message":"No."}');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** What the stores and the offer say of an account with these settings. */
async function errorsOf(settings: CosmosAccountSettings): Promise<readonly SyncError[]> {
  const account: CosmosAccount = await openCosmosAccount(settings);
  const client = createCosmosClient(account);
  closing.push(
    () => account.close(),
    () => client.dispose(),
  );
  const database = client.database('sync');
  const container = database.container('documents');
  const thrown: unknown[] = await Promise.all(
    [
      () => cosmosStateStore(container).read('t', never),
      () => cosmosPublicationStore(container).read('t', never),
      () => offerThroughput(database, container).read(never),
    ].map((work) =>
      work().then(
        () => undefined,
        (error: unknown) => error,
      ),
    ),
  );
  return thrown.map((error) => {
    if (!(error instanceof SyncError)) throw new Error('no SyncError was thrown');
    return error;
  });
}

const key = (endpoint: string, text = SECRET): CosmosAccountSettings => ({
  endpoint,
  identity: { kind: 'key', key: text },
});

describe('what is wrong with the account is told by its state, its pointers and its offers alike', () => {
  it.each<[string, boolean, RegExp, RegExp, () => Promise<CosmosAccountSettings>]>([
    ['a wrong key', false, /refused the key/, /current key/, async () => key((await emulator()).endpoint)],
    ['a wrong clock', false, /60 minutes ahead/, /clock/, async () => key(await skewedService())],
    [
      'a certificate that nobody vouches for',
      false,
      /not trusted/,
      /CA certificate/,
      async () => key((await emulator({ https: true })).endpoint),
    ],
    ['nothing there', true, /cannot be reached.*ECONNREFUSED/, /host and port/, async () => key('http://127.0.0.1:9/')],
    [
      'no identity',
      false,
      /No token/,
      /managed identity/,
      async () => {
        const { endpoint, caCertificate = '' } = await emulator({ https: true, auth: { entra: 'anyToken' } });
        const refusal = Object.assign(new Error('none'), { name: 'CredentialUnavailableError' });
        const credential = { getToken: () => Promise.reject(refusal) };
        return { endpoint, caPem: caCertificate, identity: { kind: 'credential', credential } };
      },
    ],
  ])('%s', async (_, retryable, problem, remedy, settings) => {
    const errors = await errorsOf(await settings());
    expect(errors.map(({ code }) => code)).toEqual([
      'stateUnavailable',
      'publicationUnavailable',
      'ruPerSecondUnknown',
    ]);
    for (const error of errors) {
      expect(error.message).toMatch(problem);
      expect(error.remedy).toMatch(remedy);
      expect(error.retryable).toBe(retryable);
      expect(error.message).not.toContain(SECRET);
    }
  });

  it('a container that is not there, which is not an empty one', async () => {
    const { endpoint, key: text } = await emulator();
    const [state, publication] = await errorsOf(key(endpoint, text));
    expect(state).toMatchObject({ code: 'stateUnavailable', retryable: false });
    expect(publication).toMatchObject({ code: 'publicationUnavailable', retryable: false });
    for (const error of [state, publication]) {
      expect(error?.problem).toMatch(/does not exist/);
      expect(error?.remedy).toMatch(/Create/);
    }
  });
});
