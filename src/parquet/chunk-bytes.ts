import type { ReadWindow } from './read-ahead.ts';

/** The bytes of one column chunk in order, over windows that are held from their first byte to their last. */
export class ChunkBytes {
  private readonly windows: readonly ReadWindow[];
  private readonly end: number;
  private next = 0;
  private held: ReadWindow | undefined;
  private heldBytes: Uint8Array = new Uint8Array(0);
  /** Bytes from `at` on: the rest of the held window, or a copy of some that lie in several. */
  private buffer: Uint8Array = new Uint8Array(0);
  /** File offset of buffer[0]. */
  private at: number;

  constructor(windows: readonly ReadWindow[], start: number, end: number) {
    this.windows = windows;
    this.at = start;
    this.end = end;
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
    for (let i = this.next; (this.windows[i]?.start ?? this.end) < this.at + wanted; i++) void this.windows[i]!.load();
    const parts = this.buffer.length > 0 ? [this.buffer] : [];
    const done: ReadWindow[] = [];
    let have = this.buffer.length;
    while (have < wanted) {
      let part = this.heldFrom(this.at + have);
      if (part.length === 0) {
        const window = this.windows[this.next];
        // Nothing is planned to be read where pages are jumped over; whoever needs bytes of there sees too few.
        if (window === undefined || window.start > this.at + have) break;
        this.heldBytes = await window.load();
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
