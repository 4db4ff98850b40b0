/** Rows by hyparquet's public reader, brought into our value representation: an oracle that shares no decoding with us. */
import { parquetMetadata, parquetReadObjects, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { DataType, Row, StructField, Value } from '../../src/parquet/value-type.ts';

/** Microseconds, or whole days. */
class Moment {
  readonly micros: bigint;
  constructor(micros: bigint) {
    this.micros = micros;
  }
}

const floor = (nanos: bigint): bigint => (nanos - (((nanos % 1000n) + 1000n) % 1000n)) / 1000n;
const parsers = {
  timestampFromMilliseconds: (millis: bigint) => new Moment(millis * 1000n),
  timestampFromMicroseconds: (micros: bigint) => new Moment(micros),
  timestampFromNanoseconds: (nanos: bigint) => new Moment(floor(nanos)),
  dateFromDays: (days: number) => new Moment(BigInt(days) * 86_400_000_000n),
  stringFromBytes: (bytes: Uint8Array | undefined) =>
    bytes && new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
  jsonFromBytes: (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
};

/** The rows' values of the fields for which hyparquet has an exact answer, and those fields. */
export async function readNaively(
  bytes: Uint8Array,
  fields: readonly StructField[],
): Promise<{ readonly fields: readonly StructField[]; readonly rows: readonly Row[] }> {
  const comparable = fields.filter(({ name, type }) => isComparable(type) && name !== '__proto__');
  const file = bytes.slice().buffer;
  const rows = await parquetReadObjects({
    file,
    metadata: withoutLossyTypes(parquetMetadata(file, { geoparquet: false })),
    columns: comparable.map(({ name }) => name),
    compressors: { ...compressors, SNAPPY: (input, size) => (size === 0 ? new Uint8Array(0) : snappy(input, size)) },
    utf8: false,
    geoparquet: false,
    parsers,
  });
  return {
    fields: comparable,
    rows: rows.map((row) => Object.fromEntries(comparable.map(({ name, type }) => [name, valueOf(row[name], type)]))),
  };
}

const snappy = compressors.SNAPPY!;

/** Variants have their own oracle. */
function isComparable(type: DataType): boolean {
  if (type.kind === 'struct') return type.fields.every((one) => isComparable(one.type) && one.name !== '__proto__');
  if (type.kind === 'array') return isComparable(type.element);
  if (type.kind === 'map') return isComparable(type.key) && isComparable(type.value);
  return type.kind !== 'primitive' || type.name !== 'variant';
}

/** Decimals are read as unscaled numbers and maps as lists of pairs: hyparquet makes doubles and objects of them. */
function withoutLossyTypes(metadata: FileMetaData): FileMetaData {
  const schema = metadata.schema.map((element) => {
    const copy = { ...element };
    if (copy.converted_type === 'DECIMAL' || copy.converted_type === 'MAP') delete copy.converted_type;
    if (copy.logical_type?.type === 'DECIMAL' || copy.logical_type?.type === 'MAP') delete copy.logical_type;
    if (copy.logical_type?.type === 'LIST') copy.converted_type = 'LIST';
    if (copy.logical_type?.type === 'DATE') copy.converted_type = 'DATE';
    return copy;
  });
  return { ...metadata, schema };
}

function valueOf(value: unknown, type: DataType): Value {
  if (value === null || value === undefined) return null;
  switch (type.kind) {
    case 'array':
      return (value as unknown[]).map((item) => valueOf(item, type.element));
    case 'map': {
      const [entries] = Object.values(value as Record<string, Record<string, unknown>[]>);
      return (entries ?? []).map((entry): [Value, Value] => {
        const [key, item] = Object.values(entry);
        return [valueOf(key, type.key), valueOf(item, type.value)];
      });
    }
    case 'struct':
      return Object.fromEntries(
        type.fields.map((one) => [one.name, valueOf((value as Record<string, unknown>)[one.name], one.type)]),
      );
    case 'decimal':
      return decimalText(value instanceof Uint8Array ? bigEndian(value) : BigInt(value as number), type.scale);
    case 'primitive':
      return primitiveValue(value, type.name);
    default:
      return type satisfies never;
  }
}

function primitiveValue(value: unknown, name: string): Value {
  if (value instanceof Moment) {
    const day = 86_400_000_000n;
    const rest = ((value.micros % day) + day) % day;
    const date = new Date(Number((value.micros - rest) / 1000n)).toISOString().slice(0, -14);
    if (name === 'date') return date;
    const time = new Date(Number(rest / 1_000_000n) * 1000).toISOString().slice(11, 19);
    return `${date}T${time}.${String(rest % 1_000_000n).padStart(6, '0')}${name === 'timestamp' ? 'Z' : ''}`;
  }
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  return value as Value;
}

function bigEndian(bytes: Uint8Array): bigint {
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`));
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return unscaled < 0n ? `-${text}` : text;
}
