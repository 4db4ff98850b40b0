/** planEpoch: looks at the log once, decides what the target needs next, writes the plan and claims the epoch. */
import { toSyncError, SyncError } from '../shared/errors.ts';
import type { PlanInput, PlanResult } from './activity-messages.ts';
import { concernOf, rememberConcern } from './concern.ts';
import { isContainerReplaced, isLookDue } from './container-look.ts';
import { rejectedResult } from './epoch-claims.ts';
import { draftEpoch } from './epoch-draft.ts';
import { retryFreshness } from './freshness.ts';
import { compareWithCheckpoint, observeLog, type LogObservation } from './log-observation.ts';
import { RemovalPlanner } from './plan-removal.ts';
import { Planner } from './planner.ts';
import { writePlan } from './plan.ts';
import { awaitsSwitch, dueForRemoval, expireStandby, removed, standbyExpired } from './publication-state.ts';
import { readmit } from './removal.ts';
import { isRemovalPending, settleRemoval } from './settle-removal.ts';
import { transition } from './state-store.ts';
import { dirtyStart, isBusy, type SyncState } from './state.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';
import { configurationHash } from './table-context.ts';

/** Plans the next epoch of a table. Expected failures are results, not exceptions. */
export async function planEpoch(deps: SyncDependencies, input: PlanInput, signal: AbortSignal): Promise<PlanResult> {
  try {
    const order = deps.removedTables.get(input.tableId) ?? null;
    const settled = order === null ? null : await settleRemoval(deps, input, order, signal);
    if (settled !== null) return settled;
    const target = await deps.target(input.tableId);
    if (order !== null) return await new RemovalPlanner(deps, target, input, signal, order).plan();
    return await new EpochPlanner(deps, target, input, signal).plan();
  } catch (thrown) {
    const error = toSyncError(thrown);
    if (error.code === 'commitPending') return { kind: 'retryAfter', ms: 1_000 };
    const concern = concernOf(error, deps.clock.now());
    if (concern !== null) await rememberConcern(deps, input.tableId, concern, signal);
    deps.log.event('epochFailed', { table: input.tableId, code: error.code, message: error.message });
    return { kind: 'failed', code: error.code, message: error.message, retryable: error.retryable };
  }
}

/** A commit that waits for this long is worth an event, in milliseconds: its age is what alerts are about. */
const BEHIND_MS = 5 * 60_000;

/**
 * Whether a table has anything to do: one read of its state and one list call, and once an hour a look at its container.
 * Throws what reading state and log throws.
 */
export async function hasNews(deps: SyncDependencies, tableId: string): Promise<boolean> {
  if (deps.removedTables.has(tableId)) return isRemovalPending(deps, tableId);
  const target = await deps.target(tableId);
  const { state } = await deps.states.read(target.id);
  if (state.pause !== null) return false;
  if (state.checkpoint === null || (state.concern ?? null) !== null) return true;
  const { version } = state.checkpoint;
  const log = await observeLog(target.source, version, deps.clock.now());
  const waiting = log.commits.get(version + 1);
  const waitsMs = waiting === undefined ? 0 : deps.clock.now() - waiting.modifiedAt;
  if (waitsMs > BEHIND_MS) {
    const seconds = Math.round(waitsMs / 1000);
    deps.log.event('tableBehind', { table: tableId, version, head: log.head, seconds });
  }
  const now = deps.clock.now();
  if (!nothingNew(state, log, target, now)) return true;
  // What is wrong with the container is told by planning.
  return isLookDue(state, now) && (await isContainerReplaced(deps, target, state, NEVER).catch(() => true));
}

const NEVER = new AbortController().signal;

function nothingNew(state: SyncState, log: LogObservation, target: SyncTarget, now: number): boolean {
  const { checkpoint } = state;
  return (
    checkpoint !== null &&
    checkpoint.version === log.head &&
    checkpoint.configurationHash === configurationHash(target.configuration) &&
    state.current === null &&
    state.request === null &&
    state.replay === null &&
    !state.freshnessDue &&
    state.dirty === null &&
    state.forced?.due !== true &&
    !standbyExpired(state, target.configuration, now) &&
    dueForRemoval(state, target.configuration, now, true) === null &&
    compareWithCheckpoint(log, checkpoint) === 'same'
  );
}

class EpochPlanner extends Planner {
  protected async next(): Promise<PlanResult> {
    const settled = await this.claims.settleFailure();
    if (settled.pause !== null) return { kind: 'paused' };
    if (isBusy(settled, this.input.driver, this.now)) return { kind: 'busy' };
    if (settled.removal !== null) return this.#readmit();
    const moved = await this.claims.pointerMoved(settled);
    if (moved !== null) return moved;
    const state = await retryFreshness(this.deps, this.target, settled, this.signal);
    if (state.current?.phase === 'applying') return this.claims.resume(state);
    const since = dirtyStart(state);
    const recent = await observeLog(this.target.source, since ?? 0, this.now, this.signal);
    // A table that was created again has fewer versions at first.
    const log = recent.head === undefined ? await observeLog(this.target.source, 0, this.now, this.signal) : recent;
    if (log.head === undefined) return this.#noLog(state);
    const idle = nothingNew(state, log, this.target, this.now) && !(await this.#containerReplaced(state));
    if (idle) return { kind: 'idle', version: log.head };
    return this.#planAt(await this.#expireStandby(state), log, log.head);
  }

  /** Looks when it is time, and as long as something else is the matter. */
  async #containerReplaced(state: SyncState): Promise<boolean> {
    const looks = isLookDue(state, this.now) || (state.concern ?? null) !== null;
    return looks && isContainerReplaced(this.deps, this.target, state, this.signal);
  }

  /** The table is configured again: a first load finds out what is there. */
  async #readmit(): Promise<PlanResult> {
    await transition(this.deps.states, this.target.id, (latest) => (latest.removal === null ? null : readmit(latest)));
    return this.next();
  }

  async #planAt(state: SyncState, log: LogObservation, newest: number): Promise<PlanResult> {
    // What was loaded is compared at the version it shows, however fast the table moves on.
    const { checkpoint } = state;
    const same = checkpoint?.configurationHash === configurationHash(this.target.configuration);
    const verifies = awaitsSwitch(state) && state.request?.kind === 'verify' && state.dirty === null && same;
    const until = verifies && checkpoint !== null ? checkpoint.version : newest;
    const request = { deps: this.deps, target: this.target, state, log, newest: until, now: this.now };
    const drafted = await draftEpoch(request, this.signal);
    if (drafted.kind === 'nothing') return this.#acknowledge(state, newest);
    if (drafted.kind === 'slotGone') {
      const next = await transition(this.deps.states, this.target.id, (latest) => removed(latest, drafted.slot));
      return next === null ? { kind: 'busy' } : this.#planAt(next, log, newest);
    }
    const emptySince = drafted.kind === 'settling' ? drafted.since : null;
    if (state.emptySince !== emptySince && !(drafted.kind === 'draft' && drafted.sourceEmpty)) {
      await transition(this.deps.states, this.target.id, (latest) => ({ ...latest, emptySince }));
    }
    if (drafted.kind === 'settling') return { kind: 'retryAfter', ms: drafted.ms };
    const { header } = drafted;
    if (state.rejected?.planId === header.planId) {
      return rejectedResult(state.rejected);
    }
    await writePlan(this.deps.plans, header, drafted.parts, drafted.ranges, this.signal);
    return this.claims.claim(state, header, this.claims.stillGone(header, drafted.hold));
  }

  /** After the time of grace the slot before the last switch can no longer be gone back to. */
  async #expireStandby(state: SyncState): Promise<SyncState> {
    const { configuration, id } = this.target;
    if (!standbyExpired(state, configuration, this.now)) return state;
    const next = await transition(this.deps.states, id, (latest) =>
      latest.pause === null && standbyExpired(latest, configuration, this.now) ? expireStandby(latest) : null,
    );
    return next ?? state;
  }

  #noLog(state: SyncState): Promise<PlanResult> {
    const location = this.target.source.location;
    if (state.checkpoint === null) {
      throw new SyncError('notADeltaTable', {
        problem: `${location} is not a Delta table.`,
        reason: 'It has no _delta_log with a commit or checkpoint.',
      });
    }
    const reason = `The log of ${location} holds nothing at or after version ${state.checkpoint.version}.`;
    return this.claims.waits('tableVanished', reason, 'Restore the table, or remove it from the configuration.');
  }

  /** Nothing to do for the documents; a configuration that only reads differently is remembered. */
  async #acknowledge(state: SyncState, version: number): Promise<PlanResult> {
    const hash = configurationHash(this.target.configuration);
    if (state.checkpoint !== null && state.checkpoint.configurationHash !== hash) {
      await transition(this.deps.states, this.target.id, (latest) =>
        latest.checkpoint === null
          ? null
          : { ...latest, current: null, checkpoint: { ...latest.checkpoint, configurationHash: hash } },
      );
    } else if (state.current !== null) {
      await transition(this.deps.states, this.target.id, (latest) =>
        latest.current?.planId === state.current?.planId ? { ...latest, current: null } : null,
      );
    }
    return { kind: 'idle', version };
  }
}
