/**
 * The orchestration `sync-<tableId>`: interprets nextStep. Deterministic by construction: it decides nothing itself, and
 * uses nothing but `context.df`.
 */
import type { OrchestrationContext, Task } from 'durable-functions';
import type { CompleteResult, PlanResult, SealResult, SliceResult } from '../sync/activity-messages.ts';
import { advance, beginRun, nextStep, type Run, type Step, type StepResult } from '../sync/next-step.ts';
import { ACTIVITY, type RunStatus } from './names.ts';

/** Input of the orchestration: a table to begin with, or the run that continueAsNew carries on. */
export type SyncTableInput = { readonly tableId: string } | { readonly run: Run };

export function* syncTable(context: OrchestrationContext): Generator<Task, unknown, unknown> {
  const input = context.df.getInput<SyncTableInput>();
  if (input === undefined || input === null)
    return { kind: 'failed', code: 'internal', message: 'The orchestration was started without a table.' };
  const version = (context.df as { readonly version?: string }).version ?? '';
  let run =
    'run' in input
      ? input.run
      : beginRun(input.tableId, `${context.df.instanceId}@${context.df.currentUtcDateTime.toISOString()}`);
  for (;;) {
    const step = nextStep(run);
    if (step.kind === 'end') return step.outcome;
    if (step.kind === 'renew') {
      context.df.continueAsNew({ run: step.run });
      return { kind: 'renewed' };
    }
    context.df.setCustomStatus(statusOf(run, step));
    const result = yield* perform(context, step, version);
    run = advance(run, step, result);
  }
}

function* perform(context: OrchestrationContext, step: Step, version: string): Generator<Task, StepResult, unknown> {
  switch (step.kind) {
    case 'plan':
      return (yield* guarded(context.df.callActivity(ACTIVITY.plan, { ...step.input, version }))) as PlanResult;
    case 'slices':
      return yield* slices(context, step.inputs);
    case 'seal':
      return (yield* guarded(context.df.callActivity(ACTIVITY.seal, step.input))) as SealResult;
    case 'complete':
      return (yield* guarded(context.df.callActivity(ACTIVITY.complete, step.input))) as CompleteResult;
    case 'wait':
      yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + step.ms));
      return null;
    case 'renew':
    case 'end':
      return null;
  }
}

/** A wave: when one activity is lost with its worker, the others' results still count. */
function* slices(
  context: OrchestrationContext,
  inputs: readonly unknown[],
): Generator<Task, readonly SliceResult[], unknown> {
  const tasks = inputs.map((slice) => context.df.callActivity(ACTIVITY.slice, slice));
  try {
    return (yield context.df.Task.all(tasks)) as readonly SliceResult[];
  } catch {
    const results: SliceResult[] = [];
    for (const task of tasks) results.push((yield* guarded(task)) as SliceResult);
    return results;
  }
}

/** Activities return their expected failures; one that throws was lost with its worker and may be tried again. */
function* guarded(task: Task): Generator<Task, unknown, unknown> {
  try {
    return yield task;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'failed', code: 'activityLost', message: message.slice(0, 500), retryable: true };
  }
}

function statusOf(run: Run, step: Step): RunStatus {
  if (step.kind === 'plan' || run.plan === null) return { phase: 'planning' };
  return { phase: 'applying', epoch: run.plan.epoch, to: run.plan.to };
}
