/** Every class of schema change under every policy on the local Azure: accepted, ignored, or held until it is approved. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { SchemaDriftPolicy } from '../../src/config/sync-configuration.ts';
import type { Row } from '../../src/delta/schema.ts';
import type { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';
import { LocalAzureTables } from './local-azure.ts';
import { byId, type Document } from './local-table.ts';

// A safety net only: several processes start, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 6 });

const COLUMNS = primitives({ id: 'string', name: 'string', stock: 'decimal(9,0)' });
const ROWS = [
  { id: 'a', name: 'mug', stock: '1' },
  { id: 'b', name: 'shirt', stock: '2' },
];
const DOCUMENTS = [
  { id: 'a', name: 'mug', stock: 1 },
  { id: 'b', name: 'shirt', stock: 2 },
];

interface DriftCase {
  readonly change: (writer: DeltaWriter) => Promise<void>;
  /** A row in the new schema. */
  readonly row: Row;
  /** Documents once the change has been followed. */
  readonly accepted: readonly Document[];
  /** Documents of the old mapping, where it goes on without the change. */
  readonly ignored: readonly Document[];
}

const CASES: Readonly<Record<keyof SchemaDriftPolicy, DriftCase>> = {
  added: {
    change: (writer) => writer.addColumn({ name: 'color', type: { kind: 'primitive', name: 'string' } }),
    row: { id: 'c', name: 'cap', stock: '3', color: 'red' },
    accepted: [
      ...DOCUMENTS.map((each) => ({ ...each, color: null })),
      { id: 'c', name: 'cap', stock: 3, color: 'red' },
    ],
    ignored: [...DOCUMENTS, { id: 'c', name: 'cap', stock: 3 }],
  },
  dropped: {
    change: (writer) => writer.dropColumn('stock'),
    row: { id: 'c', name: 'cap' },
    accepted: [
      { id: 'a', name: 'mug' },
      { id: 'b', name: 'shirt' },
      { id: 'c', name: 'cap' },
    ],
    ignored: [...DOCUMENTS, { id: 'c', name: 'cap' }],
  },
  renamed: {
    change: (writer) => writer.renameColumn('name', 'title'),
    row: { id: 'c', title: 'cap', stock: '3' },
    accepted: [
      { id: 'a', title: 'mug', stock: 1 },
      { id: 'b', title: 'shirt', stock: 2 },
      { id: 'c', title: 'cap', stock: 3 },
    ],
    ignored: [...DOCUMENTS, { id: 'c', title: 'cap', stock: 3 }],
  },
  widened: {
    // Beyond 15 digits a decimal is written as text.
    change: (writer) => writer.widenColumn('stock', { kind: 'decimal', precision: 20, scale: 0 }),
    row: { id: 'c', name: 'cap', stock: '3' },
    accepted: [
      { id: 'a', name: 'mug', stock: '1' },
      { id: 'b', name: 'shirt', stock: '2' },
      { id: 'c', name: 'cap', stock: '3' },
    ],
    ignored: [...DOCUMENTS, { id: 'c', name: 'cap', stock: '3' }],
  },
  narrowed: {
    change: (writer) =>
      writer.overwrite(ROWS, undefined, primitives({ id: 'string', name: 'string', stock: 'string' })),
    row: { id: 'c', name: 'cap', stock: '3' },
    accepted: [...ROWS, { id: 'c', name: 'cap', stock: '3' }],
    ignored: DOCUMENTS,
  },
};

const POLICIES = ['accept', 'ignore', 'pause'] as const;
const ALL = Object.keys(CASES).flatMap((drift) =>
  POLICIES.map((policy) => [drift as keyof SchemaDriftPolicy, policy] as const),
);

let azure: LocalAzureTables;

beforeAll(async () => {
  azure = await LocalAzureTables.start(
    Object.fromEntries(
      ALL.map(([drift, policy]) => [`${drift}-${policy}`, { settings: { schemaDrift: { [drift]: policy } } }]),
    ),
  );
});
afterAll(() => azure?.stop());

describe.concurrent('schema drift', () => {
  test.each(ALL)('%s: %s', async (drift, policy) => {
    const { change, row, accepted, ignored } = CASES[drift];
    const table = azure.table(`${drift}-${policy}`);
    await table.create(COLUMNS, ROWS, drift === 'narrowed' ? {} : { columnMapping: 'name' });
    await table.arrives();
    await change(table.writer);
    await table.writer.insert([row]);
    if (policy === 'pause') {
      const { planId } = await table.isHeld('schemaDrift');
      expect(await table.documents()).toEqual(DOCUMENTS);
      await table.act('approve', planId);
      await table.reached();
    } else if (drift === 'narrowed' && policy === 'ignore') {
      // Old rows cannot be read as the new type: loud rather than guessed.
      const { planId } = await table.isHeld('chunkFailed');
      expect(await table.documents()).toEqual(DOCUMENTS);
      await table.act('reject', planId);
      await table.act('resync');
      await table.reached();
      expect(await table.documents()).toEqual(accepted);
      return;
    } else await table.arrives();
    expect(await table.documents()).toEqual(byId(policy === 'ignore' ? ignored : accepted));
  });
});
