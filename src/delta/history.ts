/**
 * Commit timestamps and the version of a point in time (PROTOCOL.md, "In-Commit Timestamps", "Recommendations for Readers
 * of Tables with In-Commit Timestamps").
 */
import { SyncError } from '../shared/errors.ts';
import type { Metadata } from './actions.ts';
import { inCommitTimestamp, listCommits, readCommitFile } from './log.ts';
import type { CommitFile } from './log-segment.ts';
import type { LogStore } from './log-store.ts';
import { isEnabled } from './metadata.ts';

/** Timestamp of one commit. */
export interface CommitTime {
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** First version with in-commit timestamps, undefined when they are off. */
export function inCommitTimestampsSince(metadata: Metadata): number | undefined {
  if (!isEnabled(metadata, 'delta.enableInCommitTimestamps')) return undefined;
  const since = Number(metadata.configuration['delta.inCommitTimestampEnablementVersion'] ?? '0');
  return Number.isSafeInteger(since) && since >= 0 ? since : 0;
}

/** True when the commit of `version` carries its own timestamp. */
export function usesInCommitTimestamps(metadata: Metadata, version: number): boolean {
  const since = inCommitTimestampsSince(metadata);
  return since !== undefined && version >= since;
}

/** Modification times made strictly ascending, as engines do: copies and clock skew let them go backwards. */
export function monotonic(commits: readonly CommitFile[]): readonly CommitTime[] {
  let previous = -Infinity;
  return commits.map(({ version, file }) => {
    previous = Math.max(previous + 1, file.modifiedAt);
    return { version, timestamp: previous };
  });
}

async function commitFiles(store: LogStore, signal: AbortSignal | undefined): Promise<CommitFile[]> {
  const commits: CommitFile[] = [];
  for await (const commit of listCommits(store, 0, signal)) commits.push(commit);
  return commits;
}

async function storedTime(store: LogStore, version: number, signal: AbortSignal | undefined): Promise<number> {
  const { actions, file } = await readCommitFile(store, version, signal);
  return inCommitTimestamp(actions) ?? file.modifiedAt;
}

/**
 * Timestamps of every commit that the log still holds, ascending. Reads each commit that has an in-commit timestamp.
 * `metadata`: of the newest version.
 */
export async function commitTimestamps(
  store: LogStore,
  metadata: Metadata,
  signal?: AbortSignal,
): Promise<readonly CommitTime[]> {
  const commits = await commitFiles(store, signal);
  const since = inCommitTimestampsSince(metadata) ?? Infinity;
  const times = [...monotonic(commits.filter(({ version }) => version < since))];
  for (const { version } of commits.filter((commit) => commit.version >= since)) {
    times.push({ version, timestamp: await storedTime(store, version, signal) });
  }
  return times;
}

/** The newest of `times` at or before `timestamp`. */
function newestAt(times: readonly CommitTime[], timestamp: number): number | undefined {
  return times.findLast((time) => time.timestamp <= timestamp)?.version;
}

/** In-commit timestamps ascend, so a few commits tell where the point in time lies. */
async function searchStored(
  store: LogStore,
  commits: readonly CommitFile[],
  timestamp: number,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  let low = 0;
  let high = commits.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const version = commits[middle]?.version ?? 0;
    if ((await storedTime(store, version, signal)) <= timestamp) low = middle + 1;
    else high = middle;
  }
  return commits[low - 1]?.version;
}

/**
 * The newest version whose commit timestamp is at or before `timestamp` (milliseconds). `metadata`: of the newest version.
 * Throws `versionNotFound` when it is before the first commit that the log still holds.
 */
export async function versionAtTimestamp(
  store: LogStore,
  metadata: Metadata,
  timestamp: number,
  signal?: AbortSignal,
): Promise<number> {
  const commits = await commitFiles(store, signal);
  const since = inCommitTimestampsSince(metadata) ?? Infinity;
  const stored = commits.filter((commit) => commit.version >= since);
  const version =
    (await searchStored(store, stored, timestamp, signal)) ??
    newestAt(monotonic(commits.filter((commit) => commit.version < since)), timestamp);
  if (version !== undefined) return version;
  throw new SyncError('versionNotFound', {
    problem: `The table has no version at ${new Date(timestamp).toISOString()}.`,
    reason: 'That is before the first commit that the log still holds.',
  });
}
