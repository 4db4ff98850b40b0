/** What an operator may do to a table, and what its status says. HTTP and the command line both call this. */
import { SyncError } from '../shared/errors.ts';
import type { Concern, Retry } from './concern.ts';
import { readDeadLetters, type DeadLetter } from './dead-letters.ts';
import { transition, type LedgerEntry } from './state-store.ts';
import { replaceable } from './choose-load.ts';
import { rollBack, rollbackTarget, sameSlot, slotName } from './publication-state.ts';
import { publish } from './publication.ts';
import type { Removal, RemovedTable } from './removal.ts';
import { approve, reject } from './hold.ts';
import {
  isHeld,
  abandon,
  pause,
  request,
  resume,
  type Checkpoint,
  type CurrentEpoch,
  type SyncState,
} from './state.ts';
import { publicationsOf, type SyncDependencies, type SyncTarget } from './sync-target.ts';

/** Changes of the state document that an operator asks for. */
export type AdminAction =
  | { readonly kind: 'pause' | 'resume' | 'resync' | 'verify' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'approve' | 'reject'; readonly planId: string };

export interface TableStatus {
  readonly table: string;
  /** Null for a table that was taken out of the configuration. */
  readonly mode: string | null;
  readonly checkpoint: Pick<Checkpoint, 'version' | 'commitTimestamp' | 'syncedAt' | 'documents' | 'epoch'> | null;
  /**
   * `waiting`: planning cannot come to a plan, `concern` tells why. `retrying`: an epoch is under way, and `concern` tells
   * what one of its chunks fails with. `due`: nothing is under way, and there is work that the next look at the table
   * begins with.
   */
  readonly phase: 'idle' | 'due' | 'claimed' | 'applying' | 'retrying' | 'held' | 'waiting' | 'paused';
  readonly current: Pick<
    CurrentEpoch,
    'planId' | 'kind' | 'from' | 'to' | 'why' | 'stage' | 'progress' | 'startedAt'
  > | null;
  readonly held: (NonNullable<CurrentEpoch['hold']> & { readonly planId: string }) | null;
  readonly concern: Concern | Retry | null;
  readonly due: readonly DueWork[];
  readonly pause: SyncState['pause'];
  readonly dirty: SyncState['dirty'];
  readonly request: SyncState['request'];
  /** Slots of a table that is published as blueGreen or versionFlag; null for others. */
  readonly publication: PublicationStatus | null;
  readonly lastEpoch: LedgerEntry | null;
  /** Set for a table that was taken out of the configuration. */
  readonly removal: RemovalStatus | null;
}

/**
 * Work that is known before the log is looked at: `duplicates` are documents that several rows claimed and a change
 * touched, `dirty` is what an epoch that was given up may have left behind.
 */
export type DueWork = 'duplicates' | 'replay' | 'reconcile' | 'verify' | 'dirty' | 'freshness';

/** `pending`: the next sweep, or somebody's approval, begins it. */
export interface RemovalStatus {
  readonly documents: 'keep' | 'delete';
  readonly phase: 'pending' | Removal['phase'];
  /** Milliseconds since 1970; null while it is pending. */
  readonly at: number | null;
}

/** Containers, or numbers of generations. */
export interface PublicationStatus {
  /** What readers are told to read; null before the first load was published. */
  readonly live: string | number | null;
  /** What epochs write to; another one than `live` while a load waits to be published. */
  readonly working: string | number | null;
  /** What a rollback would go back to. */
  readonly rollback: { readonly to: string | number; readonly version: number } | null;
  /** What is going to be deleted. */
  readonly retired: readonly (string | number)[];
}

/**
 * Applies an action. `by` names who asked, for the ledger. Throws `nothingHeld`, `planStale`, `tableUnknown`; a rollback
 * also `nothingToRollBack`, `pointerChanged`, `publicationUnavailable`.
 */
export async function administer(
  deps: SyncDependencies,
  tableId: string,
  action: AdminAction,
  by: string,
): Promise<SyncState> {
  const now = deps.clock.now();
  if (action.kind === 'rollback') return rollBackTable(deps, await deps.target(tableId), by, now);
  if (!deps.removedTables.has(tableId)) await deps.target(tableId);
  const state = await transition(deps.states, tableId, (latest) => {
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
  if (state === null) throw unchanged(tableId);
  return state;
}

/**
 * Tells readers to read what they read before the last switch, with the checkpoint that slot had, and pauses: what caused
 * the rollback would otherwise be loaded again at once.
 */
async function rollBackTable(deps: SyncDependencies, target: SyncTarget, by: string, now: number): Promise<SyncState> {
  // Paused first: from here on nobody deletes what is gone back to. The pointer next, so that a repeat finds its way.
  const paused = await transition(deps.states, target.id, (latest) => {
    rollbackTarget(latest);
    return pause(latest, by, now);
  });
  if (paused === null) throw unchanged(target.tableId);
  const { slot, checkpoint } = rollbackTarget(paused);
  const to = slotName(slot);
  const allowed = replaceable(paused, target.configuration, to);
  await publish(publicationsOf(deps), target.tableId, checkpoint, to, allowed);
  const state = await transition(deps.states, target.id, (latest) =>
    rollBack(latest.current === null ? latest : abandon(latest, now), now),
  );
  if (state === null) throw unchanged(target.tableId);
  deps.log.event('liveSwitched', { table: target.tableId, live: to, version: checkpoint.version });
  return state;
}

function unchanged(tableId: string): SyncError {
  return new SyncError('internal', { problem: `The state of ${tableId} was not changed.` });
}

export async function tableStatus(deps: SyncDependencies, tableId: string, signal?: AbortSignal): Promise<TableStatus> {
  const order = deps.removedTables.get(tableId);
  // Of a removed table nothing but its state may be left.
  const configuration = order === undefined ? (await deps.target(tableId)).configuration : null;
  const [{ state }, [lastEpoch]] = await Promise.all([
    deps.states.read(tableId, signal),
    deps.states.history(tableId, 1, signal),
  ]);
  const { checkpoint, current } = state;
  return {
    table: tableId,
    mode: configuration?.mode ?? null,
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
    concern: state.concern ?? retryOf(state),
    due: dueWork(state),
    pause: state.pause,
    dirty: state.dirty,
    request: state.request,
    publication: configuration?.publish.kind === 'inPlace' ? null : publicationStatus(state),
    lastEpoch: lastEpoch ?? null,
    removal: removalStatus(state, order),
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

/**
 * Asks for another try at every dead letter: the rows are looked up at the checkpoint, in an epoch of their own. Its end
 * removes the letters; rows that still cannot be written leave new ones.
 */
export async function replayDeadLetters(
  deps: SyncDependencies,
  tableId: string,
  by: string,
  signal?: AbortSignal,
): Promise<SyncState> {
  const target = await deps.target(tableId);
  const { done: none } = await readDeadLetters(deps.plans, target.id, signal).next();
  const replay = { by, at: deps.clock.now() };
  const change = (latest: SyncState): SyncState => (none === true ? latest : { ...latest, replay });
  const state = await transition(deps.states, target.id, change, signal);
  if (state === null) throw unchanged(tableId);
  return state;
}

function phaseOf(state: SyncState): TableStatus['phase'] {
  if (state.pause !== null) return 'paused';
  // Planning comes to it before it comes to the epoch.
  if ((state.concern ?? null) !== null) return 'waiting';
  if (retryOf(state) !== null) return 'retrying';
  if (state.current !== null) return isHeld(state.current) ? 'held' : state.current.phase;
  return dueWork(state).length > 0 ? 'due' : 'idle';
}

/** What is told of a held epoch is what holds it. */
function retryOf({ current }: SyncState): Retry | null {
  return current === null || isHeld(current) ? null : (current.retry ?? null);
}

function dueWork(state: SyncState): readonly DueWork[] {
  return [
    ...(state.dirty === null ? [] : ['dirty' as const]),
    ...(state.request === null ? [] : [state.request.kind]),
    ...(state.forced?.due === true ? ['duplicates' as const] : []),
    ...(state.replay === null ? [] : ['replay' as const]),
    ...(state.freshnessDue ? ['freshness' as const] : []),
  ];
}

function removalStatus({ removal }: SyncState, order: RemovedTable | undefined): RemovalStatus | null {
  if (removal !== null) return { documents: removal.documents, phase: removal.phase, at: removal.at };
  return order === undefined ? null : { documents: order.documents, phase: 'pending', at: null };
}

function publicationStatus({ publication }: SyncState): PublicationStatus {
  const { live, working, standby, retired } = publication;
  const waiting = !sameSlot(live, working);
  return {
    live: live === null ? null : slotName(live),
    working: working === null ? null : slotName(working),
    rollback: standby === null || waiting ? null : { to: slotName(standby.slot), version: standby.checkpoint.version },
    retired: retired.map(({ slot }) => slotName(slot)),
  };
}

function epochStatus(current: CurrentEpoch): NonNullable<TableStatus['current']> {
  const { planId, kind, from, to, why, stage, progress, startedAt } = current;
  return { planId, kind, from, to, why, stage, progress, startedAt };
}
