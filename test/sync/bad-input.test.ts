/** What is wrong before anything is written: each ends with a code, and the container is as it was. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SyncError } from '../../src/shared/errors.ts';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import type { DocumentWriter } from '../../src/sync/document-writer.ts';
import { DeltaWriter, type DeltaWriterOptions } from '../support/delta-writer.ts';
import { rows } from '../support/priced-table.ts';
import { approve } from '../support/published-table.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

const COLUMNS = primitives({ id: 'string', name: 'string', price: 'double' });

interface Watched {
  readonly table: SyncTable;
  readonly writer: DeltaWriter;
  /** Operations that were handed to the container so far. */
  readonly written: () => number;
}

/** A table whose every write is counted. */
async function watched(
  settings: Readonly<Record<string, unknown>> = {},
  options: Partial<DeltaWriterOptions> = {},
): Promise<Watched> {
  const table = await world.table(settings);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true, ...options });
  let written = 0;
  const counted = (inner: DocumentWriter): DocumentWriter => ({
    describe: (...args) => inner.describe(...args),
    read: (...args) => inner.read(...args),
    scan: (...args) => inner.scan(...args),
    write: (operations, signal) =>
      inner.write(
        (async function* count() {
          for await (const page of operations) {
            written += page.length;
            yield page;
          }
        })(),
        signal,
      ),
  });
  const find = table.dependencies.target.bind(table.dependencies);
  table.dependencies.target = async (id) => {
    const target = await find(id);
    return { ...target, writer: counted(target.writer), writerOf: (name) => counted(target.writerOf(name)) };
  };
  return { table, writer, written: () => written };
}

describe('a first load', () => {
  test.each([
    ['an id of an unknown column', { id: '${sku}' }, 'columnUnknown'],
    ['a renamed column that is unknown', { columns: { rename: { sku: 'code' } } }, 'columnUnknown'],
    ['an included column that is unknown', { columns: { include: ['id', 'sku'] } }, 'columnUnknown'],
    ['a policy for an unknown column', { types: { columns: { sku: { long: 'string' } } } }, 'columnUnknown'],
    ['a partition key that is not the id, in a container by id', { partitionKey: '${name}' }, 'mappingInvalid'],
    ['a filter over an unknown column', { where: 'sku > 1' }, 'columnUnknown'],
    ['an id without any column', { id: 'always the same' }, 'mappingInvalid'],
    ['a start version outside of the log', { start: { version: 99 } }, 'versionNotFound'],
    ['a start time after the last commit', { start: { timestamp: '2040-01-01T00:00:00Z' } }, 'versionNotFound'],
  ])('%s', async (_name, settings, code) => {
    const { table, writer, written } = await watched(settings);
    await writer.insert(rows(5));
    expect(await table.sync()).toMatchObject({ kind: 'failed', code });
    expect(written()).toBe(0);
    expect((await table.state()).current).toBeNull();
    expect(table.events.find((event) => event.name === 'epochFailed')?.fields).toMatchObject({ code });
  });

  test('a container that does not exist', async () => {
    const { table, writer, written } = await watched();
    await writer.insert(rows(5));
    await table.container.delete();
    expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'targetMissing' });
    expect(written()).toBe(0);
  });

  test('a key that says the same of more rows than may be dead letters', async () => {
    const { table, writer, written } = await watched({
      id: '${name}',
      columns: { exclude: ['id'] },
      deadLetters: { threshold: 2 },
    });
    await writer.insert(rows(9).map((each) => ({ ...each, name: `name ${each.price % 3}` })));
    expect(await table.sync()).toMatchObject({ kind: 'held', code: 'keyNotUnique' });
    expect(written()).toBe(0);
  });
});

test('a key column that is dropped stops the epoch, and what was written before stays', async () => {
  const { table, writer, written } = await watched({ schemaDrift: { dropped: 'accept' } }, { columnMapping: 'name' });
  await writer.insert(rows(5));
  await table.sync();
  const before = written();
  await writer.dropColumn('id');
  expect(await table.sync()).toMatchObject({ kind: 'failed', code: 'columnUnknown' });
  expect(written()).toBe(before);
  expect((await table.documents()).size).toBe(5);
  expect((await table.state()).checkpoint?.version).toBe(1);
});

test('an approval counts for one plan: another commit makes it stale, and nothing is deleted', async () => {
  const { table, writer, written } = await watched({ guards: { maxDeletes: { count: 1 } } });
  await writer.insert(rows(20));
  await table.sync();
  await writer.delete((each) => Number(each['price']) < 5);
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tooManyDeletes' });
  const { held } = await tableStatus(table.dependencies, table.id);
  const before = written();
  await writer.delete((each) => Number(each['price']) < 9);
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tooManyDeletes' });
  const stale = { kind: 'approve', planId: held?.planId ?? '' } as const;
  await expect(administer(table.dependencies, table.id, stale, 'ann')).rejects.toMatchObject({ code: 'planStale' });
  expect(await table.sync()).toMatchObject({ kind: 'held' });
  expect(written()).toBe(before);
  // An approval that came in time is overtaken as well.
  await approve(table);
  await writer.delete((each) => Number(each['price']) < 12);
  expect(await table.sync()).toMatchObject({ kind: 'held', code: 'tooManyDeletes' });
  expect(written()).toBe(before);
  expect((await table.documents()).size).toBe(20);
});

test('what reading a table or a setting throws has problem, reason or remedy in its message', async () => {
  const { table, writer } = await watched({ id: '${sku}' });
  await writer.insert(rows(1));
  const outcome = await table.sync();
  expect(outcome.message).toContain('sku');
  expect(outcome.message).toMatch(/\. .*\.$/s);
  expect(() => {
    throw new SyncError('columnUnknown', { problem: 'x.' });
  }).toThrow(/x\. ./);
});
