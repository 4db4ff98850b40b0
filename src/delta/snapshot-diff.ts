/**
 * The difference of two snapshots by file: for tables without a change data feed, and where a commit in between can no
 * longer be read. It says which rows went and which came; rows that were only moved to another file are among both.
 */
import { deletionVectorId, type AddFile } from './actions.ts';
import type { ChangeSource } from './change-source.ts';
import { vectorChanges } from './commit-changes.ts';
import type { Snapshot } from './snapshot.ts';

/** Paths and deletion vectors of a snapshot; the descriptor itself is fetched again for the few files that differ. */
type VectorByPath = Map<string, string>;

async function vectorIds(snapshot: Snapshot, signal: AbortSignal | undefined): Promise<VectorByPath> {
  const ids: VectorByPath = new Map();
  for await (const batch of snapshot.fileBatches(signal)) {
    for (const add of batch) ids.set(add.path, deletionVectorId(add.deletionVector));
  }
  return ids;
}

function liveRows(
  kind: 'insert' | 'delete',
  { path, partitionValues, size, deletionVector }: AddFile,
  to: Snapshot,
): ChangeSource {
  const file = { path, partitionValues, size, deletionVector };
  return { version: to.version, timestamp: to.timestamp, kind, file, select: { kind: 'live' } };
}

/**
 * Sources of the changes from one snapshot to a later one, all with version and timestamp of the later one. Memory grows
 * with the number of paths in the earlier snapshot and of files that differ.
 */
export async function* snapshotDiff(from: Snapshot, to: Snapshot, signal?: AbortSignal): AsyncGenerator<ChangeSource> {
  // What is left in here after the later snapshot has streamed past is gone.
  const before = await vectorIds(from, signal);
  const replaced = new Map<string, AddFile>();
  for await (const batch of to.fileBatches(signal)) {
    for (const add of batch) {
      const vector = before.get(add.path);
      if (vector === undefined) yield liveRows('insert', add, to);
      else if (vector === deletionVectorId(add.deletionVector)) before.delete(add.path);
      else replaced.set(add.path, add);
    }
  }
  if (before.size === 0) return;
  for await (const batch of from.fileBatches(signal)) {
    for (const add of batch) {
      const after = replaced.get(add.path);
      if (after !== undefined) yield* vectorChanges({ version: to.version, timestamp: to.timestamp }, after, add);
      else if (before.has(add.path)) yield liveRows('delete', add, to);
    }
  }
}
