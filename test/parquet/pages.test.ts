import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { byteArrays, handMadeFile, int32s, oneColumn, runs, type HandMadePage } from './hand-made-file.ts';
import { readBytes } from './memory-source.ts';
import { field, primitive } from './random-rows.ts';

const columns = [field('c', primitive('integer'))];
const root = { name: 'root', num_children: 1 };
const optional: SchemaElement[] = [root, { name: 'c', type: 'INT32', repetition_type: 'OPTIONAL' }];
const required: SchemaElement[] = [root, { name: 'c', type: 'INT32', repetition_type: 'REQUIRED' }];

const plain = (...numbers: readonly number[]): HandMadePage => ({
  kind: 'v1',
  values: numbers.length,
  encoding: 'PLAIN',
  body: int32s(...numbers),
});
const damaged = (text: string) => ({ code: 'dataFileDamaged', message: expect.stringContaining(text) as string });

async function read(schema: SchemaElement[], rows: number, pages: readonly HandMadePage[], codec?: string) {
  const bytes = handMadeFile(schema, rows, [{ path: ['c'], pages, ...(codec === undefined ? {} : { codec }) }]);
  return (await readBytes(bytes, { columns })).map((row) => row['c']);
}

describe('pages', () => {
  it('V1 with a dictionary, then without, then of nulls only', async () => {
    const pages: HandMadePage[] = [
      { kind: 'dictionary', values: 2, encoding: 'PLAIN_DICTIONARY', body: int32s(70, 80) },
      {
        kind: 'v1',
        values: 3,
        encoding: 'PLAIN_DICTIONARY',
        body: Buffer.concat([
          runs([[3, 1]]),
          Uint8Array.of(1),
          runs(
            [
              [1, 1],
              [2, 0],
            ],
            true,
          ),
        ]),
      },
      { ...plain(90), body: Buffer.concat([runs([[1, 1]]), int32s(90)]) },
      { kind: 'v1', values: 2, encoding: 'PLAIN_DICTIONARY', body: runs([[2, 0]]) },
    ];
    expect(await read(optional, 6, pages)).toEqual([80, 70, 70, 90, null, null]);
  });

  it('V2 of nulls only whose compressed values are left out', async () => {
    for (const codec of ['SNAPPY', 'ZSTD', 'GZIP', 'LZ4_RAW', 'BROTLI', 'LZ4']) {
      const body = runs([[2, 0]], true);
      const levels = { repetition: 0, definition: body.length, nulls: 2 };
      const pages: HandMadePage[] = [{ kind: 'v2', values: 2, encoding: 'PLAIN', body, levels }];
      expect(await read(optional, 2, pages, codec)).toEqual([null, null]);
    }
  });

  it('V2 with compressed values behind plain levels', async () => {
    const values = zstdCompressSync(int32s(1, 2, 3));
    const body = Buffer.concat([
      runs(
        [
          [3, 1],
          [1, 0],
        ],
        true,
      ),
      values,
    ]);
    const definition = body.length - values.length;
    const uncompressed = definition + 12;
    const levels = { repetition: 0, definition, nulls: 1 };
    const pages: HandMadePage[] = [{ kind: 'v2', values: 4, encoding: 'PLAIN', body, uncompressed, levels }];
    expect(await read(optional, 4, pages, 'ZSTD')).toEqual([1, 2, 3, null]);
  });

  it('of another kind, and without values, are passed over', async () => {
    expect(await read(required, 2, [plain(1), plain(), plain(2)])).toEqual([1, 2]);
  });

  it('are checked against their checksum where they have one', async () => {
    expect(await read(required, 2, [{ ...plain(1, 2), crc: true }])).toEqual([1, 2]);
    await expect(read(required, 2, [{ ...plain(1, 2), crc: 12_345 }])).rejects.toMatchObject(damaged('checksum'));
  });

  it('of fewer or more values than the row group are damage', async () => {
    await expect(read(required, 3, [plain(1, 2)])).rejects.toMatchObject(damaged('ends before its row group'));
    await expect(read(required, 3, [{ ...plain(1, 2), values: 3 }])).rejects.toMatchObject(damaged('Column c'));
  });

  it('whose sizes cannot be true are refused before memory is taken', async () => {
    const huge = 2 ** 31 - 1;
    const cases: [HandMadePage, string, string][] = [
      [{ ...plain(1), uncompressed: huge }, 'UNCOMPRESSED', 'more than'],
      [{ ...plain(1), uncompressed: -5 }, 'UNCOMPRESSED', '-5 bytes'],
      [{ ...plain(1), uncompressed: 2 ** 27 }, 'SNAPPY', 'snappy'],
      [{ ...plain(1), uncompressed: 2 ** 27 }, 'LZ4_RAW', 'LZ4'],
      [{ ...plain(1), uncompressed: 100 }, 'UNCOMPRESSED', 'instead of 100'],
      [{ ...plain(1), body: gzipSync(Buffer.alloc(1 << 20)), uncompressed: 4 }, 'GZIP', 'Column c'],
      [{ ...plain(1), body: zstdCompressSync(Buffer.alloc(1 << 20)), uncompressed: 4 }, 'ZSTD', 'Column c'],
      [{ kind: 'dictionary', values: huge, encoding: 'PLAIN', body: int32s(1) }, 'UNCOMPRESSED', 'dictionary'],
      [{ ...plain(1), values: huge, encoding: 'DELTA_BINARY_PACKED' }, 'UNCOMPRESSED', 'delta'],
      [{ ...plain(1), values: -1 }, 'UNCOMPRESSED', 'value count'],
    ];
    for (const [page, codec, message] of cases) {
      await expect(read(required, 1, [page], codec)).rejects.toMatchObject(damaged(message));
    }
  });

  it('with indexes beyond the dictionary, or no dictionary, are damage', async () => {
    const page: HandMadePage = {
      kind: 'v1',
      values: 1,
      encoding: 'RLE_DICTIONARY',
      body: Buffer.concat([Uint8Array.of(3), runs([[1, 5]], true)]),
    };
    const dictionary: HandMadePage = { kind: 'dictionary', values: 1, encoding: 'PLAIN', body: int32s(1) };
    await expect(read(required, 1, [dictionary, page])).rejects.toMatchObject(damaged('beyond its dictionary'));
    await expect(read(required, 1, [page])).rejects.toMatchObject(damaged('dictionary'));
  });

  it('that promise billions of nulls take no memory for them', async () => {
    const count = 2_000_000_000;
    const pages: HandMadePage[] = [{ ...plain(), values: count, body: runs([[count, 0]]) }];
    const bytes = handMadeFile(optional, count, [{ path: ['c'], pages }]);
    const rowRange = { start: count - 3, end: count - 1 };
    const before = process.memoryUsage().arrayBuffers;
    expect(await readBytes(bytes, { columns, rowRange: { start: 0, end: 2 } })).toEqual([{ c: null }, { c: null }]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 24);
    expect(rowRange.end).toBeLessThan(count);
  });

  it('in codecs and encodings that nobody writes are refused by name', async () => {
    await expect(read(required, 1, [plain(1)], 'LZO')).rejects.toMatchObject({
      code: 'unsupportedFeature',
      message: expect.stringContaining('LZO') as string,
    });
    const packed: HandMadePage = { ...plain(1), body: Buffer.concat([runs([[1, 1]]), int32s(1)]) };
    await expect(read(optional, 1, [{ ...packed, levelEncoding: 'BIT_PACKED' }])).rejects.toMatchObject(
      damaged('BIT_PACKED'),
    );
  });

  it('with a column of the logical type UNKNOWN are nulls', async () => {
    const element = { name: 'c', type: 'INT32', logical_type: { type: 'NULL' } } as const;
    expect(await readBytes(oneColumn(element, 1, int32s(1)), { columns })).toEqual([{ c: null }]);
  });

  it('of strings with long values between short ones', async () => {
    const values = ['a', 'b'.repeat(128), 'ä'.repeat(4000), '', 'c'.repeat(127), 'd'.repeat(9000), '🎁'];
    const bytes = oneColumn({ name: 'c', type: 'BYTE_ARRAY', converted_type: 'UTF8' }, 7, byteArrays(...values));
    const rows = await readBytes(bytes, { columns: [field('c', primitive('string'))] });
    expect(rows.map((row) => row['c'])).toEqual(values);
  });
});
