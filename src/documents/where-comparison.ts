/** Values of a column against a literal: exact for every type, in the order that Spark SQL gives them. */
import type { DataType, Value } from '../delta/schema.ts';
import { type Literal, whereError } from './where-parser.ts';

/** Negative, zero or positive: the value is before, equal to, or after the literal. */
export type Compare = (value: NonNullable<Value>) => number;

/** Throws `mappingInvalid` when the literal is no value of the type, or the type has no order. */
export function compileComparison(type: DataType, literal: Literal, column: string): Compare {
  const unfit = (wanted: string): never => {
    throw whereError(`${column} is compared with something else than ${wanted}.`);
  };
  if (type.kind === 'decimal') {
    if (literal.kind !== 'number') return unfit('a number');
    return decimalComparison(literal.text, type.scale);
  }
  const name = type.kind === 'primitive' ? type.name : type.kind;
  switch (name) {
    case 'boolean': {
      if (literal.kind !== 'boolean') return unfit('TRUE or FALSE');
      const wanted = Number(literal.value);
      return (value) => Number(value) - wanted;
    }
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      if (literal.kind !== 'number') return unfit('a number');
      return integerComparison(literal.text);
    case 'float':
    case 'double': {
      if (literal.kind !== 'number') return unfit('a number');
      const wanted = Number(literal.text);
      if (!Number.isFinite(wanted)) return unfit('a number that a double holds');
      // Spark puts NaN after everything.
      return (value) => (Number.isNaN(value) ? 1 : order(value as number, wanted));
    }
    case 'string': {
      if (literal.kind !== 'text') return unfit("'text'");
      const wanted = literal.text;
      return (value) => compareText(value as string, wanted);
    }
    case 'date': {
      if (literal.kind !== 'text') return unfit("a date such as '2026-01-31'");
      const wanted = dateOf(literal.text) ?? unfit("a date such as '2026-01-31'");
      return (value) => compareInstant(value as string, wanted);
    }
    case 'timestamp':
    case 'timestamp_ntz': {
      const zoned = name === 'timestamp';
      const example = zoned ? "'2026-01-31T10:20:30Z'" : "'2026-01-31T10:20:30'";
      if (literal.kind !== 'text') return unfit(`a timestamp such as ${example}`);
      const wanted = timestampOf(literal.text, zoned) ?? unfit(`a timestamp such as ${example}`);
      return (value) => compareInstant(value as string, wanted);
    }
    case 'binary':
    case 'void':
    case 'variant':
    case 'struct':
    case 'array':
    case 'map':
      throw whereError(`${column} is of type ${name}, which cannot be compared.`, 'Only IS NULL works on it.');
  }
}

function order(a: number | bigint | string, b: number | bigint | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A decimal literal as digits times ten to the minus scale. */
function exactNumber(text: string): { readonly digits: bigint; readonly scale: number } {
  const [mantissa = '', power = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const scale = fraction.length - Number(power);
  if (Math.abs(scale) > 400) throw whereError(`the number ${text} is out of range.`);
  const digits = BigInt(`${whole}${fraction}`);
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale };
}

function integerComparison(text: string): Compare {
  const { digits, scale } = exactNumber(text);
  const unit = 10n ** BigInt(scale);
  const remainder = digits % unit;
  const quotient = digits / unit;
  // Safe integers are compared as numbers; the language compares numbers with bigints exactly.
  const whole = BigInt.asIntN(53, quotient) === quotient ? Number(quotient) : quotient;
  if (remainder === 0n) return (value) => order(value as number | bigint, whole);
  // Division cut towards zero, so the literal lies between its whole part and the next number away from zero.
  const tie = remainder > 0n ? -1 : 1;
  return (value) => order(value as number | bigint, whole) || tie;
}

function decimalComparison(text: string, columnScale: number): Compare {
  const { digits, scale } = exactNumber(text);
  const common = Math.max(scale, columnScale);
  const wanted = digits * 10n ** BigInt(common - scale);
  const factor = 10n ** BigInt(common - columnScale);
  return (value) => order(BigInt((value as string).replace('.', '')) * factor, wanted);
}

/** By code point, which is the order of UTF-8 bytes; UTF-16 units would put surrogates before U+E000. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    const bothHigh = left >= 0xd800 && right >= 0xd800;
    const swap = bothHigh && left <= 0xdfff !== right <= 0xdfff;
    return left < right === swap ? 1 : -1;
  }
  return a.length - b.length;
}

/** Dates and timestamps in the forms of `Value`, among them expanded years, which text order gets wrong. */
function compareInstant(a: string, b: string): number {
  const expanded = /^[+-]/;
  if (!expanded.test(a) && !expanded.test(b)) return order(a, b);
  const [leftYear, leftRest] = splitYear(a);
  const [rightYear, rightRest] = splitYear(b);
  return order(leftYear, rightYear) || order(leftRest, rightRest);
}

function splitYear(text: string): readonly [number, string] {
  const end = text.indexOf('-', 1);
  return [Number(text.slice(0, end)), text.slice(end)];
}

const DATE = /^(?:\d{4}|[+-]\d{6})-\d\d-\d\d$/;
const TIMESTAMP = /^((?:\d{4}|[+-]\d{6})-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?(Z|[+-]\d\d:\d\d)?$/;

function dateOf(text: string): string | undefined {
  return DATE.test(text) && isDay(text) ? text : undefined;
}

/** Date.parse takes 31 February for a day in March. */
function isDay(text: string): boolean {
  const millis = Date.parse(`${text}T00:00:00Z`);
  return Number.isFinite(millis) && new Date(millis).toISOString().startsWith(text);
}

/** The canonical text of a timestamp literal; offsets are turned into UTC, which a zoned literal must state. */
function timestampOf(text: string, zoned: boolean): string | undefined {
  const [match, day = '', clock = '00:00', seconds = '00', fraction = '', zone] = TIMESTAMP.exec(text) ?? [];
  if (match === undefined || !isDay(day) || (zone !== undefined) !== zoned) return undefined;
  const micros = fraction.padEnd(6, '0');
  const millis = Date.parse(`${day}T${clock}:${seconds}.${micros.slice(0, 3)}${zone ?? 'Z'}`);
  if (!Number.isFinite(millis)) return undefined;
  return `${new Date(millis).toISOString().slice(0, -1)}${micros.slice(3)}${zoned ? 'Z' : ''}`;
}
