/** The contract with hyparquet: what src/parquet relies on beyond its documentation. A new version must pass this. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  hyparquetDecompress,
  joinByteStreams,
  parseFooter,
  parsePageHeader,
  unpackDelta,
} from '../../src/parquet/hyparquet-internals.ts';
import { thriftExtent } from '../../src/parquet/thrift-extent.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { handMadeFile, int32s, runs } from './hand-made-file.ts';
import { field, primitive } from './random-rows.ts';

function tailOf(bytes: Uint8Array): Uint8Array {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 8, true);
  return bytes.subarray(bytes.length - 8 - length);
}

describe('hyparquet', () => {
  it('is the pinned version', () => {
    const own = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> };
    const installed = JSON.parse(readFileSync('node_modules/hyparquet/package.json', 'utf8')) as { version: string };
    expect(own.dependencies['hyparquet']).toBe('1.31.5');
    expect(own.dependencies['hyparquet-compressors']).toBe('1.1.2');
    expect(installed.version).toBe('1.31.5');
  });

  it('parses a footer into schema elements, row groups and chunks by position', () => {
    const columns = [field('a.b', primitive('timestamp_ntz')), field('s', primitive('string'))];
    const row = { 'a.b': '2024-01-01T00:00:00.000000', s: 'x' };
    const metadata = parseFooter(tailOf(parquetBytes(columns, [row])));
    expect(metadata.num_rows).toBe(1n);
    expect(metadata.schema).toMatchObject([
      { num_children: 2 },
      {
        name: 'a.b',
        type: 'INT64',
        repetition_type: 'OPTIONAL',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' },
      },
      { name: 's', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
    ]);
    const [chunk] = metadata.row_groups[0]!.columns;
    expect(chunk!.meta_data).toMatchObject({ path_in_schema: ['a.b'], type: 'INT64', codec: 'SNAPPY', num_values: 1n });
    expect(typeof chunk!.meta_data!.total_compressed_size).toBe('bigint');
    expect(typeof chunk!.meta_data!.data_page_offset).toBe('bigint');
  });

  it('parses page headers of both versions and tells a header that is not complete', () => {
    const body = Buffer.concat([runs([[2, 1]]), int32s(1, 2)]);
    const bytes = handMadeFile(
      [
        { name: 'root', num_children: 1 },
        { name: 'c', type: 'INT32', repetition_type: 'OPTIONAL' },
      ],
      2,
      [{ path: ['c'], pages: [{ kind: 'v1', values: 2, encoding: 'PLAIN', body, crc: 77 }] }],
    );
    const { header, end } = parsePageHeader(bytes, 4)!;
    expect(header).toMatchObject({
      type: 'DATA_PAGE',
      compressed_page_size: body.length,
      uncompressed_page_size: body.length,
      crc: 77,
      data_page_header: { num_values: 2, encoding: 'PLAIN', definition_level_encoding: 'RLE' },
    });
    expect(Buffer.from(bytes.subarray(end, end + body.length))).toEqual(body);
    for (let length = 4; length < end; length++) expect(parsePageHeader(bytes.subarray(0, length), 4)).toBeUndefined();
  });

  it('unpacks deltas that wrap around, and joins byte streams of any width', () => {
    // Block of 128 in 4 miniblocks, 3 values, first 2^31-1, least delta 1, widths 0: 2147483647, -2147483648, …
    const packed = Uint8Array.of(0x80, 0x01, 4, 3, 0xfe, 0xff, 0xff, 0xff, 0x0f, 2, 0, 0, 0, 0);
    const out = new Int32Array(3);
    expect(unpackDelta(packed, 0, out)).toBe(packed.length);
    expect([...out]).toEqual([2_147_483_647, -2_147_483_648, -2_147_483_647]);
    expect([...joinByteStreams(Uint8Array.of(9, 1, 2, 3, 4, 5, 6), 1, 2, 3)]).toEqual([1, 3, 5, 2, 4, 6]);
    expect(joinByteStreams(Uint8Array.of(), 0, 0, 4)).toHaveLength(0);
  });

  it('decompresses snappy and both LZ4 forms', () => {
    // Length 6, literal "ab", copy of 4 at offset 2.
    expect(Buffer.from(hyparquetDecompress('SNAPPY', Uint8Array.of(6, 4, 97, 98, 1, 2), 6)).toString()).toBe('ababab');
    const block = Uint8Array.of(0x20, 97, 98, 2, 0);
    expect(Buffer.from(hyparquetDecompress('LZ4_RAW', block, 6)).toString()).toBe('ababab');
    const framed = Uint8Array.of(0, 0, 0, 6, 0, 0, 0, block.length, ...block);
    expect(Buffer.from(hyparquetDecompress('LZ4', framed, 6)).toString()).toBe('ababab');
  });
});

describe('metadata is measured before it is parsed', () => {
  it.each([
    ['a list of two billion elements', [0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07]],
    ['a text of two billion bytes', [0x18, 0xff, 0xff, 0xff, 0xff, 0x07]],
  ])('%s is longer than the bytes', (_, bytes) => {
    expect(thriftExtent(Uint8Array.from(bytes), 0)).toBe(-1);
  });

  it('numbers without an end, unknown types and deep nesting throw', () => {
    expect(() => thriftExtent(Uint8Array.from([0x15, ...Array<number>(20).fill(0x80)]), 0)).toThrow('ten bytes');
    expect(() => thriftExtent(Uint8Array.of(0x1b), 0)).toThrow('unknown Thrift type 11');
    expect(() => thriftExtent(new Uint8Array(100).fill(0x1c), 0)).toThrow('too deeply');
  });
});
