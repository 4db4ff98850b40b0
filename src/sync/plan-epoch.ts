/** planEpoch: looks at the log once, decides what the target needs next, writes the plan and claims the epoch. */
import { toSyncError, SyncError } from '../shared/errors.ts';
import { draftEpoch } from './epoch-draft.ts';
import { compareWithCheckpoint, observeLog, type LogObservation } from './log-observation.ts';
import type { PlanInput, PlanResult, PlanSummary } from './activity-messages.ts';
import { awaitsSwitch, dueForRemoval, expireStandby, removed, slotName, standbyExpired } from './publication-state.ts';
import { pointerChanged } from './publication.ts';
import { readPlan, writePlan, type PlanHeader, type PlanStage } from './plan.ts';
import { sourceIsGone } from './source-failure.ts';
import { transition } from './state-store.ts';
import { hold, type Hold } from './hold.ts';
import { isHeld, abandon, claim, dirtyStart, isBusy, takeOver, type CurrentEpoch, type SyncState } from './state.ts';
import { publicationsOf, type SyncDependencies, type SyncTarget } from './sync-target.ts';
import { configurationHash } from './table-context.ts';

/** Plans the next epoch of a table. Expected failures are results, not exceptions. */
export async function planEpoch(deps: SyncDependencies, input: PlanInput, signal: AbortSignal): Promise<PlanResult> {
  try {
    const target = await deps.target(input.tableId);
    return await new EpochPlanner(deps, target, input, signal).plan();
  } catch (thrown) {
    const error = toSyncError(thrown);
    if (error.code === 'commitPending') return { kind: 'retryAfter', ms: 1_000 };
    deps.log.event('epochFailed', { table: input.tableId, code: error.code, message: error.message });
    return { kind: 'failed', code: error.code, message: error.message, retryable: error.retryable };
  }
}

/** A commit that waits for this long is worth an event, in milliseconds: its age is what alerts are about. */
const BEHIND_MS = 5 * 60_000;

/** Whether a table has anything to do: one read of its state and one list call. Throws what reading them throws. */
export async function hasNews(deps: SyncDependencies, tableId: string): Promise<boolean> {
  const target = await deps.target(tableId);
  const { state } = await deps.states.read(target.id);
  if (state.pause !== null) return false;
  if (state.checkpoint === null) return true;
  const { version } = state.checkpoint;
  const log = await observeLog(target.source, version, deps.clock.now());
  const waiting = log.commits.get(version + 1);
  const waitsMs = waiting === undefined ? 0 : deps.clock.now() - waiting.modifiedAt;
  if (waitsMs > BEHIND_MS) {
    const seconds = Math.round(waitsMs / 1000);
    deps.log.event('tableBehind', { table: tableId, version, head: log.head, seconds });
  }
  return !nothingNew(state, log, target, deps.clock.now());
}

function nothingNew(state: SyncState, log: LogObservation, target: SyncTarget, now: number): boolean {
  const { checkpoint } = state;
  return (
    checkpoint !== null &&
    checkpoint.version === log.head &&
    checkpoint.configurationHash === configurationHash(target.configuration) &&
    state.current === null &&
    state.request === null &&
    state.dirty === null &&
    state.forced?.due !== true &&
    !standbyExpired(state, target.configuration, now) &&
    dueForRemoval(state, target.configuration, now, true) === null &&
    compareWithCheckpoint(log, checkpoint) === 'same'
  );
}

class EpochPlanner {
  readonly #deps: SyncDependencies;
  readonly #target: SyncTarget;
  readonly #input: PlanInput;
  readonly #signal: AbortSignal;
  readonly #now: number;
  /** The epoch that this very call gave up because its files are gone. */
  #givenUp: CurrentEpoch | null = null;

  constructor(deps: SyncDependencies, target: SyncTarget, input: PlanInput, signal: AbortSignal) {
    this.#deps = deps;
    this.#target = target;
    this.#input = input;
    this.#signal = signal;
    this.#now = deps.clock.now();
  }

  async plan(): Promise<PlanResult> {
    const state = await this.#settleFailure();
    if (state.pause !== null) return { kind: 'paused' };
    if (isBusy(state, this.#input.driver, this.#now)) return { kind: 'busy' };
    const moved = await this.#pointerMoved(state);
    if (moved !== null) return moved;
    if (state.current?.phase === 'applying') return this.#resume(state);
    const since = dirtyStart(state);
    const log = await observeLog(this.#target.source, since ?? 0, this.#now, this.#signal);
    if (log.head === undefined) return this.#noLog(state);
    if (nothingNew(state, log, this.#target, this.#now)) return { kind: 'idle', version: log.head };
    return this.#planAt(await this.#expireStandby(state), log, log.head);
  }

  async #planAt(state: SyncState, log: LogObservation, newest: number): Promise<PlanResult> {
    // What was loaded is compared at the version it shows, however fast the table moves on.
    const { checkpoint } = state;
    const same = checkpoint?.configurationHash === configurationHash(this.#target.configuration);
    const verifies = awaitsSwitch(state) && state.request?.kind === 'verify' && state.dirty === null && same;
    const until = verifies && checkpoint !== null ? checkpoint.version : newest;
    const request = { deps: this.#deps, target: this.#target, state, log, newest: until, now: this.#now };
    const drafted = await draftEpoch(request, this.#signal);
    if (drafted.kind === 'nothing') return this.#acknowledge(state, newest);
    if (drafted.kind === 'slotGone') {
      const next = await transition(this.#deps.states, this.#target.id, (latest) => removed(latest, drafted.slot));
      return next === null ? { kind: 'busy' } : this.#planAt(next, log, newest);
    }
    const emptySince = drafted.kind === 'settling' ? drafted.since : null;
    if (state.emptySince !== emptySince && !(drafted.kind === 'draft' && drafted.sourceEmpty)) {
      await transition(this.#deps.states, this.#target.id, (latest) => ({ ...latest, emptySince }));
    }
    if (drafted.kind === 'settling') return { kind: 'retryAfter', ms: drafted.ms };
    const { header } = drafted;
    if (state.rejected?.planId === header.planId) {
      const reason = `The plan was rejected by ${state.rejected.by}.`;
      return { kind: 'held', planId: header.planId, code: 'rejected', reason };
    }
    await writePlan(this.#deps.plans, header, drafted.parts, drafted.ranges, this.#signal);
    return this.#claim(state, header, drafted.hold ?? this.#stillGone(header));
  }

  /** Held before anything is written or deleted when it is not clear what readers read. */
  async #pointerMoved(state: SyncState): Promise<PlanResult | null> {
    const { live } = state.publication;
    if (live === null || this.#target.configuration.publish.kind === 'inPlace') return null;
    const stored = await publicationsOf(this.#deps).read(this.#target.tableId, this.#signal);
    const named = stored?.document.live ?? null;
    if (named === slotName(live)) return null;
    const { code, message } = pointerChanged(this.#target.tableId, named, [slotName(live)]);
    this.#logHold(code, message, '');
    return { kind: 'held', planId: '', code, reason: message };
  }

  /** After the time of grace the slot before the last switch can no longer be gone back to. */
  async #expireStandby(state: SyncState): Promise<SyncState> {
    const { configuration, id } = this.#target;
    if (!standbyExpired(state, configuration, this.#now)) return state;
    const next = await transition(this.#deps.states, id, (latest) =>
      latest.pause === null && standbyExpired(latest, configuration, this.#now) ? expireStandby(latest) : null,
    );
    return next ?? state;
  }

  /** The same live files would be missing again: the table is damaged, not merely ahead of us. */
  #stillGone(header: PlanHeader): Hold | null {
    const gone = this.#givenUp;
    const again = gone !== null && gone.kind !== 'changes' && header.kind !== 'changes' && gone.to === header.to;
    return again ? this.#failed(this.#input.failure?.message ?? '') : null;
  }

  /** Gives up an epoch whose files are gone, or holds it where only a person can help. */
  async #settleFailure(): Promise<SyncState> {
    const { failure } = this.#input;
    const { states } = this.#deps;
    if (failure === null) return (await states.read(this.#target.id, this.#signal)).state;
    const next = await transition(states, this.#target.id, (state) => {
      if (state.current?.planId !== failure.planId) return state;
      if (!sourceIsGone(failure.code)) return hold(state, failure.planId, this.#failed(failure.message));
      this.#givenUp = state.current;
      return giveUp(state, this.#now);
    });
    const fields = { table: this.#target.tableId, planId: failure.planId, code: failure.code };
    this.#deps.log.event('epochAbandoned', fields);
    return next ?? (await states.read(this.#target.id, this.#signal)).state;
  }

  #failed(message: string): Hold {
    return {
      code: 'chunkFailed',
      reason: message,
      remedy: 'Repair the cause, then approve the plan to go on.',
      since: this.#now,
    };
  }

  #noLog(state: SyncState): PlanResult {
    const location = this.#target.source.location;
    if (state.checkpoint === null) {
      throw new SyncError('notADeltaTable', {
        problem: `${location} is not a Delta table.`,
        reason: 'It has no _delta_log with a commit or checkpoint.',
      });
    }
    const reason = `The log of ${location} holds nothing at or after version ${state.checkpoint.version}.`;
    this.#logHold('tableVanished', reason, 'Restore the table, or remove it from the configuration.');
    return { kind: 'held', planId: '', code: 'tableVanished', reason };
  }

  /** A started epoch is finished with its own plan. */
  async #resume(state: SyncState): Promise<PlanResult> {
    const current = state.current;
    if (current === null) return { kind: 'busy' };
    if (isHeld(current)) return heldResult(current.planId, current.hold);
    const header = await readPlan(this.#deps.plans, this.#target.id, current.planId, this.#signal);
    const taken = await transition(this.#deps.states, this.#target.id, (latest) =>
      latest.current?.planId === current.planId && !isBusy(latest, this.#input.driver, this.#now)
        ? takeOver(latest, this.#input.driver, this.#now)
        : null,
    );
    if (taken === null) return { kind: 'busy' };
    // What came before `apply` is sealed in blobs; only the writes are repeated.
    return {
      kind: 'epoch',
      plan: summaryOf(
        header,
        header.stages.filter((stage) => stage.name === 'apply'),
      ),
    };
  }

  /** Nothing to do for the documents; a configuration that only reads differently is remembered. */
  async #acknowledge(state: SyncState, version: number): Promise<PlanResult> {
    const hash = configurationHash(this.#target.configuration);
    if (state.checkpoint !== null && state.checkpoint.configurationHash !== hash) {
      await transition(this.#deps.states, this.#target.id, (latest) =>
        latest.checkpoint === null
          ? null
          : { ...latest, current: null, checkpoint: { ...latest.checkpoint, configurationHash: hash } },
      );
    } else if (state.current !== null) {
      await transition(this.#deps.states, this.#target.id, (latest) =>
        latest.current?.planId === state.current?.planId ? { ...latest, current: null } : null,
      );
    }
    return { kind: 'idle', version };
  }

  async #claim(planned: SyncState, header: PlanHeader, holdReason: Hold | null): Promise<PlanResult> {
    const first = header.stages[0] ?? { name: 'apply' as const, chunks: 0 };
    const plan = {
      planId: header.planId,
      kind: header.kind,
      from: header.from,
      to: header.to,
      why: header.why,
      firstStage: first.name,
      chunks: first.chunks,
      ...(holdReason === null ? {} : { hold: holdReason }),
      ...(header.load && header.slot !== null ? { load: { slot: header.slot, context: header.context } } : {}),
    };
    const claimed = await transition(this.#deps.states, this.#target.id, (latest) => {
      const moved = latest.epoch !== planned.epoch || latest.pause !== null || latest.current?.phase === 'applying';
      return moved || isBusy(latest, this.#input.driver, this.#now)
        ? null
        : claim(latest, plan, this.#input.driver, this.#now);
    });
    const current = claimed?.current;
    if (current === null || current === undefined) return { kind: 'busy' };
    const { table, ...described } = {
      table: header.tableId,
      planId: header.planId,
      kind: header.kind,
      from: header.from,
      to: header.to,
      why: header.why,
    };
    this.#deps.log.event('epochPlanned', { table, ...described, rows: header.estimate.rows });
    if (isHeld(current)) {
      if (current.hold !== undefined)
        this.#logHold(current.hold.code, current.hold.reason, current.hold.remedy, header.planId);
      return heldResult(header.planId, current.hold);
    }
    return { kind: 'epoch', plan: summaryOf(header, header.stages) };
  }

  #logHold(code: string, reason: string, remedy: string, planId?: string): void {
    this.#deps.log.event('epochHeld', { table: this.#target.tableId, code, reason, remedy, planId });
  }
}

/** Slices side by side: enough to hide latencies, never so many that small tables starve. */
const WIDTH = 3;

function summaryOf(header: PlanHeader, stages: readonly PlanStage[]): PlanSummary {
  const width = Math.min(WIDTH, Math.max(...stages.map((stage) => stage.chunks), 1));
  return { planId: header.planId, epoch: header.epoch, kind: header.kind, to: header.to, stages, width };
}

function heldResult(planId: string, reason: Hold | undefined): PlanResult {
  return { kind: 'held', planId, code: reason?.code ?? 'held', reason: reason?.reason ?? '' };
}

/** Abandons the epoch; a range whose files are gone can only be healed by comparing both sides. */
function giveUp(state: SyncState, now: number): SyncState {
  const next = abandon(state, now);
  if (state.current?.load !== undefined || state.current?.kind === 'cleanup') return next;
  return { ...next, dirty: { from: null, to: next.dirty?.to ?? state.current?.to ?? 0 } };
}
