import { SyncError } from '../shared/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { WindowMemory } from './reused-memory.ts';

/** A source that gives fewer or more bytes than asked for has another file under it now. */
export function checkLength(source: ByteSource, bytes: Uint8Array, expected: number): void {
  if (bytes.length === expected) return;
  throw new SyncError('storageChanged', {
    problem: `A read of ${source.name} gave ${bytes.length} bytes instead of ${expected}.`,
  });
}

/** What windows are read with. */
export interface WindowSource {
  readonly source: ByteSource;
  readonly memory: WindowMemory;
  readonly signal: AbortSignal;
}

/** One ranged read, shared by the column chunks whose bytes it covers and dropped when all of them are through. */
export class ReadWindow {
  readonly start: number;
  readonly end: number;
  private readonly from: WindowSource;
  private users = 0;
  private bytes: Promise<Uint8Array> | undefined;
  private loaded: Uint8Array | undefined;

  constructor(from: WindowSource, start: number, end: number) {
    this.from = from;
    this.start = start;
    this.end = end;
  }

  /** Counts one more column chunk that will release the window. */
  share(): this {
    this.users++;
    return this;
  }

  /** Starts the read, or joins it. The bytes are valid until the last release. */
  load(): Promise<Uint8Array> {
    if (this.bytes === undefined) {
      const { source, memory, signal } = this.from;
      this.bytes = source.read(this.start, this.end, signal).then((bytes) => {
        checkLength(source, bytes, this.end - this.start);
        if (this.users === 0) return bytes;
        this.loaded = memory.copy(bytes);
        return this.loaded;
      });
      // A read-ahead that fails is reported when its bytes are wanted, if ever.
      this.bytes.catch(() => undefined);
    }
    return this.bytes;
  }

  release(): void {
    if (--this.users > 0) return;
    this.bytes = undefined;
    if (this.loaded !== undefined) this.from.memory.giveBack(this.loaded);
    this.loaded = undefined;
  }
}

/**
 * The bytes of one column chunk in order, over windows of which one is held and the next is on its way. `following`
 * is the window to read ahead when the last of this chunk is in use: the same column's in the next row group.
 */
export class ChunkBytes {
  private readonly windows: readonly ReadWindow[];
  private readonly end: number;
  private readonly following: () => ReadWindow | undefined;
  private next = 0;
  private held: ReadWindow | undefined;
  private heldBytes: Uint8Array = new Uint8Array(0);
  /** Bytes from `at` on: the rest of the held window, or a copy of some that lie in several. */
  private buffer: Uint8Array = new Uint8Array(0);
  /** File offset of buffer[0]. */
  private at: number;

  constructor(windows: readonly ReadWindow[], start: number, end: number, following: () => ReadWindow | undefined) {
    this.windows = windows;
    this.at = start;
    this.end = end;
    this.following = following;
  }

  /** File offset of the current position. */
  get offset(): number {
    return this.at;
  }

  /** Bytes of the chunk not passed yet. */
  get left(): number {
    return this.end - this.at;
  }

  /** What is held from the current position on; may be empty before `need`. */
  get ready(): Uint8Array {
    return this.buffer;
  }

  /** Makes `ready` hold at least `count` bytes, or all that follow without a gap. Undefined when it already does. */
  need(count: number): Promise<void> | undefined {
    return this.buffer.length >= Math.min(count, this.left) ? undefined : this.fetch(count);
  }

  /** Moves on by `count` bytes; windows that are skipped as a whole are never read. */
  skip(count: number): void {
    this.at += count;
    if (count < this.buffer.length) {
      this.buffer = this.buffer.subarray(count);
      return;
    }
    this.buffer = this.heldFrom(this.at);
    if (this.buffer.length > 0) return;
    this.drop();
    while (this.next < this.windows.length && this.windows[this.next]!.end <= this.at) {
      this.windows[this.next++]!.release();
    }
  }

  /** Gives up everything that is left. */
  close(): void {
    this.drop();
    for (; this.next < this.windows.length; this.next++) this.windows[this.next]!.release();
    this.buffer = new Uint8Array(0);
  }

  private async fetch(count: number): Promise<void> {
    const wanted = Math.min(count, this.left);
    const parts = this.buffer.length > 0 ? [this.buffer] : [];
    const done: ReadWindow[] = [];
    let have = this.buffer.length;
    while (have < wanted) {
      let part = this.heldFrom(this.at + have);
      if (part.length === 0) {
        const window = this.windows[this.next];
        // Nothing is planned to be read where pages are jumped over; whoever needs bytes of there sees too few.
        if (window === undefined || window.start > this.at + have) break;
        const loading = window.load();
        void (this.windows[this.next + 1] ?? this.following())?.load();
        this.heldBytes = await loading;
        this.next++;
        if (this.held !== undefined) done.push(this.held);
        this.held = window;
        part = this.heldFrom(this.at + have);
      }
      parts.push(part);
      have += part.length;
    }
    // A copy only of what lies in several windows.
    this.buffer = parts.length === 1 ? parts[0]! : Buffer.concat(parts, Math.min(have, wanted));
    for (const window of done) window.release();
  }

  /** What the held window has of this chunk from a file offset on. */
  private heldFrom(offset: number): Uint8Array {
    if (this.held === undefined || offset >= this.held.end) return new Uint8Array(0);
    return this.heldBytes.subarray(offset - this.held.start, Math.min(this.end, this.held.end) - this.held.start);
  }

  private drop(): void {
    this.held?.release();
    this.held = undefined;
  }
}
