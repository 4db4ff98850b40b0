/** Tells the state document that somebody works on its epoch, for as long as a slice takes. */
import type { SliceInput, SliceResult } from './activity-messages.ts';
import { gettingOn, retrying } from './concern.ts';
import { transition } from './state-store.ts';
import { DRIVER_TERM_MS, reportProgress, type SyncState } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

/** Often enough that a driver's term never ends while it works. */
const BEAT_MS = DRIVER_TERM_MS / 4;

/** Runs a slice; its epoch stays its driver's meanwhile, and shows a finished chunk as progress, and one that comes to nothing. */
export async function withHeartbeat(
  deps: SyncDependencies,
  input: SliceInput,
  work: () => Promise<SliceResult>,
): Promise<SliceResult> {
  const ended = new AbortController();
  const beating = beat(deps, input, ended.signal);
  try {
    const result = await work();
    const failure = failureOf(input, result);
    const now = deps.clock.now();
    if (failure !== null) {
      // A state that cannot be written changes nothing else: the log has it, too.
      await tell(deps, input, (state) => retrying(state, input, failure, now)).catch(() => undefined);
    } else if (result.kind === 'ok') {
      const chunks = result.cursor === null ? 1 : 0;
      await tell(deps, input, (state) => gettingOn(progressed(state, input, chunks, now), input));
    }
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
    const beaten = (state: SyncState): SyncState => progressed(state, input, 0, deps.clock.now());
    if (!ended.aborted) await tell(deps, input, beaten).catch(() => undefined);
  }
}

async function tell(deps: SyncDependencies, input: SliceInput, change: (state: SyncState) => SyncState): Promise<void> {
  const target = await deps.target(input.tableId);
  await transition(deps.states, target.id, (state) => (state.current?.planId === input.planId ? change(state) : null));
}

/** What the slice is tried again for; null where it got on, was not wanted, or nobody tries it again. */
function failureOf(input: SliceInput, result: SliceResult): { readonly code: string; readonly message: string } | null {
  if (result.kind === 'failed') return result.retryable ? result : null;
  if (result.kind !== 'ok' || result.cursor === null || result.cursor !== input.cursor) return null;
  return {
    code: 'noProgress',
    message: 'A slice settled nothing: the container does not answer, or the budget is too small.',
  };
}

/** A chunk that is repeated counts again; what is shown never exceeds the whole. */
function progressed(state: SyncState, input: SliceInput, chunks: number, now: number): SyncState {
  const { done, of } = state.current?.progress ?? { done: 0, of: 0 };
  const counted = state.current?.stage === input.stage ? chunks : 0;
  return reportProgress(state, input.planId, Math.min(of, done + counted), now);
}
