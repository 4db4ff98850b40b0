/** What forbids an epoch of which everything it would do is known exactly before its first write. Pure. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { deletesOf, type CollectedPass } from './collected-pass.ts';
import { guardDeletes } from './guards.ts';
import type { Hold } from './hold.ts';
import type { SyncState } from './state.ts';

/** What the passes of a chunk come to together. */
export interface EpochTotals {
  /** Rows that become dead letters, and those of them that claim a document together with others. */
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
    failed += verdict.rows.length;
    if (verdict.duplicate !== null) duplicates += verdict.rows.length;
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
  const letters = deadLetterHold(totals, table, now);
  if (letters !== null) return letters;
  // Deletes in a slot that nobody reads are the load's business.
  return load ? null : guardDeletes({ state, guards: table.guards, deletes: totals.deletes, now });
}

/** More rows cannot be written than `deadLetters.threshold`. `example`: what one of them is refused for. */
export function deadLetterHold(
  { failed, duplicates }: Pick<EpochTotals, 'failed' | 'duplicates'>,
  { deadLetters: { threshold } }: Pick<TableConfiguration, 'deadLetters'>,
  now: number,
  example = '',
): Hold | null {
  if (failed <= threshold) return null;
  const reason = `${failed} rows cannot be written; the threshold is ${threshold}.`;
  const [code, remedy] =
    duplicates > 0
      ? ([
          'keyNotUnique',
          'Choose an id and partition key that are unique together, or set "duplicates" to last.',
        ] as const)
      : (['tooManyDeadLetters', 'Repair the rows or the mapping, or approve the plan to go on without them.'] as const);
  return { code, reason: example === '' ? reason : `${reason} ${example}`, remedy, since: now };
}

/** Whether the settings say what becomes of the documents of rows that are gone. */
export function decidesDeletes({ mode, onDelete }: Pick<TableConfiguration, 'mode' | 'onDelete'>): boolean {
  return mode !== 'patch' || onDelete !== undefined;
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
