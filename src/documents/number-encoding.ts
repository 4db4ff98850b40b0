/** Encodings of long, float, double and decimal: exact, or by a named policy, or a noted fault. */
import type { TypePolicy } from '../config/sync-configuration.ts';
import type { Value } from '../delta/schema.ts';
import { type Encode, unexpected, type ValueEncoding } from './encoding.ts';

/** 64-bit integers: JSON numbers carry them up to 2^53-1. */
export function longEncoding(policy: NonNullable<TypePolicy['long']>): ValueEncoding {
  const isLong = (value: Value): value is number | bigint =>
    typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
  if (policy === 'string') {
    return { encode: (value, faults) => (isLong(value) ? String(value) : unexpected(faults)), form: 'long as text' };
  }
  const encode: Encode = (value, faults) => {
    if (!isLong(value)) return unexpected(faults);
    if (typeof value === 'number') return value;
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
    if (policy === 'auto') return String(value);
    faults.note('longTooLarge');
    return undefined;
  };
  return { encode, form: 'number' };
}

/** float and double; NaN and the infinities are no JSON. */
export function floatEncoding(policy: NonNullable<TypePolicy['nonFinite']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'number') return unexpected(faults);
    // Adding zero turns minus zero, which JSON text does not keep, into the zero it equals.
    if (Number.isFinite(value)) return value + 0;
    if (policy === 'string') return String(value);
    if (policy === 'error') faults.note('notFinite');
    return undefined;
  };
  return { encode, form: 'number' };
}

const DECIMAL = /^-?\d+(?:\.\d+)?$/;

/** Decimals, which arrive as text with their full scale. */
export function decimalEncoding(precision: number, scale: number, policy: TypePolicy): ValueEncoding {
  const choice = policy.decimal ?? 'auto';
  // Every decimal of up to 15 digits survives the way to a double and back (IEEE 754).
  const always = precision <= 15;
  if (choice === 'string' || (choice === 'auto' && !always)) {
    const encode: Encode = (value, faults) =>
      typeof value === 'string' && DECIMAL.test(value) ? value : unexpected(faults);
    return { encode, form: `decimal text of scale ${scale}` };
  }
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'string' || !DECIMAL.test(value)) return unexpected(faults);
    const number = Number(value) + 0;
    if (!always && !denotes(number, value)) faults.note('decimalInexact');
    return number;
  };
  return { encode, form: 'number' };
}

/** Whether the shortest text of the double is the same decimal number. */
function denotes(number: number, text: string): boolean {
  const [digits, exponent] = significant(text);
  const [otherDigits, otherExponent] = significant(String(number));
  return digits === otherDigits && exponent === otherExponent;
}

/** Sign and digits without zeros at either end, and the power of ten of the last digit. */
function significant(text: string): [string, number] {
  const [mantissa = '', power = '0'] = text.split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const trimmed = digits.replace(/0+$/, '');
  if (trimmed === '') return ['0', 0];
  const exponent = Number(power) - fraction.length + (digits.length - trimmed.length);
  return [`${mantissa.startsWith('-') ? '-' : ''}${trimmed}`, exponent];
}
