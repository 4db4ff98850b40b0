/** Follows the `_delta_log` of a table in a local folder: file system notifications, and a slow listing as a net under them. */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';

/** Between two listings at least; a burst of notifications is one. */
const QUIET_MS = 250;
/** Between two listings at most: notifications are not reliable on every file system. */
const NET_MS = 5000;

/** Commits this far behind the newest are looked at again: a file is often seen before it is whole. */
const REWRITTEN_WITHIN = 20;

const COMMIT_NAME = /^\d{20}\.json$/;

/** A commit file that is new or was written again. */
export interface CommitFile {
  /** Absolute path. */
  readonly path: string;
  readonly version: number;
  readonly size: number;
  /** Differs whenever the file does. */
  readonly eTag: string;
}

/** Commit files with at least this version, by name; empty when the folder is absent for the moment. */
async function listCommits(folder: string, fromVersion: number): Promise<Map<string, CommitFile>> {
  const names = await readdir(folder).catch(() => []);
  const commits = new Map<string, CommitFile>();
  for (const name of names.filter((name) => COMMIT_NAME.test(name)).toSorted()) {
    const version = Number(name.slice(0, 20));
    if (version < fromVersion) continue;
    const path = join(folder, name);
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined) continue;
    commits.set(name, { path, version, size: stats.size, eTag: `${stats.size}-${stats.mtimeMs}-${stats.ino}` });
  }
  return commits;
}

/** The commit file with the highest version, or undefined when there is none (a log that begins with a checkpoint). */
export async function newestCommit(logFolder: string): Promise<CommitFile | undefined> {
  return [...(await listCommits(logFolder, 0)).values()].at(-1);
}

/**
 * Calls `onCommit` for every commit file that appears or changes from now on, oldest first, until the signal aborts.
 * Resolves once "now" is fixed; `ended` resolves when following has stopped.
 */
export async function followLogFolder(
  logFolder: string,
  onCommit: (commit: CommitFile) => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  let noticed = false;
  let wake: () => void = () => undefined;
  let watcher: FSWatcher | undefined;
  function watchAgain(): void {
    if (watcher !== undefined) return;
    try {
      watcher = watch(logFolder, { persistent: false }, () => {
        noticed = true;
        wake();
      });
      // The folder went away or the system refuses to watch: the net is left, and the next listing tries again.
      watcher.once('error', () => {
        watcher?.close();
        watcher = undefined;
      });
    } catch {
      watcher = undefined;
    }
  }

  watchAgain();
  let known = await listCommits(logFolder, 0);
  let newest = Math.max(-1, ...[...known.values()].slice(-1).map((commit) => commit.version));
  async function run(): Promise<void> {
    try {
      while (!signal.aborted) {
        const turn = new AbortController();
        wake = () => turn.abort();
        if (!noticed) await clock.sleep(NET_MS, AbortSignal.any([signal, turn.signal])).catch(() => undefined);
        if (signal.aborted) break;
        noticed = false;
        watchAgain();
        const present = await listCommits(logFolder, newest - REWRITTEN_WITHIN);
        for (const [name, commit] of present) {
          if (known.get(name)?.eTag !== commit.eTag) onCommit(commit);
          newest = Math.max(newest, commit.version);
        }
        known = present;
        await clock.sleep(QUIET_MS, signal).catch(() => undefined);
      }
    } finally {
      watcher?.close();
    }
  }
  return { ended: run() };
}
