import { CosmosClient } from '@azure/cosmos';
import { describe, expect, test } from 'vitest';
import { emulatorCommand } from '../../src/cli/emulator.ts';

/** Runs the command, writes documents to a container of 1 RU/s without retries, and counts the answers 429. */
async function throttledBy(...flags: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const stderr = { write: async (): Promise<void> => undefined };
  let done: Promise<number> | undefined;
  const ready = new Promise<string>((resolve, reject) => {
    const stdout = { write: async (text: string): Promise<void> => resolve(text) };
    done = emulatorCommand.run(['--port', '0', '--ru', '1', ...flags], { stdout, stderr, signal: stop.signal });
    done.catch(reject);
  });
  try {
    const { endpoint, key } = JSON.parse(await ready) as { readonly endpoint: string; readonly key: string };
    const retryOptions = { maxRetryAttemptCount: 0, fixedRetryIntervalInMilliseconds: 0, maxWaitTimeInSeconds: 0 };
    const client = new CosmosClient({ endpoint, key, connectionPolicy: { retryOptions } });
    const { database } = await client.databases.create({ id: 'd' });
    const { container } = await database.containers.create({ id: 'c', partitionKey: { paths: ['/pk'] } });
    let throttled = 0;
    for (let number = 0; number < 5; number++) {
      await container.items.upsert({ id: String(number), pk: 'p' }).catch((error: { readonly code?: unknown }) => {
        if (error.code !== 429) throw error;
        throttled++;
      });
    }
    return throttled;
  } finally {
    stop.abort();
    expect(await done).toBe(0);
  }
}

describe('delta-cosmos emulator', () => {
  test('throttles a container that is used beyond its RU/s', async () => {
    expect(await throttledBy()).toBeGreaterThan(0);
  });

  test('--no-throttling answers no 429', async () => {
    expect(await throttledBy('--no-throttling')).toBe(0);
  });
});
