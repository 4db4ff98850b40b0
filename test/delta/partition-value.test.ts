import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePartitionValue, rescaleDecimal } from '../../src/delta/partition-value.ts';
import { parsePrimitive } from '../../src/delta/schema-json.ts';
import { partitionText } from '../support/writer-columns.ts';

const parse = (text: string | null, type: string) => parsePartitionValue(text, parsePrimitive(type), 'p');

describe('partition values', () => {
  it.each([
    ['true', 'boolean', true],
    ['False', 'boolean', false],
    ['-128', 'byte', -128],
    ['32767', 'short', 32767],
    ['+7', 'integer', 7],
    ['9223372036854775807', 'long', 9223372036854775807n],
    ['-9007199254740991', 'long', -9007199254740991],
    ['3.4', 'float', Math.fround(3.4)],
    ['1.0E10', 'double', 1e10],
    ['NaN', 'double', NaN],
    ['-Infinity', 'float', -Infinity],
    ['-12.3', 'decimal(20,4)', '-12.3000'],
    ['1E+2', 'decimal(10,0)', '100'],
    ['0E-18', 'decimal(38,18)', '0.000000000000000000'],
    ['2024-02-29', 'date', '2024-02-29'],
    ['2024-02-29 23:59:59.999999', 'timestamp', '2024-02-29T23:59:59.999999Z'],
    ['2024-02-29 23:59:59', 'timestamp_ntz', '2024-02-29T23:59:59.000000'],
    ['2024-02-29T23:59:59.5Z', 'timestamp', '2024-02-29T23:59:59.500000Z'],
    ['2024-02-29T23:59:59.123456+02:00', 'timestamp', '2024-02-29T21:59:59.123456Z'],
    ['2024-03-01 00:30:00-0130', 'timestamp', '2024-03-01T02:00:00.000000Z'],
    ['0001-01-01 00:00:00', 'timestamp_ntz', '0001-01-01T00:00:00.000000'],
    [' text ', 'string', ' text '],
    ['null', 'string', 'null'],
    ['__HIVE_DEFAULT_PARTITION__', 'string', '__HIVE_DEFAULT_PARTITION__'],
    ['\u0001\u0002abc', 'binary', Uint8Array.of(1, 2, 97, 98, 99)],
    ['ü', 'binary', Uint8Array.of(0xc3, 0xbc)],
    ['Hi😈', 'binary', new TextEncoder().encode('Hi😈')],
    ['\\u0001\\u00FF', 'binary', Uint8Array.of(1, 255)],
    ['-0.0', 'double', -0],
    ['-0', 'float', -0],
    ['3.4028235E38', 'float', Math.fround(3.4028235e38)],
    [`-17976931348623157${'0'.repeat(292)}`, 'double', -Number.MAX_VALUE],
    [`0.${'0'.repeat(307)}22250738585072014`, 'double', 2.2250738585072014e-308],
    ['inf', 'double', Infinity],
    ['2024-02-29T23:59:59', 'timestamp_ntz', '2024-02-29T23:59:59.000000'],
    ['2024-02-29', 'timestamp', '2024-02-29T00:00:00.000000Z'],
    ['2024-02-29 23:59:59.1234560', 'timestamp', '2024-02-29T23:59:59.123456Z'],
    ['2024-02-29 23:59:59+00', 'timestamp', '2024-02-29T23:59:59.000000Z'],
    ['2024-02-29T00:00:00', 'date', '2024-02-29'],
    ['2024-2-9', 'date', '2024-02-09'],
  ])('%.60j as %s', (text, type, value) => {
    expect(parse(text, type)).toEqual(value);
  });

  it.each(['string', 'long', 'date', 'timestamp', 'binary', 'decimal(5,2)'])(
    'no or empty text is null as %s',
    (type) => {
      expect(parse(null, type)).toBeNull();
      expect(parse('', type)).toBeNull();
      expect(parsePartitionValue(undefined, parsePrimitive(type), 'p')).toBeNull();
    },
  );

  it.each([
    ['128', 'byte'],
    ['1.0', 'integer'],
    ['9223372036854775808', 'long'],
    ['yes', 'boolean'],
    ['2023-02-29', 'date'],
    ['2024-01-01 12:00:00', 'date'],
    ['2024-01-01 24:00:00', 'timestamp'],
    ['2024-01-01 00:00:00.1234567', 'timestamp'],
    ['2024-01-01T00:00:00+01:00', 'timestamp_ntz'],
    ['1.005', 'decimal(10,2)'],
    ['1000', 'decimal(3,0)'],
    ['abc', 'double'],
    ['\ufffd', 'binary'],
    ['1'.repeat(1_000_000) + 'x', 'double'],
    ['9'.repeat(1_000_000), 'decimal(38,0)'],
  ])('%.30j is no %s', (text, type) => {
    expect(() => parse(text, type)).toThrow(/A partition value of the column "p" is not a valid/);
  });

  it('gives back every value of every type that the writer writes', () => {
    const pad = (value: number, width: number): string => String(value).padStart(width, '0');
    const days = fc
      .integer({ min: -719_528, max: 2_932_896 })
      .map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10));
    const times = fc
      .tuple(days, fc.nat(23), fc.nat(59), fc.nat(59), fc.nat(999_999))
      .map(([day, h, m, s, us]) => `${day}T${pad(h, 2)}:${pad(m, 2)}:${pad(s, 2)}.${pad(us, 6)}`);
    const typed = fc.oneof(
      fc.integer({ min: -128, max: 127 }).map((value) => ['byte', value] as const),
      fc.integer().map((value) => ['integer', value] as const),
      fc
        .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
        .map((value) => ['long', Number.isSafeInteger(Number(value)) ? Number(value) : value] as const),
      fc.double().map((value) => ['double', Object.is(value, -0) ? 0 : value] as const),
      fc.boolean().map((value) => ['boolean', value] as const),
      fc.string({ minLength: 1 }).map((value) => ['string', value] as const),
      fc.string({ unit: 'binary', minLength: 1 }).map((text) => ['binary', new TextEncoder().encode(text)] as const),
      days.map((value) => ['date', value] as const),
      times.map((value) => ['timestamp_ntz', value] as const),
      times.map((value) => ['timestamp', `${value}Z`] as const),
    );
    fc.assert(
      fc.property(typed, ([name, value]) => {
        const type = parsePrimitive(name);
        expect(parsePartitionValue(partitionText(value, type), type, 'p')).toEqual(value);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe('decimal text', () => {
  it('is rescaled without losing a digit, or refused', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }),
        fc.nat(38),
        fc.nat(38),
        fc.boolean(),
        (unscaled, scale, target, plain) => {
          const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
          const whole = digits.slice(0, digits.length - scale);
          const sign = unscaled < 0n ? '-' : '';
          const text = plain
            ? `${sign}${whole}${scale === 0 ? '' : `.${digits.slice(digits.length - scale)}`}`
            : `${unscaled}E-${scale}`;
          const result = rescaleDecimal(text, 38, target);
          const scaled = unscaled * 10n ** BigInt(target);
          const fits =
            scaled % 10n ** BigInt(scale) === 0n && String(scaled / 10n ** BigInt(scale)).replace('-', '').length <= 38;
          expect(result === undefined).toBe(!fits);
          if (result === undefined) return;
          expect(BigInt(result.replace('.', ''))).toBe(scaled / 10n ** BigInt(scale));
          expect(result.split('.')[1]?.length ?? 0).toBe(target);
          expect(result).toMatch(/^-?(0|[1-9]\d*)(\.\d+)?$/);
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });
});
