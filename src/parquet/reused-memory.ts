/**
 * Memory beside the heap. The collector sees only small objects in front of it and takes its time, so it is used again,
 * or freed as soon as nobody needs it.
 */

/** Memory for one page, overwritten by the next page of the same column. */
export class PageMemory {
  private bytes = new Uint8Array(0);

  /** The parts one after another, valid until the next call. */
  hold(...parts: readonly Uint8Array[]): Uint8Array {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    // One page of unusual size does not stay.
    if (size > this.bytes.length || size < this.bytes.length / 8) {
      freeMemory(this.bytes);
      this.bytes = new Uint8Array(Math.ceil(size * 1.125));
    }
    let at = 0;
    for (const part of parts) {
      this.bytes.set(part, at);
      at += part.length;
    }
    return this.bytes.subarray(0, size);
  }
}

/** Frees memory that nobody looks at any more. A view of a part of a buffer is left to the collector. */
export function freeMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.byteLength === buffer.byteLength && bytes.byteLength > 0) {
    buffer.transfer(0);
  }
}
