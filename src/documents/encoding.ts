/** What an encoder of column values is, and the smallest one. */
import type { Value } from '../delta/schema.ts';
import type { JsonValue } from './document.ts';
import type { RowFaults } from './rejection.ts';

/** Encodes a value that is not null. Undefined means "as SQL null". After a fault was noted the result is meaningless. */
export type Encode = (value: NonNullable<Value>, faults: RowFaults) => JsonValue | undefined;

/** An encoder and the form of what it writes: while the form stays, existing documents stay as they are. */
export interface ValueEncoding {
  readonly encode: Encode;
  readonly form: string;
}

/** Cosmos DB allows 128 levels; the document itself and nested paths take some. */
export const MAX_DEPTH = 120;

/** Notes that a value does not have the type that the schema states. */
export function unexpected(faults: RowFaults): undefined {
  faults.note('valueUnexpected');
}

const SURROGATE_ALONE = /\p{Surrogate}/u;

/** Whether a text can be written as UTF-8 and read back. */
export function isUnicode(text: string): boolean {
  return !SURROGATE_ALONE.test(text);
}

/** Text as it is. */
export const encodeText: Encode = (value, faults) => {
  if (typeof value !== 'string') return unexpected(faults);
  if (!isUnicode(value)) faults.note('textMalformed');
  return value;
};

/** Assigning `__proto__` would change the prototype instead of adding a field. */
export function setField(object: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else object[name] = value;
}
