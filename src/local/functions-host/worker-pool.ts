/** The worker processes of a host: spreads invocations, restarts what dies, enforces functionTimeout. */
import { randomUUID } from 'node:crypto';
import type { Log } from '../../shared/telemetry.ts';
import { describeExit, WorkerChannel } from './worker-channel.ts';
import type { ChannelOutcome, WorkerStart } from './worker-channel.ts';
import type { Invocation, RegisteredFunction } from './worker-protocol.ts';

/** A call as triggers describe it; the pool adds the invocation id. */
export type Call = Omit<Invocation, 'invocationId'>;

/** What a call can end with. */
export type CallOutcome =
  | ChannelOutcome
  | { readonly kind: 'timedOut'; readonly timeoutMilliseconds: number }
  /** The host is stopping: the call may not have happened. */
  | { readonly kind: 'stopped' };

/** What can be asked of a call besides running it. */
export interface CallOptions {
  /** A fault: kill -9 of the worker this long after it got the call. */
  readonly killWorkerAfterMilliseconds?: number;
}

/** What triggers need of the pool. */
export interface FunctionRunner {
  call(call: Call, options?: CallOptions): Promise<CallOutcome>;
}

interface Slot {
  channel: WorkerChannel | undefined;
  ready: boolean;
  /** Loads that failed in a row; the next start waits longer each time. */
  failures: number;
}

/** What a pool is made of. */
export interface WorkerPoolOptions {
  readonly count: number;
  readonly start: WorkerStart;
  /** undefined = unbounded. */
  readonly functionTimeoutMilliseconds: number | undefined;
  readonly log: Log;
}

const RESTART_DELAYS_MILLISECONDS = [0, 250, 1000, 5000];

/** Starts `count` workers and keeps that many alive until closed. */
export class WorkerPool implements FunctionRunner {
  readonly #options: WorkerPoolOptions;
  readonly #slots: Slot[];
  readonly #waiting: (() => void)[] = [];
  readonly #functionOf = new Map<string, string>();
  #calls = 0;
  #draining = false;
  #drained: (() => void) | undefined;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, () => ({ channel: undefined, ready: false, failures: 0 }));
  }

  /** Starts all workers; resolves with the registered functions, rejects with the reason when the app does not load. */
  async start(): Promise<readonly RegisteredFunction[]> {
    const loaded = await Promise.all(this.#slots.map((slot, index) => this.#startSlot(slot, index)));
    return loaded[0] ?? [];
  }

  async call(call: Call, options: CallOptions = {}): Promise<CallOutcome> {
    if (this.#draining) return { kind: 'stopped' };
    this.#calls += 1;
    try {
      return await this.#call({ ...call, invocationId: randomUUID() }, options);
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#drained?.();
    }
  }

  /** Takes no more calls and waits until those that run have ended, at most `milliseconds`. */
  async drain(milliseconds: number): Promise<void> {
    this.#draining = true;
    if (this.#calls === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      timer = setTimeout(resolve, milliseconds);
    });
    clearTimeout(timer);
  }

  /** Kills worker `index` (kill -9); it is restarted like any worker that dies. */
  killWorker(index: number): void {
    this.#slots[index]?.channel?.kill();
  }

  /** Process ids of the workers that live. */
  get processIds(): readonly number[] {
    return this.#slots.flatMap((slot) => (slot.channel?.alive === true ? [slot.channel.processId ?? 0] : []));
  }

  /** Stops all workers, giving each the grace period in milliseconds. */
  async close(graceMilliseconds: number): Promise<void> {
    this.#draining = true;
    this.#closed = true;
    await Promise.all(this.#slots.flatMap(({ channel }) => channel?.stop(graceMilliseconds) ?? []));
    this.#wake();
  }

  async #call(invocation: Invocation, options: CallOptions): Promise<CallOutcome> {
    const channel = await this.#freeChannel();
    if (channel === undefined) return { kind: 'stopped' };
    this.#functionOf.set(invocation.invocationId, invocation.functionName);
    if (options.killWorkerAfterMilliseconds !== undefined) {
      setTimeout(() => channel.kill(), options.killWorkerAfterMilliseconds);
    }
    try {
      const outcome = await this.#callWithTimeout(channel, invocation);
      return outcome.kind === 'workerExited' && this.#closed ? { kind: 'stopped' } : outcome;
    } finally {
      this.#functionOf.delete(invocation.invocationId);
    }
  }

  async #callWithTimeout(channel: WorkerChannel, invocation: Invocation): Promise<CallOutcome> {
    const timeoutMilliseconds = this.#options.functionTimeoutMilliseconds;
    if (timeoutMilliseconds === undefined) return channel.invoke(invocation);
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<CallOutcome>((resolve) => {
      timer = setTimeout(() => {
        channel.abandon(invocation.invocationId);
        this.#options.log.event('functionTimedOut', { functionName: invocation.functionName, timeoutMilliseconds });
        resolve({ kind: 'timedOut', timeoutMilliseconds });
        channel.kill();
      }, timeoutMilliseconds);
    });
    try {
      return await Promise.race([channel.invoke(invocation), timedOut]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #freeChannel(): Promise<WorkerChannel | undefined> {
    while (!this.#closed) {
      let best: WorkerChannel | undefined;
      for (const slot of this.#slots) {
        if (!slot.ready || slot.channel?.alive !== true) continue;
        if (best === undefined || slot.channel.inFlight < best.inFlight) best = slot.channel;
      }
      if (best !== undefined) return best;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    return undefined;
  }

  async #startSlot(slot: Slot, index: number): Promise<readonly RegisteredFunction[]> {
    const { log, start } = this.#options;
    const channel = new WorkerChannel(start, {
      onLog: (level, message, invocationId) => {
        const functionName = invocationId === undefined ? undefined : this.#functionOf.get(invocationId);
        log.event('functionLogged', { level, message, functionName, invocationId });
      },
      onOutput: (stream, line) => log.event('functionLogged', { level: stream, message: line }),
      onExit: (exit) => {
        slot.ready = false;
        if (this.#closed) return;
        log.event('workerExited', { worker: index, exit: describeExit(exit) });
        this.#restart(slot, index);
      },
    });
    slot.channel = channel;
    const functions = await channel.loaded;
    slot.ready = true;
    slot.failures = 0;
    log.event('workerStarted', { worker: index, processId: channel.processId });
    this.#wake();
    return functions;
  }

  #restart(slot: Slot, index: number): void {
    const delay = RESTART_DELAYS_MILLISECONDS[Math.min(slot.failures, RESTART_DELAYS_MILLISECONDS.length - 1)] ?? 0;
    slot.failures += 1;
    setTimeout(() => {
      if (this.#closed) return;
      this.#startSlot(slot, index).catch((error: unknown) => {
        this.#options.log.event('hostProblem', { problem: 'worker did not load', reason: String(error) });
        slot.channel?.kill();
      });
    }, delay);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
