/** The rows that documents were made from, where a comparison with the head alone cannot tell whose documents they are. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { loadSnapshot, type Snapshot } from '../delta/snapshot.ts';
import { SyncError } from '../shared/errors.ts';
import type { EpochFacts } from './choose-epoch.ts';
import { sourceIsGone } from './source-failure.ts';
import type { SyncState } from './state.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';
import { readContext, type TableContext } from './table-context.ts';

export interface FormerRows {
  readonly need: EpochFacts['former'];
  /** The table as the documents show it; of an epoch that was given up also as that one would have left it. */
  readonly snapshots: readonly Snapshot[];
}

export const NO_FORMER_ROWS: FormerRows = { need: null, snapshots: [] };
const LOST: FormerRows = { need: 'lost', snapshots: [] };

export interface FormerRowsRequest {
  readonly deps: Pick<SyncDependencies, 'plans'>;
  readonly target: Pick<SyncTarget, 'configuration' | 'source'>;
  readonly state: Pick<SyncState, 'checkpoint' | 'dirty'>;
  /** The settings give other documents than those in the container. */
  readonly remapped: boolean;
  /** Whether changes since the checkpoint can be read; `recreated`: they are another table's. */
  readonly log: 'read' | 'unread' | 'recreated';
}

/** What is needed of the table at the checkpoint, as far as its log can still be read. */
export async function formerRows(request: FormerRowsRequest, signal: AbortSignal): Promise<FormerRows> {
  const { deps, target, state, remapped, log } = request;
  const { configuration } = target;
  const { checkpoint, dirty } = state;
  if (checkpoint === null) return NO_FORMER_ROWS;
  if (!remapped && (log === 'read' || !onlyRowsTell(configuration))) return NO_FORMER_ROWS;
  if (!hidesDocuments(await readContext(deps.plans, checkpoint.context, signal), configuration)) return NO_FORMER_ROWS;
  if (log === 'recreated' || dirty?.compared === true) return LOST;
  const versions = new Set([checkpoint.version, dirty?.to ?? checkpoint.version]);
  try {
    const snapshots: Snapshot[] = [];
    for (const version of versions)
      snapshots.push(await loadSnapshot(target.source, { kind: 'version', version }, signal));
    return { need: 'needed', snapshots };
  } catch (error) {
    if (error instanceof SyncError && sourceIsGone(error.code)) return LOST;
    throw error;
  }
}

/** Whether nothing in a document says that it is the table's, and somebody wants to know when its row is gone. */
export function onlyRowsTell({ mode, onDelete, discriminator }: TableConfiguration): boolean {
  return mode === 'patch' && onDelete !== 'keep' && discriminator === undefined;
}

/**
 * Whether settings that have changed hide documents from a comparison: in mode patch nothing but a row says that a document
 * is the table's, and elsewhere nothing but the discriminator.
 */
function hidesDocuments(before: Pick<TableContext, 'table'>, table: TableConfiguration): boolean {
  if (table.mode === 'patch') return table.onDelete !== 'keep';
  if (table.mode !== 'mirror' && table.mode !== 'softDelete') return false;
  return JSON.stringify(before.table.discriminator) !== JSON.stringify(table.discriminator);
}
