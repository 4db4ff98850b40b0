/**
 * Reads Parquet's hybrid of run-length and bit-packed runs (levels, dictionary indexes, booleans) as a stream: a run is
 * never expanded further than the caller asks, so a file that promises billions of values costs nothing.
 */
export class RleReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;
  private readonly end: number;
  private readonly width: number;
  private readonly mask: number;
  /** Values left in the current run. */
  private left = 0;
  /** Value of a run-length run; -1 in a bit-packed run. */
  private value = 0;
  /** Position of the next bit-packed value, in bits from the start of `bytes`. */
  private bit = 0;

  /** Values of `width` bits (0 to 32) in bytes [start, end) of the page that `view` shows. */
  constructor(view: DataView, start: number, end: number, width: number) {
    if (width > 32) throw new Error(`values of ${width} bits`);
    this.view = view;
    this.bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    this.at = start;
    this.end = Math.min(end, this.bytes.length);
    this.width = width;
    this.mask = width === 32 ? -1 : 2 ** width - 1;
    // Values of no bits are all zero and may take no bytes at all.
    if (width === 0) this.left = Number.POSITIVE_INFINITY;
  }

  /** Reads values of one bit each that are packed without runs, as PLAIN booleans are. */
  static ofBits(view: DataView, start: number, end: number): RleReader {
    const reader = new RleReader(view, end, end, 1);
    reader.left = (end - start) * 8;
    reader.bit = start * 8;
    reader.value = -1;
    return reader;
  }

  /** Writes the next `count` values to `out` from `from` on. */
  read(out: Uint8Array | Int32Array, from: number, count: number): void {
    let at = from;
    const stop = from + count;
    while (at < stop) {
      if (this.left === 0) this.nextRun();
      const n = Math.min(this.left, stop - at);
      if (this.value >= 0) out.fill(this.value, at, at + n);
      else this.unpack(out, at, n);
      this.left -= n;
      at += n;
    }
  }

  /** If the next `count` values are one run-length run, passes over them and returns their value; else -1. */
  takeConstant(count: number): number {
    if (this.left === 0) this.nextRun();
    if (this.value < 0 || this.left < count) return -1;
    this.left -= count;
    return this.value;
  }

  private nextRun(): void {
    // An empty run is legal; each takes a byte, so this ends.
    while (this.left === 0) {
      const head = this.varint();
      if ((head & 1) === 1) {
        const groups = Math.floor(head / 2);
        const start = this.at;
        this.at = Math.min(this.end, start + groups * this.width);
        // Some writers cut the padding of the last group.
        this.left = Math.min(groups * 8, Math.floor(((this.at - start) * 8) / this.width));
        if (this.left === 0 && groups > 0) throw new Error('a bit-packed run ends early');
        this.bit = start * 8;
        this.value = -1;
      } else {
        this.left = head / 2;
        let value = 0;
        for (let shift = 0; shift < this.width; shift += 8) value += this.byte() * 2 ** shift;
        if (value > (this.mask === -1 ? 0x7fffffff : this.mask)) throw new Error('a run has a value of too many bits');
        this.value = value;
      }
    }
  }

  private unpack(out: Uint8Array | Int32Array, from: number, count: number): void {
    const { width, mask, view, bytes } = this;
    let bit = this.bit;
    const stop = from + count;
    let at = from;
    if (width === 1) {
      for (; at < stop; at++, bit++) out[at] = ((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1;
    } else {
      if (width <= 25) {
        // One unaligned load holds every value that starts in its first byte.
        const lastLoad = (bytes.length - 4) * 8;
        for (; at < stop && bit <= lastLoad; at++, bit += width) {
          out[at] = (view.getUint32(bit >> 3, true) >>> (bit & 7)) & mask;
        }
      }
      for (; at < stop; at++, bit += width) out[at] = this.slowValue(bit);
    }
    this.bit = bit;
  }

  /** A value near the end of the page or wider than a load; -1 for one that no index can have. */
  private slowValue(bit: number): number {
    let value = 0;
    for (let done = 0, at = Math.floor(bit / 8); done < this.width + (bit & 7); done += 8, at++) {
      value += (this.bytes[at] ?? 0) * 2 ** done;
    }
    const result = Math.floor(value / 2 ** (bit & 7)) % 2 ** this.width;
    return result > 0x7fffffff ? -1 : result;
  }

  private byte(): number {
    if (this.at >= this.end) throw new Error('a run of levels or indexes ends early');
    return this.bytes[this.at++]!;
  }

  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a run of levels or indexes has no valid length');
  }
}
