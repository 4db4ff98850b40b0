/** String functions. */
import type { BuiltIn } from './functions.ts';
import type { Json } from '../json.ts';
import { canonicalText, type Value } from './values.ts';

/** Characters a function may build at most: a query must not exhaust memory. */
const MAX_RESULT = 4 * 1024 * 1024;

function unary(compute: (text: string) => Value): BuiltIn {
  return { least: 1, most: 1, apply: ([text]) => (typeof text === 'string' ? compute(text) : undefined) };
}

/** Two strings and, optionally, whether case is ignored. */
function search(compute: (text: string, part: string) => Value): BuiltIn {
  return {
    least: 2,
    most: 3,
    apply: ([text, part, ignoreCase = false]) => {
      if (typeof text !== 'string' || typeof part !== 'string' || typeof ignoreCase !== 'boolean') return undefined;
      return ignoreCase ? compute(text.toLowerCase(), part.toLowerCase()) : compute(text, part);
    },
  };
}

function searchMany(all: boolean, ignoreCase: boolean): BuiltIn {
  return {
    least: 2,
    most: 64,
    apply: ([text, ...parts]) => {
      if (typeof text !== 'string' || !parts.every((part) => typeof part === 'string')) return undefined;
      const subject = ignoreCase ? text.toLowerCase() : text;
      const holds = (part: string): boolean => subject.includes(ignoreCase ? part.toLowerCase() : part);
      return all ? parts.every(holds) : parts.some(holds);
    },
  };
}

function trim(start: boolean, end: boolean): BuiltIn {
  return {
    least: 1,
    most: 2,
    apply: ([text, characters = ' ']) => {
      if (typeof text !== 'string' || typeof characters !== 'string') return undefined;
      let from = 0;
      let to = text.length;
      if (start) while (from < to && characters.includes(text[from] ?? '')) from++;
      if (end) while (to > from && characters.includes(text[to - 1] ?? '')) to--;
      return text.slice(from, to);
    },
  };
}

/** Text to JSON when it is of the wanted type. */
function parse(wanted: (value: Json) => boolean): BuiltIn {
  return unary((text) => {
    try {
      const value = JSON.parse(text.trim()) as Json;
      return wanted(value) ? value : undefined;
    } catch {
      return undefined;
    }
  });
}

function toText(value: Value): Value {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : canonicalText(value);
}

function regexMatch([text, pattern, modifiers = '']: readonly Value[]): Value {
  if (typeof text !== 'string' || typeof pattern !== 'string' || typeof modifiers !== 'string') return undefined;
  if (!/^[msix]*$/.test(modifiers)) return undefined;
  const source = modifiers.includes('x') ? pattern.replaceAll(/\s+/g, '') : pattern;
  try {
    return new RegExp(source, [...new Set(modifiers.replaceAll('x', ''))].join('')).test(text);
  } catch {
    return undefined;
  }
}

export const textFunctions: Readonly<Record<string, BuiltIn>> = {
  CONCAT: {
    least: 2,
    most: 256,
    apply: (args) => (args.every((text) => typeof text === 'string') ? args.join('') : undefined),
  },
  CONTAINS: search((text, part) => text.includes(part)),
  CONTAINS_ALL_CI: searchMany(true, true),
  CONTAINS_ALL_CS: searchMany(true, false),
  CONTAINS_ANY_CI: searchMany(false, true),
  CONTAINS_ANY_CS: searchMany(false, false),
  ENDSWITH: search((text, part) => text.endsWith(part)),
  INDEX_OF: {
    least: 2,
    most: 3,
    apply: ([text, part, start = 0]) =>
      typeof text === 'string' && typeof part === 'string' && typeof start === 'number'
        ? text.indexOf(part, start)
        : undefined,
  },
  LEFT: {
    least: 2,
    most: 2,
    apply: ([text, length]) =>
      typeof text === 'string' && typeof length === 'number' ? text.slice(0, Math.max(0, length)) : undefined,
  },
  LENGTH: unary((text) => text.length),
  LOWER: unary((text) => text.toLowerCase()),
  LTRIM: trim(true, false),
  REGEXMATCH: { least: 2, most: 3, apply: regexMatch },
  REPLACE: {
    least: 3,
    most: 3,
    apply: ([text, part, by]) => {
      if (typeof text !== 'string' || typeof part !== 'string' || typeof by !== 'string') return undefined;
      if (part === '') return text;
      const pieces = text.split(part);
      return pieces.length * by.length > MAX_RESULT ? undefined : pieces.join(by);
    },
  },
  REPLICATE: {
    least: 2,
    most: 2,
    apply: ([text, times]) => {
      if (typeof text !== 'string' || typeof times !== 'number' || times < 0) return undefined;
      return text.length * times > MAX_RESULT ? undefined : text.repeat(times);
    },
  },
  REVERSE: unary((text) => Array.from(text).toReversed().join('')),
  RIGHT: {
    least: 2,
    most: 2,
    apply: ([text, length]) => {
      if (typeof text !== 'string' || typeof length !== 'number') return undefined;
      return length <= 0 ? '' : text.slice(-length);
    },
  },
  RTRIM: trim(false, true),
  STARTSWITH: search((text, part) => text.startsWith(part)),
  STRINGEQUALS: search((text, part) => text === part),
  STRINGJOIN: {
    least: 2,
    most: 2,
    apply: ([list, separator]) =>
      Array.isArray(list) && typeof separator === 'string' && list.every((text) => typeof text === 'string')
        ? list.join(separator)
        : undefined,
  },
  STRINGSPLIT: {
    least: 2,
    most: 2,
    apply: ([text, separator]) =>
      typeof text === 'string' && typeof separator === 'string' ? text.split(separator) : undefined,
  },
  STRINGTOARRAY: parse((value) => Array.isArray(value)),
  STRINGTOBOOLEAN: parse((value) => typeof value === 'boolean'),
  STRINGTONULL: parse((value) => value === null),
  STRINGTONUMBER: parse((value) => typeof value === 'number'),
  STRINGTOOBJECT: parse((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
  SUBSTRING: {
    least: 3,
    most: 3,
    apply: ([text, start, length]) => {
      if (typeof text !== 'string' || typeof start !== 'number' || typeof length !== 'number') return undefined;
      return length <= 0 ? '' : text.slice(Math.max(0, start), Math.max(0, start + length));
    },
  },
  TOSTRING: { least: 1, most: 1, apply: ([value]) => toText(value) },
  TRIM: trim(true, true),
  UPPER: unary((text) => text.toUpperCase()),
};
