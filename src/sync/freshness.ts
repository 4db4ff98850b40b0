/** Tells readers how fresh the documents of a table are, and remembers when nobody could be told. */
import { toSyncError } from '../shared/errors.ts';
import { awaitsSwitch, slotName } from './publication-state.ts';
import { publish } from './publication.ts';
import { transition } from './state-store.ts';
import type { SyncState } from './state.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';

/**
 * Writes the freshness document of a state. False when that failed: an epoch is done all the same, and whoever looks at the
 * table next tries again. Never changes which copy readers are sent to.
 */
export async function tellFreshness(
  deps: SyncDependencies,
  target: SyncTarget,
  state: SyncState,
  signal: AbortSignal,
): Promise<boolean> {
  const { checkpoint, publication } = state;
  if (deps.publications === null || checkpoint === null || awaitsSwitch(state)) return true;
  const live = publication.live === null ? target.configuration.target.container : slotName(publication.live);
  try {
    const allowed = publication.live === null ? 'any' : [live];
    await publish(deps.publications, target.tableId, checkpoint, live, allowed, signal);
    return true;
  } catch (thrown) {
    const { code, message } = toSyncError(thrown);
    deps.log.event('publicationFailed', { table: target.tableId, code, message });
    return false;
  }
}

/** Tells what an epoch could not. The state after it, `given` where nothing was due or it failed again. */
export async function retryFreshness(
  deps: SyncDependencies,
  target: SyncTarget,
  given: SyncState,
  signal: AbortSignal,
): Promise<SyncState> {
  if (!given.freshnessDue || !(await tellFreshness(deps, target, given, signal))) return given;
  const told = await transition(
    deps.states,
    target.id,
    (latest) => (latest.epoch === given.epoch ? { ...latest, freshnessDue: false } : null),
    signal,
  );
  return told ?? given;
}
