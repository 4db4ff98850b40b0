/** What waits for one physical partition, and how it is cut into requests. */
import type { BatchItem } from './batch-item.ts';
import type { BatchOperation } from './batch-operation.ts';

/** The service refuses more operations in a batch. */
export const MAX_BATCH_OPERATIONS = 100;
/** Larger bodies run into the service's time limit of 5 s too often; its own SDKs cut at the same size. */
export const MAX_BATCH_BYTES = 200_000;
/** One request is on the wire while the next one waits for its RU; more where answers take longer than a request's RU. */
const MAX_REQUESTS = 8;
/** The least that the limiter makes a request worth: this many milliseconds of the partition's pace. */
const REQUEST_MS = 25;
/** Weight of the newest answer in the latency. */
const LATENCY_WEIGHT = 0.2;

/** Operations for one partition key range. */
export class BatchLane<T extends BatchOperation> {
  readonly id: string;
  /** Requests that wait for RU or for their answer. */
  requests = 0;
  /** Monotonic milliseconds until which nothing is sent because the partition throttles; 0 for no pause. */
  pausedUntil = 0;
  /** The range is being looked up again: nothing is sent. */
  stale = false;
  /** The range does not exist any more. */
  gone = false;
  #latencyMs = 0;
  readonly #queue: BatchItem<T>[] = [];
  /** Items before this place of the queue have been taken. */
  #head = 0;
  /** Parts of a batch that was refused as a whole, sent as they are to find the row at fault. */
  readonly #parts: (readonly BatchItem<T>[])[] = [];

  constructor(id: string) {
    this.id = id;
  }

  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  /** Requests that may wait for RU or for their answer at once. */
  get requestLimit(): number {
    return Math.min(MAX_REQUESTS, 1 + Math.max(1, Math.ceil(this.#latencyMs / REQUEST_MS)));
  }

  /** An answer took `ms`. */
  answered(ms: number): void {
    this.#latencyMs += LATENCY_WEIGHT * (ms - this.#latencyMs);
  }

  add(item: BatchItem<T>): void {
    this.#queue.push(item);
  }

  /** Puts a refused batch up to be sent in two halves. */
  bisect(items: readonly BatchItem<T>[]): void {
    const middle = items.length >>> 1;
    this.#parts.push(items.slice(0, middle), items.slice(middle));
  }

  /**
   * The operations of the next request, at most `maxRu` dear (but at least one). Undefined when there is nothing to send,
   * or when less than a full batch waits while another request is under way: its answer will find more.
   */
  take(maxRu: number): readonly BatchItem<T>[] | undefined {
    const part = this.#parts.pop();
    if (part !== undefined) return part;
    let count = 0;
    let bytes = 0;
    let ru = 0;
    let full = false;
    for (let at = this.#head; at < this.#queue.length; at++) {
      const item = this.#queue[at] as BatchItem<T>;
      bytes += item.bytes + 1;
      ru += item.cost.ru;
      full = count > 0 && (bytes > MAX_BATCH_BYTES || ru > maxRu);
      if (full) break;
      full = ++count === MAX_BATCH_OPERATIONS;
      if (full) break;
    }
    if (count === 0 || (!full && this.requests > 0)) return undefined;
    const batch = this.#queue.slice(this.#head, this.#head + count);
    this.#head += count;
    if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return batch;
  }

  /** Empties the lane. */
  drain(): readonly BatchItem<T>[] {
    const rest = [...this.#parts.flat(), ...this.#queue.slice(this.#head)];
    this.#parts.length = 0;
    this.#queue.length = 0;
    this.#head = 0;
    return rest;
  }
}
