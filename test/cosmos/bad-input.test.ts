import { afterEach, describe, expect, it } from 'vitest';
import { openDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount, type CosmosAccountSettings } from '../../src/cosmos/cosmos-account.ts';
import { unlimited } from '../../src/cosmos/ru-limiter.ts';
import { checkTarget } from '../../src/cosmos/target-check.ts';
import { budgetRuPerSecond } from '../../src/cosmos/throughput-source.ts';
import {
  startCosmosEmulator,
  type CosmosEmulator,
  type EmulatorOptions,
} from '../../src/local/cosmos-emulator/emulator.ts';
import { systemClock, type Clock } from '../../src/shared/clock.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { CONTAINER, DATABASE, openWriterTarget, pagesOf, upsert } from '../support/writer-target.ts';

const never = new AbortController().signal;
const SECRET = 'd3Jvbmcga2V5IHdyb25nIGtleQ==';

let emulator: CosmosEmulator | undefined;
afterEach(async () => {
  await emulator?.close();
  emulator = undefined;
});

/** Writes one document with an account that is opened so, as a slice does. */
async function writeWith(settings: CosmosAccountSettings, clock: Clock = systemClock): Promise<void> {
  const account = await openCosmosAccount(settings, clock);
  try {
    const writer = openDocumentWriter({ account, database: DATABASE, container: CONTAINER, limiter: unlimited });
    for await (const _ of writer.write(pagesOf([[upsert('a', 'c')]]), never));
  } finally {
    account.close();
  }
}

async function start(options: EmulatorOptions): Promise<CosmosEmulator> {
  emulator = await startCosmosEmulator(options);
  return emulator;
}

const keyOf = ({ endpoint, key }: CosmosEmulator): CosmosAccountSettings => ({
  endpoint,
  identity: { kind: 'key', key },
});

describe('what is wrong with a target or a budget fails the slice, with problem, reason and remedy', () => {
  it.each<[string, string, () => Promise<unknown>]>([
    [
      'an unknown container',
      'targetMissing',
      async () => {
        const target = await openWriterTarget();
        await (await target.writer({ container: 'none' })).describe(never);
      },
    ],
    [
      'an unknown database',
      'targetMissing',
      async () => {
        const target = await openWriterTarget();
        await (await target.writer({ database: 'none' })).describe(never);
      },
    ],
    [
      'a partition key path that the mapping does not fill',
      'targetKeyMismatch',
      async () => {
        const target = await openWriterTarget();
        await (await target.writer({ partitionKeyPaths: ['/kind'] })).describe(never);
      },
    ],
    [
      'more than three key levels',
      'targetUnsafe',
      async () => {
        const key = { partitionKeyPaths: ['/a', '/b', '/c', '/d'], partitionKeyKind: 'MultiHash' } as const;
        const info = { ...key, rid: 'r', partitionKeyVersion: 2, defaultTtl: -1, partitions: [] } as const;
        checkTarget(info, { name: 'container d/c', multipleWriteRegions: false });
      },
    ],
    ['a share of nothing', 'budgetInvalid', () => budgetRuPerSecond({ share: 0 }, undefined, never)],
    ['a share of more than all', 'budgetInvalid', () => budgetRuPerSecond({ share: 1.01 }, undefined, never)],
    ['unknown RU/s', 'ruPerSecondUnknown', () => budgetRuPerSecond({ share: 0.3 }, undefined, never)],
    [
      'a missing role',
      'targetForbidden',
      async () => {
        const { endpoint, caCertificate = '' } = await start({ https: true, auth: { entra: { roles: {} } } });
        const [header, claims] = [{ alg: 'none' }, { oid: 'someone', exp: 4_000_000_000 }].map((part) =>
          Buffer.from(JSON.stringify(part)).toString('base64url'),
        );
        const token = `${header}.${claims}.`;
        const credential = {
          getToken: () => Promise.resolve({ token, expiresOnTimestamp: Date.now() + 3_600_000 }),
        };
        await writeWith({ endpoint, caPem: caCertificate, identity: { kind: 'credential', credential } });
      },
    ],
    [
      'a wrong key',
      'targetKeyRefused',
      async () => {
        const { endpoint } = await start({});
        await writeWith({ endpoint, identity: { kind: 'key', key: SECRET } });
      },
    ],
    [
      'a clock that is wrong',
      'targetClockSkew',
      async () => writeWith(keyOf(await start({})), { ...systemClock, now: () => Date.now() - 3_600_000 }),
    ],
    [
      'a certificate that nobody vouches for',
      'targetCertificateRefused',
      async () => writeWith(keyOf(await start({ https: true }))),
    ],
  ])('%s: %s', async (_, code, work) => {
    const error: unknown = await work().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(SyncError);
    if (!(error instanceof SyncError)) return;
    expect(error).toMatchObject({ code, retryable: false });
    for (const sentence of [error.problem, error.reason, error.remedy]) expect(sentence).toMatch(/\w.*\.$/s);
    expect(error.message).not.toContain(SECRET);
  });
});
