/**
 * JSON without loss: integers that a double cannot hold exactly are bigint on both sides, and property names are the
 * ones that were written.
 */

import { createHash } from 'node:crypto';

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
 * Parses JSON text. Integer literals beyond ±(2^53 - 1) become bigint; everything else is as `parsePlainJson` gives it.
 * Throws SyntaxError.
 */
export function parseJson(text: string): Int64Json {
  return parseNames(text, LONG_DIGITS.test(text) ? keepIntegers : undefined) as Int64Json;
}

/** What JSON.parse is to give, for texts with property names from outside. Throws SyntaxError. */
export function parsePlainJson(text: string): unknown {
  return parseNames(text, undefined);
}

/** Property names with an escape. Outside of strings no backslash can follow, so nothing else is matched in JSON. */
const ESCAPED_NAMES = /(?<=[{,]\s*)"[^"\\]*(?:\\.[^"\\]*)+"(?=\s*:)/g;
const COLON = /\s*:/y;

/** Whether a string with an escape comes before a colon. From escape to escape, since most texts have few or none. */
function hasEscapedName(text: string): boolean {
  let end = -1;
  for (let escape = text.indexOf('\\'); escape !== -1;) {
    const next = text.indexOf('\\', escape + 2);
    if (end < escape + 2) end = text.indexOf('"', escape + 2);
    if (end === -1) return false;
    if (next === -1 || next > end) {
      COLON.lastIndex = end + 1;
      if (COLON.test(text)) return true;
    }
    escape = next;
  }
  return false;
}

/**
 * V8 from 12.8 on (Node 24, 26) can read an escaped name as another one that it met before in the same place: after
 * `{"a":0,"x\\":0}` the name `"x\""` of `{"a":0,"x\"":0}` comes out as `x\` (nodejs/node#63785). Names without escapes
 * are safe, so escaped ones are parsed under names that need none.
 */
function parseNames(text: string, reviver: ReviverWithSource | undefined): unknown {
  if (!hasEscapedName(text)) return JSON.parse(text, reviver) as unknown;
  // No text holds its own hash: no other name is taken for an alias.
  const prefix = createHash('sha256').update(text).digest('hex');
  const aliases = new Map<string, string>();
  const names = new Map<string, string>();
  const plain = text.replaceAll(ESCAPED_NAMES, (quoted) => {
    const name = JSON.parse(quoted) as string;
    let alias = aliases.get(name);
    if (alias === undefined) {
      alias = `${prefix}${aliases.size}`;
      aliases.set(name, alias);
      names.set(alias, name);
    }
    return `"${alias}"`;
  });
  return JSON.parse(plain, function (this: unknown, key: string, value: unknown, context?: { source?: string }) {
    const revived = reviver === undefined ? value : reviver.call(this, key, value, context);
    if (typeof revived !== 'object' || revived === null || Array.isArray(revived)) return revived;
    const entries = Object.entries(revived);
    if (!entries.some(([name]) => names.has(name))) return revived;
    return Object.fromEntries(entries.map(([name, item]) => [names.get(name) ?? name, item as unknown]));
  }) as unknown;
}

const { rawJSON: rawJson } = JSON as unknown as { readonly rawJSON: (this: void, text: string) => unknown };

/** JSON text of a value; bigint is written as an integer literal, so `parseJson` gives the same value back. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJson(item.toString()) : item));
}
