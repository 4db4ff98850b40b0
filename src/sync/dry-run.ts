/** Carries out every stage of a plan but the writing: exact counts, samples, and where the writes would go. */
import { SyncError } from '../shared/errors.ts';
import type { SliceInput, SliceResult } from './activity-messages.ts';
import { nextPass, parseChunkCursor, type ChunkCursor } from './chunk-cursor.ts';
import { collectPass } from './chunk-pass.ts';
import type { ChangeVerdict } from './decide-changes.ts';
import type { Operation } from './document-writer.ts';
import { addTotals, totalsOf, type EpochTotals } from './epoch-refusal.ts';
import type { Hold } from './hold.ts';
import { OutcomeAccount } from './outcome-account.ts';
import { PartitionKeyLoads } from './partition-key-load.ts';
import type { PlanHeader, PlanStage } from './plan.ts';
import { runSlice } from './run-slice.ts';
import { closeStage } from './seal-stage.ts';
import { loadSlicePlan, type SlicePlan } from './slice-plan.ts';
import { addCounts, NO_COUNTS, type OperationCounts } from './state-store.ts';
import { streamSnapshot } from './streamed-chunk.ts';
import type { SyncDependencies } from './sync-target.ts';

/** An operation that the epoch would begin with. */
export interface SampledOperation {
  readonly operation: string;
  readonly target: Operation['identity'];
  readonly after?: unknown;
}

export interface DryRun {
  readonly plan: SlicePlan;
  /** `requestUnits`: what reading the container cost. */
  readonly counts: OperationCounts;
  readonly samples: readonly SampledOperation[];
  readonly loads: PartitionKeyLoads;
  /** What guards look at. */
  readonly totals: EpochTotals;
  /** What a stage before the writing would hold the epoch for: nothing was counted then. */
  readonly hold: Hold | null;
}

const SAMPLES = 5;

/** `deps.plans` holds the plan and takes what the stages leave. Throws what the stages fail with. */
export async function dryRun(deps: SyncDependencies, header: PlanHeader, signal: AbortSignal): Promise<DryRun> {
  const plan = await loadSlicePlan(deps, header.tableId, header.planId, signal);
  const tally = new Tally();
  for (const stage of header.stages) {
    // What `count` is there for is counted here anyway.
    if (stage.name !== 'shuffle' && stage.name !== 'uniqueKeys') continue;
    const { hold, deadLettered } = await carryOut(deps, plan, stage, signal);
    tally.count('deadLettered', deadLettered);
    tally.totals = { ...tally.totals, failed: tally.totals.failed + deadLettered };
    if (hold !== null) return tally.result(plan, hold);
  }
  const chunks = header.stages.find((stage) => stage.name === 'apply')?.chunks ?? 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (header.chunking === 'sources') await tallyStream(deps, plan, chunk, tally, signal);
    else await tallyChunk(deps, plan, chunk, tally, signal);
  }
  return tally.result(plan, null);
}

class Tally {
  readonly samples: SampledOperation[] = [];
  readonly loads = new PartitionKeyLoads();
  counts = NO_COUNTS;
  totals: EpochTotals = { failed: 0, duplicates: 0, undecided: 0, deletes: 0 };

  add(verdict: ChangeVerdict): void {
    if (verdict.kind !== 'write') {
      this.count(verdict.kind === 'failed' ? 'deadLettered' : 'skipped', 1);
      return;
    }
    const { decision, fresh } = verdict.placed;
    if (decision.kind === 'merge') {
      const { identity, document } = decision.merge;
      // What a merge writes is known only when the document is read; its mapped fields are what it is about.
      this.#operation('merge', { kind: 'upsert', identity, document }, 'patches');
      return;
    }
    const { operation } = decision;
    const kind = operation.kind === 'upsert' && fresh ? 'create' : operation.kind;
    this.#operation(kind, operation, COUNTED_AS[kind]);
  }

  result(plan: SlicePlan, hold: Hold | null): DryRun {
    const { counts, samples, loads, totals } = this;
    return { plan, counts, samples, loads, totals, hold };
  }

  count(name: keyof OperationCounts, number: number): void {
    this.counts = { ...this.counts, [name]: this.counts[name] + number };
  }

  #operation(name: string, operation: Operation, counted: keyof OperationCounts): void {
    this.count(counted, 1);
    this.loads.add(operation);
    if (this.samples.length >= SAMPLES) return;
    const after = 'document' in operation ? { after: operation.document } : {};
    this.samples.push({ operation: name, target: operation.identity, ...after });
  }
}

const COUNTED_AS = {
  upsert: 'upserts',
  replace: 'upserts',
  create: 'creates',
  delete: 'deletes',
  patch: 'patches',
} as const;

async function tallyChunk(
  deps: SyncDependencies,
  plan: SlicePlan,
  chunk: number,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const account = new OutcomeAccount();
  const request = { plan, plans: deps.plans, sizes: deps.sizes, chunk, account, mayGoOn: () => true };
  for (let cursor: ChunkCursor | null = parseChunkCursor(null); cursor !== null;) {
    const result = await collectPass(request, cursor, signal);
    if (result.kind === 'spilling') {
      ({ cursor } = result);
      continue;
    }
    const { pass } = result;
    tally.totals = addTotals(tally.totals, totalsOf(pass));
    for (const verdict of pass.verdicts) tally.add(verdict);
    tally.count('deadLettered', pass.failed.length);
    tally.count('rows', pass.rows);
    tally.count('skipped', pass.skipped);
    cursor = nextPass(result.cursor);
  }
  tally.counts = addCounts(tally.counts, account.total());
}

/** A large first load is not collected, here as when it is carried out. */
async function tallyStream(
  deps: SyncDependencies,
  plan: SlicePlan,
  chunk: number,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const account = new OutcomeAccount();
  const pace = { mayHand: () => true, batchDecisions: deps.sizes.batchDecisions };
  const { batches } = streamSnapshot(deps.plans, plan, { chunk, cursor: null }, account, pace, signal);
  for await (const { decisions, failed } of batches) {
    for (const placed of decisions) tally.add({ kind: 'write', hash: '', placed });
    tally.count('deadLettered', failed.length);
  }
  tally.counts = addCounts(tally.counts, account.total());
}

/** Every chunk of a stage that writes no documents. */
async function carryOut(
  deps: SyncDependencies,
  { target, header }: SlicePlan,
  stage: PlanStage,
  signal: AbortSignal,
): Promise<{ readonly hold: Hold | null; readonly deadLettered: number }> {
  const { tableId, planId } = header;
  const outputs: string[] = [];
  let counts = NO_COUNTS;
  for (let chunk = 0; chunk < stage.chunks; chunk++) {
    let cursor: string | null = null;
    for (let slice = 0; slice === 0 || cursor !== null; slice++) {
      const attempt = `${chunk}.${slice}`;
      const input: SliceInput = { tableId, planId, stage: stage.name, chunk, cursor, attempt };
      const result = await runSlice(deps, input, signal);
      if (result.kind !== 'ok') throw failureOf(result);
      if (result.output === true) outputs.push(attempt);
      counts = addCounts(counts, result.counts);
      ({ cursor } = result);
    }
  }
  const input = { tableId, planId, stage: stage.name, outputs, counts };
  const { hold } = await closeStage(deps, target, header, input, signal);
  return { hold, deadLettered: counts.deadLettered };
}

function failureOf(result: SliceResult): SyncError {
  const message = 'message' in result ? result.message : result.kind;
  return new SyncError('planDamaged', { problem: `The dry run could not read the table: ${message}.` });
}
