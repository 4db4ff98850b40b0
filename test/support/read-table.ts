/** Reads whole tables in tests, through the same functions as the product. */
import { isDeepStrictEqual } from 'node:util';
import { changeSources, readChangeRows, withPartitionValues } from '../../src/delta/commit-changes.ts';
import type { ChangeSource } from '../../src/delta/change-source.ts';
import { readFileRows, tableLayout } from '../../src/delta/file-rows.ts';
import { readCommit } from '../../src/delta/log.ts';
import type { LogStore } from '../../src/delta/log-store.ts';
import { loadSnapshot, type Snapshot, type SnapshotAt } from '../../src/delta/snapshot.ts';
import type { Row } from '../../src/delta/schema.ts';
import { rowEncoder } from '../../src/cli/row-text.ts';

/** All rows of a snapshot. */
export async function snapshotRows(store: LogStore, snapshot: Snapshot): Promise<Row[]> {
  const layout = tableLayout(snapshot.metadata, snapshot.protocol);
  const rows: Row[] = [];
  for await (const file of snapshot.files()) {
    for await (const batch of readFileRows(store, { file, select: { kind: 'live' } }, layout)) rows.push(...batch.rows);
  }
  return rows;
}

/** All rows of a version. */
export async function tableRows(store: LogStore, at: SnapshotAt = { kind: 'latest' }): Promise<Row[]> {
  return snapshotRows(store, await loadSnapshot(store, at));
}

/** Text of each row, sorted: equal for tables with the same rows. */
export function rowTexts(rows: readonly Row[], snapshot: Pick<Snapshot, 'metadata'>): readonly string[] {
  return rows.map(rowEncoder(snapshot.metadata.schema.fields)).toSorted();
}

/** A changed row. */
export interface ChangedRow {
  readonly row: Row;
  readonly type: string;
}

/** Rows of change sources, read with the layout of `snapshot`. */
export async function changedRows(
  store: LogStore,
  sources: Iterable<ChangeSource> | AsyncIterable<ChangeSource>,
  snapshot: Snapshot,
): Promise<ChangedRow[]> {
  const layout = tableLayout(snapshot.metadata, snapshot.protocol);
  const changed: ChangedRow[] = [];
  for await (const source of sources) {
    for await (const batch of readChangeRows(store, source, layout)) {
      for (const [i, row] of batch.rows.entries()) changed.push({ row, type: batch.changeTypes[i] ?? '' });
    }
  }
  return changed;
}

/** Changes of one commit, read with the layout of `snapshot`. */
export async function commitRows(store: LogStore, version: number, snapshot: Snapshot): Promise<ChangedRow[]> {
  const sources = await withPartitionValues(
    changeSources(await readCommit(store, version)),
    snapshot.metadata,
    async function* () {
      const before = await loadSnapshot(store, { kind: 'version', version: version - 1 });
      yield* before.fileBatches();
    },
  );
  return changedRows(store, sources, snapshot);
}

/** A multiset of texts: what is left when removals are taken from additions. */
export function netTexts(changes: readonly ChangedRow[], snapshot: Snapshot): ReadonlyMap<string, number> {
  const encode = rowEncoder(snapshot.metadata.schema.fields);
  const net = new Map<string, number>();
  for (const { row, type } of changes) {
    const text = encode(row);
    const sign = type === 'insert' || type === 'update_postimage' ? 1 : -1;
    net.set(text, (net.get(text) ?? 0) + sign);
  }
  for (const [text, count] of net) if (count === 0) net.delete(text);
  return net;
}

/** Multisets are equal. */
export function sameNet(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return isDeepStrictEqual(a, b);
}
