/**
 * JSON text as people write it: parsed with the place of every value, so that a mistake can be shown by line and
 * column. Stricter than JSON.parse where that would hide a mistake: a repeated key is refused instead of the first
 * one being dropped.
 */
import { SyncError } from '../shared/errors.ts';

/** Where a value begins, both counted from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

export interface JsonText {
  readonly value: unknown;
  /** Where the value at this path begins (for a property: its key); the nearest enclosing one when it is absent. */
  placeOf(path: readonly PropertyKey[]): TextPlace;
}

const MAX_LENGTH = 4 * 1024 * 1024;
const MAX_DEPTH = 64;

/** Parses `text`; throws SyncError `configMalformed` naming the file, line and column. */
export function parseJsonText(text: string, fileName: string): JsonText {
  if (text.length > MAX_LENGTH) {
    throw new SyncError('configMalformed', {
      problem: `${fileName} has ${text.length} characters.`,
      reason: `A configuration has at most ${MAX_LENGTH}.`,
    });
  }
  const parser = new Parser(text, fileName);
  const value = parser.document();
  return {
    value,
    placeOf(path) {
      for (let length = path.length; length > 0; length--) {
        const offset = parser.offsets.get(pathKey(path.slice(0, length)));
        if (offset !== undefined) return placeAt(text, offset);
      }
      return placeAt(text, 0);
    },
  };
}

function pathKey(path: readonly PropertyKey[]): string {
  return JSON.stringify(path.map(String));
}

function placeAt(text: string, offset: number): TextPlace {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
}

const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const SPACE = /[ \t\r\n]*/y;

class Parser {
  readonly offsets = new Map<string, number>();
  readonly #text: string;
  readonly #fileName: string;
  readonly #path: string[] = [];
  #at = 0;

  constructor(text: string, fileName: string) {
    this.#text = text;
    this.#fileName = fileName;
    // A byte order mark is what some editors write, not a mistake.
    if (text.startsWith('\uFEFF')) this.#at = 1;
  }

  document(): unknown {
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#fail('The text goes on after the end of the value.');
    return value;
  }

  #value(): unknown {
    this.#space();
    const key = pathKey(this.#path);
    if (!this.offsets.has(key)) this.offsets.set(key, this.#at);
    if (this.#path.length > MAX_DEPTH) this.#fail(`Values are nested more than ${MAX_DEPTH} deep.`);
    switch (this.#text[this.#at] ?? '') {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(): unknown {
    const object: Record<string, unknown> = {};
    this.#at++;
    if (this.#take('}')) return object;
    do {
      this.#space();
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') this.#fail('A property name in double quotes is expected.');
      const name = this.#string();
      if (name === '__proto__') this.#fail('The name "__proto__" is not allowed.', keyAt);
      if (Object.hasOwn(object, name)) this.#fail(`The name ${JSON.stringify(name)} occurs twice.`, keyAt);
      if (!this.#take(':')) this.#fail('A colon is expected.');
      this.#path.push(name);
      this.offsets.set(pathKey(this.#path), keyAt);
      object[name] = this.#value();
      this.#path.pop();
    } while (this.#take(','));
    if (!this.#take('}')) this.#fail('A comma or } is expected.');
    return object;
  }

  #array(): unknown {
    const array: unknown[] = [];
    this.#at++;
    if (this.#take(']')) return array;
    do {
      this.#path.push(String(array.length));
      array.push(this.#value());
      this.#path.pop();
    } while (this.#take(','));
    if (!this.#take(']')) this.#fail('A comma or ] is expected.');
    return array;
  }

  #string(): string {
    const match = this.#match(STRING);
    if (match === undefined) this.#fail('The text in quotes does not end, or holds a bad escape or a line break.');
    return JSON.parse(match) as string;
  }

  #scalar(): unknown {
    const start = this.#at;
    const number = this.#match(NUMBER);
    if (number !== undefined) {
      const value = Number(number);
      // Anything else would silently be another number than the one written.
      if (Number.isSafeInteger(value) || (!Number.isInteger(value) && Number.isFinite(value))) return value;
      this.#fail('The number is beyond 2^53-1.', start);
    }
    const word = this.#match(WORD);
    if (word !== undefined) return JSON.parse(word) as unknown;
    return this.#fail(this.#at >= this.#text.length ? 'The text ends too early.' : 'A value is expected.');
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    if (match !== undefined) this.#at += match.length;
    return match;
  }

  #space(): void {
    this.#match(SPACE);
  }

  #take(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #fail(reason: string, at = this.#at): never {
    const { line, column } = placeAt(this.#text, at);
    throw new SyncError('configMalformed', {
      problem: `${this.#fileName}, line ${line}, column ${column}: not JSON.`,
      reason,
    });
  }
}
