/** What an epoch would read: a range of commits after the checkpoint, or the snapshot at a version. */
import type { PlanStore } from '../changes/plan-store.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { AddFile, Commit, Metadata, Protocol } from '../delta/actions.ts';
import type { ChangeSource } from '../delta/change-source.ts';
import { changeSources, withPartitionValues } from '../delta/commit-changes.ts';
import { readCommit } from '../delta/log.ts';
import type { LogStore } from '../delta/log-store.ts';
import { assertReadable } from '../delta/protocol-gate.ts';
import { RangeDifference } from '../delta/range-difference.ts';
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
  /** The sources stand for the two ends of the range, not for its commits. */
  readonly byEnds: boolean;
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
    byEnds: false,
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
  /**
   * Above this many bytes of changes, the files that differ at the two ends of the range are read instead, where that is
   * much less. Null where only the changes tell what an epoch that was given up may have written.
   */
  readonly bytesByCommit: number | null;
  readonly now: number;
}

/** How much more the commits of a range have to be than what differs at its ends: the latter also holds rows that only moved. */
const WORTHWHILE = 2;

/** A range of commits as far as it was read. */
interface RangeEnd {
  readonly commit: Commit;
  readonly metadata: Metadata;
  readonly protocol: Protocol;
}

/** The commits after `from`, at least one and as many as one epoch takes. Throws `versionNotFound`, `commitPending`, `logDamaged`, `unsupportedFeature`. */
export async function readRangeHead(request: RangeRequest, signal: AbortSignal): Promise<Head> {
  const { source, from, newest, limits, bytesByCommit } = request;
  const before = await contextAt(request, signal);
  const sources: CountedSource[] = [];
  const ruPerRow = request.ruPerChangedRow ?? 0;
  const difference = new RangeDifference();
  let weight = NO_COMMITS;
  let byCommit: RangeEnd | null = null;
  let end: RangeEnd | null = null;
  for (let version = from + 1; version <= newest; version++) {
    const commit = await readCommit(source, version, signal, request.now);
    const commits = addWeights(weight, weightOf(commit));
    // One commit is never cut, however much it is.
    const fits = end === null || (byCommit === end && !isBeyond(commits, limits, ruPerRow));
    const ends = { commits: commits.commits, rows: difference.rows, bytes: difference.bytes };
    if (!fits && (bytesByCommit === null || isBeyond(ends, limits, ruPerRow))) break;
    // Files that the commit removes lie as the table did until then.
    const layout = end?.metadata ?? before.metadata;
    const metadata: Metadata = commit.metadata ?? layout;
    const protocol: Protocol = commit.protocol ?? end?.protocol ?? before.protocol;
    assertReadable(protocol, metadata);
    end = { commit, metadata, protocol };
    difference.add(commit);
    weight = commits;
    if (!fits) continue;
    sources.push(...(await countedSources(source, commit, layout, signal)));
    byCommit = end;
  }
  if (end === null || byCommit === null) return headOf(request, before, null, [], false);
  if (bytesByCommit === null || weight.bytes <= Math.max(bytesByCommit, WORTHWHILE * difference.bytes))
    return headOf(request, before, byCommit, sources, false);
  const files = await difference.sources(before.metadata, () => filesAt(source, from, signal));
  const ends = files.map((each) => counted(each, difference.rowsOf(each.file.path)));
  return headOf(request, before, end, ends, true);
}

function headOf(
  { checkpoint, from }: RangeRequest,
  before: Pick<RangeEnd, 'metadata' | 'protocol'>,
  end: RangeEnd | null,
  sources: readonly CountedSource[],
  byEnds: boolean,
): Head {
  const { metadata, protocol } = end ?? before;
  return {
    version: end?.commit.version ?? from,
    metadata,
    protocol,
    commitEtag: end?.commit.etag ?? checkpoint?.commitEtag ?? null,
    commitHash: end?.commit.contentHash ?? checkpoint?.commitHash ?? null,
    timestamp: end?.commit.timestamp ?? checkpoint?.commitTimestamp ?? 0,
    sources,
    byEnds,
    snapshot: null,
  };
}

async function* filesAt(store: LogStore, version: number, signal: AbortSignal): AsyncGenerator<readonly AddFile[]> {
  const snapshot = await loadSnapshot(store, { kind: 'version', version }, signal);
  yield* snapshot.fileBatches(signal);
}

async function countedSources(
  store: LogStore,
  commit: Commit,
  layout: Pick<Metadata, 'partitionColumns'>,
  signal: AbortSignal,
): Promise<readonly CountedSource[]> {
  const counts = new Map([...commit.removes, ...commit.adds].map((file) => [file.path, file.numRecords]));
  const sources = await withPartitionValues(changeSources(commit), layout, () =>
    filesAt(store, commit.version - 1, signal),
  );
  return sources.map((source) => counted(source, source.kind === 'cdc' ? undefined : counts.get(source.file.path)));
}

/** `physical`: rows in the source's file; undefined where statistics do not say. */
function counted(source: ChangeSource, physical: number | undefined): CountedSource {
  const cardinality = source.file.deletionVector?.cardinality ?? 0;
  if (source.select.kind === 'masked') return { source, rows: cardinality };
  return { source, rows: physical === undefined ? null : Math.max(0, physical - cardinality) };
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
