/** The world of many random runs of the batch writer: an emulator, a proxy that spoils answers before it, and clients. */
import { CosmosClient } from '@azure/cosmos';
import { openCosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { startCosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { scaledClock } from './scaled-clock.ts';
import { startSpoilingProxy } from './spoiling-proxy.ts';
import { Scenario, type ScenarioReport } from './writer-scenario.ts';

/** Real seconds pass this many times faster; a request's time-out of 10 s is 1.25. */
const SCALE = 8;
const DATABASE = 'chaos';

/** Emulator and clients for many scenarios. */
export interface ScenarioHost {
  /** Throws an Error that tells what was wrong. */
  run(seed: number): Promise<ScenarioReport>;
  /** How often each way to spoil an answer was met. */
  readonly spoilt: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export async function openScenarioHost(): Promise<ScenarioHost> {
  const clock = scaledClock(SCALE);
  // Signatures go by the real wall clock, from which this one runs away.
  const emulator = await startCosmosEmulator({ clock, auth: { key: false } });
  const client = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  await client.databases.create({ id: DATABASE });
  const identity = { kind: 'key', key: emulator.key } as const;
  const proxy = await startSpoilingProxy(new URL(emulator.endpoint), clock);
  const account = await openCosmosAccount(
    { endpoint: proxy.endpoint, identity },
    { ...clock, now: () => systemClock.now() },
  );
  return {
    run: (seed) => new Scenario(seed, { emulator, proxy, client, account, clock, database: DATABASE }).run(),
    spoilt: proxy.struck,
    close: async () => {
      account.close();
      client.dispose();
      await proxy.close();
      await emulator.close();
    },
  };
}
