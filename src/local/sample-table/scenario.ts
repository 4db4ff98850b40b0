/** The sample table `products_delta` and the commits that are made to it one after another. */
import { TableWriter } from './table-writer.ts';
import type { TableFiles, WrittenCommit } from './table-writer.ts';
import type { Column, TableRow } from './table-rows.ts';

/** Folder of the sample table in the lake container. */
export const SAMPLE_FOLDER = 'products_delta';

/** Columns of the sample table, in order. */
export const SAMPLE_COLUMNS: readonly Column[] = [
  { name: 'id', type: 'string' },
  { name: 'name', type: 'string' },
  { name: 'category', type: 'string' },
  { name: 'price', type: 'double' },
];

const FIRST_ROWS: readonly TableRow[] = [
  { id: 'p001', name: 'Contoso Coffee Mug', category: 'drinkware', price: 12.95 },
  { id: 'p002', name: 'Contoso T-Shirt', category: 'apparel', price: 19.99 },
];

/** One commit of the scenario. */
export interface ScenarioStep {
  /** What happens, as a sentence without its full stop. */
  readonly title: string;
  readonly commit: (writer: TableWriter) => Promise<WrittenCommit>;
}

/** The scenario in order; step n is version n of the table. */
export const SCENARIO: readonly ScenarioStep[] = [
  { title: 'the table is published with p001 and p002', commit: (writer) => writer.create(FIRST_ROWS) },
  { title: 'the change data feed is turned on', commit: (writer) => writer.enableChangeFeed() },
  {
    title: 'p001 gets a new price, 13.95',
    commit: (writer) => writer.rewrite('UPDATE', (row) => (row['id'] === 'p001' ? { ...row, price: 13.95 } : row)),
  },
  {
    title: 'p002 is deleted',
    commit: (writer) => writer.rewrite('DELETE', (row) => (row['id'] === 'p002' ? null : row)),
  },
  {
    title: 'p003 is added, in drinkware',
    commit: (writer) =>
      writer.insert([{ id: 'p003', name: 'Contoso Water Bottle', category: 'drinkware', price: 24.5 }]),
  },
  {
    title: 'p003 moves to outdoor: its key changes, so one document goes and another comes',
    commit: (writer) =>
      writer.rewrite('UPDATE', (row) => (row['id'] === 'p003' ? { ...row, category: 'outdoor' } : row)),
  },
];

/** A writer for the sample table. Made anew over the files of an earlier run, it finds its commits already written. */
export function sampleWriter(files: TableFiles, now: () => number): TableWriter {
  return new TableWriter(files, {
    tableId: '5f0a3c52-8d2e-4c1b-9a55-0d6a4c9e7b10',
    name: SAMPLE_FOLDER,
    columns: SAMPLE_COLUMNS,
    now,
  });
}
