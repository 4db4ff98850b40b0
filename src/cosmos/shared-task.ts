/** Work that several callers want at the same time and that is done once for all of them. */

interface Running<T> {
  readonly result: Promise<T>;
  /** Of the caller that started it. */
  readonly signal: AbortSignal;
}

/** Joins callers to work under way. One caller's abort ends its own waiting, not that of the others. */
export class SharedTask<T> {
  readonly #work: (signal: AbortSignal) => Promise<T>;
  #running: Running<T> | undefined;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work;
  }

  /** The result of the work under way, or of new work. Rejects with the signal's reason when it aborts. */
  async run(signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const running = (this.#running ??= this.#begin(signal));
      try {
        return await (running.signal === signal ? running.result : untilAborted(running.result, signal));
      } catch (error) {
        // The caller that started it gave up; the others start again.
        if (!running.signal.aborted || signal.aborted) throw error;
      }
    }
  }

  #begin(signal: AbortSignal): Running<T> {
    const result = this.#work(signal).finally(() => {
      this.#running = undefined;
    });
    return { result, signal };
  }
}

/** The result, or the signal's reason if that comes first; the work goes on unheard then. */
export async function untilAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  // Nobody may be left to hear that the work failed.
  result.catch(() => undefined);
  signal.throwIfAborted();
  const over = new AbortController();
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true, signal: over.signal });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    over.abort();
  }
}
