/** Files of the test writer's tables that are read back or removed: commits, compactions, what VACUUM and retention take. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { compactedActions, type Action } from './delta-log-writer.ts';

const digits = (version: number): string => String(version).padStart(20, '0');

/** Path of a commit file, relative to the table. */
export function logName(version: number): string {
  return `_delta_log/${digits(version)}.json`;
}

/** Path of the compacted log of the commits `from` to `to`. */
export function compactedPath(from: number, to: number): string {
  return `_delta_log/${digits(from)}.${digits(to)}.compacted.json`;
}

/** Actions of the commits `from` to `to`. */
export async function readCommits(folder: string, from: number, to: number): Promise<readonly (readonly Action[])[]> {
  const commits: Action[][] = [];
  for (let version = from; version <= to; version++) {
    const lines = (await readFile(join(folder, logName(version)), 'utf8')).trim().split('\n');
    commits.push(lines.map((line) => JSON.parse(line) as Action));
  }
  return commits;
}

/** Text of the compacted log of these commits. */
export function compactedText(commits: readonly (readonly Action[])[]): string {
  return compactedActions(commits)
    .map((action) => `${JSON.stringify(action)}\n`)
    .join('');
}

/** Removes every file outside the log that is not needed. */
export async function removeUnneeded(folder: string, needed: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(folder.length + 1);
    if (entry.isFile() && !path.startsWith('_delta_log') && !needed.has(path)) await rm(join(folder, path));
  }
}

/** Removes the files of the log below a version. */
export async function removeOldLog(folder: string, version: number): Promise<void> {
  const log = join(folder, '_delta_log');
  for (const name of await readdir(log)) {
    if (/^\d{20}\./.test(name) && Number(name.slice(0, 20)) < version) await rm(join(log, name));
  }
}
