import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson, parsePlainJson, stringifyJson } from '../../src/shared/json.ts';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const exact = (value: bigint): bigint | number => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

describe('JSON with 64-bit integers', () => {
  it('keeps every integer, at any depth', () => {
    fc.assert(
      fc.property(fc.array(int64), fc.dictionary(fc.string(), int64), (list, map) => {
        const value = {
          list: list.map(exact),
          map: Object.fromEntries(Object.entries(map).map(([key, item]) => [key, exact(item)])),
        };
        expect(parseJson(stringifyJson(value))).toEqual(value);
      }),
      { seed: 1 },
    );
  });

  it('gives what JSON.parse gives for everything else', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value = parseJson(text);
        if (JSON.stringify(JSON.parse(text)) === stringifyJson(value)) return;
        // Only integers beyond 2^53 may differ.
        expect(text).toMatch(/\d{16}/);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('does not touch fractions, exponents and digits in text', () => {
    expect(
      parseJson('[1.2345678901234567890, 1e300, "12345678901234567890", {"__proto__": 12345678901234567890}]'),
    ).toEqual([
      1.2345678901234567,
      1e300,
      '12345678901234567890',
      JSON.parse('{"__proto__": 0}', (key, value: unknown) => (key === '__proto__' ? 12345678901234567890n : value)),
    ]);
    expect(parseJson('9007199254740993')).toBe(9007199254740993n);
  });
});

describe('JSON with escaped property names', () => {
  // Few characters, so that names meet in the same place of objects that begin alike.
  const name = fc.string({ unit: fc.constantFrom('\\', '"', '\n', '\u0001', 'n', 'u'), minLength: 1, maxLength: 4 });
  const value = fc.oneof(fc.constant(0), fc.string({ unit: fc.constantFrom('{', ',', '"', '\\', ':', ' ') }));
  const item = fc.dictionary(name, fc.oneof(value, fc.dictionary(name, value, { maxKeys: 3 })), { maxKeys: 4 });

  it('keeps every name, whatever was read before', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 6 }), (items) => {
        for (const one of items) {
          const object = { a: 0, ...one };
          const parsed = parsePlainJson(JSON.stringify(object));
          expect(Object.entries(parsed as object)).toEqual(Object.entries(object));
          expect(parseJson(JSON.stringify({ ...object, big: '9'.repeat(20) }))).toEqual({
            ...object,
            big: '9'.repeat(20),
          });
        }
        expect(parsePlainJson(JSON.stringify(items, null, 2))).toEqual(items);
      }),
      { seed: 7, numRuns: 2000 },
    );
  });

  it('gives what JSON.parse is to give: the last of equal names, names of every spelling, an own __proto__', () => {
    expect(Object.entries(parsePlainJson('{"\\"": 1, "b": 2, "\\u0022": 3}') as object)).toEqual([
      ['"', 3],
      ['b', 2],
    ]);
    expect(Object.keys(parsePlainJson('{"b\\n": 1, "\\u0031": 2}') as object)).toEqual(['1', 'b\n']);
    const own = parsePlainJson('{"\\u005f_proto__": 1, "a": {"__proto__": {"\\\\": 2}}}') as object;
    expect(Object.keys(own)).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(own)).toBe(Object.prototype);
    expect(parseJson('{"x\\\\": 12345678901234567890}')).toEqual({ 'x\\': 12345678901234567890n });
    for (const bad of ['{"a\\q": 1}', '{"a\\n" 1}', '{"a\\n": 1', '["a\\n": 1]', '{"a\nb\\n": 1}']) {
      expect(() => parsePlainJson(bad)).toThrow(SyntaxError);
    }
  });
});
