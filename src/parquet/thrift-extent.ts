/** Deepest nesting of structs and lists in Parquet's own metadata is below ten. */
const MAX_DEPTH = 32;
/** A 64-bit varint has at most ten bytes. */
const MAX_VARINT_BYTES = 10;

const THRIFT = {
  stop: 0,
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  struct: 12,
};

/**
 * Where the Thrift compact struct that starts at `start` ends, without building anything: the parser that follows
 * allocates by the counts it finds, so counts, lengths and nesting are checked first. -1 when the bytes end before the
 * struct does. Throws on what no Parquet writer produces.
 */
export function thriftExtent(bytes: Uint8Array, start: number): number {
  const walk = new ThriftWalk(bytes, start);
  return walk.struct(0) ? walk.at : -1;
}

class ThriftWalk {
  at: number;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  /** False when the bytes end first; the same for every method below. */
  struct(depth: number): boolean {
    if (depth > MAX_DEPTH) throw new Error('metadata is nested too deeply');
    for (;;) {
      const head = this.bytes[this.at++];
      if (head === undefined) return false;
      const type = head & 0x0f;
      if (type === THRIFT.stop) return true;
      if (head >> 4 === 0 && this.varint() === undefined) return false;
      if (!this.value(type, depth)) return false;
    }
  }

  private value(type: number, depth: number): boolean {
    switch (type) {
      case THRIFT.true:
      case THRIFT.false:
        return true;
      case THRIFT.byte:
        return this.skip(1);
      case THRIFT.i16:
      case THRIFT.i32:
      case THRIFT.i64:
        return this.varint() !== undefined;
      case THRIFT.double:
        return this.skip(8);
      case THRIFT.binary: {
        const length = this.varint();
        return length !== undefined && this.skip(length);
      }
      case THRIFT.list:
        return this.list(depth + 1);
      case THRIFT.struct:
        return this.struct(depth + 1);
      default:
        throw new Error(`metadata holds the unknown Thrift type ${type}`);
    }
  }

  private list(depth: number): boolean {
    const head = this.bytes[this.at++];
    if (head === undefined) return false;
    const size = head >> 4 === 15 ? this.varint() : head >> 4;
    if (size === undefined) return false;
    // Every element takes at least one byte.
    if (size > this.bytes.length - this.at) return false;
    const type = head & 0x0f;
    const element = type === THRIFT.true || type === THRIFT.false ? THRIFT.byte : type;
    for (let i = 0; i < size; i++) {
      if (!this.value(element, depth)) return false;
    }
    return true;
  }

  private skip(count: number): boolean {
    if (count > this.bytes.length - this.at) return false;
    this.at += count;
    return true;
  }

  /** Undefined when the bytes end first; exact only below 2^53, which is enough for lengths. */
  private varint(): number | undefined {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new Error('metadata holds a number of more than ten bytes');
  }
}
