/** Slices that may be writing: they stand in the state document, so that the next epoch can wait for them. Pure transitions. */
import { isHeld, type SyncState } from './state.ts';

/** A slice that may be writing; another epoch's slices wait until it ended or `until` has passed. */
export interface Registration {
  readonly slice: string;
  readonly epoch: number;
  readonly chunk: number;
  /** Milliseconds since 1970; slice time plus request timeout. */
  readonly until: number;
}

/** Registers a slice that is about to write, or null when its epoch is no longer current (the slice is stale). */
export function register(state: SyncState, planId: string, registration: Registration): SyncState | null {
  if (state.current?.planId !== planId || isHeld(state.current) || state.pause !== null) return null;
  const others = state.registrations.filter((other) => other.slice !== registration.slice);
  return { ...state, registrations: [...others, registration] };
}

/** Slices of other epochs that may still be writing at `now`. */
export function olderRegistrations(state: SyncState, epoch: number, now: number): readonly Registration[] {
  return state.registrations.filter((registration) => registration.epoch !== epoch && registration.until > now);
}

/** A slice ended; also forgets registrations whose time has passed. */
export function unregister(state: SyncState, slice: string, now: number): SyncState {
  return { ...state, registrations: state.registrations.filter((other) => other.slice !== slice && other.until > now) };
}
