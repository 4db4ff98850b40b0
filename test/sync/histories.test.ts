import { afterAll, beforeAll, expect, test } from 'vitest';
import { runHistories } from '../support/sync-history.ts';
import { SyncWorld } from '../support/sync-harness.ts';

const HISTORIES = Number(process.env['HISTORIES'] ?? 100);
const SEED = Number(process.env['SEED'] ?? 1);

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start();
});
afterAll(() => world.stop());

test(
  `${HISTORIES} random histories: the container equals the model after every epoch`,
  { timeout: 3_000_000 },
  async () => {
    const result = await runHistories(world, SEED, HISTORIES);
    expect(result.failures).toEqual([]);
    expect(result.epochs).toBeGreaterThan(HISTORIES);
  },
);
