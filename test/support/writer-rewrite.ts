/** What an update, delete or merge of the test writer does to the files of a table. */
import type { Row } from '../../src/delta/schema.ts';
import { toLogical, toPhysical } from './writer-columns.ts';
import type { Change, LiveFile, TableShape } from './writer-files.ts';

/** A rewrite, by physical names. */
export interface Rewrite {
  readonly untouched: readonly LiveFile[];
  readonly removed: readonly LiveFile[];
  /** Files that stay, with more rows deleted. */
  readonly marked: readonly { readonly from: LiveFile; readonly deleted: ReadonlySet<number> }[];
  /** Rows for new files. */
  readonly written: readonly Row[];
  readonly changes: readonly Change[];
  /** False when the adds and removes tell the changes, as engines leave it then. */
  readonly needsChangeFiles: boolean;
}

/** `change` gives null for a deleted row, the same object for an unchanged one. `inserts` are by logical names. */
export function planRewrite(
  { live, fields }: TableShape & { readonly live: readonly LiveFile[] },
  change: (row: Row) => Row | null,
  inserts: readonly Row[],
  useVectors: boolean,
): Rewrite {
  const changes: Change[] = inserts.map((row) => ({ row: toPhysical(row, fields), type: 'insert' }));
  const written: Row[] = changes.map(({ row }) => row);
  const untouched: LiveFile[] = [];
  const removed: LiveFile[] = [];
  const marked: { readonly from: LiveFile; readonly deleted: ReadonlySet<number> }[] = [];
  let onlyWholeFiles = true;
  for (const from of live) {
    const deleted = new Set(from.deleted);
    const kept: Row[] = [];
    for (const [i, row] of from.file.rows.entries()) {
      if (from.deleted.has(i)) continue;
      const logical = toLogical(row, fields);
      const next = change(logical);
      if (next === logical) {
        kept.push(row);
        continue;
      }
      deleted.add(i);
      changes.push({ row, type: next === null ? 'delete' : 'update_preimage' });
      if (next === null) continue;
      const after = toPhysical(next, fields);
      changes.push({ row: after, type: 'update_postimage' });
      written.push(after);
    }
    if (deleted.size === from.deleted.size) untouched.push(from);
    else if (kept.length > 0 && useVectors) marked.push({ from, deleted });
    else {
      if (kept.length > 0) onlyWholeFiles = false;
      removed.push(from);
      written.push(...kept);
    }
  }
  const plainDeletes = changes.every(({ type }) => type === 'delete') && onlyWholeFiles;
  const plainInserts = changes.every(({ type }) => type === 'insert');
  return { untouched, removed, marked, written, changes, needsChangeFiles: !plainDeletes && !plainInserts };
}
