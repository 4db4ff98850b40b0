/**
 * Drives one call's operations through the service: batches per physical partition under the RU limiter, at most one
 * operation per identity under way, an ending for every operation.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../shared/clock.ts';
import { SyncError, toSyncError } from '../shared/errors.ts';
import { batchItem, type BatchItem } from './batch-item.ts';
import { BatchLane, REQUESTS_PER_PARTITION } from './batch-lane.ts';
import { encodeOperation, partitionKeyText, type BatchOperation, type KeyDefinition } from './batch-operation.ts';
import { judge, operationError, refusalReason, type OperationAnswer } from './batch-answer.ts';
import { sendBatch, type BatchRefusal } from './batch-request.ts';
import type { ContainerGateway } from './container-gateway.ts';
import { learnCost, observeCost, type OperationCosts } from './operation-cost.ts';
import { findPartition, type PartitionLayout, type PartitionMap } from './partition-map.ts';
import type { RuLimiter } from './ru-limiter.ts';
import { deliveryError } from './service-answer.ts';
import type { WriterCounters } from './writer-counters.ts';

/** What a session works with; shared by the sessions of one writer. */
export interface SessionContext {
  readonly gateway: ContainerGateway;
  /** What answers carry besides the status; reads need documents. */
  readonly answerWith: 'documents' | 'nothing';
  readonly partitions: PartitionMap;
  readonly limiter: RuLimiter;
  readonly costs: OperationCosts;
  readonly counters: WriterCounters;
  readonly clock: Clock;
  readonly key: KeyDefinition;
  /** Milliseconds from an operation's first sending during which it is sent again. */
  readonly retryForMs: number;
}

/** Operations, and bytes of them, held at once: some batches for each partition, even when keys come unevenly. */
const WINDOW_PER_PARTITION = 500;
const MIN_WINDOW = 2_000;
const MAX_WINDOW = 20_000;
const WINDOW_BYTES = 16_000_000;
/** A source that does not end after a stop is left alone after this time. */
const SOURCE_GRACE_MS = 5_000;
/** So many refused requests of one operation, and not one that was understood: the fault is not in the rows. */
const BLANKET_REFUSALS = 25;

export class BatchSession<T extends BatchOperation> {
  readonly #context: SessionContext;
  readonly #signal: AbortSignal;
  /** Ends waiting: for RU, for a pause, for a delay. Requests under way are answered or time out. */
  readonly #stop = new AbortController();
  readonly #lanes = new Map<string, BatchLane<T>>();
  /** The last operation of each identity that is not finished. */
  readonly #tails = new Map<string, BatchItem<T>>();
  #layout: PartitionLayout | undefined;
  #finished: BatchItem<T>[] = [];
  #blocked: BatchItem<T>[] = [];
  #handedIn = 0;
  #reported = 0;
  /** Not finished; of these, neither waiting for another of their identity nor for a unique key. */
  #open = 0;
  #active = 0;
  #bytes = 0;
  #appliedSinceRelease = false;
  /** When the service last read a batch, monotonic milliseconds; 0 for never. */
  #understoodAt = 0;
  #startedAt = 0;
  #refusedAlone = 0;
  #inFlight = 0;
  #fatal: SyncError | undefined;
  #wake: () => void = () => undefined;

  constructor(context: SessionContext, signal: AbortSignal) {
    this.#context = context;
    this.#signal = signal;
    setMaxListeners(0, this.#stop.signal);
  }

  /** Yields every operation of the source when it is finished. Throws, after the last of them, what condemns the target. */
  async *run(source: AsyncIterable<readonly T[]>): AsyncGenerator<readonly BatchItem<T>[], void, undefined> {
    const onAbort = (): void => this.#end();
    this.#signal.addEventListener('abort', onAbort, { once: true });
    const iterator = source[Symbol.asyncIterator]();
    let pulling = false;
    let exhausted = false;
    let graceOver = false;
    const pull = (): void => {
      pulling = true;
      void (async () => {
        try {
          const page = await iterator.next();
          if (page.done === true) exhausted = true;
          else if (!graceOver) for (const operation of page.value) this.#admit(operation);
          this.#pump();
        } catch (error) {
          exhausted = true;
          if (this.#signal.aborted) this.#end();
          else this.#fail(error);
        }
        pulling = false;
        this.#wake();
      })();
    };
    try {
      await this.#begin();
      for (;;) {
        if (this.#finished.length > 0) {
          const batch = this.#finished;
          this.#finished = [];
          this.#reported += batch.length;
          yield batch;
          continue;
        }
        const stopped = this.#stop.signal.aborted;
        if (!pulling && !exhausted && !stopped && this.#hasRoom()) pull();
        if (this.#open === 0 && !pulling && (exhausted || stopped)) break;
        if (this.#open === 0 && stopped) {
          if (graceOver) break;
          graceOver = await this.#sourceIsLate();
          continue;
        }
        if (this.#active === 0 && this.#blocked.length > 0 && (exhausted || !this.#hasRoom())) this.#releaseBlocked();
        if (this.#finished.length === 0) await this.#change();
      }
      if (this.#reported !== this.#handedIn) {
        throw new SyncError('internal', {
          problem: `${this.#handedIn} operations were handed to the writer and ${this.#reported} were reported.`,
        });
      }
      if (this.#fatal !== undefined) throw this.#fatal;
    } finally {
      this.#signal.removeEventListener('abort', onAbort);
      this.#end();
      // A consumer that went away early still waits for what is on the wire, at most a request's timeout.
      while (this.#inFlight > 0) await this.#change();
      if (!exhausted) void Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
  }

  async #begin(): Promise<void> {
    this.#startedAt = this.#context.clock.monotonic();
    try {
      this.#signal.throwIfAborted();
      this.#useLayout(await this.#context.partitions.layout(this.#signal));
    } catch (error) {
      if (!this.#signal.aborted) throw error;
      this.#end();
    }
  }

  // ------------------------------------------------------------------------------------------------ coming and going

  #hasRoom(): boolean {
    const partitions = this.#layout?.ranges.length ?? 1;
    const operations = Math.min(Math.max(MIN_WINDOW, WINDOW_PER_PARTITION * partitions), MAX_WINDOW);
    return this.#open < operations && this.#bytes < WINDOW_BYTES;
  }

  #admit(operation: T): void {
    this.#handedIn++;
    this.#open++;
    const { costs, key, counters } = this.#context;
    counters.operations++;
    const encoded = encodeOperation(operation, key);
    if (typeof encoded === 'string') {
      const item = batchItem(operation, '', { text: '', bytes: 0 }, costs.of(operation.kind, 0));
      this.#close(item, 'rejected', encoded);
      return;
    }
    const identityKey = partitionKeyText(operation.identity.partitionKey) + operation.identity.id;
    const item = batchItem(operation, identityKey, encoded, costs.of(operation.kind, encoded.bytes));
    this.#bytes += item.bytes;
    const before = this.#tails.get(identityKey);
    this.#tails.set(identityKey, item);
    if (before !== undefined) before.next = item;
    else this.#start(item);
  }

  /** An operation that nothing of its identity stands before. */
  #start(item: BatchItem<T>): void {
    this.#active++;
    this.#route(item);
  }

  #route(item: BatchItem<T>): void {
    if (this.#layout === undefined || this.#stop.signal.aborted) {
      this.#finish(item, 'failed', 'stopped');
      return;
    }
    this.#lane(findPartition(this.#layout, item.operation.identity.epk).id).add(item);
  }

  #lane(id: string): BatchLane<T> {
    let lane = this.#lanes.get(id);
    if (lane === undefined) this.#lanes.set(id, (lane = new BatchLane<T>(id)));
    return lane;
  }

  /** Ends an active operation and starts the next one of its identity. */
  #finish(item: BatchItem<T>, status: NonNullable<BatchItem['status']>, reason?: string): void {
    let ending: BatchItem<T> | undefined = item;
    let how: { status: NonNullable<BatchItem['status']>; reason: string | undefined } = { status, reason };
    // A loop, not recursion: a stop ends long chains of one identity at once.
    while (ending !== undefined) {
      this.#active--;
      this.#close(ending, how.status, how.reason);
      const next: BatchItem<T> | undefined = ending.next;
      if (next === undefined) {
        this.#tails.delete(ending.identityKey);
        return;
      }
      // What was sent before and got lost may still land, after this one too.
      if (ending.ambiguous) next.ambiguous = true;
      if (!this.#stop.signal.aborted) {
        this.#start(next);
        return;
      }
      this.#active++;
      ending = next;
      how = { status: 'failed', reason: 'stopped' };
    }
  }

  #close(item: BatchItem<T>, status: NonNullable<BatchItem['status']>, reason?: string): void {
    item.status = status;
    item.reason = reason;
    this.#open--;
    this.#bytes -= item.bytes;
    this.#finished.push(item);
    if (status === 'applied') this.#appliedSinceRelease = true;
    if (item.ambiguous) this.#context.counters.ambiguous++;
    if (status === 'rejected') this.#context.counters.rejected++;
    if (this.#finished.length === 1) this.#wake();
  }

  // ----------------------------------------------------------------------------------------------------------- sending

  #pump(): void {
    for (const lane of this.#lanes.values()) this.#pumpLane(lane);
  }

  #pumpLane(lane: BatchLane<T>): void {
    const { limiter, clock } = this.#context;
    while (lane.inFlight < REQUESTS_PER_PARTITION && !lane.stale && !lane.gone && !this.#stop.signal.aborted) {
      if (lane.pausedUntil > 0) {
        if (clock.monotonic() < lane.pausedUntil) return;
        lane.pausedUntil = 0;
      }
      const batch = lane.take(limiter.batchRu(lane.id));
      if (batch === undefined) return;
      lane.inFlight++;
      this.#inFlight++;
      void this.#send(lane, batch)
        .catch((error: unknown) => {
          for (const item of batch) if (item.status === undefined) this.#finish(item, 'failed', 'stopped');
          this.#fail(error);
        })
        .finally(() => {
          lane.inFlight--;
          this.#inFlight--;
          this.#pumpLane(lane);
          if (this.#active === 0 || this.#stop.signal.aborted) this.#wake();
        });
    }
  }

  async #send(lane: BatchLane<T>, batch: readonly BatchItem<T>[]): Promise<void> {
    const { limiter, gateway, answerWith, clock, counters } = this.#context;
    let estimatedRu = 0;
    for (const item of batch) estimatedRu += item.cost.ru;
    const request = { partition: lane.id, estimatedRu, operations: batch.length };
    let reservation;
    try {
      reservation = await limiter.reserve(request, this.#stop.signal);
    } catch (error) {
      for (const item of batch) this.#finish(item, 'failed', 'stopped');
      if (!this.#stop.signal.aborted) this.#fail(error);
      return;
    }
    // The world may have changed while the request waited for its RU.
    if (lane.stale || lane.gone || this.#stop.signal.aborted) {
      reservation.release();
      for (const item of batch) this.#requeue(lane, item);
      return;
    }
    const now = clock.monotonic();
    for (const item of batch) {
      item.attempts++;
      if (item.deadline === 0) item.deadline = now + this.#context.retryForMs;
    }
    const result = await sendBatch(gateway, lane.id, batch, answerWith, reservation, counters, this.#stop.signal);
    switch (result.kind) {
      case 'answers':
        if (result.understood) this.#understoodAt = clock.monotonic();
        this.#readAnswers(lane, batch, result.answers);
        return;
      case 'target':
        for (const item of batch) this.#finish(item, 'failed', result.error.code);
        this.#fail(result.error);
        return;
      case 'refused':
        this.#splitRefused(lane, batch, result);
        return;
    }
  }

  /** Ends or re-sends each operation by its answer. */
  #readAnswers(lane: BatchLane<T>, batch: readonly BatchItem<T>[], answers: readonly OperationAnswer[]): void {
    const { counters } = this.#context;
    const later: BatchItem<T>[] = [];
    let moved = false;
    let pauseMs = 0;
    for (const [index, item] of batch.entries()) {
      const answer = answers[index] as OperationAnswer;
      if (answer.statusCode > 0) {
        item.statusCode = answer.statusCode;
        item.subStatus = answer.subStatus;
      }
      item.requestUnits += answer.chargedRu;
      const verdict = judge(item.operation.kind, answer);
      if (verdict.kind !== 'throttled' && answer.chargedRu > 0) observeCost(item.cost, answer.chargedRu);
      switch (verdict.kind) {
        case 'applied':
          item.document = answer.document;
          item.etag = answer.etag;
          this.#finish(item, 'applied');
          break;
        case 'exists':
        case 'missing':
        case 'changed':
          this.#finish(item, verdict.kind);
          break;
        case 'rejected':
          this.#finish(item, 'rejected', verdict.reason);
          break;
        case 'uniqueKey':
          this.#block(item);
          break;
        case 'again':
          this.#requeue(lane, item);
          break;
        case 'throttled':
          counters.throttled++;
          pauseMs = Math.max(pauseMs, answer.retryAfterMs, 1);
          if (this.#mayRetry(item, answer.retryAfterMs)) this.#requeue(lane, item);
          break;
        case 'moved':
          moved = true;
          counters.moved++;
          if (this.#mayRetry(item, 0)) this.#requeue(lane, item);
          break;
        case 'retry':
          if (verdict.ambiguous) item.ambiguous = true;
          counters.retried++;
          later.push(item);
          break;
        case 'target':
          this.#finish(item, 'failed', 'target');
          this.#fail(operationError(answer, this.#context.gateway));
          break;
      }
    }
    for (const item of batch) learnCost(item.cost);
    if (later.length > 0) this.#resendLater(later);
    if (pauseMs > 0) this.#pause(lane, pauseMs);
    if (moved) this.#remap(lane);
  }

  /** A batch refused as a whole is sent in halves until the row at fault is alone. */
  #splitRefused(lane: BatchLane<T>, batch: readonly BatchItem<T>[], refusal: BatchRefusal): void {
    for (const item of batch) {
      item.statusCode = refusal.status;
      item.subStatus = refusal.subStatus;
      item.requestUnits += refusal.chargedRu / batch.length;
    }
    const [only] = batch;
    if (batch.length > 1 || only === undefined) {
      this.#context.counters.bisected++;
      if (lane.gone || this.#stop.signal.aborted) for (const item of batch) this.#route(item);
      else lane.bisect(batch);
      return;
    }
    this.#finish(only, 'rejected', refusalReason(refusal));
    if (this.#understoodAt > 0 || ++this.#refusedAlone < BLANKET_REFUSALS) return;
    this.#fail(
      new SyncError('targetRejects', {
        problem: `Cosmos DB refused all ${this.#refusedAlone} requests to the ${this.#context.gateway.name}.`,
        reason: `The last answer was ${refusal.status}/${refusal.subStatus}.`,
      }),
    );
  }

  /** False when the operation's time is over; it is ended then. */
  #mayRetry(item: BatchItem<T>, delayMs: number): boolean {
    const now = this.#context.clock.monotonic();
    if (now + delayMs < item.deadline) return true;
    this.#finish(item, 'failed', 'retriesUsedUp');
    // Not this operation's bad luck: the service has not understood anything for as long.
    if (now - Math.max(this.#understoodAt, this.#startedAt) >= this.#context.retryForMs) {
      const reason = item.statusCode === 0 ? 'no answer' : `${item.statusCode}/${item.subStatus}`;
      this.#fail(deliveryError(reason, this.#context.gateway.name));
    }
    return false;
  }

  #requeue(lane: BatchLane<T>, item: BatchItem<T>): void {
    if (lane.gone || this.#stop.signal.aborted) this.#route(item);
    else lane.add(item);
  }

  /** Sends these again after a delay that doubles with every attempt. */
  #resendLater(items: readonly BatchItem<T>[]): void {
    const { clock } = this.#context;
    const attempts = items.reduce((most, item) => Math.max(most, item.attempts), 1);
    const delayMs = Math.min(10 * 2 ** attempts, 2_000);
    const waiting = items.filter((item) => this.#mayRetry(item, delayMs));
    if (waiting.length === 0) return;
    const resend = (): void => {
      for (const item of waiting) this.#route(item);
      this.#pump();
      this.#wake();
    };
    clock.sleep(delayMs, this.#stop.signal).then(resend, resend);
  }

  #pause(lane: BatchLane<T>, ms: number): void {
    const { clock } = this.#context;
    lane.pausedUntil = Math.max(lane.pausedUntil, clock.monotonic() + Math.min(ms, 5_000));
    const resume = (): void => this.#pumpLane(lane);
    clock.sleep(lane.pausedUntil - clock.monotonic(), this.#stop.signal).then(resume, resume);
  }

  // ----------------------------------------------------------------------------------------- partitions that changed

  #remap(lane: BatchLane<T>): void {
    if (lane.stale || lane.gone) return;
    lane.stale = true;
    void (async () => {
      try {
        const layout = await this.#context.partitions.refreshUntilGone(lane.id, this.#stop.signal);
        lane.stale = false;
        this.#useLayout(layout);
        this.#pump();
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#fail(error);
      }
    })();
  }

  #useLayout(layout: PartitionLayout): void {
    this.#layout = layout;
    const alive = new Set(layout.ranges.map((range) => range.id));
    this.#context.limiter.usePartitions(layout.ranges);
    for (const lane of this.#lanes.values()) {
      if (alive.has(lane.id)) continue;
      lane.gone = true;
      this.#lanes.delete(lane.id);
      for (const item of lane.drain()) this.#route(item);
    }
  }

  // -------------------------------------------------------------------------------------------- unique keys in the way

  /** Waits until everything else of the call is done: a delete may free the value. */
  #block(item: BatchItem<T>): void {
    if (this.#stop.signal.aborted) {
      this.#finish(item, 'failed', 'stopped');
      return;
    }
    item.conflicts++;
    this.#active--;
    this.#blocked.push(item);
  }

  /** Tries the blocked ones again as long as that can help, then rejects them. */
  #releaseBlocked(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    const hopeful = this.#appliedSinceRelease || blocked.some((item) => item.conflicts === 1);
    this.#appliedSinceRelease = false;
    for (const item of blocked) {
      if (hopeful) this.#start(item);
      else {
        this.#active++;
        this.#finish(item, 'rejected', 'uniqueKey');
      }
    }
    this.#pump();
  }

  // --------------------------------------------------------------------------------------------------------- stopping

  #fail(error: unknown): void {
    this.#fatal ??= toSyncError(error);
    this.#end();
  }

  /** Nothing is sent from here on; what waits fails, what is under way is still heard. */
  #end(): void {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(
        this.#fatal ?? this.#signal.reason ?? new SyncError('aborted', { problem: 'The work was stopped.' }),
      );
    }
    for (const lane of this.#lanes.values()) for (const item of lane.drain()) this.#finish(item, 'failed', 'stopped');
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const item of blocked) {
      this.#active++;
      this.#finish(item, 'failed', 'stopped');
    }
    this.#wake();
  }

  async #sourceIsLate(): Promise<boolean> {
    const timer = new AbortController();
    const late = this.#context.clock.sleep(SOURCE_GRACE_MS, timer.signal).then(
      () => true,
      () => false,
    );
    const result = await Promise.race([late, this.#change().then(() => false)]);
    timer.abort();
    return result;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
