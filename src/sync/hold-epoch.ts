/** Holds the epoch under way, and says so. */
import { hold, type Hold } from './hold.ts';
import { transition } from './state-store.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';

export async function holdEpoch(
  deps: SyncDependencies,
  target: Pick<SyncTarget, 'id' | 'tableId'>,
  planId: string,
  held: Hold,
  signal?: AbortSignal,
): Promise<void> {
  await transition(deps.states, target.id, (state) => hold(state, planId, held), signal);
  const { code, reason, remedy } = held;
  deps.log.event('epochHeld', { table: target.tableId, planId, code, reason, remedy });
}
