/**
 * The strict change data feed of a version range, as `table_changes` gives it (PROTOCOL.md, "Change Data Files"): it is an
 * error to ask for versions at which the feed was off, the schema was another one, or the data are gone.
 */
import { SyncError } from '../shared/errors.ts';
import type { Metadata, Protocol } from './actions.ts';
import { columnMappingMode, physicalName, type ColumnMappingMode } from './column-mapping.ts';
import { changeSources, readChangeRows, withPartitionValues, type ChangeRowBatch } from './commit-changes.ts';
import type { ChangeSource } from './change-source.ts';
import { tableLayout, type TableLayout } from './file-rows.ts';
import { usesInCommitTimestamps } from './history.ts';
import { headVersion, readCommit } from './log.ts';
import type { LogStore } from './log-store.ts';
import { isEnabled } from './metadata.ts';
import { assertProtocol } from './protocol-gate.ts';
import type { DataType, StructField, StructType } from './schema.ts';
import { typeText } from './schema-json.ts';
import { loadSnapshot, type Snapshot } from './snapshot.ts';
import { isWidening } from './type-widening.ts';

/** Versions from `from` to `to`, both included; `to` defaults to the newest. */
export interface FeedRange {
  readonly from: number;
  readonly to?: number;
}

/** Changed rows of one commit, in the schema of the newest version of the range. */
export interface FeedBatch extends ChangeRowBatch {
  readonly version: number;
  /** `_commit_timestamp`, milliseconds since 1970. */
  readonly timestamp: number;
  /** The columns of the rows. */
  readonly columns: readonly StructField[];
}

function unavailable(problem: string, reason: string, remedy?: string, cause?: unknown): SyncError {
  return new SyncError('changeFeedUnavailable', {
    problem,
    reason,
    ...(remedy === undefined ? {} : { remedy }),
    cause,
  });
}

/** Throws `changeFeedUnavailable` unless the feed is on. */
function assertFeedOn(metadata: Metadata, version: number, isStart: boolean): void {
  if (isEnabled(metadata, 'delta.enableChangeDataFeed')) return;
  throw unavailable(
    isStart
      ? `The change data feed is not enabled at version ${version}.`
      : `The change data feed is disabled inside the range (version ${version}).`,
    'delta.enableChangeDataFeed must be true in the whole range.',
  );
}

interface Shape {
  readonly type: DataType;
  readonly mode: ColumnMappingMode;
}

/** Why values of type `from` cannot be served as `to`; undefined when they can. */
function typeConflict(from: Shape, to: Shape, path: string): string | undefined {
  if (from.type.kind === 'struct' && to.type.kind === 'struct') {
    return structConflict({ ...from, type: from.type }, { ...to, type: to.type }, path);
  }
  if (from.type.kind === 'array' && to.type.kind === 'array') {
    return typeConflict({ ...from, type: from.type.element }, { ...to, type: to.type.element }, `${path}.element`);
  }
  if (from.type.kind === 'map' && to.type.kind === 'map') {
    return (
      typeConflict({ ...from, type: from.type.key }, { ...to, type: to.type.key }, `${path}.key`) ??
      typeConflict({ ...from, type: from.type.value }, { ...to, type: to.type.value }, `${path}.value`)
    );
  }
  if (typeText(from.type) === typeText(to.type) || isWidening(from.type, to.type)) return undefined;
  return `the type of ${path} was ${typeText(from.type)} and is ${typeText(to.type)}`;
}

function structConflict(
  from: Shape & { readonly type: StructType },
  to: Shape & { readonly type: StructType },
  path: string,
): string | undefined {
  for (const field of from.type.fields) {
    const name = path === '' ? field.name : `${path}.${field.name}`;
    const now = to.type.fields.find((candidate) => candidate.name.toLowerCase() === field.name.toLowerCase());
    if (now === undefined) return `the column ${name} was dropped or renamed`;
    if (physicalName(field, from.mode) !== physicalName(now, to.mode))
      return `the column ${name} is another column now`;
    const conflict = typeConflict({ type: field.type, mode: from.mode }, { type: now.type, mode: to.mode }, name);
    if (conflict !== undefined) return conflict;
  }
  return undefined;
}

function assertServable(metadata: Metadata, protocol: Protocol, end: Snapshot, version: number): void {
  const from = { type: metadata.schema, mode: columnMappingMode(metadata, protocol) };
  const to = { type: end.metadata.schema, mode: end.columnMapping };
  const partitions = metadata.partitionColumns.join('\0') === end.metadata.partitionColumns.join('\0');
  const conflict = partitions ? structConflict(from, to, '') : 'the partition columns changed';
  if (conflict === undefined) return;
  throw unavailable(
    `The schema of version ${version} cannot be read with that of version ${end.version}: ${conflict}.`,
    'A change data feed has one schema, that of its last version.',
    'Ask for the versions before and after the schema change separately.',
  );
}

/** What comes after the range does not matter, so the newest version is not loaded. */
async function endOfRange(store: LogStore, range: FeedRange, signal: AbortSignal | undefined): Promise<Snapshot> {
  const newest =
    (await headVersion(store, range.from, signal)) ?? (await loadSnapshot(store, { kind: 'latest' }, signal)).version;
  const { from, to = newest } = range;
  if (from > newest || to > newest) {
    throw new SyncError('versionNotFound', {
      problem: `The table has no version ${Math.max(from, to)}.`,
      reason: `Its newest version is ${newest}.`,
    });
  }
  if (from > to) {
    throw new SyncError('usage', {
      problem: `The range starts at version ${from} and ends before it, at ${to}.`,
      remedy: 'Let --from be at most --to.',
    });
  }
  return loadSnapshot(store, { kind: 'version', version: to }, signal);
}

/** A range whose first commit is gone has no feed, whatever a checkpoint still knows. */
function startGone(version: number, cause: unknown): SyncError {
  return unavailable(
    `The change data feed no longer holds version ${version}.`,
    'Log retention has removed what it was made of.',
    'Start at a version that the log still holds, or load the table anew.',
    cause,
  );
}

async function startOfRange(store: LogStore, version: number, signal: AbortSignal | undefined): Promise<Snapshot> {
  try {
    return await loadSnapshot(store, { kind: 'version', version }, signal);
  } catch (error) {
    throw error instanceof SyncError && error.code === 'versionNotFound' ? startGone(version, error) : error;
  }
}

/**
 * Reads the change data feed of a range, commit by commit. Throws `versionNotFound`, `changeFeedUnavailable` (feed off in
 * the range, schema change in the range, log or data removed), `usage` (range upside down) and what reading files throws.
 */
export async function* readChangeFeed(
  store: LogStore,
  range: FeedRange,
  signal?: AbortSignal,
): AsyncGenerator<FeedBatch> {
  const end = await endOfRange(store, range, signal);
  const start = range.from === end.version ? end : await startOfRange(store, range.from, signal);
  assertFeedOn(start.metadata, start.version, true);
  assertServable(start.metadata, start.protocol, end, start.version);
  await assertRange(store, start, end, signal);
  const layout = tableLayout(end.metadata, end.protocol);
  let { metadata } = start;
  let previous = -Infinity;
  for (let version = start.version; version <= end.version; version++) {
    const commit = await readCommit(store, version, signal);
    metadata = commit.metadata ?? metadata;
    // Modification times can go backwards, and engines make them ascend; in-commit timestamps are what they are.
    const isOwn = usesInCommitTimestamps(metadata, version);
    previous = isOwn ? commit.timestamp : Math.max(previous + 1, commit.timestamp);
    const sources = await resolved(store, changeSources(commit), layout, version, signal);
    for (const source of sources) {
      for await (const batch of sourceRows(store, source, layout, signal)) {
        yield { ...batch, version, timestamp: previous, columns: layout.schema.fields };
      }
    }
  }
}

/** Every commit of the range is looked at before the first row is given out, so that a refusal comes first. */
async function assertRange(
  store: LogStore,
  start: Snapshot,
  end: Snapshot,
  signal: AbortSignal | undefined,
): Promise<void> {
  let { protocol, metadata } = start;
  for (let version = start.version; version <= end.version; version++) {
    const commit = await readCommit(store, version, signal).catch((error: unknown) => {
      throw error instanceof SyncError && error.code === 'versionNotFound' ? startGone(version, error) : error;
    });
    if (commit.protocol !== null) assertProtocol(commit.protocol);
    protocol = commit.protocol ?? protocol;
    metadata = commit.metadata ?? metadata;
    if (commit.metadata === null) continue;
    assertFeedOn(metadata, version, version === start.version);
    assertServable(metadata, protocol, end, version);
  }
}

async function resolved(
  store: LogStore,
  sources: readonly ChangeSource[],
  layout: TableLayout,
  version: number,
  signal: AbortSignal | undefined,
): Promise<readonly ChangeSource[]> {
  return withPartitionValues(sources, layout, async function* () {
    if (version === 0) return;
    const before = await loadSnapshot(store, { kind: 'version', version: version - 1 }, signal);
    yield* before.fileBatches(signal);
  });
}

async function* sourceRows(
  store: LogStore,
  source: ChangeSource,
  layout: TableLayout,
  signal: AbortSignal | undefined,
): AsyncGenerator<ChangeRowBatch> {
  try {
    yield* readChangeRows(store, source, layout, {}, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'dataFileMissing') throw error;
    throw unavailable(
      `The change data feed of version ${source.version} is no longer available: ${error.problem}`,
      'VACUUM has removed them.',
      'Start at a later version, or load the table anew.',
      error,
    );
  }
}
