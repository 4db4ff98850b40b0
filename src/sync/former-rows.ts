/** The rows that documents were made from, where a comparison with the head alone cannot tell whose documents they are. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { loadSnapshot, type Snapshot } from '../delta/snapshot.ts';
import { SyncError } from '../shared/errors.ts';
import type { EpochFacts } from './choose-epoch.ts';
import { sourceIsGone } from './source-failure.ts';
import type { SyncState } from './state.ts';
import type { SyncTarget } from './sync-target.ts';
import type { TableContext } from './table-context.ts';

export interface FormerRows {
  readonly need: EpochFacts['former'];
  /** The table as the documents show it; of an epoch that was given up also as that one would have left it. */
  readonly snapshots: readonly Snapshot[];
}

export const NO_FORMER_ROWS: FormerRows = { need: null, snapshots: [] };
export const FORMER_ROWS_LOST: FormerRows = { need: 'lost', snapshots: [] };

/**
 * Whether settings that have changed hide documents from a comparison: in mode patch nothing but a row says that a document
 * is the table's, and elsewhere nothing but the discriminator.
 */
export function hidesDocuments(before: Pick<TableContext, 'table'>, table: TableConfiguration): boolean {
  if (table.mode === 'patch') return table.onDelete !== 'keep';
  if (table.mode !== 'mirror' && table.mode !== 'softDelete') return false;
  return JSON.stringify(before.table.discriminator) !== JSON.stringify(table.discriminator);
}

/** The table at the checkpoint, as far as its log can still be read. */
export async function readFormerRows(
  { source }: Pick<SyncTarget, 'source'>,
  { checkpoint, dirty }: Pick<SyncState, 'checkpoint' | 'dirty'>,
  signal: AbortSignal,
): Promise<FormerRows> {
  if (checkpoint === null) return NO_FORMER_ROWS;
  // Files were gone when they were looked for.
  if (dirty?.from === null) return FORMER_ROWS_LOST;
  const versions = new Set([checkpoint.version, dirty?.to ?? checkpoint.version]);
  try {
    const snapshots: Snapshot[] = [];
    for (const version of versions) snapshots.push(await loadSnapshot(source, { kind: 'version', version }, signal));
    return { need: 'needed', snapshots };
  } catch (error) {
    if (error instanceof SyncError && sourceIsGone(error.code)) return FORMER_ROWS_LOST;
    throw error;
  }
}
