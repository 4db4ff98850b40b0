import { checkLength, type ByteSource } from './byte-source.ts';
import { freeMemory } from './reused-memory.ts';
import type { WindowPlan } from './read-windows.ts';

/** Reads that are under way at once. */
const MAX_READS = 16;

/**
 * Reads windows in the order in which they will be wanted, many at once and while rows are decoded, as long as what is
 * held and what is under way stay within one budget of bytes. A window that is wanted before its turn is read at once.
 */
export class ReadAhead {
  private readonly source: ByteSource;
  private readonly signal: AbortSignal;
  private readonly budgetBytes: number;
  /** The window to read after those it gave before; undefined when none may be read yet, or ever. */
  private readonly upcoming: () => ReadWindow | undefined;
  private waiting: ReadWindow | undefined;
  private heldBytes = 0;
  private underWay = 0;

  constructor(source: ByteSource, signal: AbortSignal, budgetBytes: number, upcoming: () => ReadWindow | undefined) {
    this.source = source;
    this.signal = signal;
    this.budgetBytes = budgetBytes;
    this.upcoming = upcoming;
  }

  /** Whether reads are under way: decoding then lets the event loop turn, so that they proceed. */
  get isReading(): boolean {
    return this.underWay > 0;
  }

  /** Starts what the budget has room for. To be called when `upcoming` may have more. */
  proceed(): void {
    while (this.underWay < MAX_READS && !this.signal.aborted) {
      this.waiting ??= this.upcoming();
      if (this.waiting === undefined) return;
      if (this.waiting.isUnread) {
        // The first window is read however large it is.
        if (this.heldBytes > 0 && this.heldBytes + this.waiting.size > this.budgetBytes) return;
        void this.waiting.load();
      }
      this.waiting = undefined;
    }
  }

  /** For windows: the bytes, to be given back. */
  async read(start: number, end: number): Promise<Uint8Array> {
    this.heldBytes += end - start;
    this.underWay++;
    try {
      const bytes = await this.source.read(start, end, this.signal);
      checkLength(this.source, bytes, end - start);
      return bytes;
    } catch (thrown) {
      this.heldBytes -= end - start;
      throw thrown;
    } finally {
      this.underWay--;
      // Only now is the reading of others one that may have to wait for room.
      this.proceed();
    }
  }

  /** For windows: takes back what `read` gave. */
  giveBack(bytes: Uint8Array): void {
    this.heldBytes -= bytes.length;
    freeMemory(bytes);
    this.proceed();
  }
}

/** One ranged read, shared by the column chunks whose bytes it covers and dropped when all of them are through. */
export class ReadWindow {
  readonly start: number;
  readonly end: number;
  private readonly ahead: ReadAhead;
  private users: number;
  private bytes: Promise<Uint8Array> | undefined;

  constructor(ahead: ReadAhead, plan: WindowPlan) {
    this.ahead = ahead;
    this.start = plan.start;
    this.end = plan.end;
    this.users = plan.columns.length;
  }

  get size(): number {
    return this.end - this.start;
  }

  /** Whether somebody will want it and nobody has read it. */
  get isUnread(): boolean {
    return this.bytes === undefined && this.users > 0;
  }

  /** Starts the read, or joins it. The bytes are valid until the last release. */
  load(): Promise<Uint8Array> {
    if (this.bytes === undefined) {
      this.bytes = this.ahead.read(this.start, this.end);
      // A read-ahead that fails is reported when its bytes are wanted, if ever.
      this.bytes.catch(() => undefined);
    }
    return this.bytes;
  }

  /** To be called by each column once. */
  release(): void {
    if (--this.users > 0) return;
    const { bytes, ahead } = this;
    this.bytes = undefined;
    bytes?.then(
      (loaded) => ahead.giveBack(loaded),
      () => undefined,
    );
  }
}
