/** What forbids an epoch of which everything it would do is known exactly before its first write. Pure. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { deletesOf, type CollectedPass } from './collected-pass.ts';
import { guardDeletes } from './guards.ts';
import type { Hold } from './hold.ts';
import type { SyncState } from './state.ts';

/** What the passes of a chunk come to together. */
export interface EpochTotals {
  readonly failed: number;
  readonly duplicates: number;
  readonly undecided: number;
  readonly deletes: number;
}

export function totalsOf(pass: CollectedPass): EpochTotals {
  let [failed, duplicates, undecided] = [pass.failed.length, 0, 0];
  for (const verdict of pass.verdicts) {
    if (verdict.kind === 'undecided') undecided++;
    if (verdict.kind !== 'failed') continue;
    failed++;
    if (verdict.duplicate !== null) duplicates++;
  }
  return { failed, duplicates, undecided, deletes: deletesOf(pass) };
}

export function addTotals(a: EpochTotals, b: EpochTotals): EpochTotals {
  return {
    failed: a.failed + b.failed,
    duplicates: a.duplicates + b.duplicates,
    undecided: a.undecided + b.undecided,
    deletes: a.deletes + b.deletes,
  };
}

export interface RefusalFacts {
  readonly totals: EpochTotals;
  readonly table: TableConfiguration;
  readonly state: SyncState;
  /** Readers do not see what is written. */
  readonly load: boolean;
  readonly now: number;
}

/** The hold that the epoch calls for, or null. */
export function refusalOf({ totals, table, state, load, now }: RefusalFacts): Hold | null {
  const undecided = undecidedHold(totals, now);
  if (undecided !== null) return undecided;
  if (totals.failed > table.deadLetters.threshold) {
    const duplicates = totals.duplicates > 0;
    return {
      code: duplicates ? 'keyNotUnique' : 'tooManyDeadLetters',
      reason: `${totals.failed} documents cannot be written; the threshold is ${table.deadLetters.threshold}.`,
      remedy: duplicates
        ? 'Choose a key that is unique, or set "duplicates" to last.'
        : 'Repair the rows or the mapping.',
      since: now,
    };
  }
  // Deletes in a slot that nobody reads are the load's business.
  return load ? null : guardDeletes({ state, guards: table.guards, deletes: totals.deletes, now });
}

/** Mode patch without `onDelete`: an operator has to say what becomes of the documents of rows that are gone. */
export function undecidedHold({ undecided }: EpochTotals, now: number): Hold | null {
  if (undecided === 0) return null;
  return {
    code: 'deleteUndecided',
    reason: 'Rows are gone, and in mode patch their documents may hold fields of the application.',
    remedy: 'Set "onDelete" to delete or keep.',
    since: now,
  };
}
