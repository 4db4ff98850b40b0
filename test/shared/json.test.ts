import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson, stringifyJson } from '../../src/shared/json.ts';

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
