/** The Durable activities: thin edges over the use cases. They return expected failures and throw nothing on purpose. */
import type { InvocationContext } from '@azure/functions';
import { completeEpoch } from '../sync/complete-epoch.ts';
import type {
  CompleteInput,
  CompleteResult,
  PlanInput,
  PlanResult,
  SealInput,
  SealResult,
  SliceInput,
  SliceResult,
} from '../sync/activity-messages.ts';
import { withHeartbeat } from '../sync/heartbeat.ts';
import { planEpoch } from '../sync/plan-epoch.ts';
import { runSlice } from '../sync/run-slice.ts';
import { sealStage } from '../sync/seal-stage.ts';
import type { SyncDependencies } from '../sync/sync-target.ts';
import { toSyncError } from '../shared/errors.ts';
import type { AppDependencies } from './app-dependencies.ts';

/** What an orchestration of another app version passes along with its plan request. */
type VersionedPlanInput = PlanInput & { readonly version: string };

/** What the activities need: the use cases' dependencies and the queue of hints. */
export type ActivityDependencies = SyncDependencies & Pick<AppDependencies, 'hintLater'>;

/** Runs work with the process' dependencies, logging to the invocation it belongs to. */
export type WithDependencies = <T>(
  context: InvocationContext,
  work: (deps: ActivityDependencies) => Promise<T>,
) => Promise<T>;

export interface Activities {
  readonly planEpoch: (input: VersionedPlanInput, context: InvocationContext) => Promise<PlanResult>;
  readonly runSlice: (input: SliceInput, context: InvocationContext) => Promise<SliceResult>;
  readonly sealStage: (input: SealInput, context: InvocationContext) => Promise<SealResult>;
  readonly completeEpoch: (input: CompleteInput, context: InvocationContext) => Promise<CompleteResult>;
}

/** `stopping`: the process is asked to end; a slice under way stops writing, so that others need not wait for it. */
export function createActivities(withDependencies: WithDependencies, stopping: AbortSignal): Activities {
  const signal = new AbortController().signal;
  return {
    planEpoch: (input, context) =>
      expected(() =>
        withDependencies<PlanResult>(context, async (deps) => {
          if (input.version !== '' && input.version !== deps.appVersion) return succeed(deps, input.tableId);
          return planEpoch(deps, input, signal);
        }),
      ),
    runSlice: (input, context) =>
      expected(() =>
        withDependencies(context, (deps) => withHeartbeat(deps, input, () => untilStopped(deps, input, stopping))),
      ),
    sealStage: (input, context) => expected(() => withDependencies(context, (deps) => sealStage(deps, input, signal))),
    completeEpoch: (input, context) =>
      expected(() => withDependencies(context, (deps) => completeEpoch(deps, input, signal))),
  };
}

/** A slice that is cut off has not failed: another worker goes on with what it left. */
async function untilStopped(deps: SyncDependencies, input: SliceInput, stopping: AbortSignal): Promise<SliceResult> {
  const result = await runSlice(deps, input, stopping);
  return stopping.aborted && result.kind === 'failed' ? { kind: 'retryAfter', ms: 1_000 } : result;
}

/** By then the run of the other version has ended, in seconds; a hint that still meets it comes back by itself. */
const SUCCESSOR_SECONDS = 10;

/** A run that began under another version ends; a hint starts one of this version, should it fail the sweep. */
async function succeed(deps: ActivityDependencies, tableId: string): Promise<PlanResult> {
  try {
    await deps.hintLater(tableId, SUCCESSOR_SECONDS);
  } catch (thrown) {
    const { code, message } = toSyncError(thrown);
    deps.log.event('hintFailed', { table: tableId, code, message });
  }
  return { kind: 'newVersion' };
}

/** Failures before a use case begins (settings, configuration) are results, too. */
async function expected<T>(
  work: () => Promise<T>,
): Promise<
  T | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly retryable: boolean }
> {
  try {
    return await work();
  } catch (thrown) {
    const error = toSyncError(thrown);
    return { kind: 'failed', code: error.code, message: error.message, retryable: error.retryable };
  }
}
