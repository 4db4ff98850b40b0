/** Tables of names and prices: rows that are told apart by a number. */
import { DeltaWriter, type DeltaWriterOptions } from './delta-writer.ts';
import type { SyncTable, SyncWorld } from './sync-harness.ts';
import { primitives } from './writer-columns.ts';

export const COLUMNS = primitives({ id: 'string', name: 'string', price: 'double' });

export const row = (id: number, name = `name ${id}`): { id: string; name: string; price: number } => ({
  id: `p${id}`,
  name,
  price: id,
});

export const rows = (count: number): ReturnType<typeof row>[] => Array.from({ length: count }, (_, i) => row(i));

/** An empty table with a change feed, and its container. */
export async function pricedTable(
  world: SyncWorld,
  settings: Readonly<Record<string, unknown>> = {},
  options: Partial<DeltaWriterOptions> = {},
): Promise<{ readonly table: SyncTable; readonly writer: DeltaWriter }> {
  const table = await world.table(settings);
  const writer = await DeltaWriter.create(table.folder, { columns: COLUMNS, changeFeed: true, ...options });
  return { table, writer };
}

/** Ids of the documents in the container. */
export async function ids(table: SyncTable): Promise<string[]> {
  return [...(await table.documents()).keys()].toSorted();
}
