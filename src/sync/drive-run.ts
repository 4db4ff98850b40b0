/** Interprets nextStep in this process, without Durable Functions: for the command line and for tests. */
import { completeEpoch } from './complete-epoch.ts';
import { withHeartbeat } from './heartbeat.ts';
import { advance, beginRun, nextStep, type RunOutcome, type Step, type StepResult } from './next-step.ts';
import { planEpoch } from './plan-epoch.ts';
import { runSlice } from './run-slice.ts';
import { sealStage } from './seal-stage.ts';
import type { SyncDependencies } from './sync-target.ts';

/** Runs a table until nothing is new, or until somebody has to act. Rejects only when the signal aborts. */
export async function driveRun(
  deps: SyncDependencies,
  tableId: string,
  driver: string,
  signal: AbortSignal,
): Promise<RunOutcome> {
  let run = beginRun(tableId, driver);
  for (;;) {
    signal.throwIfAborted();
    const step = nextStep(run);
    if (step.kind === 'end') return step.outcome;
    run = advance(run, step, await perform(deps, step, signal));
  }
}

async function perform(deps: SyncDependencies, step: Step, signal: AbortSignal): Promise<StepResult> {
  switch (step.kind) {
    case 'plan':
      return planEpoch(deps, step.input, signal);
    case 'slices':
      return Promise.all(step.inputs.map((input) => withHeartbeat(deps, input, () => runSlice(deps, input, signal))));
    case 'seal':
      return sealStage(deps, step.input, signal);
    case 'complete':
      return completeEpoch(deps, step.input, signal);
    case 'wait':
      await deps.clock.sleep(step.ms, signal);
      return null;
    case 'renew':
    case 'end':
      return null;
  }
}
