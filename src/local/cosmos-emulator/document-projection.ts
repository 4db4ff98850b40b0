/** Reads single properties out of a stored document's text without parsing the rest. */
import type { Json, JsonMap } from './json.ts';

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** The named top-level properties that are there. The text is what JSON.stringify made of an object: no white space. */
export function projectDocument(text: string, names: ReadonlySet<string>): JsonMap {
  const found: JsonMap = {};
  let missing = names.size;
  let at = 1;
  while (missing > 0 && text.charCodeAt(at) === QUOTE) {
    const nameEnd = stringEnd(text, at);
    const raw = text.slice(at + 1, nameEnd - 1);
    const name = raw.includes('\\') ? (JSON.parse(text.slice(at, nameEnd)) as string) : raw;
    const valueStart = nameEnd + 1;
    const valueEnd = skipValue(text, valueStart);
    if (names.has(name)) {
      const value = JSON.parse(text.slice(valueStart, valueEnd)) as Json;
      if (name === '__proto__') Object.defineProperty(found, name, { value, enumerable: true });
      else found[name] = value;
      missing--;
    }
    at = text.charCodeAt(valueEnd) === COMMA ? valueEnd + 1 : text.length;
  }
  return found;
}

/** Position after the closing quote of the string that begins here. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

/** Position after the value that begins here. */
function skipValue(text: string, start: number): number {
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
