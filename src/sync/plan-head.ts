/** What an epoch would read: a range of commits after the checkpoint, or the snapshot at a version. */
import type { PlanStore } from '../changes/plan-store.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { Commit, Metadata, Protocol } from '../delta/actions.ts';
import type { ChangeSource } from '../delta/change-source.ts';
import { changeSources, withPartitionValues } from '../delta/commit-changes.ts';
import { readCommit } from '../delta/log.ts';
import type { LogStore } from '../delta/log-store.ts';
import { assertReadable } from '../delta/protocol-gate.ts';
import { loadSnapshot, type Snapshot } from '../delta/snapshot.ts';
import { SyncError } from '../shared/errors.ts';
import { addWeights, isBeyond, NO_COMMITS, weightOf } from './catch-up.ts';
import type { Checkpoint } from './state.ts';
import { readContext } from './table-context.ts';

/** A change source with its number of rows; null when statistics cannot say. */
export interface CountedSource {
  readonly source: ChangeSource;
  readonly rows: number | null;
}

export interface Head {
  readonly version: number;
  readonly metadata: Metadata;
  readonly protocol: Protocol;
  /** Of the commit file of `version`; null when log cleanup removed it. */
  readonly commitEtag: string | null;
  readonly commitHash: string | null;
  /** Commit time, milliseconds since 1970. */
  readonly timestamp: number;
  /** Changes after the start of the range; empty for a snapshot. */
  readonly sources: readonly CountedSource[];
  readonly snapshot: Snapshot | null;
}

/** The table at one version. Throws as `loadSnapshot`. */
export async function readSnapshotHead(
  source: LogStore,
  version: number,
  now: number,
  signal: AbortSignal,
): Promise<Head> {
  const snapshot = await loadSnapshot(source, { kind: 'version', version }, signal);
  const commit = await readCommit(source, version, signal, now).catch((error: unknown) => {
    if (error instanceof SyncError && error.code === 'versionNotFound') return null;
    throw error;
  });
  return {
    version,
    metadata: snapshot.metadata,
    protocol: snapshot.protocol,
    commitEtag: commit?.etag ?? null,
    commitHash: commit?.contentHash ?? null,
    timestamp: snapshot.timestamp,
    sources: [],
    snapshot,
  };
}

export interface RangeRequest {
  readonly source: LogStore;
  readonly plans: PlanStore;
  readonly checkpoint: Checkpoint | null;
  /** Exclusive; -1 to begin with version 0. */
  readonly from: number;
  readonly newest: number;
  readonly limits: TableConfiguration['limits'];
  /** What a row that is read of changes has cost so far, in RU; needed for `limits.ru` only. */
  readonly ruPerChangedRow?: number;
  readonly now: number;
}

/** The commits after `from`, at least one and as many as one epoch takes. Throws `versionNotFound`, `commitPending`, `logDamaged`, `unsupportedFeature`. */
export async function readRangeHead(request: RangeRequest, signal: AbortSignal): Promise<Head> {
  const { source, from, newest, limits, checkpoint } = request;
  const before = await contextAt(request, signal);
  let { metadata, protocol } = before;
  const sources: CountedSource[] = [];
  let weight = NO_COMMITS;
  let last: Commit | null = null;
  for (let version = from + 1; version <= newest; version++) {
    const commit = await readCommit(source, version, signal, request.now);
    weight = addWeights(weight, weightOf(commit));
    // One commit is never cut, however much it is.
    if (last !== null && isBeyond(weight, limits, request.ruPerChangedRow ?? 0)) break;
    protocol = commit.protocol ?? protocol;
    metadata = commit.metadata ?? metadata;
    assertReadable(protocol, metadata);
    sources.push(...(await countedSources(source, commit, metadata, signal)));
    last = commit;
  }
  return {
    version: last?.version ?? from,
    metadata,
    protocol,
    commitEtag: last?.etag ?? checkpoint?.commitEtag ?? null,
    commitHash: last?.contentHash ?? checkpoint?.commitHash ?? null,
    timestamp: last?.timestamp ?? checkpoint?.commitTimestamp ?? 0,
    sources,
    snapshot: null,
  };
}

async function countedSources(
  store: LogStore,
  commit: Commit,
  metadata: Metadata,
  signal: AbortSignal,
): Promise<readonly CountedSource[]> {
  const counts = new Map([...commit.removes, ...commit.adds].map((file) => [file.path, file.numRecords]));
  const sources = await withPartitionValues(
    changeSources(commit),
    { partitionColumns: metadata.partitionColumns },
    async function* previous() {
      const snapshot = await loadSnapshot(store, { kind: 'version', version: commit.version - 1 }, signal);
      yield* snapshot.fileBatches(signal);
    },
  );
  return sources.map((source) => {
    const cardinality = source.file.deletionVector?.cardinality ?? 0;
    if (source.select.kind === 'masked') return { source, rows: cardinality };
    const physical = source.kind === 'cdc' ? undefined : counts.get(source.file.path);
    return { source, rows: physical === undefined ? null : Math.max(0, physical - cardinality) };
  });
}

/** Metadata and protocol before the range: from the checkpoint's context where it is that version. */
async function contextAt(
  request: RangeRequest,
  signal: AbortSignal,
): Promise<{ readonly metadata: Metadata; readonly protocol: Protocol }> {
  const { checkpoint, from, plans, source } = request;
  if (checkpoint !== null && checkpoint.version === from) return readContext(plans, checkpoint.context, signal);
  // Version 0 itself brings both: what stands before it does not matter.
  return loadSnapshot(source, { kind: 'version', version: Math.max(0, from) }, signal);
}
