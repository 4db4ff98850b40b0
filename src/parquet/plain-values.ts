import { isUtf8 } from 'node:buffer';
import type { Value } from './value-type.ts';

/** A cursor over values in PLAIN layout; every encoding but the dictionary's is brought into it. */
export class PlainValues {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Offset of the next value. */
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }
}

/** Turns the PLAIN bytes of one column into row values. */
export interface ValueConversion {
  /** Bytes of a value; 0 for a 4-byte length followed by that many bytes. */
  readonly width: number;
  /** Writes the next `count` values to `out` from `from` on. Throws a RangeError where the bytes end early. */
  read(values: PlainValues, out: Value[], from: number, count: number): void;
}

/** Values of a fixed number of bytes, converted one by one. */
export function fixedWidth(width: number, convert: (view: DataView, at: number) => Value): ValueConversion {
  return {
    width,
    read(values, out, from, count) {
      const { view } = values;
      let at = values.at;
      const stop = from + count;
      for (let i = from; i < stop; i++, at += width) out[i] = convert(view, at);
      values.at = at;
    },
  };
}

/** Texts made at once; a text that is kept keeps no more than these alive. */
const TEXTS = 128;

/**
 * Values of a fixed number of bytes that become ASCII text of at most `longest` characters: `write` puts it into `text`
 * at `to` and returns its end. Strings are cut from one text, which is several times cheaper than joining each of parts.
 */
export function fixedWidthText(
  width: number,
  longest: number,
  write: (view: DataView, at: number, text: Buffer, to: number) => number,
): ValueConversion {
  const text = Buffer.allocUnsafe(TEXTS * longest);
  const ends = new Int32Array(TEXTS);
  return {
    width,
    read(values, out, from, count) {
      const { view } = values;
      for (let done = 0; done < count; done += TEXTS) {
        const block = Math.min(TEXTS, count - done);
        let at = values.at;
        let end = 0;
        for (let i = 0; i < block; i++, at += width) {
          end = write(view, at, text, end);
          ends[i] = end;
        }
        const joined = text.toString('latin1', 0, end);
        for (let i = 0, start = 0; i < block; i++) {
          out[from + done + i] = joined.substring(start, ends[i]);
          start = ends[i]!;
        }
        values.at = at;
      }
    },
  };
}

/** Values of variable length, converted one by one. */
export function variableWidth(convert: (values: PlainValues, start: number, end: number) => Value): ValueConversion {
  return {
    width: 0,
    read(values, out, from, count) {
      const stop = from + count;
      for (let i = from; i < stop; i++) {
        const start = values.at + 4;
        const end = valueEnd(values);
        out[i] = convert(values, start, end);
        values.at = end;
      }
    },
  };
}

/** Passes over `count` values. */
export function skipValues(values: PlainValues, width: number, count: number): void {
  if (width > 0) {
    if (count * width > values.bytes.length - values.at) throw new Error('a page holds fewer values than it counts');
    values.at += count * width;
    return;
  }
  for (let i = 0; i < count; i++) values.at = valueEnd(values);
}

/** Where the variable-length value at the cursor ends. */
function valueEnd(values: PlainValues): number {
  const end = values.at + 4 + values.view.getUint32(values.at, true);
  if (end > values.bytes.length) throw new Error('a value reaches beyond its page');
  return end;
}

/** Copies, so that a value does not keep its page alive. */
export const binaryValue = (values: PlainValues, start: number, end: number): Uint8Array =>
  new Uint8Array(values.bytes.subarray(start, end));

/** About this many bytes of short strings are decoded at once; a string that is kept keeps no more than them alive. */
const BLOCK_BYTES = 8192;
/** A length below this is four ASCII bytes, so that strings can be decoded together with the lengths between them. */
const SHORT = 128;

/** UTF-8 text, exact: a byte-order mark is kept, bytes that are not UTF-8 are damage. */
export const stringValues: ValueConversion = {
  width: 0,
  read(values, out, from, count) {
    const stop = from + count;
    for (let i = from; i < stop;) i = readBlock(values, out, i, stop);
  },
};

/** Reads as many strings as fit a block, at least one; returns the index of the next. */
function readBlock(values: PlainValues, out: Value[], from: number, stop: number): number {
  const { view, bytes } = values;
  const start = values.at;
  const limit = Math.min(start + BLOCK_BYTES, bytes.length);
  let end = start;
  let next = from;
  while (next < stop && end + 4 <= limit) {
    const length = view.getUint32(end, true);
    if (length >= SHORT || end + 4 + length > bytes.length) break;
    end += 4 + length;
    next++;
  }
  if (next === from) {
    end = valueEnd(values);
    out[from] = longString(bytes, start + 4, end);
    values.at = end;
    return from + 1;
  }
  // The lengths are ASCII, so the block is valid UTF-8 exactly if every string in it is.
  const block = bytes.subarray(start, end);
  if (!isUtf8(block)) throw new Error('a string is not UTF-8');
  const text = block.toString('utf8');
  if (text.length === block.length) {
    for (let i = from, at = start; i < next; i++) {
      const length = view.getUint32(at, true);
      out[i] = text.substring(at - start + 4, at - start + 4 + length);
      at += 4 + length;
    }
  } else {
    cutUnicode(values, text, out, from, next);
  }
  values.at = end;
  return next;
}

/** Cuts strings out of a block with characters of several bytes by counting UTF-16 units. */
function cutUnicode(values: PlainValues, text: string, out: Value[], from: number, stop: number): void {
  const { view, bytes } = values;
  let at = values.at;
  let unit = 0;
  for (let i = from; i < stop; i++) {
    const end = at + 4 + view.getUint32(at, true);
    unit += 4;
    const first = unit;
    for (at += 4; at < end; at++) {
      const byte = bytes[at]!;
      if (byte < 0x80 || (byte >= 0xc0 && byte < 0xf0)) unit++;
      else if (byte >= 0xf0) unit += 2;
    }
    out[i] = text.substring(first, unit);
  }
}

function longString(bytes: Buffer, start: number, end: number): string {
  if (!isUtf8(bytes.subarray(start, end))) throw new Error('a string is not UTF-8');
  return bytes.toString('utf8', start, end);
}
