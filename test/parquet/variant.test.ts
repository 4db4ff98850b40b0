import * as fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { Variant, type VariantJson } from '../../src/parquet/value-type.ts';
import { decodeVariant } from '../../src/parquet/variant.ts';
import { readBytes } from './memory-source.ts';
import { field, primitive } from './random-rows.ts';

const noNames = Uint8Array.of(0x01, 0, 0);

/** A primitive of the given type with its little-endian bytes. */
function decodePrimitive(type: number, ...bytes: readonly number[]): VariantJson {
  return decodeVariant(noNames, Uint8Array.of(type << 2, ...bytes)).json;
}

function int64(value: bigint): number[] {
  return [...new Uint8Array(BigInt64Array.of(value).buffer)];
}

const json = fc.jsonValue({ maxDepth: 4, noUnicodeString: false }) as fc.Arbitrary<VariantJson>;

describe('variants', () => {
  it('are the JSON that was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(json, { maxLength: 10 }), async (values) => {
        const bytes = parquetWriteBuffer({ columnData: [{ name: 'v', data: values, type: 'VARIANT' }] });
        const rows = await readBytes(new Uint8Array(bytes), { columns: [field('v', primitive('variant'))] });
        const read = rows.map((row) => (row['v'] instanceof Variant ? sorted(row['v'].json) : row['v']));
        expect(JSON.stringify(read)).toBe(JSON.stringify(values.map(sorted)));
      }),
      { seed: 45, numRuns: 100 },
    );
  });

  it.each([
    ['null', 0, [], null],
    ['true', 1, [], true],
    ['false', 2, [], false],
    ['int8', 3, [0xff], -1],
    ['int16', 4, [0, 0x80], -32_768],
    ['int32', 5, [1, 0, 0, 0x80], -2_147_483_647],
    ['int64', 6, int64(2n ** 53n), 2n ** 53n],
    ['double', 7, [...new Uint8Array(Float64Array.of(0.1).buffer)], 0.1],
    ['decimal4', 8, [2, 0xcf, 0x07, 0, 0], 19.99],
    ['decimal8', 9, [0, ...int64(-5n)], -5],
    ['decimal16 beyond a double', 10, [4, ...int64(1234567890123456789n), ...int64(0n)], '123456789012345.6789'],
    ['decimal with zeros', 8, [2, 0x88, 0x13, 0, 0], 50],
    ['date', 11, [0xff, 0xff, 0xff, 0xff], '1969-12-31'],
    ['timestamp', 12, int64(-1n), '1969-12-31T23:59:59.999999Z'],
    ['timestamp without zone', 13, int64(0n), '1970-01-01T00:00:00.000000'],
    ['float', 14, [...new Uint8Array(Float32Array.of(3.14).buffer)], Math.fround(3.14)],
    ['binary', 15, [2, 0, 0, 0, 0xff, 0], '/wA='],
    ['string', 16, [3, 0, 0, 0, 0xc3, 0xa4, 0x21], 'ä!'],
    ['time', 17, int64(86_399_999_999n), '23:59:59.999999'],
    ['timestamp in nanoseconds', 18, int64(-1n), '1969-12-31T23:59:59.999999999Z'],
    ['nanoseconds without zone', 19, int64(1n), '1970-01-01T00:00:00.000000001'],
    ['uuid', 20, Array.from({ length: 16 }, (_, i) => i), '00010203-0405-0607-0809-0a0b0c0d0e0f'],
  ] as const)('hold %s', (_, type, bytes, expected) => {
    expect(decodePrimitive(type, ...bytes)).toBe(expected);
  });

  it('keep a field named __proto__', () => {
    const names = Uint8Array.of(0x01, 1, 0, 9, ...Buffer.from('__proto__'));
    const object = Uint8Array.of(2, 1, 0, 0, 1, 0x04);
    expect(Object.entries(decodeVariant(names, object).json as object)).toEqual([['__proto__', true]]);
  });

  it.each([
    ['of another version', [0x02, 0, 0], [0]],
    ['without a value', [0x01, 0, 0], []],
    ['of an unknown type', [0x01, 0, 0], [0x7c]],
    ['with a field of no name', [0x01, 0, 0], [2, 1, 0, 0, 1, 4]],
    ['of four billion elements', [0x01, 0, 0], [0x13, 0xff, 0xff, 0xff, 0xff]],
    ['of four billion names', [0xc1, 0xff, 0xff, 0xff, 0xff], [0]],
    ['that ends early', [0x01, 0, 0], [6 << 2, 1]],
    ['that holds itself', [0x01, 0, 0], [3, 1, 0xfc, 0]],
  ])('%s are damage', (_, names, value) => {
    expect(() => decodeVariant(Uint8Array.from(names), Uint8Array.from(value))).toThrow();
  });

  it('that are shredded are refused by name', async () => {
    const columnData = [{ name: 'v', data: [{ a: 1 }], type: 'VARIANT' as const, shredding: { a: 'INT32' as const } }];
    const bytes = new Uint8Array(parquetWriteBuffer({ columnData }));
    await expect(readBytes(bytes, { columns: [field('v', primitive('variant'))] })).rejects.toMatchObject({
      code: 'unsupportedFeature',
      message: expect.stringContaining('shredded variant') as string,
    });
  });
});

/** The order of an object's fields means nothing. */
function sorted(value: VariantJson): VariantJson {
  if (Array.isArray(value)) return (value as readonly VariantJson[]).map(sorted);
  if (value === null || typeof value !== 'object') return Object.is(value, -0) ? 0 : value;
  const entries = Object.entries(value).map(([name, item]): [string, VariantJson] => [name, sorted(item)]);
  return Object.fromEntries(entries.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}
