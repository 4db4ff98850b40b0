/** Gives up a removed table of which nothing is to be deleted, or nothing is left to be. Needs neither source nor target. */
import type { PlanInput, PlanResult } from './activity-messages.ts';
import { withdraw } from './publication.ts';
import { beginRemoval, endRemoval, isRemoved, mayHaveDocuments, removeBlobs, type RemovedTable } from './removal.ts';
import { transition } from './state-store.ts';
import { abandon, isBusy, type SyncState } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

/** Null when documents are to be deleted first. Repeating it does no harm. */
export async function settleRemoval(
  deps: SyncDependencies,
  { tableId, driver }: Pick<PlanInput, 'tableId' | 'driver'>,
  order: RemovedTable,
  signal: AbortSignal,
): Promise<PlanResult | null> {
  const { states, plans, publications, clock, log } = deps;
  const { state, etag } = await states.read(tableId, signal);
  const now = clock.now();
  if (etag === null || isRemoved(state)) return { kind: 'idle', version: null };
  if (state.pause !== null) return { kind: 'paused' };
  if (isBusy(state, driver, now)) return { kind: 'busy' };
  if (order.documents === 'delete' && mayHaveDocuments(state)) return null;
  const waits = (latest: SyncState): boolean => latest.pause !== null || isBusy(latest, driver, now);
  // The checkpoint first: from here on nobody believes it, whatever happens to the blobs it names.
  const begun = await transition(
    states,
    tableId,
    (latest) => {
      if (waits(latest)) return null;
      if (latest.removal !== null) return latest;
      const stopped = latest.current === null ? latest : abandon(latest, now);
      return beginRemoval(stopped, order.documents, [], now);
    },
    signal,
  );
  if (begun === null) return { kind: 'busy' };
  if (order.documents === 'delete' && publications !== null) await withdraw(publications, tableId, signal);
  await removeBlobs(plans, tableId, signal);
  await transition(states, tableId, (latest) => endRemoval(latest, order.documents, clock.now()), signal);
  log.event('tableRemoved', { table: tableId, documents: order.documents });
  return { kind: 'idle', version: null };
}

/** Whether the sweep has anything to do for a removed table: one read of its state. */
export async function isRemovalPending(deps: SyncDependencies, tableId: string): Promise<boolean> {
  const { state, etag } = await deps.states.read(tableId);
  return etag !== null && !isRemoved(state) && state.pause === null;
}
