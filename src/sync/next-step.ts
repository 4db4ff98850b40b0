/**
 * What a run of one table does next, as a pure function of what happened so far. The Durable orchestrator and the
 * command line both interpret it; a Run is plain JSON, so it survives continueAsNew.
 */
import type {
  PlanSummary,
  PlanInput,
  EpochFailure,
  PlanResult,
  SliceInput,
  SliceResult,
  SealInput,
  SealResult,
  CompleteInput,
  CompleteResult,
  Failure,
} from './activity-messages.ts';
import { NO_COUNTS, addCounts, type OperationCounts } from './state-store.ts';
import type { StageName } from './state.ts';

interface PendingChunk {
  readonly chunk: number;
  readonly cursor: string | null;
  /** Slices of this chunk so far. */
  readonly slices: number;
  /** Slices in a row that failed. */
  readonly failures: number;
}

/** Everything a run remembers. */
export interface Run {
  readonly tableId: string;
  readonly driver: string;
  readonly phase: 'plan' | 'slices' | 'seal' | 'complete' | 'wait' | 'end';
  readonly plan: PlanSummary | null;
  readonly stage: number;
  readonly pending: readonly PendingChunk[];
  readonly outputs: readonly string[];
  /** Of the current stage, with the dead letters of those before; those of `apply` become the epoch's. */
  readonly counts: OperationCounts;
  readonly waitMs: number;
  readonly failure: EpochFailure | null;
  /** Waits in a row without progress; bounds how long a run stays alive for a service that is away. */
  readonly waits: number;
  /** Epochs completed by this run. */
  readonly epochs: number;
  /** Steps since the last continueAsNew. */
  readonly steps: number;
  readonly outcome: RunOutcome | null;
}

export interface RunOutcome {
  readonly kind: 'idle' | 'busy' | 'paused' | 'held' | 'newVersion' | 'failed';
  readonly version?: number | null;
  readonly code?: string;
  readonly message?: string;
}

export type Step =
  | { readonly kind: 'plan'; readonly input: PlanInput }
  | { readonly kind: 'slices'; readonly inputs: readonly SliceInput[] }
  | { readonly kind: 'seal'; readonly input: SealInput }
  | { readonly kind: 'complete'; readonly input: CompleteInput }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Start a new generation with this Run: the history has grown enough. */
  | { readonly kind: 'renew'; readonly run: Run }
  | { readonly kind: 'end'; readonly outcome: RunOutcome };

export type StepResult = PlanResult | readonly SliceResult[] | SealResult | CompleteResult | null;

/** Steps per generation: at most 4 slices each, about 3 history events an activity, so below 1,000 events. */
const STEPS_PER_GENERATION = 60;
const CHUNK_FAILURES = 5;
const WAITS = 20;

/** A run that begins. `driver` names who drives (instance id and start time, say). */
export function beginRun(tableId: string, driver: string): Run {
  return {
    tableId,
    driver,
    phase: 'plan',
    plan: null,
    stage: 0,
    pending: [],
    outputs: [],
    counts: NO_COUNTS,
    waitMs: 0,
    failure: null,
    waits: 0,
    epochs: 0,
    steps: 0,
    outcome: null,
  };
}

/** The next thing to do. */
export function nextStep(run: Run): Step {
  if (run.phase === 'end') return { kind: 'end', outcome: run.outcome ?? { kind: 'failed', code: 'internal' } };
  if (run.steps >= STEPS_PER_GENERATION) return { kind: 'renew', run: { ...run, steps: 0 } };
  switch (run.phase) {
    case 'plan':
      return {
        kind: 'plan',
        input: { tableId: run.tableId, driver: run.driver, failure: run.failure },
      };
    case 'wait':
      return { kind: 'wait', ms: run.waitMs };
    case 'slices':
      return { kind: 'slices', inputs: wave(run).map((pending) => sliceInput(run, pending)) };
    case 'seal':
      return {
        kind: 'seal',
        input: { ...reference(run), stage: stageOf(run), outputs: run.outputs, counts: run.counts },
      };
    case 'complete':
      return { kind: 'complete', input: { ...reference(run), counts: run.counts } };
  }
}

/** The run after a step and its result. */
export function advance(run: Run, step: Step, result: StepResult): Run {
  const stepped = { ...run, steps: run.steps + 1 };
  switch (step.kind) {
    case 'plan':
      return afterPlan(stepped, result as PlanResult);
    case 'slices':
      return afterSlices(stepped, result as readonly SliceResult[]);
    case 'seal':
      return afterSeal(stepped, result as SealResult);
    case 'complete':
      return afterComplete(stepped, result as CompleteResult);
    case 'wait':
      return { ...stepped, phase: stepped.plan === null ? 'plan' : 'slices' };
    case 'renew':
      return step.run;
    case 'end':
      return run;
  }
}

function afterPlan(run: Run, result: PlanResult): Run {
  switch (result.kind) {
    case 'epoch':
      return { ...enter({ ...run, plan: result.plan, failure: null }, 0), waits: 0 };
    case 'retryAfter':
      return wait(run, result.ms, { code: 'sourceNotReady', message: 'The source was not ready for a long time.' });
    case 'failed':
      return result.retryable
        ? wait(run, backoffMs(run.waits), result)
        : end(run, { kind: 'failed', code: result.code, message: result.message });
    case 'held':
      return end(run, { kind: 'held', code: result.code, message: result.reason });
    case 'idle':
      return end(run, { kind: 'idle', version: result.version });
    case 'busy':
    case 'paused':
    case 'newVersion':
      return end(run, { kind: result.kind });
  }
}

function afterSlices(run: Run, results: readonly SliceResult[]): Run {
  const started = wave(run);
  let next: Run = { ...run, pending: run.pending.slice(started.length) };
  let waitMs = 0;
  let progressed = false;
  let passing: Failure | null = null;
  for (const [index, pending] of started.entries()) {
    const result = results[index] ?? {
      kind: 'failed',
      code: 'internal',
      message: 'A slice gave no result.',
      retryable: true,
    };
    const slices = pending.slices + 1;
    if (result.kind === 'ok' && result.cursor !== null && result.cursor === pending.cursor) {
      // Nothing was settled in a whole slice: a service that does not answer fails in its own way.
      next = { ...next, counts: addCounts(next.counts, result.counts) };
      if (pending.failures + 1 >= CHUNK_FAILURES) {
        return end(next, { kind: 'failed', code: 'noProgress', message: noProgress(pending) });
      }
      progressed = true;
      next = requeue(next, { ...pending, slices, failures: pending.failures + 1 });
    } else if (result.kind === 'ok') {
      progressed = true;
      const output = result.output === true ? [...next.outputs, attemptName(pending)] : next.outputs;
      next = { ...next, counts: addCounts(next.counts, result.counts), outputs: output };
      if (result.cursor !== null) next = requeue(next, { ...pending, cursor: result.cursor, slices, failures: 0 });
    } else if (result.kind === 'retryAfter') {
      waitMs = Math.max(waitMs, result.ms);
      next = requeue(next, { ...pending, slices });
    } else if (result.kind === 'stopped') {
      return { ...next, phase: 'plan', plan: null };
    } else if (result.retryable && pending.failures + 1 < CHUNK_FAILURES) {
      passing = result;
      waitMs = Math.max(waitMs, backoffMs(pending.failures));
      next = requeue(next, { ...pending, slices, failures: pending.failures + 1 });
    } else {
      const planId = run.plan?.planId ?? '';
      const failure = { planId, code: result.code, message: result.message };
      // A fault that passes by itself ends the run but not the epoch: the sweep resumes the same plan.
      if (result.retryable) return end(next, { kind: 'failed', ...failure });
      return { ...next, phase: 'plan', plan: null, failure };
    }
  }
  if (progressed) next = { ...next, waits: 0 };
  if (waitMs > 0 && !progressed)
    return wait(next, waitMs, passing ?? { code: 'fenced', message: 'Slices of an older epoch did not end.' });
  if (next.pending.length > 0) return next;
  return { ...next, phase: isLastStage(next) ? 'complete' : 'seal' };
}

function noProgress({ chunk }: PendingChunk): string {
  return `Chunk ${chunk} settled nothing in ${CHUNK_FAILURES} slices: the container does not answer, or the budget is too small for a single write.`;
}

function afterSeal(run: Run, result: SealResult): Run {
  if (result.kind === 'ok') return enter(run, run.stage + 1);
  if (result.kind === 'held') return end(run, { kind: 'held', code: result.code, message: result.reason });
  if (result.retryable) return end(run, failed(result));
  const failure = { planId: run.plan?.planId ?? '', code: result.code, message: result.message };
  return { ...run, phase: 'plan', plan: null, failure };
}

function afterComplete(run: Run, result: CompleteResult): Run {
  if (result.kind === 'ok') return { ...run, phase: 'plan', plan: null, epochs: run.epochs + 1, waits: 0 };
  if (result.code === 'epochStale') return { ...run, phase: 'plan', plan: null };
  return end(run, failed(result));
}

function enter(run: Run, stage: number): Run {
  const chunks = run.plan?.stages[stage]?.chunks ?? 0;
  const pending = Array.from({ length: chunks }, (_, chunk) => ({ chunk, cursor: null, slices: 0, failures: 0 }));
  const deadLettered = stage === 0 ? 0 : run.counts.deadLettered;
  const entered: Run = { ...run, stage, pending, outputs: [], counts: { ...NO_COUNTS, deadLettered } };
  if (chunks > 0) return { ...entered, phase: 'slices' };
  return { ...entered, phase: isLastStage(entered) ? 'complete' : 'seal' };
}

function wave(run: Run): readonly PendingChunk[] {
  return run.pending.slice(0, run.plan?.width ?? 1);
}

function requeue(run: Run, pending: PendingChunk): Run {
  return { ...run, pending: [...run.pending, pending] };
}

function sliceInput(run: Run, pending: PendingChunk): SliceInput {
  return {
    ...reference(run),
    stage: stageOf(run),
    chunk: pending.chunk,
    cursor: pending.cursor,
    attempt: attemptName(pending),
    ...(run.counts.deadLettered === 0 ? {} : { deadLettered: run.counts.deadLettered }),
  };
}

function attemptName(pending: PendingChunk): string {
  return `${pending.chunk}.${pending.slices}`;
}

function reference(run: Run): { readonly tableId: string; readonly planId: string } {
  return { tableId: run.tableId, planId: run.plan?.planId ?? '' };
}

function stageOf(run: Run): StageName {
  return run.plan?.stages[run.stage]?.name ?? 'apply';
}

function isLastStage(run: Run): boolean {
  return run.stage >= (run.plan?.stages.length ?? 0) - 1;
}

function wait(run: Run, ms: number, why: { readonly code: string; readonly message: string }): Run {
  if (run.waits >= WAITS) return end(run, { kind: 'failed', code: why.code, message: why.message });
  return { ...run, phase: 'wait', waitMs: ms, waits: run.waits + 1 };
}

function end(run: Run, outcome: RunOutcome): Run {
  return { ...run, phase: 'end', outcome };
}

function failed(
  failure: Failure,
): RunOutcome & { readonly kind: 'failed'; readonly code: string; readonly message: string } {
  return { kind: 'failed', code: failure.code, message: failure.message };
}

/** 1 s, doubling to 30 s. */
function backoffMs(attempt: number): number {
  return Math.min(30_000, 1_000 * 2 ** attempt);
}
