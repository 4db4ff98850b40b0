import { dateText, LONGEST_TIMESTAMP, writeTimestamp, writeTimestampOfMicros } from './date-time-text.ts';
import { decimalText, LONGEST_DECIMAL, signedBigEndian, writeDecimal } from './decimal-text.ts';
import { unsupported, type FilePlace } from './file-fault.ts';
import type { FileField } from './file-schema.ts';
import {
  binaryValue,
  fixedWidth,
  fixedWidthText,
  stringValues,
  variableWidth,
  type ValueConversion,
} from './plain-values.ts';
import type { DataType, PrimitiveName, Value } from './value-type.ts';

/**
 * How the stored values of a leaf become values of the wanted type: the same type, or a narrower one that Delta's type
 * widening allows. Every conversion is exact; one that could lose anything is refused by name.
 */
export function valueConversion(place: FilePlace, leaf: FileField, type: DataType): ValueConversion {
  const conversion =
    type.kind === 'decimal'
      ? toDecimal(leaf, type)
      : type.kind === 'primitive'
        ? TO_PRIMITIVE[type.name]?.(leaf)
        : undefined;
  if (conversion === undefined) throw unsupported(place, `reading ${describeLeaf(leaf)} as ${describeType(type)}`);
  return conversion;
}

type Conversion = ValueConversion | undefined;

const TO_PRIMITIVE: Readonly<Partial<Record<PrimitiveName, (leaf: FileField) => Conversion>>> = {
  boolean: (leaf) => (leaf.physical === 'BOOLEAN' ? BOOLEAN : undefined),
  byte: toInteger,
  short: toInteger,
  integer: toInteger,
  long: toLong,
  float: (leaf) => (leaf.physical === 'DOUBLE' ? undefined : toFloat(leaf)),
  double: (leaf) => toInteger(leaf) ?? toFloat(leaf),
  string: toText,
  binary: toBinary,
  date: (leaf) => (isDate(leaf) ? fixedWidth(4, (view, at) => dateText(view.getInt32(at, true))) : undefined),
  timestamp: (leaf) => toTimestamp(leaf, 'Z'),
  timestamp_ntz: (leaf) =>
    leaf.annotation.kind === 'date' && isDate(leaf)
      ? timestampValues(4, (view, at, text, to) => writeTimestamp(view.getInt32(at, true), 0, '', text, to))
      : toTimestamp(leaf, ''),
};

/** Whole numbers of at most 32 bits. */
function toInteger(leaf: FileField): Conversion {
  const { annotation } = leaf;
  if (leaf.physical !== 'INT32') return undefined;
  if (annotation.kind === 'none') return INT32;
  if (annotation.kind !== 'integer') return undefined;
  // Unsigned 32-bit values do not fit an integer.
  return annotation.signed || annotation.bitWidth < 32 ? INT32 : undefined;
}

function toLong(leaf: FileField): Conversion {
  const { annotation } = leaf;
  if (annotation.kind !== 'none' && annotation.kind !== 'integer') return undefined;
  const signed = annotation.kind !== 'integer' || annotation.signed;
  if (leaf.physical === 'INT32') return signed ? INT32 : fixedWidth(4, (view, at) => view.getUint32(at, true));
  if (leaf.physical !== 'INT64') return undefined;
  return signed
    ? fixedWidth(8, int64)
    : fixedWidth(8, (view, at) => {
        const value = view.getUint32(at + 4, true) * 4_294_967_296 + view.getUint32(at, true);
        return Number.isSafeInteger(value) ? value : view.getBigUint64(at, true);
      });
}

function toFloat(leaf: FileField): Conversion {
  if (leaf.physical === 'DOUBLE') return fixedWidth(8, (view, at) => view.getFloat64(at, true));
  if (leaf.physical === 'FLOAT') return fixedWidth(4, (view, at) => view.getFloat32(at, true));
  if (leaf.annotation.kind === 'float16' && leaf.typeLength === 2) return fixedWidth(2, float16);
  return undefined;
}

function toText(leaf: FileField): Conversion {
  if (leaf.physical !== 'BYTE_ARRAY') return undefined;
  return ['none', 'string', 'enum', 'json'].includes(leaf.annotation.kind) ? stringValues : undefined;
}

function toBinary(leaf: FileField): Conversion {
  if (leaf.annotation.kind === 'decimal') return undefined;
  if (leaf.physical === 'BYTE_ARRAY') return variableWidth(binaryValue);
  if (leaf.physical !== 'FIXED_LEN_BYTE_ARRAY') return undefined;
  const length = leaf.typeLength;
  return fixedWidth(length, (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, length).slice());
}

function isDate(leaf: FileField): boolean {
  return leaf.physical === 'INT32' && (leaf.annotation.kind === 'date' || leaf.annotation.kind === 'none');
}

/**
 * Both timestamp types read every timestamp: the table's type decides whether the microseconds are an instant or a
 * wall clock, and writers differ in what they annotate. Nanoseconds are cut to microseconds downwards, as engines do.
 */
function toTimestamp(leaf: FileField, suffix: '' | 'Z'): Conversion {
  if (leaf.physical === 'INT96') {
    return timestampValues(12, (view, at, text, to) => writeInt96(view, at, suffix, text, to));
  }
  const { annotation } = leaf;
  if (leaf.physical !== 'INT64' || annotation.kind !== 'timestamp') return undefined;
  const micros = annotation.unit === 'MICROS' ? int64 : annotation.unit === 'MILLIS' ? microsOfMillis : microsOfNanos;
  return timestampValues(8, (view, at, text, to) => writeTimestampOfMicros(micros(view, at), suffix, text, to));
}

function timestampValues(width: number, write: Parameters<typeof fixedWidthText>[2]): ValueConversion {
  return fixedWidthText(width, LONGEST_TIMESTAMP, write);
}

function microsOfMillis(view: DataView, at: number): number | bigint {
  const micros = Number(int64(view, at)) * 1000;
  return Number.isSafeInteger(micros) ? micros : view.getBigInt64(at, true) * 1000n;
}

function microsOfNanos(view: DataView, at: number): bigint {
  const nanos = view.getBigInt64(at, true);
  const rest = ((nanos % 1000n) + 1000n) % 1000n;
  return (nanos - rest) / 1000n;
}

/** Nanoseconds of the day, then the Julian day. Some writers put more than a day into the nanoseconds. */
function writeInt96(view: DataView, at: number, suffix: '' | 'Z', text: Buffer, to: number): number {
  const nanos = view.getInt32(at + 4, true) * 4_294_967_296 + view.getUint32(at, true);
  const days = view.getInt32(at + 8, true) - 2_440_588;
  if (nanos >= 0 && nanos < 86_400_000_000_000) return writeTimestamp(days, Math.floor(nanos / 1000), suffix, text, to);
  return writeTimestampOfMicros(microsOfNanos(view, at) + BigInt(days) * 86_400_000_000n, suffix, text, to);
}

function toDecimal(leaf: FileField, type: { readonly precision: number; readonly scale: number }): Conversion {
  const stored = storedDecimal(leaf);
  if (stored === undefined) return undefined;
  const { precision, scale } = stored;
  const zeros = type.scale - scale;
  if (zeros < 0 || scale < 0 || type.scale > 38) return undefined;
  const wanted = type.precision - type.scale;
  // A file may be written with more digits than the table allows; such a value must not pass as one of the table's.
  const limit = precision - scale > wanted ? 10n ** BigInt(wanted + scale) : undefined;
  const check = (unscaled: number | bigint): number | bigint => {
    if (limit !== undefined && (BigInt(unscaled) >= limit || BigInt(unscaled) <= -limit)) {
      throw new Error(`a decimal has more digits than decimal(${type.precision},${type.scale}) allows`);
    }
    return unscaled;
  };
  const texts = (width: number, unscaled: (view: DataView, at: number) => number | bigint): ValueConversion =>
    fixedWidthText(width, LONGEST_DECIMAL, (view, at, text, to) =>
      writeDecimal(check(unscaled(view, at)), scale, zeros, text, to),
    );
  if (leaf.physical === 'INT32') return texts(4, (view, at) => view.getInt32(at, true));
  if (leaf.physical === 'INT64') return texts(8, int64);
  const length = leaf.typeLength;
  if (length > 16)
    return fixedWidth(length, (view, at) => decimalText(check(signedBigEndian(view, at, length)), scale, zeros));
  if (length > 0) return texts(length, (view, at) => signedBigEndian(view, at, length));
  return variableWidth((values, start, end) =>
    decimalText(check(signedBigEndian(values.view, start, end - start)), scale, zeros),
  );
}

/** Precision and scale of what the file stores; whole numbers are decimals of scale 0. */
function storedDecimal(leaf: FileField): { readonly precision: number; readonly scale: number } | undefined {
  const holdsDecimal = ['INT32', 'INT64', 'FIXED_LEN_BYTE_ARRAY', 'BYTE_ARRAY'].includes(leaf.physical ?? '');
  if (leaf.annotation.kind === 'decimal') return holdsDecimal ? leaf.annotation : undefined;
  if (leaf.physical === 'INT32' && toInteger(leaf) !== undefined) return { precision: 10, scale: 0 };
  if (leaf.physical === 'INT64' && (leaf.annotation.kind === 'none' || leaf.annotation.kind === 'integer')) {
    const unsigned = leaf.annotation.kind === 'integer' && !leaf.annotation.signed;
    return unsigned ? undefined : { precision: 19, scale: 0 };
  }
  return undefined;
}

/** Booleans are read as indexes into [false, true] and never as bytes. */
const BOOLEAN: ValueConversion = fixedWidth(1, (view, at) => view.getUint8(at) === 1);

const INT32: ValueConversion = fixedWidth(4, (view, at) => view.getInt32(at, true));

function int64(view: DataView, at: number): number | bigint {
  const value = view.getInt32(at + 4, true) * 4_294_967_296 + view.getUint32(at, true);
  return Number.isSafeInteger(value) ? value : view.getBigInt64(at, true);
}

function float16(view: DataView, at: number): Value {
  const bits = view.getUint16(at, true);
  const sign = bits >> 15 === 1 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function describeLeaf(leaf: FileField): string {
  const { annotation, physical } = leaf;
  if (physical === undefined) return 'a group of columns';
  if (annotation.kind === 'none') return physical;
  if (annotation.kind === 'decimal') return `${physical} decimal(${annotation.precision},${annotation.scale})`;
  if (annotation.kind === 'integer') {
    return `${physical} ${annotation.signed ? 'signed' : 'unsigned'} ${annotation.bitWidth} bit`;
  }
  return `${physical} ${annotation.kind}`;
}

/** A type's name in messages. */
export function describeType(type: DataType): string {
  if (type.kind === 'primitive') return type.name;
  return type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind;
}
