/** Plans how the documents of a removed table are deleted: slot by slot, each a clean-up epoch under the table's budget. */
import type { PlanInput, PlanResult } from './activity-messages.ts';
import { draftRemoval } from './cleanup-draft.ts';
import { rejectedResult } from './epoch-claims.ts';
import { writePlan } from './plan.ts';
import { Planner } from './planner.ts';
import type { RetiredSlot } from './publication-state.ts';
import { withdraw } from './publication.ts';
import {
  beginRemoval,
  extentOf,
  guardRemoval,
  lastContext,
  refuseShared,
  slotsOf,
  type RemovedTable,
} from './removal.ts';
import { settleRemoval } from './settle-removal.ts';
import { transition } from './state-store.ts';
import { abandon, type SyncState } from './state.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';

/** Expects a state that `settleRemoval` leaves to it. Its `plan` throws `removalRefused`. */
export class RemovalPlanner extends Planner {
  readonly #order: RemovedTable;

  constructor(deps: SyncDependencies, target: SyncTarget, input: PlanInput, signal: AbortSignal, order: RemovedTable) {
    super(deps, target, input, signal);
    this.#order = order;
  }

  protected async next(): Promise<PlanResult> {
    const { configuration, id } = this.target;
    const { states, plans } = this.deps;
    let state = await this.claims.settleFailure();
    const begun = state.removal !== null;
    const context = (await lastContext(plans, state, this.signal)) ?? '';
    if (!begun && state.current?.phase === 'applying') {
      // What is under way is not finished: what it wrote is deleted as well.
      const { planId } = state.current;
      const stopped = await transition(states, id, (latest) =>
        latest.current?.planId === planId ? abandon(latest, this.now) : null,
      );
      if (stopped === null) return { kind: 'busy' };
      state = stopped;
    }
    const slots = begun ? state.publication.retired : slotsOf(state, configuration, context);
    refuseShared(configuration, slots, this.#order.configured);
    if (state.current?.phase === 'applying') return this.claims.resume(state);
    const moved = begun ? null : await this.claims.pointerMoved(state);
    if (moved !== null) return moved;
    return this.#removeSlots(state, slots);
  }

  async #removeSlots(state: SyncState, slots: readonly RetiredSlot[]): Promise<PlanResult> {
    const { plans, publications } = this.deps;
    const [slot, ...others] = slots;
    if (slot === undefined) return this.#end(state);
    const draft = await draftRemoval(this.deps, this.target, state, slot, extentOf(state), this.signal);
    if (draft.kind === 'slotGone') return this.#removeSlots(state, others);
    const { header, ranges } = draft;
    if (state.rejected?.planId === header.planId) return rejectedResult(state.rejected);
    await writePlan(plans, header, [], ranges, this.signal);
    const hold = state.removal === null ? guardRemoval(state, this.target.configuration, this.now) : null;
    const claimed = await this.claims.claim(state, header, hold);
    if (claimed.kind !== 'epoch') return claimed;
    // Nothing is lost so far. From here on the checkpoint is not believed, and nobody is sent to the documents.
    const begun = await this.#begin(slots, (latest) => latest.current?.planId === header.planId);
    if (!begun) return { kind: 'busy' };
    if (publications !== null) await withdraw(publications, this.target.tableId, this.signal);
    return claimed;
  }

  /** Every container that the table had documents in is gone or empty. */
  async #end(state: SyncState): Promise<PlanResult> {
    const begun = await this.#begin([], (latest) => latest.epoch === state.epoch && latest.pause === null);
    const settled = begun ? await settleRemoval(this.deps, this.input, this.#order, this.signal) : null;
    return settled ?? { kind: 'busy' };
  }

  async #begin(slots: readonly RetiredSlot[], may: (latest: SyncState) => boolean): Promise<boolean> {
    const begun = await transition(this.deps.states, this.target.id, (latest) =>
      may(latest) ? beginRemoval(latest, 'delete', slots, this.now) : null,
    );
    return begun !== null;
  }
}
