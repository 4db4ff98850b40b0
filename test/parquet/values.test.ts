import type { SchemaElement } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import type { DataType } from '../../src/parquet/value-type.ts';
import { byteArrays, int32s, int64s, int96, oneColumn } from './hand-made-file.ts';
import { readBytes } from './memory-source.ts';
import { field, primitive } from './random-rows.ts';

const decimal = (precision: number, scale: number): DataType => ({ kind: 'decimal', precision, scale });

async function read(element: Omit<SchemaElement, 'name'>, body: Uint8Array, values: number, type: DataType) {
  const rows = await readBytes(oneColumn({ name: 'c', ...element }, values, body), { columns: [field('c', type)] });
  return rows.map((row) => row['c']);
}

const micros = (isAdjustedToUTC: boolean, unit: 'MILLIS' | 'MICROS' | 'NANOS') =>
  ({ type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC, unit } }) as const;

describe('decimals', () => {
  it.each([
    ['INT32', int32s(1999, -50, 0, -2147483648), 2, ['19.99', '-0.50', '0.00', '-21474836.48']],
    ['INT32', int32s(5, -5), 0, ['5', '-5']],
    ['INT64', int64s(123456789012345678n, -1n), 4, ['12345678901234.5678', '-0.0001']],
    ['INT64', int64s(-(2n ** 63n), 2n ** 63n - 1n), 18, ['-9.223372036854775808', '9.223372036854775807']],
  ] as const)('of %s are exact text with all digits of the scale', async (type, body, scale, expected) => {
    const element = { type, converted_type: 'DECIMAL', precision: 19, scale } as const;
    expect(await read(element, body, expected.length, decimal(38, scale))).toEqual(expected);
  });

  it('of fixed and variable bytes have up to 38 digits', async () => {
    const biggest = '99999999999999999999999999999999999999';
    const bytes = Buffer.from(BigInt(biggest).toString(16).padStart(32, '0'), 'hex');
    const negative = Buffer.from((2n ** 128n - BigInt(biggest)).toString(16).padStart(32, '0'), 'hex');
    const shape = { converted_type: 'DECIMAL', precision: 38, scale: 2 } as const;
    const expected = [`${biggest.slice(0, -2)}.99`, `-${biggest.slice(0, -2)}.99`];
    const fixed = { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, ...shape } as const;
    expect(await read(fixed, Buffer.concat([bytes, negative]), 2, decimal(38, 2))).toEqual(expected);
    const variable = { type: 'BYTE_ARRAY', ...shape } as const;
    const values = byteArrays(
      bytes,
      negative,
      Uint8Array.of(0xff),
      new Uint8Array(0),
      Uint8Array.of(1, 0, 0, 0, 0, 0, 0),
    );
    expect(await read(variable, values, 5, decimal(38, 2))).toEqual([...expected, '-0.01', '0.00', '2814749767106.56']);
  });

  it('annotated by the logical type only are decimals', async () => {
    const element = { type: 'INT32', logical_type: { type: 'DECIMAL', precision: 9, scale: 2 } } as const;
    expect(await read(element, int32s(1999), 1, decimal(9, 2))).toEqual(['19.99']);
  });

  it('are rescaled upwards, and whole numbers become decimals', async () => {
    const element = { type: 'INT32', converted_type: 'DECIMAL', precision: 5, scale: 1 } as const;
    expect(await read(element, int32s(15, 0, -1), 3, decimal(12, 4))).toEqual(['1.5000', '0.0000', '-0.1000']);
    expect(await read({ type: 'INT32' }, int32s(-7), 1, decimal(12, 2))).toEqual(['-7.00']);
    expect(await read({ type: 'INT64' }, int64s(10n ** 18n), 1, decimal(22, 1))).toEqual([`${10n ** 18n}.0`]);
  });

  it('that would lose digits are refused by name', async () => {
    const element = { type: 'INT32', converted_type: 'DECIMAL', precision: 9, scale: 4 } as const;
    await expect(read(element, int32s(1), 1, decimal(9, 2))).rejects.toMatchObject({ code: 'unsupportedFeature' });
    await expect(read({ type: 'INT32' }, int32s(100), 1, decimal(3, 1))).rejects.toMatchObject({
      code: 'dataFileDamaged',
      message: expect.stringContaining('Column c of Parquet file') as string,
    });
  });
});

describe('timestamps', () => {
  const end = 253_402_300_799_999_999n;

  it.each([
    [
      'MICROS',
      [0n, -1n, end, 2n ** 63n - 1n, -(2n ** 63n)],
      [
        '1970-01-01T00:00:00.000000Z',
        '1969-12-31T23:59:59.999999Z',
        '9999-12-31T23:59:59.999999Z',
        '+294247-01-10T04:00:54.775807Z',
        '-290308-12-21T19:59:05.224192Z',
      ],
    ],
    [
      'MILLIS',
      [0n, -1n, 253_402_300_799_999n, 2n ** 63n - 1n],
      [
        '1970-01-01T00:00:00.000000Z',
        '1969-12-31T23:59:59.999000Z',
        '9999-12-31T23:59:59.999000Z',
        '+292278994-08-17T07:12:55.807000Z',
      ],
    ],
    [
      'NANOS',
      [0n, -1n, 10_413_792_000_000_999_000n - 10_000_000_000_000_000_000n],
      ['1970-01-01T00:00:00.000000Z', '1969-12-31T23:59:59.999999Z', '1983-02-11T06:13:20.000999Z'],
    ],
  ] as const)('of INT64 %s keep microseconds, downwards, in any year', async (unit, values, expected) => {
    const body = int64s(...values);
    expect(await read(micros(true, unit), body, values.length, primitive('timestamp'))).toEqual(expected);
    const local = expected.map((text) => text.slice(0, -1));
    expect(await read(micros(false, unit), body, values.length, primitive('timestamp_ntz'))).toEqual(local);
  });

  it('of INT96 keep microseconds in any year, year 9999 included', async () => {
    const body = Buffer.concat([
      int96(0n, 2_440_588),
      int96(86_399_999_999_999n, 5_373_484),
      int96(1_999n, 0),
      // More than a day, and less than nothing.
      int96(86_400_000_001_000n, 2_440_588),
      int96(-1n, 2_440_588),
    ]);
    expect(await read({ type: 'INT96' }, body, 5, primitive('timestamp'))).toEqual([
      '1970-01-01T00:00:00.000000Z',
      '9999-12-31T23:59:59.999999Z',
      '-004713-11-24T00:00:00.000001Z',
      '1970-01-02T00:00:00.000001Z',
      '1969-12-31T23:59:59.999999Z',
    ]);
  });

  it('of dates are midnights without a zone', async () => {
    const element = { type: 'INT32', converted_type: 'DATE' } as const;
    const body = int32s(0, -1, 19_782);
    expect(await read(element, body, 3, primitive('timestamp_ntz'))).toEqual([
      '1970-01-01T00:00:00.000000',
      '1969-12-31T00:00:00.000000',
      '2024-02-29T00:00:00.000000',
    ]);
    expect(await read(element, body, 3, primitive('date'))).toEqual(['1970-01-01', '1969-12-31', '2024-02-29']);
  });

  it('of dates annotated by the logical type only are dates, times of day are refused', async () => {
    const date = { type: 'INT32', logical_type: { type: 'DATE' } } as const;
    expect(await read(date, int32s(1), 1, primitive('date'))).toEqual(['1970-01-02']);
    const time = { type: 'INT32', converted_type: 'TIME_MILLIS' } as const;
    for (const type of ['long', 'integer', 'string', 'timestamp'] as const) {
      await expect(read(time, int32s(1), 1, primitive(type))).rejects.toMatchObject({ code: 'unsupportedFeature' });
    }
  });

  it('agree with the platform for every day of 800 years', async () => {
    const days = Array.from({ length: 292_194 }, (_, i) => i - 146_097);
    const element = { type: 'INT32', converted_type: 'DATE' } as const;
    const dates = await read(element, new Uint8Array(Int32Array.from(days).buffer), days.length, primitive('date'));
    const expected = days.map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10));
    expect(dates.every((date, i) => date === expected[i])).toBe(true);
  });
});

describe('numbers', () => {
  it('longs are numbers while safe and bigint beyond', async () => {
    const values = [2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n) + 1n, -(2n ** 53n), 2n ** 63n - 1n];
    expect(await read({ type: 'INT64' }, int64s(...values), 5, primitive('long'))).toEqual([
      Number.MAX_SAFE_INTEGER,
      2n ** 53n,
      Number.MIN_SAFE_INTEGER,
      -(2n ** 53n),
      2n ** 63n - 1n,
    ]);
  });

  it('unsigned integers keep their value or are refused', async () => {
    const unsigned32 = { type: 'INT32', converted_type: 'UINT_32' } as const;
    const unsigned64 = { type: 'INT64', converted_type: 'UINT_64' } as const;
    expect(await read(unsigned32, int32s(-1), 1, primitive('long'))).toEqual([4_294_967_295]);
    expect(await read(unsigned64, int64s(-1n), 1, primitive('long'))).toEqual([2n ** 64n - 1n]);
    await expect(read(unsigned32, int32s(-1), 1, primitive('integer'))).rejects.toMatchObject({
      code: 'unsupportedFeature',
    });
  });

  it.each([
    ['integer', 'byte'],
    ['integer', 'short'],
    ['integer', 'long'],
    ['integer', 'double'],
  ] as const)('%s values are read as %s exactly', async (_, target) => {
    expect(await read({ type: 'INT32' }, int32s(-3, 100), 2, primitive(target))).toEqual([-3, 100]);
  });

  it('floats are the exact double, halves too', async () => {
    const body = new Uint8Array(Float32Array.of(3.14, Number.NaN, Number.NEGATIVE_INFINITY, -0).buffer);
    const expected = [Math.fround(3.14), Number.NaN, Number.NEGATIVE_INFINITY, -0];
    expect(await read({ type: 'FLOAT' }, body, 4, primitive('float'))).toEqual(expected);
    expect(await read({ type: 'FLOAT' }, body, 4, primitive('double'))).toEqual(expected);
    const half = { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2, logical_type: { type: 'FLOAT16' } } as const;
    const halves = Uint8Array.of(0x00, 0x3c, 0x01, 0x00, 0x00, 0xfc, 0x00, 0x7e);
    expect(await read(half, halves, 4, primitive('float'))).toEqual([
      1,
      2 ** -24,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
  });

  it.each([
    ['INT64', 'integer'],
    ['INT64', 'double'],
    ['DOUBLE', 'float'],
    ['INT64', 'timestamp'],
    ['BYTE_ARRAY', 'long'],
    ['INT32', 'string'],
    ['INT32', 'boolean'],
  ] as const)('%s is refused as %s, with the column and the path', async (type, target) => {
    const reading = read({ type }, new Uint8Array(16), 1, primitive(target));
    await expect(reading).rejects.toMatchObject({ code: 'unsupportedFeature', class: 'refused' });
    await expect(reading).rejects.toThrow(/Column c of Parquet file part-0\.parquet .*as /);
  });
});

describe('bytes', () => {
  it('strings keep a byte-order mark, binary stays bytes', async () => {
    const body = byteArrays('\uFEFFx', 'größe 🎁', '');
    const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
    expect(await read(text, body, 3, primitive('string'))).toEqual(['\uFEFFx', 'größe 🎁', '']);
    const bytes = byteArrays(Uint8Array.of(0xff, 0x00), Uint8Array.of());
    expect(await read({ type: 'BYTE_ARRAY' }, bytes, 2, primitive('binary'))).toEqual([
      Uint8Array.of(0xff, 0),
      Uint8Array.of(),
    ]);
    const json = { type: 'BYTE_ARRAY', converted_type: 'JSON' } as const;
    expect(await read(json, byteArrays('{"n": 1.50}'), 1, primitive('string'))).toEqual(['{"n": 1.50}']);
  });

  it('that are not UTF-8 are damage, not question marks', async () => {
    const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
    for (const length of [2, 200]) {
      const body = byteArrays('ok', Buffer.alloc(length, 0xc3));
      await expect(read(text, body, 2, primitive('string'))).rejects.toMatchObject({ code: 'dataFileDamaged' });
    }
    // Valid only together with its neighbour.
    const split = byteArrays(Uint8Array.of(0xc3), Uint8Array.of(0xa4));
    await expect(read(text, split, 2, primitive('string'))).rejects.toMatchObject({ code: 'dataFileDamaged' });
  });

  it.each(['INTERVAL', 'BSON'] as const)('%s is refused as text and read as binary', async (converted_type) => {
    const type = converted_type === 'INTERVAL' ? 'FIXED_LEN_BYTE_ARRAY' : 'BYTE_ARRAY';
    const element = { type, converted_type, ...(type === 'BYTE_ARRAY' ? {} : { type_length: 12 }) } as const;
    const body = type === 'BYTE_ARRAY' ? byteArrays('x') : new Uint8Array(12);
    await expect(read(element, body, 1, primitive('string'))).rejects.toMatchObject({ code: 'unsupportedFeature' });
    expect((await read(element, body, 1, primitive('binary')))[0]).toBeInstanceOf(Uint8Array);
  });
});
