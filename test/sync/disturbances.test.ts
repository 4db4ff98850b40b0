/** What happens around the sync while it works: each ends converged, or held with a clear reason. */
import { PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { administer, tableHistory, tableStatus } from '../../src/sync/administration.ts';
import type { DocumentWriter, Operation, Outcome } from '../../src/sync/document-writer.ts';
import { beginRun, advance, nextStep } from '../../src/sync/next-step.ts';
import { planEpoch } from '../../src/sync/plan-epoch.ts';
import { WORK_SIZES, type WorkSizes } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

const COLUMNS = primitives({ id: 'string', name: 'string' });
const LARGE = { ...WORK_SIZES, smallRows: 3, rangeRows: 10, chunkBytes: 400, batchDecisions: 5 };

async function tableOf(
  settings: Readonly<Record<string, unknown>> = {},
  sizes: WorkSizes = WORK_SIZES,
): Promise<{ table: SyncTable; writer: DeltaWriter; target: DocumentWriter }> {
  const table = await world.table(settings, '/id', sizes);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, rowsPerFile: 10 });
  return { table, writer, target: (await table.dependencies.target(table.id)).writer };
}

const rows = (count: number, name: string): { id: string; name: string }[] =>
  Array.from({ length: count }, (_, i) => ({ id: `p${i}`, name }));

async function expectEqual(table: SyncTable, writer: DeltaWriter): Promise<void> {
  expect(await table.documents()).toEqual(table.expected(writer.rows(), { kind: 'struct', fields: writer.columns }));
}

/** What the writer says of an operation that it did not get to. */
function unsent(operation: Operation): Outcome {
  return {
    operation,
    status: 'failed',
    statusCode: 0,
    subStatus: 0,
    ambiguous: false,
    requestUnits: 0,
    attempts: 0,
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** Calls `interfere` before the n-th write of the target, once. */
function beforeWrite(target: DocumentWriter, nth: number, interfere: () => Promise<void>): void {
  const write = target.write.bind(target);
  let writes = 0;
  target.write = async function* (operations, signal) {
    if (++writes === nth) await interfere();
    yield* write(operations, signal);
  };
}

test('a container that never answers ends the run with a reason, and the same epoch converges once it does', async () => {
  const { table, writer, target } = await tableOf({}, { ...WORK_SIZES, sliceMs: 100 });
  await writer.insert(rows(20, 'first'));
  const write = target.write.bind(target);
  target.write = async function* (operations, signal) {
    for await (const batch of operations) {
      await aborted(signal);
      yield batch.map(unsent);
    }
  };
  expect(await table.sync('one')).toMatchObject({ kind: 'failed', code: 'noProgress' });
  expect((await tableStatus(table.dependencies, table.id)).checkpoint).toBeNull();
  target.write = write;
  expect(await table.sync('one')).toMatchObject({ kind: 'idle' });
  await expectEqual(table, writer);
});

test.each([
  ['a large first load', { ...LARGE, chunkBytes: 2 ** 20, batchDecisions: 250 }],
  ['a small epoch', WORK_SIZES],
])('%s comes to an end under a budget for a dozen writes a slice', async (_what, sizes) => {
  const { table, writer, target } = await tableOf({}, { ...sizes, sliceMs: 100 });
  await writer.insert(rows(40, 'first'));
  const write = target.write.bind(target);
  target.write = async function* (operations, signal) {
    let left = 12;
    for await (const batch of operations) {
      const sent = batch.slice(0, left);
      left -= sent.length;
      async function* allowed(): AsyncGenerator<typeof sent> {
        if (sent.length > 0) yield sent;
      }
      yield* write(allowed(), new AbortController().signal);
      if (left === 0) await aborted(signal);
      yield batch.slice(sent.length).map(unsent);
    }
  };
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  await expectEqual(table, writer);
});

test('a worker that dies in every attempt ends the run with its reason; the plan stays to be resumed', () => {
  let run = beginRun('t', 'd');
  const plan = {
    planId: 'p',
    epoch: 1,
    kind: 'changes' as const,
    to: 1,
    stages: [{ name: 'apply' as const, chunks: 1 }],
    width: 1,
  };
  run = advance(run, nextStep(run), { kind: 'epoch', plan });
  for (let step = nextStep(run); step.kind !== 'end'; step = nextStep(run)) {
    const died = {
      kind: 'failed' as const,
      code: 'workerLost',
      message: 'The worker did not answer.',
      retryable: true,
    };
    run = advance(run, step, step.kind === 'slices' ? [died] : null);
  }
  expect(run.outcome).toMatchObject({ kind: 'failed', code: 'workerLost', message: 'The worker did not answer.' });
});

test('a table that is empty for a minute between two commits loses no document', async () => {
  const { table, writer } = await tableOf({ guards: { maxDeletes: { percent: 100 } } });
  await writer.insert(rows(10, 'first'));
  await table.sync();
  await writer.delete(() => true);
  const signal = new AbortController().signal;
  const plan = { tableId: table.id, driver: 'a', failure: null };
  expect(await planEpoch(table.dependencies, plan, signal)).toMatchObject({ kind: 'retryAfter' });
  table.skewMs += 40_000;
  expect(await planEpoch(table.dependencies, plan, signal)).toMatchObject({ kind: 'retryAfter' });
  // Longer than it is waited for: held, until the table is filled again.
  table.skewMs += 30_000;
  expect(await planEpoch(table.dependencies, plan, signal)).toMatchObject({ kind: 'held', code: 'emptySource' });
  expect((await table.documents()).size).toBe(10);
  await writer.insert(rows(12, 'second'));
  expect(await table.sync('a')).toMatchObject({ kind: 'idle', version: writer.version });
  await expectEqual(table, writer);
  const deletes = (await tableHistory(table.dependencies, table.id, 10)).reduce(
    (sum, { counts }) => sum + counts.deletes,
    0,
  );
  expect(deletes).toBe(0);
});

test('a table that is overwritten and vacuumed again and again while it is loaded converges', async () => {
  const { table, writer, target } = await tableOf({ guards: { maxDeletes: { percent: 100 } } }, LARGE);
  await writer.insert(rows(60, 'first'));
  let round = 0;
  let overwritten = Promise.resolve();
  // Faster than any slice for a while, with no time of retention at all.
  const overwrite = async (): Promise<void> => {
    if (round >= 6) return;
    await writer.overwrite(rows(60, `round ${++round}`));
    await writer.vacuum();
  };
  const write = target.write.bind(target);
  target.write = async function* (operations, signal) {
    overwritten = overwritten.then(overwrite);
    await overwritten;
    yield* write(operations, signal);
  };
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  expect(round).toBe(6);
  await expectEqual(table, writer);
  expect(table.events.some(({ name }) => name === 'epochAbandoned')).toBe(true);
});

test('changes whose files are vacuumed before they are read are made up for by a comparison', async () => {
  const { table, writer } = await tableOf({ guards: { maxDeletes: { percent: 100 } } }, LARGE);
  await writer.insert(rows(40, 'first'));
  await table.sync();
  for (let hour = 0; hour < 3; hour++) {
    await writer.overwrite(rows(40 - hour, `hour ${hour}`));
    await writer.vacuum();
  }
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  await expectEqual(table, writer);
  expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.kind).toBe('reconcile');
});

test('a container that is dropped and created again in the middle of an epoch is not filled by halves', async () => {
  const { table, writer, target } = await tableOf({ guards: { maxDeletes: { percent: 100 } } }, LARGE);
  await writer.insert(rows(60, 'first'));
  await table.sync();
  await writer.overwrite(rows(60, 'second'));
  beforeWrite(target, 2, async () => {
    await table.container.delete();
    const partitionKey = { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 };
    await world.client.database('cosmicworks').containers.create({ id: table.id, partitionKey });
  });
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'containerReplaced' });
  const { held } = await tableStatus(table.dependencies, table.id);
  await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  await expectEqual(table, writer);
});

test('a container that is created again during the first load is loaded from the beginning', async () => {
  const { table, writer, target } = await tableOf({}, LARGE);
  await writer.insert(rows(60, 'first'));
  beforeWrite(target, 2, async () => {
    await table.container.delete();
    const partitionKey = { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 };
    await world.client.database('cosmicworks').containers.create({ id: table.id, partitionKey });
  });
  expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
  await expectEqual(table, writer);
});
