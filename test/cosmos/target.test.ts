import type { TokenCredential } from '@azure/identity';
import { describe, expect, it } from 'vitest';
import { openDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount, type CosmosAccountSettings } from '../../src/cosmos/cosmos-account.ts';
import { unlimited } from '../../src/cosmos/ru-limiter.ts';
import { deliveryError } from '../../src/cosmos/service-answer.ts';
import { checkTarget } from '../../src/cosmos/target-check.ts';
import { startCosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import { systemClock, type Clock } from '../../src/shared/clock.ts';
import type { TargetInfo } from '../../src/sync/document-writer.ts';
import { scaledClock } from '../support/scaled-clock.ts';
import { CONTAINER, DATABASE, openWriterTarget, tally, upsert, writeAll } from '../support/writer-target.ts';

const never = new AbortController().signal;

describe('a target is described', () => {
  it('with its key, its partitions and its id at the service', async () => {
    const { writer } = await openWriterTarget(
      { partitions: 2 },
      { partitionKey: { paths: ['/a', '/b'], kind: 'MultiHash', version: 2 } },
    );
    const info = await (await writer()).describe(never);
    expect(info).toMatchObject({
      partitionKeyPaths: ['/a', '/b'],
      partitionKeyKind: 'MultiHash',
      partitionKeyVersion: 2,
    });
    expect(info.rid).not.toBe('');
    expect(info.partitions.map(({ start }) => start)).toEqual(['', info.partitions[0]?.end]);
    expect(info.partitions.at(-1)?.end).toBe('FF');
  });

  it('without a key version means version 1', async () => {
    const { writer } = await openWriterTarget({}, { partitionKey: { paths: ['/category'] } });
    expect(await (await writer()).describe(never)).toMatchObject({ partitionKeyKind: 'Hash', partitionKeyVersion: 1 });
  });
});

describe('a target is refused', () => {
  it('when it does not exist', async () => {
    const { writer } = await openWriterTarget();
    for (const place of [{ container: 'other' }, { database: 'other' }]) {
      await expect((await writer(place)).describe(never)).rejects.toMatchObject({
        code: 'targetMissing',
        problem: expect.stringContaining('other') as string,
      });
    }
  });

  it('when it deletes documents by itself', async () => {
    const { writer } = await openWriterTarget({}, { defaultTtl: 3_600 });
    const batchWriter = await writer();
    await expect(batchWriter.describe(never)).rejects.toMatchObject({ code: 'targetUnsafe' });
    await expect(writeAll(batchWriter, [[upsert('a', 'c')]])).rejects.toMatchObject({ code: 'targetUnsafe' });
  });

  it('when it is partitioned by something that the mapping does not fill', async () => {
    const { writer } = await openWriterTarget();
    await expect((await writer({ partitionKeyPaths: ['/kind'] })).describe(never)).rejects.toMatchObject({
      code: 'targetKeyMismatch',
      problem: expect.stringContaining('/category') as string,
    });
    await (await writer({ partitionKeyPaths: ['/category'] })).describe(never);
  });

  it('when its account takes writes in several regions, or its key has more than three levels', () => {
    const info: TargetInfo = {
      rid: 'r',
      partitionKeyPaths: ['/a'],
      partitionKeyKind: 'Hash',
      partitionKeyVersion: 2,
      defaultTtl: -1,
      partitions: [],
    };
    const expected = { name: 'container a/b', multipleWriteRegions: false };
    expect(() => checkTarget(info, expected)).not.toThrow();
    expect(() => checkTarget(info, { ...expected, multipleWriteRegions: true })).toThrow(/several regions/);
    const deep = { ...info, partitionKeyPaths: ['/a', '/b', '/c', '/d'] };
    expect(() => checkTarget(deep, expected)).toThrow(/4 partition key levels/);
  });
});

describe('requests are refused with what to do about it', () => {
  it('a wrong key', async () => {
    const { emulator } = await openWriterTarget();
    await expect(
      describeWith({ endpoint: emulator.endpoint, identity: { kind: 'key', key: 'd3Jvbmc=' } }),
    ).rejects.toMatchObject({
      code: 'targetKeyRefused',
      remedy: expect.stringContaining('key') as string,
    });
  });

  it('a clock that is an hour behind', async () => {
    const { emulator, writer } = await openWriterTarget();
    const clock = { ...systemClock, now: () => Date.now() - 3_600_000 };
    const account = await openCosmosAccount(
      { endpoint: emulator.endpoint, identity: { kind: 'key', key: emulator.key } },
      clock,
    );
    await expect((await writer({ account })).describe(never)).rejects.toMatchObject({
      code: 'targetClockSkew',
      problem: expect.stringContaining('60 minutes behind') as string,
    });
    account.close();
  });

  it('plain http to another machine, and an endpoint that is none', async () => {
    const identity = { kind: 'key', key: 'a2V5' } as const;
    await expect(openCosmosAccount({ endpoint: 'http://example.com/', identity })).rejects.toMatchObject({
      code: 'configInvalid',
    });
    await expect(openCosmosAccount({ endpoint: 'somewhere', identity })).rejects.toMatchObject({
      code: 'configInvalid',
    });
    await expect(
      openCosmosAccount({ endpoint: 'https://example.com/', identity: { kind: 'key', key: 'not base64!' } }),
    ).rejects.toMatchObject({ code: 'configInvalid' });
  });

  it('a certificate that nobody vouches for, at once', async () => {
    const emulator = await startCosmosEmulator({ https: true });
    try {
      const identity = { kind: 'key', key: emulator.key } as const;
      await expect(describeWith({ endpoint: emulator.endpoint, identity })).rejects.toMatchObject({
        code: 'targetCertificateRefused',
      });
    } finally {
      await emulator.close();
    }
  });

  it('an endpoint that is not there, with where to look', async () => {
    const identity = { kind: 'key', key: 'a2V5' } as const;
    await expect(describeWith({ endpoint: 'http://127.0.0.1:9/', identity }, scaledClock(100))).rejects.toMatchObject({
      code: 'targetUnavailable',
      reason: 'The last attempt ended with ECONNREFUSED.',
      remedy: expect.stringContaining('port') as string,
      retryable: true,
    });
    expect(deliveryError('ENOTFOUND', 'container a/b').remedy).toMatch(/account name/);
    expect(deliveryError('EPROTO', 'container a/b').remedy).toMatch(/TLS/);
    expect(deliveryError('CERT_HAS_EXPIRED', 'container a/b').remedy).toMatch(/clock/);
  });

  it('a CA certificate that is none', async () => {
    await expect(
      openCosmosAccount({ endpoint: 'https://localhost/', caPem: 'secret', identity: { kind: 'key', key: 'a2V5' } }),
    ).rejects.toMatchObject({ code: 'configInvalid', remedy: expect.stringContaining('BEGIN CERTIFICATE') as string });
  });

  it('an endpoint that does not speak TLS, which is no matter of certificates', async () => {
    const { emulator } = await openWriterTarget();
    const endpoint = emulator.endpoint.replace('http:', 'https:');
    await expect(
      describeWith({ endpoint, identity: { kind: 'key', key: emulator.key } }, scaledClock(100)),
    ).rejects.toMatchObject({ code: 'targetUnavailable', remedy: expect.stringContaining('TLS') as string });
  });

  it('an identity without the role', async () => {
    const emulator = await startCosmosEmulator({ https: true, auth: { entra: { roles: {} } } });
    try {
      await expect(describeWith(withToken(emulator, () => undefined))).rejects.toMatchObject({
        code: 'targetForbidden',
      });
    } finally {
      await emulator.close();
    }
  });

  it('an identity that gives no token', async () => {
    const emulator = await startCosmosEmulator({ https: true, auth: { entra: 'anyToken' } });
    const credential = { getToken: () => Promise.reject(new Error('no identity here')) };
    const { endpoint, caCertificate = '' } = emulator;
    try {
      await expect(
        describeWith({ endpoint, caPem: caCertificate, identity: { kind: 'credential', credential } }),
      ).rejects.toMatchObject({ code: 'targetForbidden', problem: expect.stringContaining('token') as string });
    } finally {
      await emulator.close();
    }
  });
});

describe('an identity', () => {
  const settings = (getToken: () => Promise<unknown>): CosmosAccountSettings => ({
    endpoint: 'https://localhost:9/',
    identity: { kind: 'credential', credential: { getToken: getToken as TokenCredential['getToken'] } },
  });

  it.each<[string, () => Promise<unknown>, boolean]>([
    ['that never answers may answer later', () => new Promise(() => undefined), true],
    [
      'that has trouble may answer later',
      () => Promise.reject(named('AuthenticationError', { statusCode: 503 })),
      true,
    ],
    [
      'that cannot be reached may answer later',
      () => Promise.reject(named('RestError', { code: 'ECONNREFUSED' })),
      true,
    ],
    ['that is not there must be given', () => Promise.reject(named('CredentialUnavailableError')), false],
    ['that gives nothing must be given', () => Promise.resolve(null), false],
    [
      'that gives what no header can carry must be given',
      () => Promise.resolve({ token: 'a\r\nb', expiresOnTimestamp: Date.now() + 3_600_000 }),
      false,
    ],
  ])('%s', async (_, getToken, retryable) => {
    await expect(describeWith(settings(getToken), scaledClock(200))).rejects.toMatchObject({
      code: 'targetForbidden',
      problem: 'No token for Cosmos DB could be obtained.',
      retryable,
    });
  });

  it('that never answers does not keep anybody from stopping', async () => {
    const account = await openCosmosAccount(settings(() => new Promise(() => undefined)));
    const writer = openDocumentWriter({ account, database: DATABASE, container: CONTAINER, limiter: unlimited });
    const stop = new AbortController();
    const described = writer.describe(stop.signal);
    stop.abort(new Error('enough'));
    await expect(described).rejects.toThrow('enough');
    account.close();
  });

  it('is asked for a token for any account where the account itself is not known as a resource', async () => {
    const { emulator, writer } = await openWriterTarget({ https: true, auth: { entra: 'anyToken' } });
    const { identity, ...rest } = withToken(emulator, () => undefined);
    if (identity.kind !== 'credential') throw new Error('no credential');
    const scopes: unknown[] = [];
    const getToken: TokenCredential['getToken'] = (scope) => {
      scopes.push(scope);
      if (scopes.length === 1) return Promise.reject(new Error('AADSTS500011: the resource principal was not found'));
      return identity.credential.getToken(scope);
    };
    const account = await openCosmosAccount({ ...rest, identity: { kind: 'credential', credential: { getToken } } });
    await (await writer({ account })).describe(never);
    expect(scopes).toEqual([`https://127.0.0.1/.default`, 'https://cosmos.azure.com/.default']);
    account.close();
  });
});

describe('tokens', () => {
  it('are asked for once, and once more when the service refuses one', async () => {
    const { emulator, writer } = await openWriterTarget({ https: true, auth: { entra: 'anyToken' } });
    let asked = 0;
    const account = await openCosmosAccount(withToken(emulator, () => asked++));
    const batchWriter = await writer({ account });
    expect(tally(await writeAll(batchWriter, [[upsert('a', 'c'), upsert('b', 'd')]]))).toEqual({ applied: 2 });
    expect(asked).toBe(1);
    emulator.faults.add({ match: { kind: 'batch' }, action: { kind: 'answer', status: 401 } });
    expect(tally(await writeAll(batchWriter, [[upsert('a', 'c')]]))).toEqual({ applied: 1 });
    expect(asked).toBe(2);
    emulator.faults.add({ match: { kind: 'batch' }, times: 2, action: { kind: 'answer', status: 401 } });
    await expect(writeAll(batchWriter, [[upsert('a', 'c')]])).rejects.toMatchObject({ code: 'targetKeyRefused' });
    account.close();
  });
});

/** Settings with a credential that counts how often it is asked. */
function withToken(
  emulator: { readonly endpoint: string; readonly caCertificate?: string },
  asked: () => void,
): CosmosAccountSettings {
  const claims = Buffer.from(JSON.stringify({ oid: 'someone', exp: 4_000_000_000 })).toString('base64url');
  const token = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`;
  const credential = {
    getToken: () => {
      asked();
      return Promise.resolve({ token, expiresOnTimestamp: Date.now() + 3_600_000 });
    },
  };
  return {
    endpoint: emulator.endpoint,
    ...(emulator.caCertificate === undefined ? {} : { caPem: emulator.caCertificate }),
    identity: { kind: 'credential', credential },
  };
}

async function describeWith(settings: CosmosAccountSettings, clock: Clock = systemClock): Promise<TargetInfo> {
  const account = await openCosmosAccount(settings, clock);
  try {
    return await openDocumentWriter({ account, database: DATABASE, container: CONTAINER, limiter: unlimited }).describe(
      never,
    );
  } finally {
    account.close();
  }
}

function named(name: string, properties: object = {}): Error {
  return Object.assign(new Error('refused'), { name, ...properties });
}
