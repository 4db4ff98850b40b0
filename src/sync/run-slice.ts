/** runSlice: a time-boxed piece of one chunk of one stage. Returns a cursor when the chunk is not done. */
import { ShuffleWriter } from '../changes/shuffle-writer.ts';
import { toSyncError } from '../shared/errors.ts';
import type { SliceInput, SliceResult } from './activity-messages.ts';
import { ApplySlice } from './apply-slice.ts';
import { chunkCursorText, nextPass, parseChunkCursor } from './chunk-cursor.ts';
import { rowsInScope } from './chunk-images.ts';
import { collectPass } from './chunk-pass.ts';
import { deletesOf } from './collected-pass.ts';
import { DeadLetterBlob, deadLetterName } from './dead-letters.ts';
import { totalsOf, undecidedHold } from './epoch-refusal.ts';
import { holdEpoch } from './hold-epoch.ts';
import { isDecided } from './hold.ts';
import { OutcomeAccount } from './outcome-account.ts';
import { planFolder, readPart, readRanges, writeJson } from './plan.ts';
import { readImages } from './row-images.ts';
import { loadSlicePlan, type SlicePlan } from './slice-plan.ts';
import type { SyncDependencies } from './sync-target.ts';
import { findDuplicateKeys } from './unique-key-pass.ts';

/** Runs one slice. Expected failures are results; running it twice, or late, does no harm. */
export async function runSlice(deps: SyncDependencies, input: SliceInput, signal: AbortSignal): Promise<SliceResult> {
  try {
    const plan = await loadSlicePlan(deps, input.tableId, input.planId, signal);
    switch (input.stage) {
      case 'uniqueKeys':
        return await uniqueKeysSlice(deps, plan, input, signal);
      case 'shuffle':
        return await shuffleSlice(deps, plan, input, signal);
      case 'count':
        return await countSlice(deps, plan, input, signal);
      case 'apply':
        return await new ApplySlice(deps, plan, input).run(signal);
    }
  } catch (thrown) {
    const error = toSyncError(thrown);
    deps.log.event('sliceFailed', {
      table: input.tableId,
      planId: input.planId,
      stage: input.stage,
      chunk: input.chunk,
      code: error.code,
      message: error.message,
    });
    if (error.code === 'epochStale') return { kind: 'stopped' };
    // Trying the same plan again would fill the new container with half an epoch.
    const retryable = error.retryable && error.code !== 'targetReplaced';
    return { kind: 'failed', code: error.code, message: error.message, retryable };
  }
}

async function uniqueKeysSlice(
  deps: SyncDependencies,
  plan: SlicePlan,
  input: SliceInput,
  signal: AbortSignal,
): Promise<SliceResult> {
  const account = new OutcomeAccount();
  const duplicates = await findDuplicateKeys(deps.plans, plan, input.chunk, account, signal);
  const folder = planFolder(plan.header.target, plan.header.planId);
  await writeJson(deps.plans, `${folder}/duplicates-${input.chunk}.json`, duplicates, signal);
  return { kind: 'ok', cursor: null, counts: account.total() };
}

/** Spreads the images of one part over the ranges of the identity hash. */
async function shuffleSlice(
  deps: SyncDependencies,
  plan: SlicePlan,
  input: SliceInput,
  signal: AbortSignal,
): Promise<SliceResult> {
  const { header } = plan;
  const account = new OutcomeAccount();
  const letters = new DeadLetterBlob(plan.context.table.deadLetters.content);
  const sources = await readPart(deps.plans, header, input.chunk, signal);
  const start = input.cursor === null ? {} : { start: JSON.parse(input.cursor) as { source: number; row: number } };
  const writer = new ShuffleWriter(await readRanges(deps.plans, header, signal));
  const inScope = await rowsInScope({ plan, plans: deps.plans }, signal);
  let cursor: string | null = null;
  for await (const batch of readImages(plan, sources, start, signal)) {
    account.read(batch.rows);
    for (const image of batch.images) if (inScope(image.identity)) writer.add(image);
    for (const row of batch.failed) {
      letters.add(row);
      account.deadLetter();
    }
    if (!writer.full) continue;
    cursor = JSON.stringify(batch.next);
    break;
  }
  await writer.write(deps.plans, `${planFolder(header.target, header.planId)}/shuffle/${input.attempt}`, signal);
  await letters.write(deps.plans, deadLetterName(header.target, header.epoch, `shuffle-${input.attempt}`), signal);
  return { kind: 'ok', cursor, counts: account.total(), output: true };
}

/** Counts what a chunk would do, exactly, without doing it. */
async function countSlice(
  deps: SyncDependencies,
  plan: SlicePlan,
  input: SliceInput,
  signal: AbortSignal,
): Promise<SliceResult> {
  const account = new OutcomeAccount();
  const started = deps.clock.now();
  const request = {
    plan,
    plans: deps.plans,
    sizes: deps.sizes,
    chunk: input.chunk,
    account,
    mayGoOn: () => deps.clock.now() - started < deps.sizes.sliceMs * 0.75,
  };
  const result = await collectPass(request, parseChunkCursor(input.cursor), signal);
  if (result.kind === 'spilling') {
    return { kind: 'ok', cursor: chunkCursorText(result.cursor), counts: account.total() };
  }
  // The exact deletes are compared when the stage is sealed; what nobody has decided holds the epoch here.
  const { state } = await deps.states.read(plan.target.id, signal);
  const undecided = undecidedHold(totalsOf(result.pass), deps.clock.now());
  if (undecided !== null && state.current !== null && !isDecided(state.current)) {
    await holdEpoch(deps, plan.target, input.planId, undecided, signal);
    return { kind: 'stopped' };
  }
  account.read(result.pass.rows);
  const next = nextPass(result.cursor);
  const counts = { ...account.total(), deletes: deletesOf(result.pass) };
  return { kind: 'ok', cursor: next === null ? null : chunkCursorText(next), counts };
}
