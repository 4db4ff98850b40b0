/** More rows that cannot be written than the threshold: the hold says so, however the epoch is cut. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { previewEpoch, type EpochPreview } from '../../src/sync/preview-epoch.ts';
import { WORK_SIZES, type WorkSizes } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { MemoryPlanStore } from '../support/memory-plan-store.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(3);
});
afterAll(() => world.stop());

/** A file is a chunk, and a range of identities holds few of them. */
const LARGE: WorkSizes = { ...WORK_SIZES, smallRows: 50, chunkSources: 1, rangeRows: 60, batchDecisions: 50 };
const KEYS_REMEDY = 'Choose an id and partition key that are unique together, or set "duplicates" to last.';

const row = (key: string, n: number): { id: string; n: number } => ({ id: key, n });
/** `times` rows for each of `keys` documents. */
const repeated = (keys: number, times: number): ReturnType<typeof row>[] =>
  Array.from({ length: keys * times }, (_, n) => row(`k${n % keys}`, n));

async function tableOf(
  settings: Readonly<Record<string, unknown>>,
  sizes: WorkSizes,
  rowsPerFile = 250,
): Promise<{ table: SyncTable; writer: DeltaWriter }> {
  const table = await world.table({ guards: { maxDeletes: { percent: 100 } }, ...settings }, '/id', sizes);
  const columns = primitives({ id: 'string', n: 'integer' });
  return { table, writer: await DeltaWriter.create(table.folder, { columns, rowsPerFile }) };
}

async function expectHeld(
  table: SyncTable,
  code: string,
): Promise<{ readonly planId: string; readonly reason: string }> {
  expect(await table.sync()).toMatchObject({ kind: 'held', code });
  const { held, phase } = await tableStatus(table.dependencies, table.id);
  if (held === null) throw new Error('not held');
  expect(phase).toBe('held');
  expect(table.events.filter(({ name }) => name === 'epochAbandoned')).toEqual([]);
  // The reason tells no remedy, and the remedy is one sentence.
  expect(held.reason).not.toMatch(/approve|Repair|Choose/);
  expect(held.remedy).toMatch(/^[^.]*\.$/);
  expect(table.events.findLast(({ name }) => name === 'epochHeld')?.fields).toMatchObject({
    code,
    remedy: held.remedy,
  });
  return held;
}

function dryRunOf(table: SyncTable): Promise<EpochPreview> {
  const signal = new AbortController().signal;
  return previewEpoch(table.dependencies, new MemoryPlanStore(), table.id, { exact: true }, signal);
}

async function approved(table: SyncTable, planId: string): Promise<void> {
  await administer(table.dependencies, table.id, { kind: 'approve', planId }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
}

test('a large first load in which few documents are claimed by many rows is held before it writes', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 100 } }, LARGE);
  await writer.insert([...repeated(40, 50), row('alone', 0)]);
  const { planId, reason } = await expectHeld(table, 'keyNotUnique');
  expect(reason).toBe(
    '2000 rows cannot be written; the threshold is 100. They claim 40 documents, each more than once.',
  );
  expect((await tableStatus(table.dependencies, table.id)).held?.remedy).toBe(KEYS_REMEDY);
  expect((await table.documents()).size).toBe(0);
  await approved(table, planId);
  expect([...(await table.documents()).keys()]).toEqual(['alone']);
  expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.counts.deadLettered).toBe(2_000);
});

test('more documents with several rows than a load can name are never taken for unique, whoever approves it', async () => {
  const { table, writer } = await tableOf({ duplicates: 'last' }, { ...LARGE, chunkSources: 100 }, 30_000);
  await writer.insert(repeated(10_001, 2));
  const { planId, reason } = await expectHeld(table, 'keyNotUnique');
  expect(reason).toContain('10000 documents or more');
  await administer(table.dependencies, table.id, { kind: 'approve', planId }, 'ann');
  await expectHeld(table, 'keyNotUnique');
  expect((await table.documents()).size).toBe(0);
});

test('as many of them as the threshold are dead letters', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 200 } }, LARGE);
  await writer.insert([...repeated(4, 50), row('alone', 0)]);
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect([...(await table.documents()).keys()]).toEqual(['alone']);
});

test('a small first load counts rows, too, not the documents they claim', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 30 } }, WORK_SIZES);
  await writer.insert([...repeated(20, 2), row('alone', 0)]);
  const { planId } = await expectHeld(table, 'keyNotUnique');
  expect((await table.documents()).size).toBe(0);
  await approved(table, planId);
  expect([...(await table.documents()).keys()]).toEqual(['alone']);
});

test('duplicates that a large change brings hold it while it is written; approval goes on without them', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 10 } }, LARGE);
  await writer.insert([row('alone', 0)]);
  await table.sync();
  await writer.insert([...repeated(200, 2), row('late', 0)]);
  const { planId, reason } = await expectHeld(table, 'keyNotUnique');
  expect(reason).toMatch(/^\d+ rows cannot be written; the threshold is 10\. The first one: duplicateKey: 2 rows/);
  await approved(table, planId);
  expect([...(await table.documents()).keys()].toSorted()).toEqual(['alone', 'late']);
});

test('rows of a large load that cannot be written for another reason are told as that', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 10 } }, LARGE);
  await writer.insert(Array.from({ length: 100 }, (_, n) => row(n < 60 ? `k/${n}` : `k${n}`, n)));
  const { planId, reason } = await expectHeld(table, 'tooManyDeadLetters');
  expect(reason).toMatch(/ rows cannot be written; the threshold is 10\. The first one: /);
  await approved(table, planId);
  expect((await table.documents()).size).toBe(40);
});

/** Rows without a key among others: they never come to a range of identities. */
const keyless = Array.from({ length: 100 }, (_, n) => ({ id: n < 60 ? null : `k${n}`, n }));

test('rows without a key in a large change are counted before it writes', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 10 } }, LARGE);
  await writer.insert([row('alone', 0)]);
  await table.sync();
  await writer.insert(keyless);
  expect(await dryRunOf(table)).toMatchObject({ hold: { code: 'tooManyDeadLetters' } });
  const { planId, reason } = await expectHeld(table, 'tooManyDeadLetters');
  expect(reason).toBe('60 rows cannot be written; the threshold is 10. They have no document id or partition key.');
  expect([...(await table.documents()).keys()]).toEqual(['alone']);
  await approved(table, planId);
  expect((await table.documents()).size).toBe(41);
  expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.counts.deadLettered).toBe(60);
});

test('as many of them as the threshold are dead letters of the epoch; a dry run counts them, too', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 60 } }, LARGE);
  await writer.insert([row('alone', 0)]);
  await table.sync();
  await writer.insert(keyless);
  expect(await dryRunOf(table)).toMatchObject({ hold: null, counts: { deadLettered: 60 } });
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect((await tableStatus(table.dependencies, table.id)).lastEpoch?.counts.deadLettered).toBe(60);
});

test('a verification of a table with such rows is not held for them', async () => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 10 } }, LARGE);
  await writer.insert(keyless);
  await approved(table, (await expectHeld(table, 'tooManyDeadLetters')).planId);
  await administer(table.dependencies, table.id, { kind: 'verify' }, 'ann');
  expect(await table.sync()).toMatchObject({ kind: 'idle' });
  expect((await tableStatus(table.dependencies, table.id)).lastEpoch).toMatchObject({ kind: 'verify' });
});

test.each([
  ['a first load', false],
  ['a change', true],
] as const)('letters of all slices of %s are counted together, not those of each', async (_name, loadedBefore) => {
  const { table, writer } = await tableOf({ deadLetters: { threshold: 10 } }, LARGE, 20);
  if (loadedBefore) {
    await writer.insert([row('alone', 0)]);
    await table.sync();
  }
  // Two in each file, a few in each range.
  await writer.insert(Array.from({ length: 400 }, (_, n) => row(n % 10 === 0 ? `k/${n}` : `k${n}`, n)));
  const { planId, reason } = await expectHeld(table, 'tooManyDeadLetters');
  expect(reason).toMatch(/^\d\d rows cannot be written; the threshold is 10\./);
  await approved(table, planId);
  expect((await table.documents()).size).toBe(loadedBefore ? 361 : 360);
});
