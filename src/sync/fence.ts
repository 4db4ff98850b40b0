/**
 * The fence: a slice registers in the state document before it writes, which fails unless its epoch is still current,
 * and waits until slices of older epochs have ended or their time has passed. One compare-and-swap decides.
 */
import type { Clock } from '../shared/clock.ts';
import { transition, type StateStore } from './state-store.ts';
import { olderRegistrations, register, unregister } from './registration.ts';

/** A request that was sent is answered or dead after this long: what the service applies later than this was never sent. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** How often a writing slice looks whether it is still wanted, in milliseconds. */
const WATCH_MS = 1_000;

export type FenceResult =
  | { readonly kind: 'open'; readonly slice: FencedSlice }
  /** Another epoch took over, or the table is paused or held. */
  | { readonly kind: 'stale' }
  /** Slices of an older epoch may still be writing. */
  | { readonly kind: 'wait'; readonly ms: number };

/** A registered slice. Writing stops when `signal` aborts: at `until`, or when the epoch is no longer wanted. */
export interface FencedSlice {
  readonly signal: AbortSignal;
  /** True once somebody paused the table or took the epoch over. */
  stopped(): boolean;
  /**
   * Ends the registration. With answers lost on the way it stays until no request can land any more, so that the next
   * epoch's writes come after them.
   */
  end(answersLost: boolean): Promise<void>;
}

export interface FenceRequest {
  readonly target: string;
  readonly planId: string;
  readonly epoch: number;
  readonly chunk: number;
  /** Distinguishes two executions of the same activity. */
  readonly slice: string;
  readonly sliceMs: number;
}

export async function enterFence(
  states: StateStore,
  clock: Clock,
  request: FenceRequest,
  parent: AbortSignal,
): Promise<FenceResult> {
  const until = clock.now() + request.sliceMs + REQUEST_TIMEOUT_MS;
  let waitMs = 0;
  const state = await transition(
    states,
    request.target,
    (latest) => {
      const older = olderRegistrations(latest, request.epoch, clock.now());
      if (older.length > 0) {
        waitMs = Math.max(...older.map((registration) => registration.until)) - clock.now();
        return null;
      }
      return register(latest, request.planId, {
        slice: request.slice,
        epoch: request.epoch,
        chunk: request.chunk,
        until,
      });
    },
    parent,
  );
  if (state === null) return waitMs > 0 ? { kind: 'wait', ms: Math.min(waitMs, 5_000) } : { kind: 'stale' };
  return { kind: 'open', slice: watch(states, clock, request, parent, until - REQUEST_TIMEOUT_MS) };
}

/** Looks at the state document once a second while the slice writes; a lost control plane ends the slice at its time. */
function watch(
  states: StateStore,
  clock: Clock,
  request: FenceRequest,
  parent: AbortSignal,
  until: number,
): FencedSlice {
  const ended = new AbortController();
  const stop = new AbortController();
  const signal = AbortSignal.any([parent, stop.signal]);
  let stopped = false;
  const look = async (): Promise<void> => {
    while (!ended.signal.aborted && !signal.aborted) {
      await clock.sleep(WATCH_MS, ended.signal);
      if (clock.now() >= until) {
        stop.abort(new DOMException('The time of the slice is over.', 'AbortError'));
        return;
      }
      const { state } = await states.read(request.target, ended.signal).catch(() => ({ state: null }));
      if (state === null) continue;
      const registered = state.registrations.some((registration) => registration.slice === request.slice);
      if (registered && state.current?.planId === request.planId && state.pause === null) continue;
      stopped = true;
      stop.abort(new DOMException('The epoch is no longer wanted.', 'AbortError'));
      return;
    }
  };
  const looking = look().catch(() => undefined);
  return {
    signal,
    stopped: () => stopped,
    async end(answersLost) {
      ended.abort();
      await looking;
      await transition(states, request.target, (latest) => {
        if (!answersLost) return unregister(latest, request.slice, clock.now());
        const registrations = latest.registrations.map((registration) =>
          registration.slice === request.slice
            ? { ...registration, until: clock.now() + REQUEST_TIMEOUT_MS }
            : registration,
        );
        return { ...latest, registrations };
      });
    },
  };
}
