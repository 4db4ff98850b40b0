/** Why a table does not move although no epoch of it is held: what planning met before there was a plan. */
import type { SyncError } from '../shared/errors.ts';
import { transition } from './state-store.ts';
import type { SyncState } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

/** Stays in the state document until planning passes. */
export interface Concern {
  /** A code of the error catalogue, or `tableVanished`. */
  readonly code: string;
  readonly reason: string;
  readonly remedy: string;
  /** When planning met it first, milliseconds since 1970. */
  readonly since: number;
}

/** Errors of planning that say nothing of the table, or cannot be written beside its state. */
const ELSEWHERE: ReadonlySet<string> = new Set(['aborted', 'tableUnknown', 'stateUnavailable', 'stateContended']);

/** What an error of planning tells the operator, or null. */
export function concernOf(error: SyncError, now: number): Concern | null {
  if (ELSEWHERE.has(error.code)) return null;
  const reason = error.reason === undefined ? error.problem : `${error.problem} ${error.reason}`;
  return { code: error.code, reason, remedy: error.remedy, since: now };
}

/** Pure: the same concern keeps the time at which it was met first. */
export function worry(state: SyncState, concern: Concern | null): SyncState {
  const before = state.concern ?? null;
  if (before?.code !== concern?.code) return { ...state, concern };
  if (before === null || concern === null) return state;
  const same = before.reason === concern.reason && before.remedy === concern.remedy;
  return same ? state : { ...state, concern: { ...concern, since: before.since } };
}

/** Remembers a concern, or with null that there is none any more. A state that cannot be written changes nothing else. */
export async function rememberConcern(
  deps: Pick<SyncDependencies, 'states'>,
  target: string,
  concern: Concern | null,
  signal: AbortSignal,
): Promise<void> {
  try {
    await transition(deps.states, target, (latest) => worry(latest, concern), signal);
  } catch {
    // Planning says in the log what it met; the next one tries to remember it again.
  }
}
