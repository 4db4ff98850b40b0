/** Where catching up over many commits is cut into several epochs: by commits, rows, bytes and RU. Pure. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { Commit } from '../delta/actions.ts';
import { liveRows } from './plan-sources.ts';

/** Limits unless the configuration says otherwise. */
const MOST_COMMITS = 2_000;
const MOST_ROWS = 5_000_000;
const MOST_BYTES = 8 * 2 ** 30;

/** Bytes of a change file for each row, as its rows are not counted in the log. */
const CHANGE_ROW_BYTES = 32;

/** What reading the changes of commits takes, from the log alone: upper bounds where statistics are missing. */
export interface CommitWeight {
  readonly commits: number;
  readonly rows: number;
  readonly bytes: number;
}

export const NO_COMMITS: CommitWeight = { commits: 0, rows: 0, bytes: 0 };

/** Change files where the commit has them; otherwise the rows of added and removed files, or those between two deletion vectors. */
export function weightOf(commit: Pick<Commit, 'adds' | 'removes' | 'cdc'>): CommitWeight {
  let [rows, bytes] = [0, 0];
  if (commit.cdc.length > 0) {
    for (const file of commit.cdc) bytes += file.size;
    return { commits: 1, rows: Math.ceil(bytes / CHANGE_ROW_BYTES), bytes };
  }
  const removes = new Map(commit.removes.map((file) => [file.path, file]));
  for (const add of commit.adds) {
    const before = removes.get(add.path);
    removes.delete(add.path);
    if (!add.dataChange && before?.dataChange !== true) continue;
    bytes += add.size;
    rows +=
      before === undefined
        ? liveRows(add)
        : (add.deletionVector?.cardinality ?? 0) + (before.deletionVector?.cardinality ?? 0);
  }
  for (const file of removes.values()) {
    if (!file.dataChange) continue;
    bytes += file.size ?? 0;
    rows += liveRows({ ...file, size: file.size ?? 0 });
  }
  return { commits: 1, rows, bytes };
}

export function addWeights(a: CommitWeight, b: CommitWeight): CommitWeight {
  return { commits: a.commits + b.commits, rows: a.rows + b.rows, bytes: a.bytes + b.bytes };
}

/** Whether commits are too many for one epoch. `ruPerRow`: what a row that was read has cost so far. */
export function isBeyond(weight: CommitWeight, limits: TableConfiguration['limits'], ruPerRow: number): boolean {
  return (
    weight.commits > MOST_COMMITS ||
    weight.rows > (limits.rows ?? MOST_ROWS) ||
    weight.bytes > (limits.bytes ?? MOST_BYTES) ||
    (limits.ru !== undefined && weight.rows * ruPerRow > limits.ru)
  );
}
