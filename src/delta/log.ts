/** The log of a table: which commits exist, and what is in one of them. */
import { createHash, type Hash } from 'node:crypto';
import { SyncError } from '../shared/errors.ts';
import { parseActionLines, type LogActions } from './action-lines.ts';
import { isRecord, logDamaged } from './action-record.ts';
import type { Commit } from './actions.ts';
import { commitPath, LOG_FOLDER, parseLogName, versionText } from './log-path.ts';
import { newestVersion, readListing, type CommitFile } from './log-segment.ts';
import type { LogStore, StoredFile } from './log-store.ts';
import { metadataFromRecord } from './metadata.ts';

/** A commit file that is empty or cut and younger than this is still being written, in milliseconds. */
const SETTLE_MS = 60_000;

/** Farthest time from 1970 that a Date can have, in milliseconds. */
const LAST_TIME = 8.64e15;

/** Files of the log from the first name of `since` on, in order. One list call per page. */
export async function* listLog(
  store: LogStore,
  since: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredFile> {
  for await (const file of store.list(LOG_FOLDER, `${LOG_FOLDER}/${versionText(since)}`, signal)) {
    const first = file.path.charCodeAt(LOG_FOLDER.length + 1);
    // Versions begin with a digit; whatever sorts after them is of no interest.
    if (first > 0x39) return;
    yield file;
  }
}

/** Commit files with a version >= `since`, ascending. */
export async function* listCommits(store: LogStore, since: number, signal?: AbortSignal): AsyncGenerator<CommitFile> {
  for await (const file of listLog(store, since, signal)) {
    const name = parseLogName(file.path.slice(LOG_FOLDER.length + 1));
    if (name?.kind === 'commit') yield { version: name.version, file };
  }
}

/**
 * The newest version of the log at or after `since` (default 0), from commits and from checkpoints; undefined when there
 * is none. One list call from `since` while nothing changed. With `now`, an empty commit file that is younger than a
 * minute does not count yet.
 */
export async function headVersion(
  store: LogStore,
  since: number | undefined,
  signal?: AbortSignal,
  now?: number,
): Promise<number | undefined> {
  const files: StoredFile[] = [];
  for await (const file of listLog(store, since ?? 0, signal)) {
    if (file.size > 0 || !file.path.endsWith('.json') || !isSettling(file, now)) files.push(file);
  }
  return newestVersion(readListing(files));
}

function isSettling(file: StoredFile, now: number | undefined): boolean {
  return now !== undefined && now - file.modifiedAt < SETTLE_MS;
}

/** `commitInfo.inCommitTimestamp` in milliseconds, where the commit has one. */
export function inCommitTimestamp(actions: LogActions): number | undefined {
  const value = actions.commitInfo?.['inCommitTimestamp'];
  return Number.isSafeInteger(value) && Math.abs(Number(value)) <= LAST_TIME ? Number(value) : undefined;
}

/**
 * Reads and parses one commit file; `hash`, if given, takes its bytes. Throws as `readCommit` does, but `storageNotFound`
 * when there is none.
 */
export async function readCommitFile(
  store: LogStore,
  version: number,
  signal?: AbortSignal,
  now?: number,
  hash?: Hash,
): Promise<{ readonly actions: LogActions; readonly file: StoredFile }> {
  const { pieces, file } = await store.stream(commitPath(version), signal);
  try {
    return {
      actions: await parseActionLines(hash === undefined ? pieces : hashed(pieces, hash), `Commit ${version}`),
      file,
    };
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'logDamaged' || !isSettling(file, now)) throw error;
    throw new SyncError('commitPending', { problem: `Commit ${version} is not completely written yet.`, cause: error });
  }
}

async function* hashed(pieces: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

/**
 * Reads the commit of one version. Throws `versionNotFound` when there is no such file, `logDamaged` when it is no
 * commit, and `commitPending` instead when `now` is given and the file is younger than a minute.
 */
export async function readCommit(
  store: LogStore,
  version: number,
  signal?: AbortSignal,
  now?: number,
): Promise<Commit> {
  const hash = createHash('sha256');
  const { actions, file } = await readCommitFile(store, version, signal, now, hash).catch((error: unknown) => {
    if (!(error instanceof SyncError) || error.code !== 'storageNotFound') throw error;
    throw new SyncError('versionNotFound', {
      problem: `The log holds no commit ${version}.`,
      reason: 'It was never written, or log retention has removed it.',
      cause: error,
    });
  });
  const operation = actions.commitInfo?.['operation'];
  return {
    version,
    etag: file.etag,
    contentHash: hash.digest('hex'),
    timestamp: inCommitTimestamp(actions) ?? file.modifiedAt,
    metadata: actions.metaData === null ? null : metadataFromRecord(actions.metaData),
    protocol: actions.protocol,
    adds: actions.adds,
    removes: actions.removes,
    cdc: actions.cdc,
    operation: typeof operation === 'string' ? operation : undefined,
  };
}

/** The error for a needed commit that a listing does not hold. */
export function logGap(missing: number, version: number): SyncError {
  return logDamaged(
    `Version ${version} cannot be reconstructed: commit ${missing} is missing.`,
    'The log is not contiguous: the commits after the newest usable checkpoint must all be there.',
  );
}

/** Reads the hint `_last_checkpoint`: a version to list from, undefined when there is no usable one. It may be wrong. */
export async function lastCheckpointHint(
  store: LogStore,
  path: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  try {
    const { bytes } = await store.read(path, signal);
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const version = isRecord(json) ? json['version'] : undefined;
    return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0 ? version : undefined;
  } catch (error) {
    const passing = error instanceof SyncError && error.code !== 'storageNotFound' && error.code !== 'storageChanged';
    if (passing) throw error;
    signal?.throwIfAborted();
    return undefined;
  }
}
