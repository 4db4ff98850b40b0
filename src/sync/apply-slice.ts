/** A slice of the stage that writes: decided first, fenced, written, accounted for. */
import { randomUUID } from 'node:crypto';
import { identityHash, type Identity } from '../documents/document.ts';
import { SyncError } from '../shared/errors.ts';
import type { SliceInput, SliceResult } from './activity-messages.ts';
import { chunkCursorText, nextPass, parseChunkCursor, type PassCursor } from './chunk-cursor.ts';
import { collectPass, type PassResult } from './chunk-pass.ts';
import { verdictsAfter, type CollectedPass } from './collected-pass.ts';
import { DeadLetterBlob, deadLetterName } from './dead-letters.ts';
import { enterFence, type FencedSlice } from './fence.ts';
import { holdEpoch } from './hold-epoch.ts';
import { isDecided, type Hold } from './hold.ts';
import { OutcomeAccount } from './outcome-account.ts';
import { planFolder, writeJson } from './plan.ts';
import { beginLoad } from './publication-state.ts';
import type { SlicePlan } from './slice-plan.ts';
import { transition, type OperationCounts } from './state-store.ts';
import { addTotals, deadLetterHold, decidesDeletes, refusalOf, totalsOf, undecidedHold } from './epoch-refusal.ts';
import { enterStage } from './state.ts';
import { streamSnapshot } from './streamed-chunk.ts';
import type { SyncDependencies } from './sync-target.ts';
import { batchSizes, writeDecisions, type DecisionBatch, type StreamResult } from './write-stream.ts';

/** Runs once. */
export class ApplySlice {
  readonly #deps: SyncDependencies;
  readonly #plan: SlicePlan;
  readonly #input: SliceInput;
  readonly #account = new OutcomeAccount();
  readonly #started: number;

  constructor(deps: SyncDependencies, plan: SlicePlan, input: SliceInput) {
    this.#deps = deps;
    this.#plan = plan;
    this.#input = input;
    this.#started = deps.clock.now();
  }

  async run(signal: AbortSignal): Promise<SliceResult> {
    const { header } = this.#plan;
    if (header.kind === 'verify') return this.#verify(signal);
    if (header.chunking === 'sources') return this.#fenced(signal, (fence) => this.#stream(fence.signal));
    return this.#pass(signal);
  }

  /** One pass over the chunk; the next one is another slice's. */
  async #pass(signal: AbortSignal): Promise<SliceResult> {
    const { header, target } = this.#plan;
    const at = parseChunkCursor(this.#input.cursor);
    // Reading much is not writing, and has no fence to say that it is no longer wanted.
    if (at.kind === 'spill' && !(await this.#isWanted())) return { kind: 'stopped' };
    const result = await this.#collect(at, signal);
    if (result.kind === 'spilling') {
      return { kind: 'ok', cursor: chunkCursorText(result.cursor), counts: this.#account.total() };
    }
    const { pass, cursor } = result;
    const first = header.chunking === 'single' && cursor.bucket.index === 0 && cursor.after === '';
    const refusal = first ? await this.#refuse(pass, cursor, signal) : null;
    if (refusal === null) return this.#fenced(signal, () => this.#write(pass, cursor));
    await holdEpoch(this.#deps, target, header.planId, refusal, signal);
    return { kind: 'stopped' };
  }

  #collect(cursor: ReturnType<typeof parseChunkCursor>, signal: AbortSignal): Promise<PassResult> {
    const request = {
      plan: this.#plan,
      plans: this.#deps.plans,
      sizes: this.#deps.sizes,
      chunk: this.#input.chunk,
      account: this.#account,
      mayGoOn: () => this.#hasTime(),
    };
    return collectPass(request, cursor, signal);
  }

  async #isWanted(): Promise<boolean> {
    const { state } = await this.#deps.states.read(this.#plan.header.target);
    return state.pause === null && state.current?.planId === this.#plan.header.planId;
  }

  /** Registers before the first write and leaves in every case. */
  async #fenced(signal: AbortSignal, work: (fence: FencedSlice) => Promise<SliceResult>): Promise<SliceResult> {
    const { header, target } = this.#plan;
    const { states, clock } = this.#deps;
    await transition(states, target.id, (state) => {
      const begun = state.current?.planId !== header.planId || state.current.phase === 'applying';
      if (begun) return state;
      const entered = enterStage(state, header.planId, 'apply', header.stages.at(-1)?.chunks ?? 1, clock.now());
      return header.load && header.slot !== null ? beginLoad(entered, header.slot) : entered;
    });
    const slice = `${header.planId}/${this.#input.attempt}/${randomUUID()}`;
    const request = {
      target: target.id,
      planId: header.planId,
      epoch: header.epoch,
      chunk: this.#input.chunk,
      slice,
      sliceMs: this.#deps.sizes.sliceMs,
    };
    const fence = await enterFence(states, clock, request, signal);
    if (fence.kind === 'stale') return { kind: 'stopped' };
    if (fence.kind === 'wait') return { kind: 'retryAfter', ms: fence.ms };
    this.#signal = fence.slice.signal;
    try {
      const result = await work(fence.slice);
      return fence.slice.stopped() && result.kind !== 'ok' ? { kind: 'stopped' } : result;
    } finally {
      await fence.slice.end(this.#account.answersLost);
    }
  }

  #signal: AbortSignal = new AbortController().signal;

  async #verify(signal: AbortSignal): Promise<SliceResult> {
    const { header } = this.#plan;
    const result = await this.#collect(parseChunkCursor(this.#input.cursor), signal);
    if (result.kind === 'spilling') {
      return { kind: 'ok', cursor: chunkCursorText(result.cursor), counts: this.#account.total() };
    }
    const { pass, cursor } = result;
    const name = `differences-${this.#input.chunk}-${cursor.bucket.index}.json`;
    const folder = planFolder(header.target, header.planId);
    await writeJson(this.#deps.plans, `${folder}/${name}`, pass.differences.samples, signal);
    this.#book(pass);
    const { missing, different, extra } = pass.differences;
    const counts = { ...this.#account.total(), creates: missing, upserts: different, deletes: extra };
    const next = nextPass(cursor);
    return { kind: 'ok', cursor: next === null ? null : chunkCursorText(next), counts };
  }

  #book(pass: CollectedPass): void {
    this.#account.read(pass.rows);
    this.#account.skip(pass.skipped);
  }

  async #stream(signal: AbortSignal): Promise<SliceResult> {
    const batches = streamSnapshot(
      this.#deps.plans,
      this.#plan,
      this.#input,
      this.#account,
      { mayHand: () => this.#mayHand(), batchDecisions: this.#deps.sizes.batchDecisions },
      signal,
    );
    const result = await this.#writeBatches(batches.batches);
    const counts = await this.#finish(result);
    if (counts === null) return { kind: 'stopped' };
    if (result.settled && batches.done()) return { kind: 'ok', cursor: null, counts };
    return { kind: 'ok', cursor: result.cursor ?? this.#input.cursor ?? JSON.stringify({ source: 0, row: 0 }), counts };
  }

  async #write(pass: CollectedPass, cursor: PassCursor): Promise<SliceResult> {
    const { header } = this.#plan;
    if (cursor.after === '') this.#book(pass);
    await this.#remember('known', pass.duplicates);
    if (pass.touchedForced > 0) await this.#remember('touched', []);
    let exhausted = false;
    const result = await this.#writeBatches(this.#batchesOf(pass, cursor, () => (exhausted = true)));
    const counts = await this.#finish(result);
    if (counts === null) return { kind: 'stopped' };
    const done = result.settled && exhausted;
    const next = done ? nextPass(cursor) : { ...cursor, after: result.cursor ?? cursor.after };
    this.#deps.log.event('sliceCompleted', {
      table: header.tableId,
      planId: header.planId,
      chunk: this.#input.chunk,
      done: next === null,
    });
    return { kind: 'ok', cursor: next === null ? null : chunkCursorText(next), counts };
  }

  async *#batchesOf(pass: CollectedPass, { after }: PassCursor, exhausted: () => void): AsyncGenerator<DecisionBatch> {
    const sizes = batchSizes(this.#deps.sizes.batchDecisions);
    const verdicts = verdictsAfter(pass, after);
    let failed = after === '' ? pass.failed : [];
    let size = 0;
    for (let start = 0; start < verdicts.length || failed.length > 0; start += size) {
      size = sizes.next().value;
      // However long it took to collect them, every slice writes something.
      if (this.#signal.aborted || (start > 0 && !this.#hasTime())) return;
      const slice = verdicts.slice(start, start + size);
      const decisions = slice.flatMap((verdict) => (verdict.kind === 'write' ? [verdict.placed] : []));
      const rows = slice.flatMap((verdict) => (verdict.kind === 'failed' ? verdict.rows : []));
      yield { decisions, failed: [...failed, ...rows], cursor: slice.at(-1)?.hash ?? after };
      failed = [];
    }
    exhausted();
  }

  #writeBatches(batches: AsyncIterable<DecisionBatch>): Promise<StreamResult> {
    const sourceVersion = this.#plan.context.table.sourceVersion;
    return writeDecisions(batches, {
      writer: this.#plan.target.writer,
      account: this.#account,
      sourceVersion,
      signal: this.#signal,
    });
  }

  /** Dead letters and surprises of what was written; null when there are so many that the epoch is held. Throws `writeFailed`. */
  async #finish(result: StreamResult): Promise<OperationCounts | null> {
    const { header, context } = this.#plan;
    if (result.surprises.length > 0 && context.table.mode !== 'insertOnly') {
      await this.#remember('found', result.surprises);
      await this.#remember('touched', []);
    }
    const letters = new DeadLetterBlob(context.table.deadLetters.content);
    for (const row of result.deadLetters) letters.add(row);
    await letters.write(this.#deps.plans, deadLetterName(header.target, header.epoch, this.#input.attempt));
    if (letters.count > 0)
      this.#deps.log.event('rowDeadLettered', {
        table: header.tableId,
        planId: header.planId,
        count: letters.count,
        code: result.deadLetters[0]?.code,
      });
    if (result.failure !== null) throw writeFailed(result.failure);
    const counts = this.#account.total();
    const first = result.deadLetters[0];
    const duplicates = result.deadLetters.filter(({ code }) => code === 'duplicateKey').length;
    // A slice without letters of its own does not hold what the others went on with.
    const failed = counts.deadLettered === 0 ? 0 : counts.deadLettered + (this.#input.deadLettered ?? 0);
    const totals = { failed, duplicates };
    const example = first === undefined ? '' : `The first one: ${first.code}: ${first.reason}`;
    const refusal = deadLetterHold(totals, context.table, this.#deps.clock.now(), example);
    if (refusal === null || (await this.#isApproved())) return counts;
    await holdEpoch(this.#deps, this.#plan.target, header.planId, refusal);
    return null;
  }

  #mayHand(): boolean {
    return !this.#signal.aborted && this.#hasTime();
  }

  #hasTime(): boolean {
    return this.#deps.clock.now() - this.#started < this.#deps.sizes.sliceMs * 0.75;
  }

  /** What forbids a small epoch; the other passes are collected for it, too, and collected again when they are written. */
  async #refuse(first: CollectedPass, cursor: PassCursor, signal: AbortSignal): Promise<Hold | null> {
    const { header, context } = this.#plan;
    const { state } = await this.#deps.states.read(header.target);
    const approved = state.current?.approval !== undefined;
    if (approved && (isDecided(state.current) || decidesDeletes(context.table))) return null;
    let totals = totalsOf(first);
    for (let at = nextPass(cursor); at !== null;) {
      const result = await this.#collect(at, signal);
      if (result.kind !== 'collected') throw new SyncError('internal', { problem: 'A later pass was spilled again.' });
      totals = addTotals(totals, totalsOf(result.pass));
      at = nextPass(result.cursor);
    }
    const now = this.#deps.clock.now();
    if (approved) return undecidedHold(totals, now);
    return refusalOf({ totals, table: context.table, state, load: header.load, now });
  }

  async #isApproved(): Promise<boolean> {
    return (await this.#deps.states.read(this.#plan.header.target)).state.current?.approval !== undefined;
  }

  /** Leaves identities for completeEpoch, which makes them the target's forced ones. */
  async #remember(what: 'known' | 'found' | 'touched', identities: readonly Identity[]): Promise<void> {
    if (what !== 'touched' && identities.length === 0) return;
    const { header } = this.#plan;
    const unique = [...new Map(identities.map((identity) => [identityHash(identity), identity])).values()];
    const folder = planFolder(header.target, header.planId);
    await writeJson(this.#deps.plans, `${folder}/forced-${what}-${this.#input.attempt}.json`, unique);
  }
}

function writeFailed(outcome: { readonly statusCode: number; readonly reason?: string }): SyncError {
  return new SyncError('writeFailed', {
    problem: 'A document could not be written although its row is not at fault.',
    reason:
      outcome.reason ??
      (outcome.statusCode === 0 ? 'The service did not answer.' : `The service answered ${outcome.statusCode}.`),
  });
}
