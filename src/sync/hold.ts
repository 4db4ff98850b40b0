/** An epoch that waits for a person: why it does, and how it is approved or refused. Pure transitions. */
import { SyncError } from '../shared/errors.ts';
import { abandon, currentPlan, isHeld, type CurrentEpoch, type SyncState } from './state.ts';

/** Why an epoch waits for a person, or for a better head. */
export interface Hold {
  readonly code: HoldCode;
  readonly reason: string;
  readonly remedy: string;
  readonly since: number;
}

export type HoldCode =
  | 'tooManyDeletes'
  | 'emptySource'
  | 'tableRecreated'
  | 'tableVanished'
  | 'mappingChanged'
  | 'containerReplaced'
  | 'containerNotEmpty'
  | 'keyNotUnique'
  | 'deleteUndecided'
  | 'deletesUnread'
  | 'schemaDrift'
  | 'tooManyDeadLetters'
  | 'ruCeiling'
  | 'durationCeiling'
  | 'standbyInUse'
  | 'publishUnverified'
  | 'removalUnclear'
  | 'chunkFailed';

/** Whether somebody said what becomes of the documents of rows that are gone: to approve another hold says nothing of it. */
export function isDecided({ hold, approval }: CurrentEpoch): boolean {
  return approval !== undefined && hold?.code === 'deleteUndecided';
}

/** The epoch waits from now on, even if an earlier hold of it was approved. */
export function hold(state: SyncState, planId: string, reason: Hold): SyncState {
  const { approval: _approval, ...current } = currentPlan(state, planId);
  return { ...state, current: { ...current, hold: reason } };
}

/** Approves exactly one plan; another plan id is refused as stale. */
export function approve(state: SyncState, planId: string, by: string, now: number): SyncState {
  const current = state.current;
  if (current === null || !isHeld(current)) {
    throw new SyncError('nothingHeld', { problem: `No epoch of ${state.target} waits for approval.` });
  }
  if (current.planId !== planId) {
    throw new SyncError('planStale', {
      problem: `The plan ${planId} is no longer the held one.`,
      reason: `The held plan of ${state.target} is ${current.planId}.`,
    });
  }
  // Nobody drives what was held: whoever comes next may go on.
  return { ...state, current: { ...current, approval: { by, at: now }, driver: { ...current.driver, until: 0 } } };
}

/** Refuses the held plan: it is not offered again until the head moves. */
export function reject(state: SyncState, planId: string, by: string, now: number): SyncState {
  approve(state, planId, by, now);
  return { ...abandon(state, now), rejected: { planId, by, at: now } };
}
