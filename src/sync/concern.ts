/** Why a table does not move although no epoch of it is held: what planning met, or what a slice fails with again and again. */
import { errorCatalogue, type SyncError } from '../shared/errors.ts';
import { transition } from './state-store.ts';
import type { StageName, SyncState } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

/** Of planning: stays in the state document until planning passes. */
export interface Concern {
  /** A code of the error catalogue, or `tableVanished`. */
  readonly code: string;
  readonly reason: string;
  readonly remedy: string;
  /** When it was met first, milliseconds since 1970. */
  readonly since: number;
}

/** What a slice failed with that is tried again. Stays with the epoch until that chunk gets on. */
export interface Retry extends Concern {
  readonly stage: StageName;
  readonly chunk: number;
  /** Slices in a row that came to nothing. */
  readonly attempts: number;
}

/** A failure's message in two parts: the message of an error ends with its remedy. */
export function toldApart(code: string, message: string): { readonly reason: string; readonly remedy: string | null } {
  const catalogue: Readonly<Record<string, { readonly remedy: string }>> = errorCatalogue();
  const known = Object.hasOwn(catalogue, code) ? (catalogue[code]?.remedy ?? '') : '';
  if (known === '' || !message.endsWith(` ${known}`)) return { reason: message, remedy: null };
  return { reason: message.slice(0, -known.length - 1), remedy: known };
}

/** Pure: a slice of the current epoch came to nothing. One chunk's trouble is told at a time. */
export function retrying(
  state: SyncState,
  { stage, chunk }: Pick<Retry, 'stage' | 'chunk'>,
  failure: { readonly code: string; readonly message: string },
  now: number,
): SyncState {
  const { current } = state;
  if (current === null) return state;
  const before = current.retry?.stage === stage ? current.retry : null;
  if (before !== null && before.chunk !== chunk) return state;
  const { reason, remedy } = toldApart(failure.code, failure.message);
  const retry: Retry = {
    code: failure.code,
    reason,
    remedy: `${remedy ?? 'Look at the service that it names.'} It is tried again by itself.`,
    since: before?.since ?? now,
    stage,
    chunk,
    attempts: (before?.attempts ?? 0) + 1,
  };
  return { ...state, current: { ...current, retry } };
}

/** Pure: a slice of the current epoch got on. */
export function gettingOn(state: SyncState, { stage, chunk }: Pick<Retry, 'stage' | 'chunk'>): SyncState {
  if (state.current?.retry === undefined) return state;
  const { retry, ...current } = state.current;
  return retry.stage === stage && retry.chunk !== chunk ? state : { ...state, current };
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
