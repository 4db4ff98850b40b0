import type { ByteSource } from './byte-source.ts';

/** One ranged read, shared by the column chunks whose bytes it covers and dropped when all of them are through. */
export class ReadWindow {
  readonly start: number;
  readonly end: number;
  private readonly source: ByteSource;
  private readonly signal: AbortSignal;
  private users = 0;
  private bytes: Promise<Uint8Array> | undefined;

  constructor(source: ByteSource, start: number, end: number, signal: AbortSignal) {
    this.source = source;
    this.start = start;
    this.end = end;
    this.signal = signal;
  }

  /** Counts one more column chunk that will release the window. */
  share(): this {
    this.users++;
    return this;
  }

  /** Starts the read, or joins it. */
  load(): Promise<Uint8Array> {
    if (this.bytes === undefined) {
      this.bytes = this.source.read(this.start, this.end, this.signal).then((bytes) => {
        if (bytes.length !== this.end - this.start) throw new Error(`a read gave ${bytes.length} bytes`);
        return bytes;
      });
      // A read-ahead that fails is reported when its bytes are wanted, if ever.
      this.bytes.catch(() => undefined);
    }
    return this.bytes;
  }

  release(): void {
    this.users--;
    if (this.users <= 0) this.bytes = undefined;
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
  /** Bytes from `at` to the end of what is held. */
  private buffer: Uint8Array = new Uint8Array(0);
  /** File offset of buffer[0]. */
  private at: number;

  constructor(windows: readonly ReadWindow[], start: number, end: number, following: () => ReadWindow | undefined) {
    this.windows = windows;
    this.at = start;
    this.end = end;
    this.following = following;
  }

  /** Bytes of the chunk not passed yet. */
  get left(): number {
    return this.end - this.at;
  }

  /** What is held from the current position on; may be empty before `need`. */
  get ready(): Uint8Array {
    return this.buffer;
  }

  /** Makes `ready` hold at least `count` bytes, or all that the chunk has left. Undefined when it already does. */
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
    this.buffer = new Uint8Array(0);
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
    let have = this.buffer.length;
    while (have < wanted) {
      const window = this.windows[this.next++];
      if (window === undefined) throw new Error('a column chunk has no bytes left');
      this.drop();
      this.held = window;
      const loading = window.load();
      void (this.windows[this.next] ?? this.following())?.load();
      const bytes = await loading;
      const from = this.at + have - window.start;
      const part = bytes.subarray(from, Math.min(bytes.length, this.end - window.start));
      parts.push(part);
      have += part.length;
    }
    this.buffer = parts.length === 1 ? parts[0]! : Buffer.concat(parts, have);
  }

  private drop(): void {
    this.held?.release();
    this.held = undefined;
  }
}
