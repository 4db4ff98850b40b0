/** Tells the state document that somebody works on its epoch, for as long as a slice takes. */
import type { SliceInput, SliceResult } from './activity-messages.ts';
import { transition } from './state-store.ts';
import { DRIVER_TERM_MS, reportProgress, type SyncState } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

/** Often enough that a driver's term never ends while it works. */
const BEAT_MS = DRIVER_TERM_MS / 4;

/** Runs a slice; its epoch stays its driver's meanwhile, and shows a finished chunk as progress. */
export async function withHeartbeat(
  deps: SyncDependencies,
  input: SliceInput,
  work: () => Promise<SliceResult>,
): Promise<SliceResult> {
  const ended = new AbortController();
  const beating = beat(deps, input, ended.signal);
  try {
    const result = await work();
    if (result.kind === 'ok') await tell(deps, input, result.cursor === null ? 1 : 0);
    return result;
  } finally {
    ended.abort();
    await beating;
  }
}

async function beat(deps: SyncDependencies, input: SliceInput, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await deps.clock.sleep(BEAT_MS, ended).catch(() => undefined);
    // Losing a beat is harmless: the next one, or the end of the slice, makes up for it.
    if (!ended.aborted) await tell(deps, input, 0).catch(() => undefined);
  }
}

async function tell(deps: SyncDependencies, input: SliceInput, chunks: number): Promise<void> {
  const target = await deps.target(input.tableId);
  await transition(deps.states, target.id, (state) => {
    if (state.current?.planId !== input.planId) return null;
    return progressed(state, input, chunks, deps.clock.now());
  });
}

/** A chunk that is repeated counts again; what is shown never exceeds the whole. */
function progressed(state: SyncState, input: SliceInput, chunks: number, now: number): SyncState {
  const { done, of } = state.current?.progress ?? { done: 0, of: 0 };
  const counted = state.current?.stage === input.stage ? chunks : 0;
  return reportProgress(state, input.planId, Math.min(of, done + counted), now);
}
