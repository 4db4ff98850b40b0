/** A look at the container of an idle table, now and then: that it was dropped and created again shows in no log. */
import { workingSlot } from './publication-state.ts';
import { transition } from './state-store.ts';
import type { SyncState } from './state.ts';
import { atSlot, type SyncDependencies, type SyncTarget } from './sync-target.ts';

/** How long an idle table is taken to have the container that it had, in milliseconds. */
const LOOK_MS = 3_600_000;

/** Whether it is time for a look: every epoch is one, too. */
export function isLookDue({ checkpoint, containerSeenAt }: SyncState, now: number): boolean {
  return checkpoint !== null && now - Math.max(checkpoint.syncedAt, containerSeenAt ?? 0) >= LOOK_MS;
}

/**
 * Whether the container is another one than the checkpoint's: a few reads of its properties, no RU of any budget. Remembers
 * when it is the same. Throws what describing the container throws, `targetMissing` among it.
 */
export async function isContainerReplaced(
  deps: Pick<SyncDependencies, 'states' | 'clock'>,
  target: SyncTarget,
  state: SyncState,
  signal: AbortSignal,
): Promise<boolean> {
  const { writer } = atSlot(target, workingSlot(state, target.configuration));
  const { rid } = await writer.describe(signal);
  if (state.checkpoint !== null && rid !== state.checkpoint.containerRid) return true;
  const containerSeenAt = deps.clock.now();
  await transition(deps.states, target.id, (latest) => ({ ...latest, containerSeenAt }), signal);
  return false;
}
