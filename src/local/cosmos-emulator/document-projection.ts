/** Reads single properties out of stored documents without parsing the rest of them. */
import type { Json, JsonMap } from './json.ts';
import { parsePlainJson } from '../../shared/json.ts';

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const SMALL_F = 102;
const SMALL_N = 110;
const SMALL_T = 116;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** Up to here the end of a string is looked for character by character: for short ones a search costs more than it saves. */
const SHORT_STRING = 24;

/**
 * A reader of the named top-level properties, as far as a document has them. Texts are what JSON.stringify made of an
 * object: without white space, every name once and in one spelling.
 */
export function documentProjection(names: Iterable<string>): (text: string) => JsonMap {
  const wanted = Array.from(names, (name) => {
    const key = `${JSON.stringify(name)}:`;
    return { name, key, first: key.charCodeAt(1) };
  });
  return (text) => {
    const found: JsonMap = {};
    let missing = wanted.length;
    let at = 1;
    while (missing > 0 && text.charCodeAt(at) === QUOTE) {
      const first = text.charCodeAt(at + 1);
      const property = wanted.find((one) => one.first === first && text.startsWith(one.key, at));
      const start = property === undefined ? stringEnd(text, at) + 1 : at + property.key.length;
      const end = valueEnd(text, start);
      if (property !== undefined) {
        set(found, property.name, parseValue(text, start, end));
        missing--;
      }
      at = end + 1;
    }
    return found;
  };
}

function set(found: JsonMap, name: string, value: Json): void {
  if (name === '__proto__') Object.defineProperty(found, name, { value, enumerable: true });
  else found[name] = value;
}

function parseValue(text: string, start: number, end: number): Json {
  switch (text.charCodeAt(start)) {
    case SMALL_T:
      return true;
    case SMALL_F:
      return false;
    case SMALL_N:
      return null;
    case QUOTE: {
      const inside = text.slice(start + 1, end - 1);
      return inside.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : inside;
    }
    case OPEN_BRACE:
    case OPEN_BRACKET:
      return parsePlainJson(text.slice(start, end)) as Json;
    default:
      return Number(text.slice(start, end));
  }
}

/** Position after the closing quote of the string that begins here. */
function stringEnd(text: string, start: number): number {
  const near = start + SHORT_STRING;
  for (let at = start + 1; at < near; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) at++;
  }
  let quote = text.indexOf('"', near);
  while (isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote < 0 ? text.length : quote + 1;
}

/** True after an odd number of backslashes. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}

/** Position after the value that begins here. */
function valueEnd(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return stringEnd(text, start);
  let at = start;
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === COMMA || code === CLOSE_BRACE || Number.isNaN(code)) return at;
      at++;
    }
  }
  let depth = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at);
      continue;
    }
    at++;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at;
  }
  return at;
}
