/** What `schemaDrift` says about columns, epoch after epoch. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';
import { primitives } from '../support/writer-columns.ts';

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(() => world.stop());

const COLOR = { name: 'color', type: { kind: 'primitive', name: 'string' } } as const;

async function tableOf(settings: Readonly<Record<string, unknown>>) {
  const table = await world.table(settings);
  const columns = primitives({ id: 'string', size: 'integer' });
  const writer = await DeltaWriter.create(table.folder, { columns, changeFeed: true, columnMapping: 'name' });
  await writer.insert([{ id: 'a', size: 1 }]);
  await table.sync();
  return { table, writer };
}

async function documents(table: SyncTable): Promise<unknown[]> {
  return [...(await table.documents())].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, document]) => document);
}

describe('a column that is ignored', () => {
  test('stays ignored in every later epoch, under its new name too', async () => {
    const { table, writer } = await tableOf({ schemaDrift: { added: 'ignore', renamed: 'ignore' } });
    await writer.addColumn(COLOR);
    for (const id of ['b', 'c']) {
      await writer.insert([{ id, size: 2, color: 'red' }]);
      expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    }
    await writer.renameColumn('color', 'colour');
    await writer.insert([{ id: 'd', size: 3, colour: 'red' }]);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await documents(table)).toEqual([
      { id: 'a', size: 1 },
      { id: 'b', size: 2 },
      { id: 'c', size: 2 },
      { id: 'd', size: 3 },
    ]);
  });

  test('arrives with all its values when it is accepted later', async () => {
    const { table, writer } = await tableOf({ schemaDrift: { added: 'ignore' } });
    await writer.addColumn(COLOR);
    await writer.insert([{ id: 'b', size: 2, color: 'red' }]);
    await table.sync();
    table.configure({ schemaDrift: { added: 'accept' } });
    await writer.insert([{ id: 'c', size: 3, color: 'blue' }]);
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await documents(table)).toEqual([
      { id: 'a', size: 1, color: null },
      { id: 'b', size: 2, color: 'red' },
      { id: 'c', size: 3, color: 'blue' },
    ]);
  });
});

describe('a pause', () => {
  test.each([
    ['an added column, although documents without it stay as they are', { added: 'pause' }, true],
    ['no added column that is excluded', { added: 'pause' }, false],
  ])('is about %s', async (_name, schemaDrift, pauses) => {
    const columns = pauses ? {} : { columns: { include: ['id', 'size'] } };
    const { table, writer } = await tableOf({ nulls: 'omit', schemaDrift, ...columns });
    await writer.addColumn(COLOR);
    await writer.insert([{ id: 'b', size: 2, color: 'red' }]);
    const outcome = await table.sync();
    expect(outcome.kind).toBe(pauses ? 'held' : 'idle');
    if (!pauses) return;
    expect(outcome).toMatchObject({ code: 'schemaDrift' });
    const { held } = await tableStatus(table.dependencies, table.id);
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held?.planId ?? '' }, 'ann');
    expect(await table.sync()).toMatchObject({ kind: 'idle', version: writer.version });
    expect(await documents(table)).toEqual([
      { id: 'a', size: 1 },
      { id: 'b', size: 2, color: 'red' },
    ]);
  });
});
