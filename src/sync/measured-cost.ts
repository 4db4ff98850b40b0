/** What work has cost so far, from the ledger: for plans, guards and where catching up is cut. Pure. */
import type { LedgerEntry } from './state-store.ts';

/** Newest epochs that are looked at. */
export const COST_EPOCHS = 10;

/** RU of one write of a document of a kilobyte, before anything was measured. */
const GUESSED_RU_PER_WRITE = 10;
/** RU of reading one document of a kilobyte with others, before anything was measured. */
const GUESSED_RU_PER_READ = 0.1;
/** With less than this nothing is measured but fixed costs. */
const MIN_WRITES = 100;
const MIN_ROWS = 1_000;

export interface MeasuredCost {
  readonly ruPerWrite: number;
  /** Whether that was measured rather than guessed. */
  readonly measured: boolean;
  /** RU for each row that is read of changes: those that change nothing cost nothing. */
  readonly ruPerChangedRow: number;
  /** RU for each document that a verification compares. */
  readonly ruPerComparison: number;
  /** Null before enough rows went by. */
  readonly rowsPerSecond: number | null;
}

/** `history`: newest first. */
export function measuredCost(history: readonly LedgerEntry[]): MeasuredCost {
  const sums = { writes: 0, writeRu: 0, changedRows: 0, changedRu: 0, rows: 0, seconds: 0, compared: 0, comparedRu: 0 };
  for (const { kind, counts, startedAt, endedAt } of history.slice(0, COST_EPOCHS)) {
    if (kind === 'verify') {
      sums.compared += counts.skipped + counts.upserts + counts.deletes;
      sums.comparedRu += counts.requestUnits;
    }
    // These read the container rather than write to it.
    if (kind === 'verify' || kind === 'cleanup') continue;
    sums.rows += counts.rows;
    sums.seconds += (endedAt - startedAt) / 1_000;
    if (kind === 'reconcile') continue;
    sums.writes += writesOf(counts);
    sums.writeRu += counts.requestUnits;
    if (kind !== 'changes') continue;
    sums.changedRows += counts.rows;
    sums.changedRu += counts.requestUnits;
  }
  const measured = sums.writes >= MIN_WRITES;
  const ruPerWrite = measured ? sums.writeRu / sums.writes : GUESSED_RU_PER_WRITE;
  return {
    ruPerWrite,
    measured,
    ruPerChangedRow: sums.changedRows >= MIN_ROWS ? sums.changedRu / sums.changedRows : ruPerWrite,
    ruPerComparison: sums.compared >= MIN_WRITES ? sums.comparedRu / sums.compared : GUESSED_RU_PER_READ,
    rowsPerSecond: sums.rows >= MIN_ROWS && sums.seconds > 0 ? sums.rows / sums.seconds : null,
  };
}

/** Operations that changed something. */
export function writesOf(counts: Pick<LedgerEntry['counts'], 'creates' | 'upserts' | 'patches' | 'deletes'>): number {
  return counts.creates + counts.upserts + counts.patches + counts.deletes;
}
