/**
 * The state document of a target: the one place of truth about what the container has reached and who works on it.
 * Every transition is a pure function from state to state; the store applies it by `ifMatch`.
 */
import { SyncError } from '../shared/errors.ts';
import type { Concern, Retry } from './concern.ts';
import type { Hold } from './hold.ts';
import { NOT_PUBLISHED, retire, type Publication, type Slot } from './publication-state.ts';
import type { Removal } from './removal.ts';
import type { Registration } from './registration.ts';

/** Bumped when a reader of the previous version could misunderstand the document. */
export const STATE_FORMAT = 1;

export type EpochKind = 'snapshot' | 'changes' | 'reconcile' | 'verify' | 'cleanup';

/** Stages of an epoch in the order they may appear; each is sealed before the next begins. */
export type StageName = 'uniqueKeys' | 'shuffle' | 'count' | 'apply';

/** What the container equals: a table version under a mapping. */
export interface Checkpoint {
  readonly version: number;
  /** ETag and SHA-256 of that version's commit file; null when the log no longer had it. */
  readonly commitEtag: string | null;
  readonly commitHash: string | null;
  /** Milliseconds since 1970. */
  readonly commitTimestamp: number;
  /** `metaData.id`. */
  readonly tableId: string;
  /** Name of the context blob (schema, mapping) under which the documents were written. */
  readonly context: string;
  /** Hash of the table's mapping configuration: a change is noticed without reading the context. */
  readonly configurationHash: string;
  readonly mappingFingerprint: string;
  /** Cosmos' id of the container: another one means it was dropped and created again. */
  readonly containerRid: string;
  readonly epoch: number;
  /** Documents the container should hold, counted from answers; an estimate once ambiguous answers occurred. */
  readonly documents: number;
  /** When the checkpoint was reached, milliseconds since 1970. */
  readonly syncedAt: number;
}

/** The epoch that is planned, held or under way. */
export interface CurrentEpoch {
  readonly epoch: number;
  readonly planId: string;
  readonly kind: EpochKind;
  /** Version the container has; null before the first load. */
  readonly from: number | null;
  readonly to: number;
  readonly why: string;
  /** `claimed`: nothing written yet. `applying`: writes may have happened, so this plan is finished or remembered as dirty. */
  readonly phase: 'claimed' | 'applying';
  readonly stage: StageName;
  readonly driver: { readonly id: string; readonly until: number };
  readonly progress: { readonly done: number; readonly of: number; readonly at: number };
  /** Set while the epoch waits, or waited until it was approved. */
  readonly hold?: Hold;
  /** Who approved this very plan. */
  readonly approval?: { readonly by: string; readonly at: number };
  readonly startedAt: number;
  /** Set while a slice of it comes to nothing and is tried again. */
  readonly retry?: Retry;
  /** Set while a slot that nobody reads yet is loaded, with the context of its documents. */
  readonly load?: { readonly slot: Slot; readonly context: string };
}

/** Versions whose writes may be partly in the container after an epoch that was given up. */
export interface DirtyRange {
  readonly from: number | null;
  readonly to: number;
  /** A comparison did not find its files either: the rows from before are not asked for again. */
  readonly compared?: true;
}

/**
 * Forced identities lie in a blob. Epochs of changes leave them alone; when one was touched, or a replay was asked for,
 * they are `due`: the next epoch looks them up in the table and writes what it finds.
 */
export interface Forced {
  readonly blob: string;
  readonly count: number;
  readonly due: boolean;
}

export interface SyncState {
  readonly format: number;
  readonly target: string;
  /** Number of the last completed epoch; 0 before the first. */
  readonly epoch: number;
  readonly checkpoint: Checkpoint | null;
  readonly current: CurrentEpoch | null;
  readonly registrations: readonly Registration[];
  readonly dirty: DirtyRange | null;
  /** Identities that no net change may decide alone (known duplicates, replays). */
  readonly forced: Forced | null;
  readonly pause: { readonly by: string; readonly at: number } | null;
  /** A reconcile or verify that an operator asked for. */
  readonly request: { readonly kind: 'reconcile' | 'verify'; readonly by: string; readonly at: number } | null;
  /** Dead letters are to be tried again. */
  readonly replay: { readonly by: string; readonly at: number } | null;
  /** A plan an operator refused; the same plan is not offered again at this head. */
  readonly rejected: { readonly planId: string; readonly by: string; readonly at: number } | null;
  /** Deletes applied per hour since 1970, for the rolling-day guard. */
  readonly deletesByHour: Readonly<Record<string, number>>;
  /** When an empty source was first seen, for its settle time. */
  readonly emptySince: number | null;
  /** Slots of a table that is published as blueGreen or versionFlag. */
  readonly publication: Publication;
  /** Readers could not be told how fresh the documents are; the next look at the table tells them. */
  readonly freshnessDue: boolean;
  /** Set once a table that was taken out of the configuration is being given up. */
  readonly removal: Removal | null;
  /** What keeps planning from coming to a plan; absent in documents of earlier versions. */
  readonly concern?: Concern | null;
  /** When the container of an idle table was last found to be the same, milliseconds since 1970; absent before that. */
  readonly containerSeenAt?: number;
}

export function initialState(target: string): SyncState {
  return {
    format: STATE_FORMAT,
    target,
    epoch: 0,
    checkpoint: null,
    current: null,
    registrations: [],
    dirty: null,
    forced: null,
    pause: null,
    request: null,
    replay: null,
    rejected: null,
    deletesByHour: {},
    emptySince: null,
    publication: NOT_PUBLISHED,
    freshnessDue: false,
    removal: null,
  };
}

/** What a claim needs to know of the plan. */
export interface Claim {
  readonly planId: string;
  readonly kind: EpochKind;
  readonly from: number | null;
  readonly to: number;
  readonly why: string;
  readonly firstStage: StageName;
  readonly chunks: number;
  readonly hold?: Hold;
  readonly load?: CurrentEpoch['load'];
}

/** How long a driver that stops reporting keeps its epoch, in milliseconds. */
export const DRIVER_TERM_MS = 120_000;

/** True while the epoch waits for a person: it has a hold that nobody approved. */
export function isHeld(current: CurrentEpoch): boolean {
  return current.hold !== undefined && current.approval === undefined;
}

/** True when somebody else drives the current epoch and has reported lately. */
export function isBusy(state: SyncState, driver: string, now: number): boolean {
  const current = state.current;
  return current !== null && !isHeld(current) && current.driver.id !== driver && current.driver.until > now;
}

/** Claims epoch n+1 with this plan. Replaces a held or merely claimed epoch, never one that is applying. */
export function claim(state: SyncState, plan: Claim, driver: string, now: number): SyncState {
  if (state.current?.phase === 'applying') {
    throw new SyncError('internal', {
      problem: `Epoch ${state.current.epoch} of ${state.target} is applying and cannot be replaced.`,
    });
  }
  // What held this very plan while it was carried out would hold it again, and came after what held it before that.
  const same = state.current?.planId === plan.planId ? state.current : null;
  const reason = same?.hold ?? plan.hold;
  const current: CurrentEpoch = {
    epoch: state.epoch + 1,
    planId: plan.planId,
    kind: plan.kind,
    from: plan.from,
    to: plan.to,
    why: plan.why,
    phase: 'claimed',
    stage: plan.firstStage,
    driver: { id: driver, until: now + DRIVER_TERM_MS },
    progress: { done: 0, of: plan.chunks, at: now },
    startedAt: now,
    ...(plan.load === undefined ? {} : { load: plan.load }),
    ...(reason === undefined ? {} : { hold: reason }),
    ...(same?.approval === undefined ? {} : { approval: same.approval }),
    ...(same?.retry === undefined ? {} : { retry: same.retry }),
  };
  return { ...state, current };
}

/** The same driver, or a new one after the old one's term, goes on with the plan that is there. */
export function takeOver(state: SyncState, driver: string, now: number): SyncState {
  const current = currentOf(state);
  return { ...state, current: { ...current, driver: { id: driver, until: now + DRIVER_TERM_MS } } };
}

/** A stage begins. `apply` makes the epoch `applying`: from here on it is finished or remembered. */
export function enterStage(state: SyncState, planId: string, stage: StageName, chunks: number, now: number): SyncState {
  const current = currentPlan(state, planId);
  const phase = stage === 'apply' ? 'applying' : current.phase;
  return { ...state, current: { ...current, stage, phase, progress: { done: 0, of: chunks, at: now } } };
}

/** Chunks of the current stage that are done; keeps the driver's term alive. */
export function reportProgress(state: SyncState, planId: string, done: number, now: number): SyncState {
  const current = currentPlan(state, planId);
  return {
    ...state,
    current: {
      ...current,
      progress: { ...current.progress, done, at: now },
      driver: { ...current.driver, until: now + DRIVER_TERM_MS },
    },
  };
}

const HOUR_MS = 3_600_000;

/** The epoch is done: its checkpoint becomes the target's. Finding itself already done changes nothing. */
export function complete(
  state: SyncState,
  planId: string,
  checkpoint: Checkpoint | null,
  result: {
    readonly deletes: number;
    readonly forced: Forced | null;
    /** Whether every dead letter was tried again. */
    readonly replayed: boolean;
    readonly now: number;
  },
): SyncState {
  const current = currentPlan(state, planId);
  const hour = Math.floor(result.now / HOUR_MS);
  const deletesByHour: Record<string, number> = {};
  for (const [key, count] of Object.entries(state.deletesByHour))
    if (Number(key) > hour - 24) deletesByHour[key] = count;
  if (result.deletes > 0) deletesByHour[hour] = (deletesByHour[hour] ?? 0) + result.deletes;
  return {
    ...state,
    epoch: current.epoch,
    checkpoint,
    current: null,
    dirty: current.kind === 'verify' || current.kind === 'cleanup' ? state.dirty : null,
    forced: result.forced,
    request: state.request?.kind === current.kind ? null : state.request,
    replay: result.replayed ? null : state.replay,
    rejected: null,
    deletesByHour,
    emptySince: null,
  };
}

/** Deletes applied in the last 24 hours. */
export function deletesOfTheDay(state: SyncState, now: number): number {
  const hour = Math.floor(now / HOUR_MS);
  return Object.entries(state.deletesByHour).reduce(
    (sum, [key, count]) => (Number(key) > hour - 24 ? sum + count : sum),
    0,
  );
}

/** The current epoch can never be finished, or must not be: what it may have written is remembered as dirty. */
export function abandon(state: SyncState, now: number): SyncState {
  const current = currentOf(state);
  if (current.phase !== 'applying' || current.kind === 'verify') return { ...state, current: null };
  // What readers see was not touched by these two.
  const ended = { ...state, epoch: current.epoch, current: null };
  if (current.load !== undefined) return retire(ended, current.load.slot, current.load.context, now);
  if (current.kind === 'cleanup') return ended;
  const from = state.dirty === null ? current.from : state.dirty.from;
  const to = Math.max(current.to, state.dirty?.to ?? 0);
  // The abandoned epoch keeps its number, so that its slices can be told from those of the next one.
  return { ...state, epoch: current.epoch, current: null, dirty: { from, to } };
}

/** No more writes after the next batch; what is under way resumes with the same plan. */
export function pause(state: SyncState, by: string, now: number): SyncState {
  return state.pause === null ? { ...state, pause: { by, at: now } } : state;
}

export function resume(state: SyncState): SyncState {
  return { ...state, pause: null };
}

/** An operator asks for a reconcile or a verification; the next plan is that. */
export function request(state: SyncState, kind: 'reconcile' | 'verify', by: string, now: number): SyncState {
  return { ...state, request: { kind, by, at: now } };
}

/** The version from which the next epoch reads: the checkpoint's, or the start of a dirty range. */
export function dirtyStart(state: SyncState): number | undefined {
  return state.dirty?.from ?? state.checkpoint?.version;
}

function currentOf(state: SyncState): CurrentEpoch {
  if (state.current === null) throw new SyncError('epochStale', { problem: `${state.target} has no epoch under way.` });
  return state.current;
}

/** The current epoch, which must be that plan's. Throws `epochStale`. */
export function currentPlan(state: SyncState, planId: string): CurrentEpoch {
  const current = currentOf(state);
  if (current.planId !== planId) {
    throw new SyncError('epochStale', {
      problem: `The plan ${planId} of ${state.target} is no longer current.`,
      reason: `The current plan is ${current.planId}.`,
    });
  }
  return current;
}
