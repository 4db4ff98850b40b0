/** A worker that is asked to end while a slice writes: nobody waits for it any longer. */
import { setTimeout as delay } from 'node:timers/promises';
import type { InvocationContext } from '@azure/functions';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createActivities, type ActivityDependencies } from '../../src/activities/activities.ts';
import { tableStatus } from '../../src/sync/administration.ts';
import type { DocumentWriter, Operation } from '../../src/sync/document-writer.ts';
import { planEpoch } from '../../src/sync/plan-epoch.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { AppRuntime } from '../../src/triggers/app-runtime.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { COLUMNS, rows } from '../support/priced-table.ts';
import { SyncWorld } from '../support/sync-harness.ts';

const CONTEXT = {} as InvocationContext;

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(1);
});
afterAll(() => world.stop());

test('its slice keeps what it wrote, leaves nothing for the next epoch to wait for, and has not failed', async () => {
  const table = await world.table({}, '/id', { ...WORK_SIZES, batchDecisions: 20 });
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS });
  await writer.insert(rows(200));
  const signal = new AbortController().signal;
  const planned = await planEpoch(table.dependencies, { tableId: table.id, driver: 'a', failure: null }, signal);
  if (planned.kind !== 'epoch') throw new Error(planned.kind);

  const stop = new AbortController();
  const target = await table.dependencies.target(table.id);
  let batches = 0;
  // From the third batch on, nothing more comes before the worker is asked to end.
  const until = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  const gated = async function* (
    operations: AsyncIterable<readonly Operation[]>,
  ): AsyncGenerator<readonly Operation[]> {
    for await (const batch of operations) {
      if (++batches === 3) {
        // What was handed in before is in the container by then.
        await expect.poll(async () => (await table.documents()).size, { timeout: 60_000 }).toBeGreaterThan(0);
        stop.abort();
      }
      if (batches >= 3) await until;
      yield batch;
    }
  };
  const slow: DocumentWriter = {
    describe: (aborted) => target.writer.describe(aborted),
    read: (identities, aborted) => target.writer.read(identities, aborted),
    scan: (range, cursor, aborted) => target.writer.scan(range, cursor, aborted),
    write: (operations, aborted) => target.writer.write(gated(operations), aborted),
  };
  const deps = {
    ...table.dependencies,
    target: () => Promise.resolve({ ...target, writer: slow, writerOf: () => slow }),
  } as unknown as ActivityDependencies;
  const activities = createActivities((_context, work) => work(deps), stop.signal);
  const input = { tableId: table.id, planId: planned.plan.planId, stage: 'apply' as const, chunk: 0, attempt: '0.0' };
  const result = await activities.runSlice({ ...input, cursor: null }, CONTEXT);
  expect(result.kind).toMatch(/^(ok|retryAfter)$/);
  expect((await table.documents()).size).toBeLessThan(200);
  // Everything that was sent was answered: the next epoch has nothing to wait for.
  expect((await table.state()).registrations).toEqual([]);
  expect((await tableStatus(table.dependencies, table.id)).concern).toBeNull();
  // Another worker ends it.
  table.skewMs += 130_000;
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  expect((await table.documents()).size).toBe(200);
});

test('the process waits for the invocations that run, which are told', async () => {
  const runtime = new AppRuntime(
    () => {
      throw new Error('no settings');
    },
    '1.0',
    '.',
  );
  expect(runtime.stopping.aborted).toBe(false);
  const failing = runtime.run(CONTEXT, () => delay(0));
  const stopped = runtime.stop();
  expect(runtime.stopping.aborted).toBe(true);
  await expect(failing).rejects.toThrow('no settings');
  await stopped;
});
