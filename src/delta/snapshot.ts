/** Snapshots: the state of a table at one version (PROTOCOL.md, "Action Reconciliation", "Checkpoints"). */
import { SyncError } from '../shared/errors.ts';
import { parseActionLines, type LogActions } from './action-lines.ts';
import { logDamaged } from './action-record.ts';
import { fileKey, type AddFile, type DataFile, type Metadata, type Protocol } from './actions.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { columnMappingMode, type ColumnMappingMode } from './column-mapping.ts';
import { usesInCommitTimestamps, versionAtTimestamp } from './history.ts';
import { lastCheckpointHint, listLog, logGap, readCommitFile, inCommitTimestamp } from './log.ts';
import { LAST_CHECKPOINT_PATH, LOG_FOLDER } from './log-path.ts';
import {
  newestVersion,
  planSegment,
  readListing,
  type Avoid,
  type CommitRange,
  type LogListing,
  type LogSegment,
} from './log-segment.ts';
import type { LogStore, StoredFile } from './log-store.ts';
import { metadataFromRecord } from './metadata.ts';
import { assertProtocol, assertReadable } from './protocol-gate.ts';
import { Replay } from './reconcile.ts';

/** Which version of a table. */
export type SnapshotAt =
  | { readonly kind: 'latest' }
  | { readonly kind: 'version'; readonly version: number }
  /** The newest version whose commit timestamp is at or before this, in milliseconds since 1970. */
  | { readonly kind: 'timestamp'; readonly timestamp: number };

/** Sums over the live files. */
export interface SnapshotTotals {
  readonly numFiles: number;
  /** Bytes of the data files as the log says. */
  readonly sizeInBytes: number;
}

/** A table at one version. Its files stream from the log each time they are asked for. */
export interface Snapshot {
  readonly version: number;
  /** Commit timestamp in milliseconds: in-commit where the table has it, else the modification time of the commit file. */
  readonly timestamp: number;
  readonly protocol: Protocol;
  readonly metadata: Metadata;
  readonly columnMapping: ColumnMappingMode;
  /** ETag of the commit file of this version; undefined when only the checkpoint is left. */
  readonly commitEtag: string | undefined;
  /** Latest transaction version by application. */
  readonly txns: ReadonlyMap<string, number | bigint>;
  /** Configuration by metadata domain. */
  readonly domainMetadata: ReadonlyMap<string, string>;
  /** Live files in batches, in no order. Throws `logDamaged` when a file of the log has become unreadable. */
  fileBatches(signal?: AbortSignal): AsyncIterable<readonly AddFile[]>;
  /** Live files one by one. */
  files(signal?: AbortSignal): AsyncIterable<AddFile>;
  /** Reads only the columns that sums need. */
  totals(signal?: AbortSignal): Promise<SnapshotTotals>;
}

/** Commit files that are read at once. */
const PARALLEL_COMMITS = 8;
/** Log clean-up may remove a file between listing and reading; then everything starts anew. */
const LISTING_ATTEMPTS = 3;

/**
 * Loads a snapshot and applies the protocol gate. Throws `notADeltaTable`, `versionNotFound`, `logDamaged`,
 * `unsupportedFeature`, `catalogManaged` and what the store throws.
 */
export async function loadSnapshot(store: LogStore, at: SnapshotAt, signal?: AbortSignal): Promise<Snapshot> {
  if (at.kind === 'timestamp') {
    const { metadata } = await loadSnapshot(store, { kind: 'latest' }, signal);
    const version = await versionAtTimestamp(store, metadata, at.timestamp, signal);
    return loadSnapshot(store, { kind: 'version', version }, signal);
  }
  const version = at.kind === 'version' ? at.version : undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await loadOnce(store, version, attempt === 1, signal);
    } catch (error) {
      const vanished = error instanceof SyncError && error.code === 'storageNotFound';
      if (!vanished) throw error;
      if (attempt >= LISTING_ATTEMPTS) throw logDamaged('The log changes while it is read.', error.problem, error);
    }
  }
}

async function list(store: LogStore, since: number, signal: AbortSignal | undefined): Promise<LogListing> {
  const files: StoredFile[] = [];
  for await (const file of listLog(store, since, signal)) files.push(file);
  return readListing(files);
}

/** Lists from the hint where that suffices, else everything. */
async function loadOnce(
  store: LogStore,
  version: number | undefined,
  useHint: boolean,
  signal: AbortSignal | undefined,
): Promise<Snapshot> {
  const hint = useHint ? await lastCheckpointHint(store, LAST_CHECKPOINT_PATH, signal) : undefined;
  if (hint !== undefined && hint > 0 && (version === undefined || hint <= version)) {
    const listing = await list(store, hint, signal);
    const target = version ?? newestVersion(listing);
    const segment = target === undefined ? undefined : planSegment(listing, target);
    if (segment !== undefined && 'ranges' in segment) {
      const snapshot = await tryLoad(store, segment, signal);
      if (snapshot !== undefined) return snapshot;
    }
  }
  return loadFromListing(store, await list(store, 0, signal), version, signal);
}

/** A damaged checkpoint or compaction is no reason to give up while the full listing has not been tried. */
async function tryLoad(
  store: LogStore,
  segment: LogSegment,
  signal: AbortSignal | undefined,
): Promise<Snapshot | undefined> {
  try {
    return await loadSegment(store, segment, signal);
  } catch (error) {
    if (error instanceof SyncError && error.code === 'logDamaged') return undefined;
    throw error;
  }
}

async function loadFromListing(
  store: LogStore,
  listing: LogListing,
  wanted: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Snapshot> {
  const newest = newestVersion(listing);
  if (newest === undefined) {
    throw new SyncError('notADeltaTable', {
      problem: `${store.location} is not a Delta table: it has no ${LOG_FOLDER} folder with commits.`,
    });
  }
  const version = wanted ?? newest;
  if (version > newest || version < 0) {
    throw new SyncError('versionNotFound', {
      problem: `The table has no version ${version}.`,
      reason: `Its newest version is ${newest}.`,
    });
  }
  return loadWithFallback(store, listing, version, signal);
}

/**
 * Tries the newest checkpoint, then without compactions, then older checkpoints, as far as the log reaches. The first
 * error is the one that is reported.
 */
async function loadWithFallback(
  store: LogStore,
  listing: LogListing,
  version: number,
  signal: AbortSignal | undefined,
): Promise<Snapshot> {
  const usable = listing.checkpoints.filter((checkpoint) => checkpoint.version <= version).length;
  let first: SyncError | undefined;
  for (let checkpoints = 0; checkpoints <= usable; checkpoints++) {
    for (const compactions of [false, true]) {
      const avoid: Avoid = { checkpoints, compactions };
      const segment = planSegment(listing, version, avoid);
      if ('missing' in segment) {
        first ??= unreachable(segment.missing, version, usable);
        continue;
      }
      if (compactions && !usesCompaction(listing, version, checkpoints)) continue;
      try {
        return await loadSegment(store, segment, signal);
      } catch (error) {
        if (!(error instanceof SyncError) || error.code !== 'logDamaged') throw error;
        first ??= error;
      }
    }
  }
  throw first ?? logDamaged(`Version ${version} cannot be reconstructed.`);
}

function usesCompaction(listing: LogListing, version: number, checkpoints: number): boolean {
  const segment = planSegment(listing, version, { checkpoints, compactions: false });
  return 'ranges' in segment && segment.ranges.some((range) => range.end > range.version);
}

/** Log retention removes the oldest commits; any other gap is damage. */
function unreachable(missing: number, version: number, checkpoints: number): SyncError {
  if (checkpoints > 0 || missing > 0) return logGap(missing, version);
  return new SyncError('versionNotFound', {
    problem: `Version ${version} cannot be reconstructed: commit ${missing} is missing and no checkpoint is at or before it.`,
    reason: 'Log retention has removed what it was made of: the log is not contiguous.',
  });
}

async function readRange(store: LogStore, range: CommitRange, signal: AbortSignal | undefined): Promise<LogActions> {
  if (range.end === range.version) return (await readCommitFile(store, range.version, signal)).actions;
  const { pieces } = await store.stream(range.file.path, signal);
  const name = `The compacted log ${range.version} to ${range.end}`;
  const actions = await parseActionLines(pieces, name);
  assertReconciled(actions, name);
  return actions;
}

/** Some writers only concatenate commits; in what order nobody knows, so the commits have to be read. */
function assertReconciled(actions: LogActions, name: string): void {
  const keys = new Set<string>();
  for (const file of [...actions.adds, ...actions.removes]) keys.add(fileKey(file));
  const isReconciled = keys.size === actions.adds.length + actions.removes.length;
  if (isReconciled && actions.cdc.length === 0 && actions.commitInfo === null) return;
  throw logDamaged(
    `${name} is not reconciled.`,
    'It holds several actions for one file, or actions of single commits.',
  );
}

/** Actions of the ranges from the newest to the oldest, a few files read ahead. */
async function* newestFirst(
  store: LogStore,
  ranges: readonly CommitRange[],
  signal: AbortSignal | undefined,
): AsyncGenerator<LogActions> {
  const pending: Promise<LogActions>[] = [];
  let next = ranges.length - 1;
  for (let done = ranges.length; done > 0; done--) {
    while (next >= 0 && pending.length < PARALLEL_COMMITS) {
      const range = ranges[next--];
      if (range === undefined) break;
      const reading = readRange(store, range, signal);
      // Awaited below in order; an earlier failure must not leave this one unhandled.
      reading.catch(() => undefined);
      pending.push(reading);
    }
    const actions = await pending.shift();
    if (actions !== undefined) yield actions;
  }
}

async function loadSegment(store: LogStore, segment: LogSegment, signal: AbortSignal | undefined): Promise<Snapshot> {
  const replay = new Replay();
  let headTime: number | undefined;
  let isHead = segment.ranges.at(-1)?.version === segment.version;
  for await (const actions of newestFirst(store, segment.ranges, signal)) {
    if (isHead) headTime = inCommitTimestamp(actions);
    isHead = false;
    replay.apply(actions);
  }
  // A protocol that is refused explains more than whatever its checkpoint may look like to us.
  if (replay.protocol !== null) assertProtocol(replay.protocol);
  const checkpoint =
    segment.checkpoint === undefined ? undefined : await openCheckpoint(store, segment.checkpoint, signal);
  if (checkpoint !== undefined) replay.applyState(checkpoint.state);
  const { protocol } = replay;
  if (protocol === null) throw missingAction('protocol', segment.version);
  assertProtocol(protocol);
  if (replay.metaData === null) throw missingAction('metaData', segment.version);
  const metadata = metadataFromRecord(replay.metaData);
  assertReadable(protocol, metadata);
  return {
    version: segment.version,
    timestamp: await headTimestamp(store, segment, metadata, headTime, signal),
    protocol,
    metadata,
    columnMapping: columnMappingMode(metadata, protocol),
    commitEtag: segment.head?.file.etag,
    txns: replay.txns,
    domainMetadata: replay.domains(),
    ...liveFiles(replay, checkpoint),
  };
}

function missingAction(action: string, version: number): SyncError {
  return logDamaged(
    `Version ${version} has no ${action} action.`,
    'Neither the checkpoint nor the commits after it hold one, so the log has no usable state.',
  );
}

async function headTimestamp(
  store: LogStore,
  { version, head, checkpoint, ranges }: LogSegment,
  metadata: Metadata,
  headTime: number | undefined,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (!usesInCommitTimestamps(metadata, version)) {
    return head?.file.modifiedAt ?? checkpoint?.files[0]?.modifiedAt ?? ranges.at(-1)?.file.modifiedAt ?? 0;
  }
  if (headTime !== undefined) return headTime;
  if (head === undefined) return checkpoint?.files[0]?.modifiedAt ?? 0;
  const { actions, file } = await readCommitFile(store, version, signal);
  return inCommitTimestamp(actions) ?? file.modifiedAt;
}

function liveFiles(
  replay: Replay,
  checkpoint: Checkpoint | undefined,
): Pick<Snapshot, 'fileBatches' | 'files' | 'totals'> {
  /** Files of the checkpoint that no newer commit has decided on, after those of the commits. */
  async function* live<T extends DataFile>(
    own: readonly T[],
    checkpointed: AsyncIterable<readonly T[]> | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<readonly T[]> {
    if (own.length > 0) yield own;
    for await (const batch of checkpointed ?? []) {
      signal?.throwIfAborted();
      const rest = replay.decided === 0 ? batch : batch.filter((file) => replay.isLive(file));
      if (rest.length > 0) yield rest;
    }
  }
  const fileBatches: Snapshot['fileBatches'] = (signal) => live(replay.adds, checkpoint?.adds(signal), signal);
  return {
    fileBatches,
    async *files(signal) {
      for await (const batch of fileBatches(signal)) yield* batch;
    },
    async totals(signal) {
      let numFiles = 0;
      let sizeInBytes = 0;
      for await (const batch of live<DataFile>(replay.adds, checkpoint?.dataFiles(signal), signal)) {
        numFiles += batch.length;
        for (const file of batch) sizeInBytes += file.size ?? 0;
      }
      return { numFiles, sizeInBytes };
    },
  };
}
