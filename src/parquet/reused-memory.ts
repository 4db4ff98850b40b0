/**
 * Memory that is used again. What sources and codecs return is new memory every time; copied out at once it is
 * collected cheaply, whereas buffers that live for a while pile up until a full collection.
 */

/** Memory for one page, overwritten by the next page of the same column. */
export class PageMemory {
  private bytes = new Uint8Array(0);

  /** The parts one after another, valid until the next call. */
  hold(...parts: readonly Uint8Array[]): Uint8Array {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    // One page of unusual size does not stay.
    if (size > this.bytes.length || size < this.bytes.length / 8) this.bytes = new Uint8Array(Math.ceil(size * 1.125));
    let at = 0;
    for (const part of parts) {
      this.bytes.set(part, at);
      at += part.length;
    }
    return this.bytes.subarray(0, size);
  }
}

/** Memory for the windows of one read. */
export class WindowMemory {
  private readonly free: ArrayBuffer[] = [];

  /** A copy of `bytes`, to be given back. */
  copy(bytes: Uint8Array): Uint8Array {
    const size = bytes.length;
    const at = this.free.findIndex(({ byteLength }) => byteLength >= size && byteLength <= size * 2);
    const memory = at < 0 ? new ArrayBuffer(Math.ceil(size * 1.125)) : this.free.splice(at, 1)[0]!;
    const copy = new Uint8Array(memory, 0, size);
    copy.set(bytes);
    return copy;
  }

  /** Takes back a copy nobody looks at any more. */
  giveBack(copy: Uint8Array): void {
    this.free.push(copy.buffer as ArrayBuffer);
    // Sizes that no longer occur are let go.
    if (this.free.length > MAX_FREE) this.free.shift();
  }
}

const MAX_FREE = 32;
