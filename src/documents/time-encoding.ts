/** Encodings of date, timestamp and timestamp_ntz. */
import type { TypePolicy } from '../config/sync-configuration.ts';
import type { Value } from '../delta/schema.ts';
import { type Encode, unexpected, type ValueEncoding } from './encoding.ts';

const DATE = /^(?:\d{4}|[+-]\d{6,})-\d\d-\d\d$/;

/** Dates, `YYYY-MM-DD` or days since 1970. */
export function dateEncoding(policy: NonNullable<TypePolicy['date']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'string' || !DATE.test(value)) return unexpected(faults);
    if (policy === 'iso') return value;
    const days = Date.parse(value) / 86_400_000;
    if (!Number.isSafeInteger(days)) faults.note('timestampInexact');
    return days;
  };
  return { encode, form: policy === 'iso' ? 'date' : 'days' };
}

/** Instants, which arrive with six digits after the second and a Z. */
export function timestampEncoding(policy: NonNullable<TypePolicy['timestamp']>): ValueEncoding {
  const isTimestamp = (value: Value): value is string => typeof value === 'string' && value.endsWith('Z');
  const form = `timestamp ${policy}`;
  if (policy === 'iso') return { encode: (value, faults) => (isTimestamp(value) ? value : unexpected(faults)), form };
  if (policy === 'iso7') {
    return { encode: (value, faults) => (isTimestamp(value) ? sevenDigits(value) : unexpected(faults)), form };
  }
  const unit = { epochMicros: 1, epochMillis: 1000, epochSeconds: 1_000_000 }[policy];
  const encode: Encode = (value, faults) => {
    if (!isTimestamp(value)) return unexpected(faults);
    // The last three of six digits are beyond what Date keeps.
    const micros = Date.parse(`${value.slice(0, -4)}Z`) * 1000 + Number(value.slice(-4, -1));
    if (!Number.isSafeInteger(micros) || micros % unit !== 0) faults.note('timestampInexact');
    return micros / unit + 0;
  };
  return { encode, form };
}

/** Timestamps without a zone: there is no epoch to count from, so they are always text. */
export function timestampNtzEncoding(policy: NonNullable<TypePolicy['timestampNtz']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'string') return unexpected(faults);
    return policy === 'iso' ? value : sevenDigits(value);
  };
  return { encode, form: `timestamp_ntz ${policy}` };
}

/**
 * The form that Cosmos DB recommends for timestamps has seven digits after the second; Delta has six. With or without Z.
 */
export function sevenDigits(timestamp: string): string {
  return timestamp.endsWith('Z') ? `${timestamp.slice(0, -1)}0Z` : `${timestamp}0`;
}
