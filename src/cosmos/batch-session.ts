/**
 * One call's operations from the source to their endings: no more at once than memory allows, one of an identity under
 * way at a time, each reported exactly once.
 */
import { setMaxListeners } from 'node:events';
import { SyncError, toSyncError } from '../shared/errors.ts';
import { BatchDispatch, type DispatchListener, type Ending, type SessionContext } from './batch-dispatch.ts';
import { batchItem, type BatchItem } from './batch-item.ts';
import { encodeOperation, partitionKeyText, type BatchOperation } from './batch-operation.ts';
import { IdentityOrder } from './identity-order.ts';

/** Operations, and bytes of them, held at once: some batches for each partition, even when keys come unevenly. */
const WINDOW_PER_PARTITION = 500;
const MIN_WINDOW = 2_000;
const MAX_WINDOW = 20_000;
const WINDOW_BYTES = 16_000_000;
/** A source that does not end after a stop is left alone after this time. */
const SOURCE_GRACE_MS = 5_000;

export class BatchSession<T extends BatchOperation> implements DispatchListener<T> {
  readonly #context: SessionContext;
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #order = new IdentityOrder<T>();
  #dispatch: BatchDispatch<T> | undefined;
  #finished: BatchItem<T>[] = [];
  /** Operations that a unique key keeps from being done. */
  #blocked: BatchItem<T>[] = [];
  #handedIn = 0;
  #reported = 0;
  /** Not finished; and of these, the ones that the dispatch has. */
  #open = 0;
  #active = 0;
  #bytes = 0;
  #appliedSinceRelease = false;
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
    if (this.#signal.aborted) onAbort();
    const iterator = source[Symbol.asyncIterator]();
    const state = { pulling: false, exhausted: false, abandoned: false };
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
        if (!state.pulling && !state.exhausted && !stopped && this.#hasRoom()) void this.#pull(iterator, state);
        if (this.#open === 0 && (stopped || state.exhausted)) {
          if (!state.pulling || state.abandoned) break;
          // Operations that the source is about to hand over are still reported.
          state.abandoned = await this.#changesNotWithin(SOURCE_GRACE_MS);
          continue;
        }
        if (this.#active === 0 && this.#blocked.length > 0 && (state.exhausted || !this.#hasRoom())) {
          this.#releaseBlocked();
        }
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
      // A consumer that went away early still waits for what is on the wire, at most a request's time-out.
      while ((this.#dispatch?.requests ?? 0) > 0) await this.#change();
      if (!state.exhausted) void Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
  }

  // --------------------------------------------------------------------------------------------- from the dispatch

  ended(item: BatchItem<T>, ending: Ending): void {
    let current: BatchItem<T> | undefined = item;
    let how = ending;
    // A loop, not recursion: a stop ends long chains of one identity at once.
    while (current !== undefined) {
      this.#active--;
      this.#close(current, how.status, 'reason' in how ? how.reason : undefined);
      current = this.#order.leave(current);
      if (current === undefined) return;
      this.#active++;
      if (this.#stop.signal.aborted) how = { status: 'failed', reason: 'stopped' };
      else {
        this.#dispatch?.add(current);
        return;
      }
    }
  }

  blocked(item: BatchItem<T>): void {
    item.conflicts++;
    if (this.#stop.signal.aborted) {
      this.ended(item, { status: 'failed', reason: 'stopped' });
      return;
    }
    this.#active--;
    this.#blocked.push(item);
  }

  failed(error: unknown): void {
    this.#fatal ??= toSyncError(error);
    this.#end();
  }

  requestEnded(): void {
    if (this.#active === 0 || this.#stop.signal.aborted) this.#wake();
  }

  // ---------------------------------------------------------------------------------------------- coming and going

  async #begin(): Promise<void> {
    try {
      const layout = await this.#context.partitions.layout(this.#signal);
      this.#dispatch = new BatchDispatch(this.#context, layout, this, this.#stop.signal);
    } catch (error) {
      // Stopped before anything was handed in: there is nothing to report.
      if (!this.#signal.aborted) throw error;
      this.#end();
    }
  }

  async #pull(
    iterator: AsyncIterator<readonly T[]>,
    state: { pulling: boolean; exhausted: boolean; abandoned: boolean },
  ): Promise<void> {
    state.pulling = true;
    try {
      const page = await iterator.next();
      if (page.done === true) state.exhausted = true;
      else if (!state.abandoned) for (const operation of page.value) this.#admit(operation);
      this.#dispatch?.pump();
    } catch (error) {
      state.exhausted = true;
      if (this.#signal.aborted) this.#end();
      else this.failed(error);
    }
    state.pulling = false;
    this.#wake();
  }

  #hasRoom(): boolean {
    const window = WINDOW_PER_PARTITION * (this.#dispatch?.partitions ?? 1);
    return this.#open < Math.min(Math.max(MIN_WINDOW, window), MAX_WINDOW) && this.#bytes < WINDOW_BYTES;
  }

  #admit(operation: T): void {
    const { costs, key, counters } = this.#context;
    this.#handedIn++;
    this.#open++;
    counters.operations++;
    const unsent = (): BatchItem<T> => batchItem(operation, '', { text: '', bytes: 0 }, costs.of(operation.kind, 1));
    let encoded;
    try {
      encoded = encodeOperation(operation, key);
    } catch (error) {
      // A value that JSON does not know has no way here: a fault of the program, not of the row.
      this.#close(unsent(), 'failed', 'stopped');
      this.failed(error);
      return;
    }
    if (typeof encoded === 'string') {
      this.#close(unsent(), 'rejected', encoded);
      return;
    }
    const identityKey = partitionKeyText(operation.identity.partitionKey) + operation.identity.id;
    const item = batchItem(operation, identityKey, encoded, costs.of(operation.kind, encoded.bytes));
    this.#bytes += item.bytes;
    if (this.#order.enter(item)) this.#start(item);
  }

  #start(item: BatchItem<T>): void {
    this.#active++;
    if (this.#dispatch === undefined) this.ended(item, { status: 'failed', reason: 'stopped' });
    else this.#dispatch.add(item);
  }

  #close(item: BatchItem<T>, status: Ending['status'], reason: string | undefined): void {
    const { counters } = this.#context;
    item.status = status;
    item.reason = reason;
    this.#open--;
    this.#bytes -= item.bytes;
    if (status === 'applied') this.#appliedSinceRelease = true;
    if (status === 'rejected') counters.rejected++;
    if (item.ambiguous) counters.ambiguous++;
    if (this.#finished.push(item) === 1) this.#wake();
  }

  /** Everything else is done, deletes too: tries the blocked ones again as long as that can help, then rejects them. */
  #releaseBlocked(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    const hopeful = this.#appliedSinceRelease || blocked.some((item) => item.conflicts === 1);
    this.#appliedSinceRelease = false;
    for (const item of blocked) {
      this.#active++;
      if (hopeful) this.#dispatch?.add(item);
      else this.ended(item, { status: 'rejected', reason: 'uniqueKey' });
    }
    this.#dispatch?.pump();
  }

  // ------------------------------------------------------------------------------------------------------ stopping

  /** Nothing is sent from here on; what waits fails, what is under way is still heard. */
  #end(): void {
    if (!this.#stop.signal.aborted) {
      const reason: unknown = this.#fatal ?? this.#signal.reason;
      this.#stop.abort(reason ?? new SyncError('aborted', { problem: 'The work was stopped.' }));
    }
    this.#dispatch?.drain();
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const item of blocked) {
      this.#active++;
      this.ended(item, { status: 'failed', reason: 'stopped' });
    }
    this.#wake();
  }

  /** Resolves at the next change of anything that `run` looks at. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #changesNotWithin(ms: number): Promise<boolean> {
    const timer = new AbortController();
    const late = this.#context.clock.sleep(ms, timer.signal).then(
      () => true,
      () => false,
    );
    const result = await Promise.race([late, this.#change().then(() => false)]);
    timer.abort();
    return result;
  }
}
