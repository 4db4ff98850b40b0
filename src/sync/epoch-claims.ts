/** What planning does to the state document: claims an epoch, resumes one, holds or gives up one that failed. */
import type { EpochFailure, PlanInput, PlanResult, PlanSummary } from './activity-messages.ts';
import { rememberConcern, toldApart } from './concern.ts';
import { hold, type Hold } from './hold.ts';
import { readPlan, type PlanHeader, type PlanStage } from './plan.ts';
import { slotName } from './publication-state.ts';
import { pointerChanged } from './publication.ts';
import { sourceIsGone } from './source-failure.ts';
import { transition } from './state-store.ts';
import { abandon, claim, isBusy, isHeld, takeOver, type CurrentEpoch, type SyncState } from './state.ts';
import { publicationsOf, type SyncDependencies, type SyncTarget } from './sync-target.ts';

/** The claims of one call of planEpoch. */
export class EpochClaims {
  readonly #deps: SyncDependencies;
  readonly #target: SyncTarget;
  readonly #input: PlanInput;
  readonly #signal: AbortSignal;
  readonly #now: number;
  /** The epoch that this very call gave up because its files are gone. */
  #givenUp: CurrentEpoch | null = null;
  /** Files had been gone before that epoch was planned. */
  #goneBefore = false;
  /** An earlier planning met something that the state document tells. */
  #worried = false;

  constructor(deps: SyncDependencies, target: SyncTarget, input: PlanInput, signal: AbortSignal) {
    this.#deps = deps;
    this.#target = target;
    this.#input = input;
    this.#signal = signal;
    this.#now = deps.clock.now();
  }

  /** Gives up an epoch whose files are gone, or holds it where only a person can help. */
  async settleFailure(): Promise<SyncState> {
    const state = await this.#settleFailure();
    this.#worried = (state.concern ?? null) !== null;
    return state;
  }

  async #settleFailure(): Promise<SyncState> {
    const { failure } = this.#input;
    const { states } = this.#deps;
    if (failure === null) return (await states.read(this.#target.id, this.#signal)).state;
    const next = await transition(states, this.#target.id, (state) => {
      if (state.current?.planId !== failure.planId) return state;
      const gone = sourceIsGone(failure.code) || (state.current.kind === 'cleanup' && failure.code === 'targetMissing');
      if (!gone) return hold(state, failure.planId, this.#failed(failure));
      // In a container that was created again nothing is missing any more.
      if (failure.code !== 'targetReplaced') this.#givenUp = state.current;
      this.#goneBefore = state.dirty?.compared === true;
      return giveUp(state, this.#now);
    });
    const fields = { table: this.#target.tableId, planId: failure.planId, code: failure.code };
    this.#deps.log.event('epochAbandoned', fields);
    return next ?? (await states.read(this.#target.id, this.#signal)).state;
  }

  #failed({ code, message }: EpochFailure): Hold {
    const { reason, remedy } = toldApart(code, message);
    return {
      code: 'chunkFailed',
      reason,
      remedy: `${remedy ?? 'Repair the cause.'} Then approve the plan to go on.`,
      since: this.#now,
    };
  }

  /** Held before anything is written or deleted when it is not clear what readers read. */
  async pointerMoved(state: SyncState): Promise<PlanResult | null> {
    const { live } = state.publication;
    if (live === null || this.#target.configuration.publish.kind === 'inPlace') return null;
    const stored = await publicationsOf(this.#deps).read(this.#target.tableId, this.#signal);
    const named = stored?.document.live ?? null;
    if (named === slotName(live) || isHalfSwitched(state, named)) return null;
    const { code, problem, reason, remedy } = pointerChanged(this.#target.tableId, named, [slotName(live)]);
    return this.waits(code, `${problem} ${reason ?? ''}`, remedy);
  }

  /** Somebody has to act before there can be any plan: the state document tells what. */
  async waits(code: string, reason: string, remedy: string): Promise<PlanResult> {
    this.logHold(code, reason, remedy);
    await rememberConcern(this.#deps, this.#target.id, { code, reason, remedy, since: this.#now }, this.#signal);
    return { kind: 'held', planId: '', code, reason };
  }

  /** A concern is over as soon as planning passes. */
  async noteResult(result: PlanResult): Promise<void> {
    const waits = result.kind === 'held' && result.planId === '';
    const passed = !waits && result.kind !== 'busy' && result.kind !== 'paused' && result.kind !== 'failed';
    if (passed && this.#worried) await rememberConcern(this.#deps, this.#target.id, null, this.#signal);
  }

  /** A started epoch is finished with its own plan. */
  async resume(state: SyncState): Promise<PlanResult> {
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

  async claim(planned: SyncState, header: PlanHeader, holdReason: Hold | null): Promise<PlanResult> {
    const first = header.stages[0] ?? { name: 'apply' as const, chunks: 0 };
    const { tableId, planId, kind, from, to, why } = header;
    const described = { planId, kind, from, to, why };
    const plan = {
      ...described,
      firstStage: first.name,
      chunks: first.chunks,
      ...(holdReason === null ? {} : { hold: holdReason }),
      ...(header.load && header.slot !== null ? { load: { slot: header.slot, context: header.context } } : {}),
    };
    const claimed = await transition(this.#deps.states, this.#target.id, (latest) => {
      const moved = latest.epoch !== planned.epoch || latest.pause !== null || latest.current?.phase === 'applying';
      // Refused by somebody while it was planned once more.
      const refused = latest.rejected?.planId === planId;
      return moved || refused || isBusy(latest, this.#input.driver, this.#now)
        ? null
        : claim(latest, plan, this.#input.driver, this.#now);
    });
    const current = claimed?.current;
    if (current === null || current === undefined) return { kind: 'busy' };
    this.#deps.log.event('epochPlanned', { table: tableId, ...described, rows: header.estimate.rows });
    if (isHeld(current)) {
      if (current.hold !== undefined) this.logHold(current.hold.code, current.hold.reason, current.hold.remedy, planId);
      return heldResult(planId, current.hold);
    }
    return { kind: 'epoch', plan: summaryOf(header, header.stages) };
  }

  logHold(code: string, reason: string, remedy: string, planId?: string): void {
    this.#deps.log.event('epochHeld', { table: this.#target.tableId, code, reason, remedy, planId });
  }

  /** The same live files would be missing again: the table is damaged, not merely ahead of us. `drafted`: what else holds it. */
  stillGone(header: PlanHeader, drafted: Hold | null): Hold | null {
    const gone = this.#givenUp;
    const again = gone !== null && gone.kind !== 'changes' && header.kind !== 'changes' && gone.to === header.to;
    if (!again || this.#input.failure === null) return drafted;
    // The first time it may have been the rows from before, which the new plan does without.
    return drafted === null || this.#goneBefore ? this.#failed(this.#input.failure) : drafted;
  }
}

/** The pointer was switched to what is being verified, and whoever did it was lost before the state said so. */
function isHalfSwitched(state: SyncState, named: string | number | null): boolean {
  const { publication, request, current } = state;
  const verifying = request?.kind === 'verify' && (current === null || current.kind === 'verify');
  return verifying && publication.working !== null && named === slotName(publication.working);
}

/** Slices side by side: enough to hide latencies, never so many that small tables starve. */
const WIDTH = 3;

function summaryOf(header: PlanHeader, stages: readonly PlanStage[]): PlanSummary {
  const width = Math.min(WIDTH, Math.max(...stages.map((stage) => stage.chunks), 1));
  return { planId: header.planId, epoch: header.epoch, kind: header.kind, to: header.to, stages, width };
}

export function rejectedResult({ planId, by }: NonNullable<SyncState['rejected']>): PlanResult {
  return { kind: 'held', planId, code: 'rejected', reason: `The plan was rejected by ${by}.` };
}

function heldResult(planId: string, reason: Hold | undefined): PlanResult {
  return { kind: 'held', planId, code: reason?.code ?? 'held', reason: reason?.reason ?? '' };
}

/** Abandons the epoch; a range whose files are gone can only be healed by comparing both sides. */
function giveUp(state: SyncState, now: number): SyncState {
  const next = abandon(state, now);
  if (state.current?.load !== undefined || state.current?.kind === 'cleanup') return next;
  const compared = state.dirty?.compared === true || state.current?.kind === 'reconcile';
  const to = next.dirty?.to ?? state.current?.to ?? 0;
  return { ...next, dirty: { from: null, to, ...(compared ? { compared } : {}) } };
}
