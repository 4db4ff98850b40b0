import { MAX_PAGE_BYTES } from './codec.ts';
import type { FileField } from './file-schema.ts';
import { joinByteStreams, unpackDelta } from './hyparquet-internals.ts';

/**
 * The general path: brings values of the encodings that are not read in place into PLAIN layout by hyparquet's
 * decoders, whose work is bounded here first. `count` is the page's number of entries, nulls included.
 */
export function transcodeToPlain(
  bytes: Uint8Array,
  at: number,
  encoding: string,
  leaf: FileField,
  count: number,
): Uint8Array {
  switch (encoding) {
    case 'DELTA_BINARY_PACKED':
      return deltaNumbers(bytes, at, leaf, count);
    case 'DELTA_LENGTH_BYTE_ARRAY':
      return deltaLengths(bytes, at, leaf, count);
    case 'DELTA_BYTE_ARRAY':
      return deltaStrings(bytes, at, leaf, count);
    case 'BYTE_STREAM_SPLIT': {
      const width = plainWidth(leaf);
      if (width === 0) throw new Error(`the encoding ${encoding} does not fit ${String(leaf.physical)}`);
      const values = Math.min(count, Math.floor((bytes.length - at) / width));
      return joinByteStreams(bytes, at, values, width);
    }
    default:
      throw new Error(`values are encoded as ${encoding}`);
  }
}

const PLAIN_WIDTHS: Readonly<Record<string, number>> = { INT32: 4, FLOAT: 4, INT64: 8, DOUBLE: 8, INT96: 12 };

/** Bytes of a PLAIN value; 0 when it has a length of its own. */
function plainWidth(leaf: FileField): number {
  return leaf.typeLength || (PLAIN_WIDTHS[leaf.physical ?? ''] ?? 0);
}

function deltaNumbers(bytes: Uint8Array, at: number, leaf: FileField, count: number): Uint8Array {
  if (at === bytes.length) return new Uint8Array(0);
  const values = deltaCount(bytes, at, count);
  if (leaf.physical !== 'INT32' && leaf.physical !== 'INT64') {
    throw new Error(`the encoding DELTA_BINARY_PACKED does not fit ${String(leaf.physical)}`);
  }
  const out = leaf.physical === 'INT32' ? new Int32Array(values) : new BigInt64Array(values);
  if (values > 0) unpackDelta(bytes, at, out);
  return new Uint8Array(out.buffer);
}

function deltaLengths(bytes: Uint8Array, at: number, leaf: FileField, count: number): Uint8Array {
  if (at === bytes.length) return new Uint8Array(0);
  const lengths = new Int32Array(deltaCount(bytes, at, count));
  if (lengths.length === 0) return new Uint8Array(0);
  let from = unpackDelta(bytes, at, lengths);
  const out = new PlainBytes(leaf, lengths, undefined);
  for (const length of lengths) {
    if (length > bytes.length - from) throw new Error('a value reaches beyond its page');
    out.start(length);
    out.append(bytes.subarray(from, from + length));
    from += length;
  }
  return out.bytes;
}

function deltaStrings(bytes: Uint8Array, at: number, leaf: FileField, count: number): Uint8Array {
  if (at === bytes.length) return new Uint8Array(0);
  const prefixes = new Int32Array(deltaCount(bytes, at, count));
  if (prefixes.length === 0) return new Uint8Array(0);
  const suffixesAt = unpackDelta(bytes, at, prefixes);
  const suffixes = new Int32Array(deltaCount(bytes, suffixesAt, count));
  if (suffixes.length !== prefixes.length) throw new Error('prefixes and suffixes differ in number');
  let from = unpackDelta(bytes, suffixesAt, suffixes);
  const out = new PlainBytes(leaf, suffixes, prefixes);
  let previous = new Uint8Array(0);
  for (const [i, suffix] of suffixes.entries()) {
    const prefix = prefixes[i]!;
    if (suffix > bytes.length - from) throw new Error('a value reaches beyond its page');
    if (prefix > previous.length) throw new Error('a prefix is longer than the value it is taken from');
    out.start(prefix + suffix);
    const start = out.at;
    out.append(previous.subarray(0, prefix));
    out.append(bytes.subarray(from, from + suffix));
    previous = out.bytes.subarray(start, out.at);
    from += suffix;
  }
  return out.bytes;
}

/** Collects values of known lengths in PLAIN layout. */
class PlainBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  at = 0;
  private readonly view: DataView;
  private readonly fixed: number;

  constructor(leaf: FileField, lengths: Int32Array, prefixes: Int32Array | undefined) {
    if (leaf.physical !== 'BYTE_ARRAY' && leaf.physical !== 'FIXED_LEN_BYTE_ARRAY') {
      throw new Error(`an encoding of byte arrays does not fit ${String(leaf.physical)}`);
    }
    this.fixed = leaf.physical === 'FIXED_LEN_BYTE_ARRAY' ? leaf.typeLength : 0;
    let size = 0;
    for (let i = 0; i < lengths.length; i++) {
      const prefix = prefixes?.[i] ?? 0;
      if (lengths[i]! < 0 || prefix < 0) throw new Error('a value has a negative length');
      size += lengths[i]! + prefix + (this.fixed > 0 ? 0 : 4);
    }
    if (size > MAX_PAGE_BYTES) throw new Error(`a page expands to ${size} bytes`);
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  start(length: number): void {
    if (this.fixed > 0) {
      if (length !== this.fixed) throw new Error(`a value has ${length} bytes instead of ${this.fixed}`);
      return;
    }
    this.view.setUint32(this.at, length, true);
    this.at += 4;
  }

  append(part: Uint8Array): void {
    this.bytes.set(part, this.at);
    this.at += part.length;
  }
}

/**
 * Checks a DELTA_BINARY_PACKED header (block size, miniblocks a block, count) and that the bytes can hold that many
 * values; returns the count.
 */
function deltaCount(bytes: Uint8Array, start: number, most: number): number {
  let at = start;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('delta-encoded values end early');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new Error('a delta header has no valid number');
  };
  const blockSize = varint();
  const miniblocks = varint();
  const count = varint();
  const perMiniblock = blockSize / miniblocks;
  if (!(blockSize > 0 && blockSize <= 1 << 20 && miniblocks > 0 && perMiniblock % 8 === 0)) {
    throw new Error(`a delta header has ${miniblocks} miniblocks in ${blockSize} values`);
  }
  if (count > most) throw new Error(`a page of ${most} values encodes ${count}`);
  // Every block takes a byte for its least delta and one a miniblock.
  if (Math.ceil((count - 1) / blockSize) * (1 + miniblocks) > bytes.length - at) {
    throw new Error('delta-encoded values end early');
  }
  if (count * 8 > MAX_PAGE_BYTES) throw new Error(`a page encodes ${count} values`);
  return count;
}
