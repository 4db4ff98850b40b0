/** Brings operations to the service: a lane for each partition, requests under the RU limiter, every answer acted upon. */
import { SyncError } from '../shared/errors.ts';
import type { Clock } from '../shared/clock.ts';
import { judge, operationError, refusalReason, type OperationAnswer, type RowRefusal } from './batch-answer.ts';
import type { BatchItem } from './batch-item.ts';
import { BatchLane } from './batch-lane.ts';
import type { BatchOperation, KeyDefinition } from './batch-operation.ts';
import { sendBatch, type BatchRefusal } from './batch-request.ts';
import type { ContainerGateway } from './container-gateway.ts';
import { learnCost, observeCost, type OperationCosts } from './operation-cost.ts';
import { findPartition, type PartitionLayout, type PartitionMap } from './partition-map.ts';
import type { RuLimiter, RuReservation } from './ru-limiter.ts';
import { deliveryError } from './service-answer.ts';
import type { WriterCounters } from './writer-counters.ts';

/** What the sessions of one writer share. */
export interface SessionContext {
  readonly gateway: ContainerGateway;
  readonly partitions: PartitionMap;
  readonly limiter: RuLimiter;
  readonly costs: OperationCosts;
  readonly counters: WriterCounters;
  readonly clock: Clock;
  readonly key: KeyDefinition;
  /** What answers carry besides the status; reads need documents. */
  readonly answerWith: 'documents' | 'nothing';
  /** Milliseconds from an operation's first sending during which it is sent again. */
  readonly retryForMs: number;
}

/** How an operation can end. */
export type Ending =
  | { readonly status: 'applied' | 'exists' | 'missing' | 'changed' }
  | { readonly status: 'rejected'; readonly reason: RowRefusal }
  | { readonly status: 'failed'; readonly reason: 'stopped' | 'retriesUsedUp' | 'targetFailed' };

/** Whoever handed the operations in. Each is given back once, to `ended` or to `blocked`. */
export interface DispatchListener<T extends BatchOperation> {
  ended(item: BatchItem<T>, ending: Ending): void;
  /** A unique key stands in its way, perhaps of a document that is to be deleted. */
  blocked(item: BatchItem<T>): void;
  /** The target is at fault; nothing more should be sent. */
  failed(error: unknown): void;
  /** A request is over. */
  requestEnded(): void;
}

/** So many refused requests of one operation in a row, and not one that was understood: the fault is not in the rows. */
const BLANKET_REFUSALS = 25;
/** The longest delay before an operation is sent again, and the longest that an answer 429 can ask for. */
const MAX_DELAY_MS = 2_000;
const MAX_PAUSE_MS = 5_000;

const STOPPED: Ending = { status: 'failed', reason: 'stopped' };

export class BatchDispatch<T extends BatchOperation> {
  readonly #context: SessionContext;
  readonly #listener: DispatchListener<T>;
  /** Ends waiting: for RU, for a pause, for a delay. Requests under way are answered or time out. */
  readonly #stop: AbortSignal;
  readonly #lanes = new Map<string, BatchLane<T>>();
  readonly #startedAt: number;
  #layout: PartitionLayout;
  /** When the service last read a batch, monotonic milliseconds; 0 for never. */
  #understoodAt = 0;
  /** Since then. */
  #refusedAlone = 0;
  /** Why the last batch was not read. */
  #trouble = 'no answer';
  #requests = 0;

  constructor(context: SessionContext, layout: PartitionLayout, listener: DispatchListener<T>, stop: AbortSignal) {
    this.#context = context;
    this.#listener = listener;
    this.#stop = stop;
    this.#startedAt = context.clock.monotonic();
    this.#layout = layout;
    context.limiter.usePartitions(layout.ranges);
  }

  /** Requests that wait for RU or for their answer. */
  get requests(): number {
    return this.#requests;
  }

  get partitions(): number {
    return this.#layout.ranges.length;
  }

  /** Takes an operation; it is sent by the next `pump`. */
  add(item: BatchItem<T>): void {
    if (this.#stop.aborted) this.#listener.ended(item, STOPPED);
    else this.#lane(findPartition(this.#layout, item.operation.identity.epk).id).add(item);
  }

  /** Sends what can be sent. */
  pump(): void {
    for (const lane of this.#lanes.values()) this.#pumpLane(lane);
  }

  /** After a stop: ends everything that has not been sent. */
  drain(): void {
    for (const lane of this.#lanes.values()) for (const item of lane.drain()) this.#listener.ended(item, STOPPED);
  }

  #lane(id: string): BatchLane<T> {
    let lane = this.#lanes.get(id);
    if (lane === undefined) this.#lanes.set(id, (lane = new BatchLane<T>(id)));
    return lane;
  }

  #pumpLane(lane: BatchLane<T>): void {
    const { limiter } = this.#context;
    while (lane.requests < lane.requestLimit && !lane.stale && !lane.gone && !this.#stop.aborted) {
      if (lane.pausedUntil > 0) return;
      const batch = lane.take(limiter.batchRu(lane.id));
      if (batch === undefined) return;
      void this.#carry(lane, batch);
    }
  }

  /** One request from its wait for RU to its end. Never rejects. */
  async #carry(lane: BatchLane<T>, batch: readonly BatchItem<T>[]): Promise<void> {
    lane.requests++;
    this.#requests++;
    try {
      const reservation = await this.#reserve(lane, batch);
      // The world may have changed while the request waited for its RU.
      if (lane.stale || lane.gone || this.#stop.aborted) {
        reservation.release();
        for (const item of batch) this.#addTo(lane, item);
      } else await this.#send(lane, batch, reservation);
    } catch (error) {
      for (const item of batch) if (item.status === undefined) this.#listener.ended(item, STOPPED);
      if (!this.#stop.aborted) this.#listener.failed(error);
    }
    lane.requests--;
    this.#requests--;
    // All lanes: what this one's operations made way for may live in another, and after a split everything does.
    this.pump();
    this.#listener.requestEnded();
  }

  #reserve(lane: BatchLane<T>, batch: readonly BatchItem<T>[]): Promise<RuReservation> {
    let estimatedRu = 0;
    for (const item of batch) estimatedRu += item.cost.ru;
    const request = { partition: lane.id, estimatedRu, operations: batch.length };
    return this.#context.limiter.reserve(request, this.#stop);
  }

  async #send(lane: BatchLane<T>, batch: readonly BatchItem<T>[], reservation: RuReservation): Promise<void> {
    const { gateway, answerWith, clock, counters } = this.#context;
    const now = clock.monotonic();
    for (const item of batch) {
      item.attempts++;
      if (item.deadline === 0) item.deadline = now + this.#context.retryForMs;
    }
    const result = await sendBatch(gateway, lane.id, batch, answerWith, reservation, counters, this.#stop);
    lane.answered(clock.monotonic() - now);
    switch (result.kind) {
      case 'answers':
        if (result.trouble === undefined) {
          this.#understoodAt = clock.monotonic();
          this.#refusedAlone = 0;
        } else this.#trouble = result.trouble;
        this.#readAnswers(lane, batch, result.answers);
        return;
      case 'refused':
        this.#splitRefused(lane, batch, result);
        return;
      case 'target':
        for (const item of batch) this.#listener.ended(item, { status: 'failed', reason: 'targetFailed' });
        this.#listener.failed(result.error);
        return;
    }
  }

  #readAnswers(lane: BatchLane<T>, batch: readonly BatchItem<T>[], answers: readonly OperationAnswer[]): void {
    const later: BatchItem<T>[] = [];
    let moved = false;
    let pauseMs = 0;
    for (const [index, item] of batch.entries()) {
      const answer = answers[index] as OperationAnswer;
      if (answer.statusCode === 429) pauseMs = Math.max(pauseMs, answer.retryAfterMs, 1);
      if (answer.statusCode === 410) moved = true;
      this.#act(lane, item, answer, later);
    }
    for (const item of batch) learnCost(item.cost);
    if (later.length > 0) this.#resendLater(later);
    if (pauseMs > 0) this.#pause(lane, pauseMs);
    if (moved) this.#lookUpAgain(lane);
  }

  /** Ends an operation by its answer, or queues it again (at once, or by way of `later`). */
  #act(lane: BatchLane<T>, item: BatchItem<T>, answer: OperationAnswer, later: BatchItem<T>[]): void {
    const { counters } = this.#context;
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
        this.#listener.ended(item, { status: 'applied' });
        return;
      case 'exists':
      case 'missing':
      case 'changed':
        this.#listener.ended(item, { status: verdict.kind });
        return;
      case 'rejected':
        this.#listener.ended(item, { status: 'rejected', reason: verdict.reason });
        return;
      case 'uniqueKey':
        this.#listener.blocked(item);
        return;
      case 'again':
        this.#addTo(lane, item);
        return;
      case 'throttled':
        counters.throttled++;
        if (this.#mayResend(item, Math.min(answer.retryAfterMs, MAX_PAUSE_MS))) this.#addTo(lane, item);
        return;
      case 'moved':
        counters.moved++;
        if (this.#mayResend(item, 0)) this.#addTo(lane, item);
        return;
      case 'retry':
        if (verdict.ambiguous) item.ambiguous = true;
        counters.retried++;
        later.push(item);
        return;
      case 'target':
        this.#listener.ended(item, { status: 'failed', reason: 'targetFailed' });
        this.#listener.failed(operationError(answer, this.#context.gateway));
        return;
    }
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
      if (lane.gone || this.#stop.aborted) for (const item of batch) this.add(item);
      else lane.bisect(batch);
      return;
    }
    this.#listener.ended(only, { status: 'rejected', reason: refusalReason(refusal) });
    if (++this.#refusedAlone < BLANKET_REFUSALS) return;
    this.#listener.failed(
      new SyncError('targetRejects', {
        problem: `Cosmos DB refused ${this.#refusedAlone} requests of one row each to the ${this.#context.gateway.name}, and none was in order.`,
        reason: `The last answer was ${refusal.status}/${refusal.subStatus}.`,
      }),
    );
  }

  /** False when the operation's time is over; it is ended then. */
  #mayResend(item: BatchItem<T>, delayMs: number): boolean {
    const next = this.#context.clock.monotonic() + delayMs;
    if (next < item.deadline) return true;
    this.#listener.ended(item, { status: 'failed', reason: 'retriesUsedUp' });
    // Not this operation's bad luck: the service has not understood anything for as long.
    if (next - Math.max(this.#understoodAt, this.#startedAt) >= this.#context.retryForMs) {
      this.#listener.failed(deliveryError(this.#trouble, this.#context.gateway.name));
    }
    return false;
  }

  #addTo(lane: BatchLane<T>, item: BatchItem<T>): void {
    if (lane.gone || this.#stop.aborted) this.add(item);
    else lane.add(item);
  }

  /** Sends these again after a delay that doubles with every attempt. */
  #resendLater(items: readonly BatchItem<T>[]): void {
    const attempts = items.reduce((most, item) => Math.max(most, item.attempts), 1);
    const delayMs = Math.min(10 * 2 ** attempts, MAX_DELAY_MS);
    const waiting = items.filter((item) => this.#mayResend(item, delayMs));
    if (waiting.length === 0) return;
    this.#after(delayMs, () => {
      for (const item of waiting) this.add(item);
      this.pump();
    });
  }

  #pause(lane: BatchLane<T>, ms: number): void {
    const now = this.#context.clock.monotonic();
    const until = now + Math.min(ms, MAX_PAUSE_MS);
    if (until <= lane.pausedUntil) return;
    lane.pausedUntil = until;
    this.#after(until - now, () => {
      // By the timer, not by the clock: the two round differently.
      if (lane.pausedUntil !== until) return;
      lane.pausedUntil = 0;
      this.#pumpLane(lane);
    });
  }

  /** Does something after a time, or at once when everything stops. */
  #after(ms: number, then: () => void): void {
    this.#context.clock.sleep(ms, this.#stop).then(then, then);
  }

  /** 410: nothing goes to this range until the ranges have been read again. */
  #lookUpAgain(lane: BatchLane<T>): void {
    if (lane.stale || lane.gone) return;
    lane.stale = true;
    void (async () => {
      try {
        const layout = await this.#context.partitions.refreshUntilGone(lane.id, this.#stop);
        lane.stale = false;
        this.#useLayout(layout);
        this.pump();
      } catch (error) {
        if (!this.#stop.aborted) this.#listener.failed(error);
      }
    })();
  }

  #useLayout(layout: PartitionLayout): void {
    this.#layout = layout;
    this.#context.limiter.usePartitions(layout.ranges);
    const alive = new Set(layout.ranges.map((range) => range.id));
    for (const lane of this.#lanes.values()) {
      if (alive.has(lane.id)) continue;
      lane.gone = true;
      this.#lanes.delete(lane.id);
      for (const item of lane.drain()) this.add(item);
    }
  }
}
