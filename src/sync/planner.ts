/** What all planners of one call of planEpoch have in common: with what they work, and that concerns end with a result. */
import type { PlanInput, PlanResult } from './activity-messages.ts';
import { EpochClaims } from './epoch-claims.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';

/** Plans once. */
export abstract class Planner {
  protected readonly deps: SyncDependencies;
  protected readonly target: SyncTarget;
  protected readonly input: PlanInput;
  protected readonly signal: AbortSignal;
  protected readonly now: number;
  protected readonly claims: EpochClaims;

  constructor(deps: SyncDependencies, target: SyncTarget, input: PlanInput, signal: AbortSignal) {
    this.deps = deps;
    this.target = target;
    this.input = input;
    this.signal = signal;
    this.now = deps.clock.now();
    this.claims = new EpochClaims(deps, target, input, signal);
  }

  async plan(): Promise<PlanResult> {
    const result = await this.next();
    await this.claims.noteResult(result);
    return result;
  }

  /** What is to be done next. Throws what keeps it from coming to a plan. */
  protected abstract next(): Promise<PlanResult>;
}
