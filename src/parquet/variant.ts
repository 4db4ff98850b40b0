import { dateText, timestampTextOfMicros } from './date-time-text.ts';
import { decimalText, signedBigEndian } from './decimal-text.ts';
import { Variant, type VariantJson } from './value-type.ts';

const MAX_DEPTH = 128;
/** Values of one variant, nested ones included; bytes may be shared, so small input can stand for much. */
const MAX_VALUES = 1 << 22;

/** Numbers of bytes of primitives of fixed size, by primitive type. */
const PRIMITIVE_BYTES = [0, 0, 0, 1, 2, 4, 8, 8, 5, 9, 17, 4, 8, 8, 4] as const;

/**
 * Decodes a variant (VariantEncoding.md of parquet-format) to JSON. What JSON has no form for is text as in rows:
 * dates, timestamps, times, UUIDs; binary is base64. Throws on damage.
 */
export function decodeVariant(metadata: Uint8Array, value: Uint8Array): Variant {
  const decoder = new VariantDecoder(fieldNames(metadata), value);
  return new Variant(decoder.value(0, 0));
}

/** The dictionary of field names. */
function fieldNames(metadata: Uint8Array): readonly string[] {
  const bytes = new VariantBytes(metadata);
  const head = bytes.unsigned(0, 1);
  if ((head & 0x0f) !== 1) throw new Error(`a variant has version ${head & 0x0f}`);
  const width = (head >> 6) + 1;
  const count = bytes.unsigned(1, width);
  const offsets = 1 + width;
  const start = offsets + (count + 1) * width;
  if (start > metadata.length) throw new Error("a variant's field names end early");
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const from = bytes.unsigned(offsets + i * width, width);
    const to = bytes.unsigned(offsets + (i + 1) * width, width);
    names.push(bytes.text(start + from, to - from));
  }
  return names;
}

class VariantBytes {
  readonly bytes: Buffer;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A little-endian number of one to four bytes. */
  unsigned(at: number, width: number): number {
    return this.bytes.readUIntLE(at, width);
  }

  slice(at: number, length: number): Buffer {
    if (!(length >= 0 && at + length <= this.bytes.length)) throw new Error('a variant ends early');
    return this.bytes.subarray(at, at + length);
  }

  text(at: number, length: number): string {
    return UTF8.decode(this.slice(at, length));
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class VariantDecoder {
  private readonly names: readonly string[];
  private readonly data: VariantBytes;
  private count = 0;

  constructor(names: readonly string[], bytes: Uint8Array) {
    this.names = names;
    this.data = new VariantBytes(bytes);
  }

  value(at: number, depth: number): VariantJson {
    if (depth > MAX_DEPTH) throw new Error('a variant is nested too deeply');
    if (++this.count > MAX_VALUES) throw new Error(`a variant has more than ${MAX_VALUES} values`);
    const head = this.data.unsigned(at, 1);
    const kind = head >> 2;
    switch (head & 3) {
      case 0:
        return this.primitive(kind, at + 1);
      case 1:
        return this.data.text(at + 1, kind);
      case 2:
        return this.object(kind, at + 1, depth);
      default:
        return this.array(kind, at + 1, depth);
    }
  }

  private object(kind: number, start: number, depth: number): VariantJson {
    const offsetWidth = (kind & 3) + 1;
    const idWidth = ((kind >> 2) & 3) + 1;
    const { count, at } = this.elements((kind >> 4) & 1, start);
    const offsets = at + count * idWidth;
    const values = offsets + (count + 1) * offsetWidth;
    this.data.slice(at, values - at);
    const fields: [string, VariantJson][] = [];
    for (let i = 0; i < count; i++) {
      const name = this.names[this.data.unsigned(at + i * idWidth, idWidth)];
      if (name === undefined) throw new Error('a variant names a field that is not in its dictionary');
      fields.push([name, this.value(values + this.data.unsigned(offsets + i * offsetWidth, offsetWidth), depth + 1)]);
    }
    // Defines own properties whatever the names are, `__proto__` included.
    return Object.fromEntries(fields);
  }

  private array(kind: number, start: number, depth: number): VariantJson {
    const offsetWidth = (kind & 3) + 1;
    const { count, at } = this.elements((kind >> 2) & 1, start);
    const values = at + (count + 1) * offsetWidth;
    this.data.slice(at, values - at);
    const items: VariantJson[] = [];
    for (let i = 0; i < count; i++) {
      items.push(this.value(values + this.data.unsigned(at + i * offsetWidth, offsetWidth), depth + 1));
    }
    return items;
  }

  private elements(isLarge: number, at: number): { readonly count: number; readonly at: number } {
    const width = isLarge === 1 ? 4 : 1;
    return { count: this.data.unsigned(at, width), at: at + width };
  }

  private primitive(type: number, at: number): VariantJson {
    const { view } = this.data;
    this.data.slice(at, PRIMITIVE_BYTES[type] ?? 0);
    switch (type) {
      case 0:
        return null;
      case 1:
        return true;
      case 2:
        return false;
      case 3:
        return view.getInt8(at);
      case 4:
        return view.getInt16(at, true);
      case 5:
        return view.getInt32(at, true);
      case 6:
        return exact(view.getBigInt64(at, true));
      case 7:
        return view.getFloat64(at, true);
      case 8:
      case 9:
      case 10:
        return this.decimal(at, 2 ** (type - 6));
      case 11:
        return dateText(view.getInt32(at, true));
      case 12:
        return timestampTextOfMicros(exact(view.getBigInt64(at, true)), 'Z');
      case 13:
        return timestampTextOfMicros(exact(view.getBigInt64(at, true)), '');
      case 14:
        return view.getFloat32(at, true);
      case 15:
        return this.data.slice(at + 4, this.data.unsigned(at, 4)).toString('base64');
      case 16:
        return this.data.text(at + 4, this.data.unsigned(at, 4));
      case 17:
        return timestampTextOfMicros(exact(view.getBigInt64(at, true)), '').slice(11);
      case 18:
        return nanosText(view.getBigInt64(at, true), 'Z');
      case 19:
        return nanosText(view.getBigInt64(at, true), '');
      case 20:
        return this.data
          .slice(at, 16)
          .toString('hex')
          .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
      default:
        throw new Error(`a variant has a value of the unknown type ${type}`);
    }
  }

  /** A number where its shortest text says the same, else text. */
  private decimal(at: number, bytes: number): number | string {
    const scale = this.data.unsigned(at, 1);
    if (scale > 38) throw new Error(`a variant has a decimal of scale ${scale}`);
    const reversed = Uint8Array.from(this.data.slice(at + 1, bytes)).toReversed();
    const text = decimalText(signedBigEndian(new DataView(reversed.buffer), 0, bytes), scale);
    const number = Number(text);
    const plain = scale === 0 ? text : text.replace(/\.?0+$/, '');
    return String(number) === plain ? number : text;
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** With all nine digits: nothing is cut here. */
function nanosText(nanos: bigint, suffix: '' | 'Z'): string {
  const rest = ((nanos % 1000n) + 1000n) % 1000n;
  const micros = timestampTextOfMicros((nanos - rest) / 1000n, '');
  return `${micros}${String(rest).padStart(3, '0')}${suffix}`;
}
