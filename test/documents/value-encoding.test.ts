import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataType, Value } from '../../src/delta/schema.ts';
import { Variant } from '../../src/delta/schema.ts';
import { mapped, mappingOf, primitive, struct } from '../support/mapping-builder.ts';

const decimal = (precision: number, scale: number): DataType => ({ kind: 'decimal', precision, scale });

/** What `value` of `type` becomes under a types setting: the JSON value, or the code of the rejection. */
function encoded(type: DataType, value: Value, types: object = {}): unknown {
  const document = mapped(mappingOf({ id: 'string', v: type }, { types }), { id: 'a', v: value });
  return typeof document === 'string' ? `rejected ${document}` : (document as { v: unknown }).v;
}

describe('default encodings', () => {
  test.each<[string, DataType, Value, unknown]>([
    ['string', primitive('string'), 'Grüße, 世界 🎉', 'Grüße, 世界 🎉'],
    ['boolean', primitive('boolean'), false, false],
    ['integer', primitive('integer'), -2147483648, -2147483648],
    ['long that a number holds', primitive('long'), 9007199254740991, 9007199254740991],
    ['long beyond 2^53-1', primitive('long'), 9007199254740992n, 'rejected longTooLarge'],
    ['double', primitive('double'), 0.1, 0.1],
    ['minus zero is the zero it equals', primitive('double'), -0, 0],
    ['NaN', primitive('double'), Number.NaN, 'rejected notFinite'],
    ['infinity', primitive('float'), -Infinity, 'rejected notFinite'],
    ['decimal of 15 digits', decimal(15, 2), '1234567890123.45', 1234567890123.45],
    ['decimal zero', decimal(15, 2), '-0.00', 0],
    ['decimal of 16 digits', decimal(16, 2), '12345678901234.50', '12345678901234.50'],
    ['date', primitive('date'), '2026-02-28', '2026-02-28'],
    ['timestamp', primitive('timestamp'), '2026-02-28T01:02:03.123456Z', '2026-02-28T01:02:03.1234560Z'],
    ['timestamp_ntz', primitive('timestamp_ntz'), '2026-02-28T01:02:03.123456', '2026-02-28T01:02:03.1234560'],
    [
      'timestamp of year 12345',
      primitive('timestamp'),
      '+012345-01-01T00:00:00.000000Z',
      '+012345-01-01T00:00:00.0000000Z',
    ],
    ['binary', primitive('binary'), new Uint8Array([0, 255, 16]), 'AP8Q'],
    ['void', primitive('void'), null, null],
    ['array with null', { kind: 'array', element: primitive('long'), containsNull: true }, [1, null], [1, null]],
    ['struct', struct({ a: 'long', b: 'date' }), { a: 1, b: null }, { a: 1, b: null }],
    [
      'map with text keys',
      { kind: 'map', key: primitive('string'), value: primitive('long'), valueContainsNull: true },
      [
        ['b', 1],
        ['a', null],
      ],
      { b: 1, a: null },
    ],
    [
      'map with other keys',
      { kind: 'map', key: primitive('integer'), value: primitive('string'), valueContainsNull: true },
      [
        [2, 'x'],
        [1, null],
      ],
      [
        [2, 'x'],
        [1, null],
      ],
    ],
    ['variant', primitive('variant'), new Variant({ a: [1, 'x', null, true] }), { a: [1, 'x', null, true] }],
    ['variant with a large integer', primitive('variant'), new Variant([2n ** 60n]), 'rejected longTooLarge'],
  ])('%s', (_name, type, value, expected) => {
    expect(encoded(type, value)).toEqual(expected);
  });
});

describe('policies', () => {
  test.each<[string, DataType, Value, object, unknown]>([
    ['long as text', primitive('long'), 5, { long: 'string' }, '5'],
    ['large long as text', primitive('long'), -(2n ** 63n), { long: 'string' }, '-9223372036854775808'],
    ['auto long, small', primitive('long'), 5, { long: 'auto' }, 5],
    ['auto long, large', primitive('long'), 2n ** 53n, { long: 'auto' }, '9007199254740992'],
    ['decimal as text keeps its scale', decimal(5, 2), '1.50', { decimal: 'string' }, '1.50'],
    ['decimal as number, exact', decimal(38, 2), '1.50', { decimal: 'number' }, 1.5],
    ['decimal as number, shortest text', decimal(38, 3), '0.100', { decimal: 'number' }, 0.1],
    [
      'decimal as number, not exact',
      decimal(38, 0),
      '9007199254740993',
      { decimal: 'number' },
      'rejected decimalInexact',
    ],
    ['decimal as number, large power of ten', decimal(38, 0), '100000000000000000000000', { decimal: 'number' }, 1e23],
    ['epochMillis', primitive('timestamp'), '1969-12-31T23:59:59.999000Z', { timestamp: 'epochMillis' }, -1],
    [
      'epochMillis, not whole',
      primitive('timestamp'),
      '2026-01-01T00:00:00.000001Z',
      { timestamp: 'epochMillis' },
      'rejected timestampInexact',
    ],
    ['epochMicros', primitive('timestamp'), '1970-01-01T00:00:00.000001Z', { timestamp: 'epochMicros' }, 1],
    [
      'epochMicros beyond 2^53',
      primitive('timestamp'),
      '9999-01-01T00:00:00.000000Z',
      { timestamp: 'epochMicros' },
      'rejected timestampInexact',
    ],
    ['epochSeconds', primitive('timestamp'), '1970-01-01T00:01:00.000000Z', { timestamp: 'epochSeconds' }, 60],
    ['iso', primitive('timestamp'), '2026-01-01T00:00:00.000001Z', { timestamp: 'iso' }, '2026-01-01T00:00:00.000001Z'],
    ['epochDays', primitive('date'), '1969-12-31', { date: 'epochDays' }, -1],
    ['hex', primitive('binary'), new Uint8Array([0, 255]), { binary: 'hex' }, '00ff'],
    ['NaN as text', primitive('double'), Number.NaN, { nonFinite: 'string' }, 'NaN'],
    ['infinity as null', primitive('double'), Infinity, { nonFinite: 'null' }, null],
    ['variant as text', primitive('variant'), new Variant({ a: 1 }), { variant: 'string' }, '{"a":1}'],
    [
      'variant with large integer as text',
      primitive('variant'),
      new Variant([2n ** 60n]),
      { long: 'auto' },
      ['1152921504606846976'],
    ],
    [
      'map as pairs',
      { kind: 'map', key: primitive('string'), value: primitive('long'), valueContainsNull: true },
      [
        ['a', 1],
        ['a', 2],
      ],
      { map: 'pairs' },
      [
        ['a', 1],
        ['a', 2],
      ],
    ],
    [
      'nulls within a struct left out',
      struct({ a: 'long', b: 'date' }),
      { a: 1, b: null },
      { nulls: 'omit' },
      { a: 1 },
    ],
  ])('%s', (_name, type, value, types, expected) => {
    expect(encoded(type, value, types)).toEqual(expected);
    // The same for this column alone.
    expect(encoded(type, value, { columns: { v: types } })).toEqual(expected);
  });
});

describe('values that are no value of their type', () => {
  const map: DataType = { kind: 'map', key: primitive('string'), value: primitive('long'), valueContainsNull: true };
  test.each<[string, DataType, Value, string]>([
    ['text for a long', primitive('long'), 'x', 'valueUnexpected'],
    ['fraction for an integer', primitive('integer'), 1.5, 'valueUnexpected'],
    ['number for text', primitive('string'), 1, 'valueUnexpected'],
    ['text that is no decimal', decimal(5, 2), 'NaN', 'valueUnexpected'],
    [
      'struct for an array',
      { kind: 'array', element: primitive('long'), containsNull: true },
      { a: 1 },
      'valueUnexpected',
    ],
    ['array for a struct', struct({ a: 'long' }), [1], 'valueUnexpected'],
    ['half a surrogate pair', primitive('string'), '\ud800', 'textMalformed'],
    ['map with a null key', map, [[null, 1]], 'mapKeyNull'],
    [
      'map with a repeated key',
      map,
      [
        ['a', 1],
        ['a', 2],
      ],
      'mapKeyDuplicate',
    ],
    ['map of something else', map, ['a'], 'valueUnexpected'],
    ['variant nested 1000 deep', primitive('variant'), new Variant(nested(1000)), 'nestedTooDeep'],
  ])('%s is rejected', (_name, type, value, code) => {
    expect(encoded(type, value)).toBe(`rejected ${code}`);
  });

  test('a key named __proto__ becomes a field, not a prototype', () => {
    const document = encoded(map, [['__proto__', 1]]) as object;
    expect(JSON.stringify(document)).toBe('{"__proto__":1}');
    expect(Object.getPrototypeOf(document)).toBe(Object.prototype);
  });

  test('one bad row leaves no trace in the next', () => {
    const mapping = mappingOf({ id: 'string', v: 'long' });
    expect(mapped(mapping, { id: null, v: 'x' })).toBe('keyNull');
    expect(mapped(mapping, { id: 'a', v: 1 })).toEqual({ id: 'a', v: 1 });
  });
});

describe('properties', () => {
  test('every 64-bit integer is exact or rejected, and exact under both other policies', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (long) => {
        const safe = BigInt.asIntN(54, long) === long && long !== -(2n ** 53n);
        const value = safe ? Number(long) : long;
        expect(encoded(primitive('long'), value)).toBe(safe ? Number(long) : 'rejected longTooLarge');
        expect(BigInt(encoded(primitive('long'), value, { long: 'string' }) as string)).toBe(long);
        expect(BigInt(encoded(primitive('long'), value, { long: 'auto' }) as string | number)).toBe(long);
      }),
      { seed: 61, numRuns: 300 },
    );
  });

  test('a decimal written as a number is that decimal, to the last digit', () => {
    const digits = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n });
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 38 }), fc.integer({ min: 1, max: 38 }), (large, scale, kept) => {
        const unscaled = large % 10n ** BigInt(kept);
        const text = decimalText(unscaled, scale);
        const result = encoded(decimal(38, scale), text, { decimal: 'number' });
        if (result === 'rejected decimalInexact') expect(kept).toBeGreaterThan(15);
        else expect(exactly(JSON.parse(JSON.stringify(result)) as number)).toEqual(exactly(text));
      }),
      { seed: 62, numRuns: 1000 },
    );
  });

  test('every instant in microseconds comes back from each encoding that takes it', () => {
    const micros = fc.bigInt({ min: -62167219200000000n, max: 253402300799999999n });
    fc.assert(
      fc.property(micros, (instant) => {
        const text = timestampText(instant);
        const iso7 = encoded(primitive('timestamp'), text) as string;
        expect(iso7).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);
        expect(`${iso7.slice(0, -2)}Z`).toBe(text);
        for (const [policy, unit] of [
          ['epochMicros', 1n],
          ['epochMillis', 1000n],
          ['epochSeconds', 1000000n],
        ] as const) {
          const result = encoded(primitive('timestamp'), text, { timestamp: policy });
          const whole = instant % unit === 0n && instant >= -(2n ** 53n) && instant < 2n ** 53n;
          expect(result).toBe(whole ? Number(instant / unit) + 0 : 'rejected timestampInexact');
        }
      }),
      { seed: 63, numRuns: 300 },
    );
  });
});

function nested(depth: number): Variant['json'] {
  let json: Variant['json'] = 1;
  for (let level = 0; level < depth; level++) json = [json];
  return json;
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return unscaled < 0n ? `-${text}` : text;
}

/** A decimal text or a double's shortest text as an exact fraction of a power of ten. */
function exactly(value: string | number): bigint {
  const [mantissa = '', power = '0'] = String(value).split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const exponent = Number(power) - fraction.length + 60;
  return BigInt(`${whole}${fraction}`) * 10n ** BigInt(exponent);
}

function timestampText(micros: bigint): string {
  const rest = ((micros % 1000n) + 1000n) % 1000n;
  const millis = Number((micros - rest) / 1000n);
  return `${new Date(millis).toISOString().slice(0, -1)}${rest.toString().padStart(3, '0')}Z`;
}
