import { afterAll, beforeAll, expect, test } from 'vitest';
import { withHeartbeat } from '../../src/sync/heartbeat.ts';
import { planEpoch } from '../../src/sync/plan-epoch.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(1);
});
afterAll(() => world.stop());

test('a slice that works longer than a driver term keeps its epoch from others', async () => {
  const table = await world.table();
  const writer = await DeltaWriter.create(table.folder, { columns: primitives({ id: 'string' }) });
  await writer.insert([{ id: 'a' }]);
  const signal = new AbortController().signal;
  const planned = await planEpoch(table.dependencies, { tableId: table.id, driver: 'a', failure: null }, signal);
  if (planned.kind !== 'epoch') throw new Error(planned.kind);
  const beats: (() => void)[] = [];
  const clock = {
    ...table.dependencies.clock,
    sleep: (_ms: number, ended?: AbortSignal) =>
      new Promise<void>((resolve) => {
        beats.push(resolve);
        ended?.addEventListener('abort', () => resolve());
      }),
  };
  const deps = { ...table.dependencies, clock };
  const input = {
    tableId: table.id,
    planId: planned.plan.planId,
    stage: 'apply' as const,
    chunk: 0,
    cursor: null,
    attempt: '0.0',
  };
  let finish: () => void = () => undefined;
  const working = withHeartbeat(
    deps,
    input,
    () =>
      new Promise((resolve) => {
        finish = () => resolve({ kind: 'retryAfter', ms: 1 });
      }),
  );
  table.skewMs += 110_000;
  beats.shift()?.();
  await expect.poll(async () => (await table.state()).current?.driver.until ?? 0).toBeGreaterThan(clock.now());
  table.skewMs += 60_000;
  expect(await planEpoch(table.dependencies, { tableId: table.id, driver: 'b', failure: null }, signal)).toEqual({
    kind: 'busy',
  });
  finish();
  await working;
});
