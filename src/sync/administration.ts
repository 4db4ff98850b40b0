/** What an operator may do to a table, and what its status says. HTTP and the command line both call this. */
import { SyncError } from '../shared/errors.ts';
import { readDeadLetters, deadLetterFolder, type DeadLetter } from './dead-letters.ts';
import { transition, type LedgerEntry } from './state-store.ts';
import {
  approve,
  isHeld,
  pause,
  reject,
  request,
  resume,
  type Checkpoint,
  type CurrentEpoch,
  type SyncState,
} from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

/** Changes of the state document that an operator asks for. */
export type AdminAction =
  | { readonly kind: 'pause' | 'resume' | 'resync' | 'verify' }
  | { readonly kind: 'approve' | 'reject'; readonly planId: string };

export interface TableStatus {
  readonly table: string;
  readonly mode: string;
  readonly checkpoint: Pick<Checkpoint, 'version' | 'commitTimestamp' | 'syncedAt' | 'documents' | 'epoch'> | null;
  readonly phase: 'idle' | 'claimed' | 'applying' | 'held' | 'paused';
  readonly current: Pick<
    CurrentEpoch,
    'planId' | 'kind' | 'from' | 'to' | 'why' | 'stage' | 'progress' | 'startedAt'
  > | null;
  readonly held: (NonNullable<CurrentEpoch['hold']> & { readonly planId: string }) | null;
  readonly pause: SyncState['pause'];
  readonly dirty: SyncState['dirty'];
  readonly request: SyncState['request'];
  readonly lastEpoch: LedgerEntry | null;
}

/** Applies an action. `by` names who asked, for the ledger. Throws `nothingHeld`, `planStale`, `tableUnknown`. */
export async function administer(
  deps: SyncDependencies,
  tableId: string,
  action: AdminAction,
  by: string,
): Promise<SyncState> {
  const target = await deps.target(tableId);
  const now = deps.clock.now();
  const state = await transition(deps.states, target.id, (latest) => {
    switch (action.kind) {
      case 'pause':
        return pause(latest, by, now);
      case 'resume':
        return resume(latest);
      case 'approve':
        return approve(latest, action.planId, by, now);
      case 'reject':
        return reject(latest, action.planId, by, now);
      case 'resync':
        return request(latest, 'reconcile', by, now);
      case 'verify':
        return request(latest, 'verify', by, now);
    }
  });
  if (state === null) throw new SyncError('internal', { problem: `The state of ${tableId} was not changed.` });
  return state;
}

export async function tableStatus(deps: SyncDependencies, tableId: string, signal?: AbortSignal): Promise<TableStatus> {
  const target = await deps.target(tableId);
  const [{ state }, [lastEpoch]] = await Promise.all([
    deps.states.read(target.id, signal),
    deps.states.history(target.id, 1, signal),
  ]);
  const { checkpoint, current } = state;
  return {
    table: tableId,
    mode: target.configuration.mode,
    checkpoint:
      checkpoint === null
        ? null
        : {
            version: checkpoint.version,
            commitTimestamp: checkpoint.commitTimestamp,
            syncedAt: checkpoint.syncedAt,
            documents: checkpoint.documents,
            epoch: checkpoint.epoch,
          },
    phase: phaseOf(state),
    current: current === null ? null : epochStatus(current),
    held: current?.hold !== undefined && isHeld(current) ? { ...current.hold, planId: current.planId } : null,
    pause: state.pause,
    dirty: state.dirty,
    request: state.request,
    lastEpoch: lastEpoch ?? null,
  };
}

/** The newest epochs first. */
export async function tableHistory(
  deps: SyncDependencies,
  tableId: string,
  limit: number,
  signal?: AbortSignal,
): Promise<readonly LedgerEntry[]> {
  const target = await deps.target(tableId);
  return deps.states.history(target.id, limit, signal);
}

/** Dead letters of a table, at most `limit`. */
export async function deadLetters(
  deps: SyncDependencies,
  tableId: string,
  limit: number,
  signal?: AbortSignal,
): Promise<readonly DeadLetter[]> {
  const target = await deps.target(tableId);
  const letters: DeadLetter[] = [];
  for await (const letter of readDeadLetters(deps.plans, target.id, signal)) {
    letters.push(letter);
    if (letters.length >= limit) break;
  }
  return letters;
}

/** Asks for another try at every dead letter: the rows are read again at the checkpoint; the letters are removed. */
export async function replayDeadLetters(
  deps: SyncDependencies,
  tableId: string,
  by: string,
  signal?: AbortSignal,
): Promise<SyncState> {
  const target = await deps.target(tableId);
  const state = await administer(deps, tableId, { kind: 'resync' }, by);
  await deps.plans.remove(deadLetterFolder(target.id), signal);
  return state;
}

function phaseOf(state: SyncState): TableStatus['phase'] {
  if (state.pause !== null) return 'paused';
  if (state.current === null) return 'idle';
  return isHeld(state.current) ? 'held' : state.current.phase;
}

function epochStatus(current: CurrentEpoch): NonNullable<TableStatus['current']> {
  const { planId, kind, from, to, why, stage, progress, startedAt } = current;
  return { planId, kind, from, to, why, stage, progress, startedAt };
}
