/** A slice of the stage that writes: decided first, fenced, written, accounted for. */
import { randomUUID } from 'node:crypto';
import { identityHash, type Identity } from '../documents/document.ts';
import { SyncError } from '../shared/errors.ts';
import type { SliceInput, SliceResult } from './activity-messages.ts';
import { collectChunk, deletesOf, type CollectedChunk } from './collected-chunk.ts';
import { DeadLetterBlob, deadLetterName } from './dead-letters.ts';
import { enterFence, type FencedSlice } from './fence.ts';
import { guardDeletes } from './guards.ts';
import { hold, type Hold } from './hold.ts';
import { OutcomeAccount } from './outcome-account.ts';
import { planFolder, writeJson } from './plan.ts';
import { beginLoad } from './publication-state.ts';
import type { SlicePlan } from './slice-plan.ts';
import { transition } from './state-store.ts';
import { enterStage } from './state.ts';
import { streamSnapshot } from './streamed-chunk.ts';
import type { SyncDependencies } from './sync-target.ts';
import { writeDecisions, type DecisionBatch, type StreamResult } from './write-stream.ts';

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
    const { header, target } = this.#plan;
    if (header.kind === 'verify') return this.#verify(signal);
    if (header.chunking === 'sources') return this.#fenced(signal, (fence) => this.#stream(fence.signal));
    const collected = await this.#collect(signal);
    const refusal = header.chunking === 'single' && this.#input.cursor === null ? await this.#refuse(collected) : null;
    if (refusal !== null) {
      await transition(this.#deps.states, target.id, (state) => hold(state, header.planId, refusal), signal);
      this.#deps.log.event('epochHeld', {
        table: target.tableId,
        planId: header.planId,
        code: refusal.code,
        reason: refusal.reason,
        remedy: refusal.remedy,
      });
      return { kind: 'stopped' };
    }
    return this.#fenced(signal, () => this.#write(collected));
  }

  #collect(signal: AbortSignal): Promise<CollectedChunk> {
    const request = {
      plan: this.#plan,
      plans: this.#deps.plans,
      chunk: this.#input.chunk,
      account: this.#account,
    };
    return collectChunk(request, signal);
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
    const collected = await this.#collect(signal);
    const folder = planFolder(header.target, header.planId);
    await writeJson(
      this.#deps.plans,
      `${folder}/differences-${this.#input.chunk}.json`,
      collected.differences.slice(0, 1_000),
      signal,
    );
    const count = (kind: string): number =>
      collected.differences.filter((difference) => difference.kind === kind).length;
    const counts = {
      ...this.#account.total(),
      creates: count('missing'),
      upserts: count('different'),
      deletes: count('extra'),
    };
    return { kind: 'ok', cursor: null, counts };
  }

  async #stream(signal: AbortSignal): Promise<SliceResult> {
    const batches = streamSnapshot(
      this.#deps.plans,
      this.#plan,
      this.#input,
      this.#account,
      () => this.#mayHand(),
      signal,
    );
    return this.#finish(await this.#writeBatches(batches.batches), () => batches.done());
  }

  async #write(collected: CollectedChunk): Promise<SliceResult> {
    const { header } = this.#plan;
    await this.#remember('known', collected.duplicates);
    if (collected.touchedForced > 0) await this.#remember('touched', []);
    let done = false;
    const result = await this.#writeBatches(this.#batchesOf(collected, () => (done = true)));
    this.#deps.log.event('sliceCompleted', {
      table: header.tableId,
      planId: header.planId,
      chunk: this.#input.chunk,
      done,
    });
    return this.#finish(result, () => done);
  }

  async *#batchesOf(collected: CollectedChunk, finished: () => void): AsyncGenerator<DecisionBatch> {
    const { batchDecisions } = this.#deps.sizes;
    const from = this.#input.cursor;
    const verdicts = from === null ? collected.verdicts : collected.verdicts.filter((verdict) => verdict.hash > from);
    let failed = from === null ? collected.failed : [];
    for (let start = 0; start < verdicts.length || failed.length > 0; start += batchDecisions) {
      if (!this.#mayHand()) return;
      const slice = verdicts.slice(start, start + batchDecisions);
      const decisions = slice.flatMap((verdict) => (verdict.kind === 'write' ? [verdict.placed] : []));
      const rows = slice.flatMap((verdict) => (verdict.kind === 'failed' ? verdict.rows : []));
      yield { decisions, failed: [...failed, ...rows], cursor: slice.at(-1)?.hash ?? from ?? '' };
      failed = [];
    }
    finished();
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

  async #finish(result: StreamResult, exhausted: () => boolean): Promise<SliceResult> {
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
    if (counts.deadLettered > context.table.deadLetters.threshold && !(await this.#isApproved())) {
      throw new SyncError('tooManyDeadLetters', {
        problem: `${counts.deadLettered} rows of ${header.tableId} cannot be written; the threshold is ${context.table.deadLetters.threshold}.`,
        reason: `The first one: ${result.deadLetters[0]?.code ?? ''}: ${result.deadLetters[0]?.reason ?? ''}`,
      });
    }
    const done = result.settled && exhausted();
    if (!done && result.cursor === null && this.#input.cursor === null)
      return { kind: 'ok', cursor: this.#beginning(), counts };
    return { kind: 'ok', cursor: done ? null : (result.cursor ?? this.#input.cursor), counts };
  }

  /** A cursor for "nothing settled yet". */
  #beginning(): string {
    return this.#plan.header.chunking === 'sources' ? JSON.stringify({ source: 0, row: 0 }) : '';
  }

  #mayHand(): boolean {
    return !this.#signal.aborted && this.#deps.clock.now() - this.#started < this.#deps.sizes.sliceMs * 0.75;
  }

  /** What forbids a small epoch, known exactly before its first write. */
  async #refuse(collected: CollectedChunk): Promise<Hold | null> {
    const { header, context } = this.#plan;
    const { state } = await this.#deps.states.read(header.target);
    if (state.current?.approval !== undefined) return null;
    const now = this.#deps.clock.now();
    const failed = collected.failed.length + collected.verdicts.filter((verdict) => verdict.kind === 'failed').length;
    if (collected.verdicts.some((verdict) => verdict.kind === 'undecided')) {
      return {
        code: 'deleteUndecided',
        reason: 'Rows are gone, and in mode patch their documents may hold fields of the application.',
        remedy: 'Set "onDelete" to delete or keep.',
        since: now,
      };
    }
    if (failed > context.table.deadLetters.threshold) {
      const duplicates = collected.verdicts.some((verdict) => verdict.kind === 'failed' && verdict.duplicate !== null);
      const code = duplicates ? 'keyNotUnique' : 'tooManyDeadLetters';
      const reason = `${failed} documents cannot be written; the threshold is ${context.table.deadLetters.threshold}.`;
      return {
        code,
        reason,
        remedy: duplicates
          ? 'Choose a key that is unique, or set "duplicates" to last.'
          : 'Repair the rows or the mapping.',
        since: now,
      };
    }
    // Deletes in a slot that nobody reads are the load's business.
    return header.load
      ? null
      : guardDeletes({ state, guards: context.table.guards, deletes: deletesOf(collected), now });
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
