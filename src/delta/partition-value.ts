/** Partition values (PROTOCOL.md, "Partition Value Serialization"): text in actions to values of the column's type. */
import { logDamaged } from './action-record.ts';
import type { DataType, Value } from './schema.ts';

const WHOLE = /^[+-]?\d+$/;
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[dDfF]?$/;
const DATE = /^([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})$/;
const TIMESTAMP =
  /^([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?\s*(Z|UTC|[+-]\d{1,2}(?::?\d{2})?)?)?$/;

const RANGES: ReadonlyMap<string, readonly [bigint, bigint]> = new Map([
  ['byte', [-128n, 127n]],
  ['short', [-32_768n, 32_767n]],
  ['integer', [-2_147_483_648n, 2_147_483_647n]],
  ['long', [-(2n ** 63n), 2n ** 63n - 1n]],
]);

function wholeNumber(text: string, name: string): Value | undefined {
  const range = RANGES.get(name);
  if (range === undefined || !WHOLE.test(text) || text.length > 40) return undefined;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  if (value < range[0] || value > range[1]) return undefined;
  const double = Number(value);
  return Number.isSafeInteger(double) ? double : value;
}

function floating(text: string): number | undefined {
  switch (text.toLowerCase()) {
    case 'nan':
      return NaN;
    case 'infinity':
    case '+infinity':
    case 'inf':
      return Infinity;
    case '-infinity':
    case '-inf':
      return -Infinity;
    default:
      return FLOAT.test(text) ? Number(text.replace(/[dDfF]$/, '')) : undefined;
  }
}

/** Decimal text rescaled to `scale`; undefined when digits would be lost or the value does not fit the precision. */
export function rescaleDecimal(text: string, precision: number, scale: number): string | undefined {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  // The unscaled digits and how many of them are behind the point.
  let digits = whole + fraction;
  let behind = fraction.length - Number(exponent);
  if (Math.abs(behind) > 200 || digits.length > 200) return undefined;
  if (behind < scale) {
    digits += '0'.repeat(scale - behind);
    behind = scale;
  }
  const cut = digits.length - (behind - scale);
  if (/[1-9]/.test(digits.slice(Math.max(0, cut)))) return undefined;
  const kept = (cut > 0 ? digits.slice(0, cut) : '').replace(/^0+/, '');
  if (kept.length > precision) return undefined;
  const padded = kept.padStart(scale + 1, '0');
  const head = padded.slice(0, padded.length - scale);
  const value = scale === 0 ? head : `${head}.${padded.slice(padded.length - scale)}`;
  return sign === '-' && kept !== '' ? `-${value}` : value;
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return pad(year, 4);
  return `${year < 0 ? '-' : '+'}${pad(Math.abs(year), 6)}`;
}

function daysInMonth(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

function dateText(year: number, month: number, day: number): string | undefined {
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  return `${yearText(year)}-${pad(month, 2)}-${pad(day, 2)}`;
}

function date(text: string): string | undefined {
  const match = DATE.exec(text);
  return match === null ? undefined : dateText(Number(match[1]), Number(match[2]), Number(match[3]));
}

/** The date of a timestamp without a time of day. */
function midnight(value: string | undefined): string | undefined {
  return value?.endsWith('T00:00:00.000000') === true ? value.slice(0, -16) : undefined;
}

function offsetMinutes(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'UTC') return 0;
  const hours = Number(zone.slice(1).split(':')[0]?.slice(0, 2));
  const minutes = /\d{2}$/.exec(zone.slice(2))?.[0];
  const total = hours * 60 + (zone.length > 3 ? Number(minutes ?? 0) : 0);
  return total > 18 * 60 ? undefined : (zone.startsWith('-') ? -1 : 1) * total;
}

/** Text without a zone is UTC, as the kernels read it: the writer's zone is not recorded anywhere. */
function timestamp(text: string, zoned: boolean): string | undefined {
  const match = TIMESTAMP.exec(text);
  if (match === null) return undefined;
  const [, years = '', months = '', days = '', hour = '0', minute = '0', second = '0', fraction = '', zone] = match;
  const day = dateText(Number(years), Number(months), Number(days));
  if (day === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  if (/[1-9]/.test(fraction.slice(6))) return undefined;
  const micros = fraction.slice(0, 6).padEnd(6, '0');
  const clock = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}:${second.padStart(2, '0')}.${micros}`;
  const offset = zone === undefined ? 0 : offsetMinutes(zone);
  if (offset === undefined || (!zoned && zone !== undefined && offset !== 0)) return undefined;
  if (!zoned) return `${day}T${clock}`;
  return offset === 0 ? `${day}T${clock}Z` : shifted(`${day}T${clock.slice(0, 8)}Z`, micros, offset);
}

function shifted(whole: string, micros: string, offset: number): string | undefined {
  const utc = new Date(Date.parse(whole) - offset * 60_000);
  if (Number.isNaN(utc.getTime())) return undefined;
  return `${utc.toISOString().slice(0, -5)}.${micros}Z`;
}

const ESCAPED_BYTES = /^(?:\\u00[0-9A-Fa-f]{2})+$/;

/**
 * Binary partition values are text whose UTF-8 form are the bytes: so Spark and the kernels write and read them. A
 * replacement character means that bytes are lost. delta-rs writes escapes into the text: six characters for each byte.
 */
function binary(text: string): Uint8Array | undefined {
  if (ESCAPED_BYTES.test(text)) return new Uint8Array(Buffer.from(text.replaceAll('\\u00', ''), 'hex'));
  return text.includes('\ufffd') ? undefined : new TextEncoder().encode(text);
}

/** No number, date or time is longer, not even a double with all its digits as the kernels write it. */
const MAX_TEXT = 2000;

function parse(text: string, type: DataType): Value | undefined {
  if (text.length > MAX_TEXT && !isText(type)) return undefined;
  if (type.kind === 'decimal') return rescaleDecimal(text, type.precision, type.scale);
  if (type.kind !== 'primitive') return undefined;
  switch (type.name) {
    case 'string':
      return text;
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      return wholeNumber(text, type.name);
    case 'float': {
      const value = floating(text);
      return value === undefined ? undefined : Math.fround(value);
    }
    case 'double':
      return floating(text);
    case 'boolean':
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined;
    case 'date':
      return date(text) ?? midnight(timestamp(text, false));
    case 'timestamp':
      return timestamp(text, true);
    case 'timestamp_ntz':
      return timestamp(text, false);
    case 'binary':
      return binary(text);
    case 'void':
    case 'variant':
      return undefined;
  }
}

/**
 * Parses a partition value. Null and empty text are SQL null for every type. Throws `logDamaged` naming the column, not
 * the value, when the text is no value of the type.
 */
export function parsePartitionValue(text: string | null | undefined, type: DataType, column: string): Value {
  if (text === null || text === undefined || text === '') return null;
  const value = parse(text.trim() === '' || isText(type) ? text : text.trim(), type);
  if (value !== undefined) return value;
  const name = type.kind === 'primitive' ? type.name : type.kind;
  throw logDamaged(`A partition value of the column ${JSON.stringify(column)} is not a valid ${name}.`);
}

function isText(type: DataType): boolean {
  return type.kind === 'primitive' && (type.name === 'string' || type.name === 'binary');
}
