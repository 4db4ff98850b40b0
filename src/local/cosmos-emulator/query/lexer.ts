/** Cuts a query's text into tokens. */
import { queryError } from './query-error.ts';

/** One token; `start` and `end` are positions in the text. */
export type Token =
  | {
      readonly kind: 'word';
      readonly text: string;
      readonly upper: string;
      readonly start: number;
      readonly end: number;
    }
  | { readonly kind: 'string'; readonly value: string; readonly start: number; readonly end: number }
  | { readonly kind: 'number'; readonly value: number; readonly start: number; readonly end: number }
  | { readonly kind: 'parameter'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: 'symbol'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: 'end'; readonly start: number; readonly end: number };

// Longest first: a shorter symbol never hides a longer one.
const SYMBOLS = '>>> <> != <= >= << >> || ?? = < > + - * / % & | ^ ~ ? : , . ( ) [ ] { }'.split(' ');

const SPACE = /(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/y;
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const NUMBER = /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y;
const PARAMETER = /@[\p{L}\p{N}_]+/uy;

/** All tokens, the last one of kind `end`; 400 for a character that begins none. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const space = match(SPACE);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const start = at;
    const char = text[at] ?? '';
    if (char === '"' || char === "'") {
      const { value, end } = readString(text, at);
      tokens.push({ kind: 'string', value, start, end });
      at = end;
      continue;
    }
    const parameter = match(PARAMETER);
    const word = parameter === undefined ? match(WORD) : undefined;
    const number = parameter === undefined && word === undefined ? match(NUMBER) : undefined;
    const symbol = SYMBOLS.find((candidate) => text.startsWith(candidate, at));
    const piece = parameter ?? word ?? number ?? symbol;
    if (piece === undefined) throw queryError(`Syntax error, invalid token '${char}'.`, 'SC1010', at);
    at += piece.length;
    if (parameter !== undefined) tokens.push({ kind: 'parameter', text: parameter, start, end: at });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, upper: word.toUpperCase(), start, end: at });
    else if (number !== undefined) tokens.push({ kind: 'number', value: Number(number), start, end: at });
    else tokens.push({ kind: 'symbol', text: piece, start, end: at });
  }
  tokens.push({ kind: 'end', start: at, end: at });
  return tokens;
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function readString(text: string, start: number): { readonly value: string; readonly end: number } {
  const quote = text[start];
  let value = '';
  let at = start + 1;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === quote) return { value, end: at + 1 };
    if (char !== '\\') {
      value += char;
      at++;
      continue;
    }
    const escaped = text[at + 1] ?? '';
    if (escaped === 'u') {
      const code = text.slice(at + 2, at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(code)) throw queryError('Syntax error, invalid escape in a string.', 'SC1012', at);
      value += String.fromCharCode(Number.parseInt(code, 16));
      at += 6;
      continue;
    }
    value += ESCAPES[escaped] ?? escaped;
    at += 2;
  }
  throw queryError('Syntax error, a string is not closed.', 'SC1012', start, text.length);
}
