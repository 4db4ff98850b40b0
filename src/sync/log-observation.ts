/** One look at the log from the checkpoint on: the head, which commits can be read, and whether it is still the same table. */
import { listLog } from '../delta/log.ts';
import { LOG_FOLDER, parseLogName } from '../delta/log-path.ts';
import type { LogStore, StoredFile } from '../delta/log-store.ts';
import type { Checkpoint } from './state.ts';

export interface LogObservation {
  /** Newest version, from commits and checkpoints; undefined when the log is empty from `since` on. */
  readonly head: number | undefined;
  /** Commit files by version, from `since` on. */
  readonly commits: ReadonlyMap<number, StoredFile>;
}

/** A commit file without content that is younger than this is still being written, in milliseconds. */
const SETTLE_MS = 60_000;

/** Lists the log once, from `since` (a version) on. */
export async function observeLog(
  store: LogStore,
  since: number,
  now: number,
  signal?: AbortSignal,
): Promise<LogObservation> {
  const commits = new Map<number, StoredFile>();
  let head: number | undefined;
  for await (const file of listLog(store, since, signal)) {
    const name = parseLogName(file.path.slice(LOG_FOLDER.length + 1));
    if (name === undefined || name.kind === 'compaction' || name.kind === 'checkpointPart') continue;
    if (name.kind === 'commit') {
      if (file.size === 0 && now - file.modifiedAt < SETTLE_MS) continue;
      commits.set(name.version, file);
    }
    head = Math.max(head ?? 0, name.version);
  }
  return { head, commits };
}

/** True when every commit in (from, to] is there. */
export function hasCommits(log: LogObservation, from: number, to: number): boolean {
  for (let version = from + 1; version <= to; version++) if (!log.commits.has(version)) return false;
  return true;
}

/** What the listing alone says of the checkpoint's commit file; `unsure` calls for a look at its content. */
export function compareWithCheckpoint(log: LogObservation, checkpoint: Checkpoint): 'same' | 'recreated' | 'unsure' {
  if (log.head === undefined || log.head < checkpoint.version) return 'recreated';
  const file = log.commits.get(checkpoint.version);
  // Log cleanup removes old commits of a table that lives on; then only continuity can be judged.
  if (file === undefined || checkpoint.commitEtag === null) return 'same';
  return file.etag === checkpoint.commitEtag ? 'same' : 'unsure';
}
