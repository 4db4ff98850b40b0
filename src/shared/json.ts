/** JSON in which 64-bit integers survive: integers that a double cannot hold exactly are bigint on both sides. */

/** What parseJson returns: JSON, with bigint for integer literals beyond ±(2^53 - 1). */
export type Int64Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | Int64Json[]
  | {
      [key: string]: Int64Json;
    };

/** A literal that might not fit a double: sixteen digits in a row anywhere in the text. Cheap to test, rarely true. */
const LONG_DIGITS = /\d{16}/;
const INTEGER = /^-?\d+$/;

type ReviverWithSource = (
  this: unknown,
  key: string,
  value: unknown,
  context?: { readonly source?: string },
) => unknown;

const keepIntegers: ReviverWithSource = (_key, value, context) => {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && INTEGER.test(source) ? BigInt(source) : value;
};

/**
 * Parses JSON text. Integer literals beyond ±(2^53 - 1) become bigint; everything else is as JSON.parse gives it.
 * Throws SyntaxError.
 */
export function parseJson(text: string): Int64Json {
  return (LONG_DIGITS.test(text) ? JSON.parse(text, keepIntegers) : JSON.parse(text)) as Int64Json;
}

const { rawJSON: rawJson } = JSON as unknown as { readonly rawJSON: (this: void, text: string) => unknown };

/** JSON text of a value; bigint is written as an integer literal, so `parseJson` gives the same value back. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJson(item.toString()) : item));
}
