import { inspect, isDeepStrictEqual } from 'node:util';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import type { Encoding } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { openParquet } from '../../src/parquet/parquet-file.ts';
import { readRowBatches } from '../../src/parquet/row-reader.ts';
import type { Row, StructField } from '../../src/parquet/value-type.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { collect, memorySource, openBytes, readBytes } from './memory-source.ts';
import { anyType, field, primitive, rowOf } from './random-rows.ts';

const table = fc
  .uniqueArray(fc.tuple(fc.constantFrom('a', 'b.c', '__proto__', 'd'), anyType), {
    minLength: 1,
    maxLength: 3,
    selector: ([name]) => name,
  })
  .chain((columns) => {
    const fields = columns.map(([name, type]) => field(name, type));
    return fc.array(rowOf(fields), { maxLength: 40 }).map((rows) => ({ fields, rows }));
  });

const layout = fc.record({
  rowGroupRows: fc.integer({ min: 1, max: 50 }),
  pageBytes: fc.integer({ min: 1, max: 400 }),
});

const numbers: readonly StructField[] = [field('n', primitive('long')), field('s', primitive('string'))];
const numberRows = (count: number): Row[] =>
  Array.from({ length: count }, (_, n) => ({ n, s: n % 7 === 0 ? null : `text ${n}` }));

describe('rows of a file', () => {
  it('are what was written, for every type, nesting and null, in any layout', async () => {
    await fc.assert(
      fc.asyncProperty(table, layout, async ({ fields, rows }, { rowGroupRows, pageBytes }) => {
        const bytes = parquetBytes(fields, rows, { rowGroupRows, pageBytes });
        const read = await readBytes(bytes, { columns: fields });
        expect(isDeepStrictEqual(read, rows), inspect({ read, rows }, { depth: 9 })).toBe(true);
      }),
      { seed: 41, numRuns: 300 },
    );
  });

  it('are the same for any division into row ranges, batches and windows', async () => {
    const cut = fc.uniqueArray(fc.nat({ max: 40 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        table,
        layout,
        cut,
        fc.integer({ min: 1, max: 9 }),
        async ({ fields, rows }, { rowGroupRows, pageBytes }, cuts, batchRows) => {
          const file = await openBytes(parquetBytes(fields, rows, { rowGroupRows, pageBytes }));
          const edges = [0, ...cuts.filter((at) => at < rows.length).toSorted((a, b) => a - b), rows.length];
          const read: Row[] = [];
          for (const [i, start] of edges.slice(0, -1).entries()) {
            const rowRange = { start, end: edges[i + 1]! };
            read.push(...(await collect(file, { columns: fields, rowRange, batchRows, windowBytes: 1 })));
          }
          expect(isDeepStrictEqual(read, rows), inspect({ read, rows }, { depth: 9 })).toBe(true);
        },
      ),
      { seed: 42, numRuns: 200 },
    );
  });

  it('are the same for any columns of them', async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.infiniteStream(fc.boolean()), async ({ fields, rows }, wanted) => {
        const columns = fields.filter(() => wanted.next().value);
        const read = await readBytes(parquetBytes(fields, rows), { columns });
        const expected = rows.map((row) => Object.fromEntries(columns.map(({ name }) => [name, row[name]!])));
        expect(isDeepStrictEqual(read, expected), inspect({ read, expected }, { depth: 9 })).toBe(true);
      }),
      { seed: 43, numRuns: 50 },
    );
  });

  const encodings: [Encoding, string][] = [
    ['PLAIN', 'string'],
    ['PLAIN', 'double'],
    ['PLAIN', 'boolean'],
    ['RLE_DICTIONARY', 'string'],
    ['RLE_DICTIONARY', 'long'],
    ['RLE', 'boolean'],
    ['DELTA_BINARY_PACKED', 'integer'],
    ['DELTA_BINARY_PACKED', 'long'],
    ['DELTA_BINARY_PACKED', 'timestamp'],
    ['DELTA_LENGTH_BYTE_ARRAY', 'string'],
    ['DELTA_LENGTH_BYTE_ARRAY', 'binary'],
    ['DELTA_BYTE_ARRAY', 'string'],
    ['BYTE_STREAM_SPLIT', 'float'],
    ['BYTE_STREAM_SPLIT', 'double'],
    ['BYTE_STREAM_SPLIT', 'integer'],
    ['BYTE_STREAM_SPLIT', 'long'],
  ];
  it.each(encodings)('encoded as %s: %s', async (encoding, type) => {
    const fields = [field('c', primitive(type as 'string'))];
    await fc.assert(
      fc.asyncProperty(
        fc.array(rowOf(fields), { maxLength: 300 }),
        fc.integer({ min: 8, max: 2000 }),
        async (rows, pageBytes) => {
          const bytes = parquetBytes(fields, rows, { encoding: () => encoding, pageBytes });
          const read = await readBytes(bytes, { columns: fields });
          expect(isDeepStrictEqual(read, rows), inspect({ read, rows }, { depth: 9 })).toBe(true);
        },
      ),
      { seed: 44, numRuns: 25 },
    );
  });

  const codecs = {
    UNCOMPRESSED: (bytes: Uint8Array) => bytes,
    GZIP: (bytes: Uint8Array) => gzipSync(bytes),
    ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes),
    BROTLI: (bytes: Uint8Array) => brotliCompressSync(bytes),
    LZ4_RAW: lz4Literals,
    LZ4: (bytes: Uint8Array) => hadoopFrames(bytes, lz4Literals),
  };
  it.each(Object.keys(codecs) as (keyof typeof codecs)[])('compressed with %s', async (codec) => {
    const rows = numberRows(2000);
    const bytes = parquetBytes(numbers, rows, { codec, compress: codecs[codec], pageBytes: 3000 });
    const read = await readBytes(bytes, { columns: numbers });
    expect(isDeepStrictEqual(read, rows), inspect({ read, rows }, { depth: 9 })).toBe(true);
  });
});

describe('reading', () => {
  it('starts nothing before the first batch is asked for, and stops reading when the caller stops', async () => {
    const source = memorySource(parquetBytes(numbers, numberRows(50_000), { rowGroupRows: 5000 }));
    const file = await openParquet(source);
    const opened = source.reads.length;
    const batches = readRowBatches(file, { columns: numbers });
    expect(source.reads).toHaveLength(opened);
    for await (const batch of batches) if (batch.firstRow > 0) break;
    // The row group in use and the one after it.
    const last = Math.max(...source.reads.slice(opened).map(({ end }) => end));
    expect(last).toBeLessThanOrEqual(file.rowGroups[1]!.endByte);
  });

  it('reads each needed byte once, and small neighbours together', async () => {
    const source = memorySource(parquetBytes(numbers, numberRows(50_000), { rowGroupRows: 10_000 }));
    const file = await openParquet(source);
    await collect(file, { columns: numbers });
    const read = source.reads.reduce((sum, { start, end }) => sum + end - start, 0);
    expect(read).toBeLessThanOrEqual(source.size * 1.02 + 64 * 1024);
    expect(source.reads).toHaveLength(1 + file.rowGroups.length);
  });

  it('reads only the wanted row groups, with the physical row indexes of the file', async () => {
    const source = memorySource(parquetBytes(numbers, numberRows(10_000), { rowGroupRows: 1000 }));
    const file = await openParquet(source);
    const groups = file.rowGroups.filter((group) => group.index === 3 || group.index === 7);
    source.reads.length = 0;
    const firsts: number[] = [];
    for await (const batch of readRowBatches(file, { columns: numbers, rowGroups: [7, 3], batchRows: 1000 })) {
      firsts.push(batch.firstRow);
      expect(batch.rows[0]!['n']).toBe(batch.firstRow);
    }
    expect(firsts).toEqual([3000, 7000]);
    expect(source.reads).toHaveLength(2);
    for (const { start, end } of source.reads) {
      expect(groups.some((group) => start >= group.startByte && end <= group.endByte)).toBe(true);
    }
  });

  it('starts in the middle of a row group with the bytes of the pages from there on', async () => {
    const bytes = parquetBytes(numbers, numberRows(100_000), { rowGroupRows: 100_000, pageBytes: 4000 });
    const source = memorySource(bytes);
    const file = await openParquet(source);
    const opened = source.reads.length;
    const rowRange = { start: 95_000, end: 100_000 };
    const rows = await collect(file, { columns: numbers, rowRange, windowBytes: 64 * 1024 });
    expect(rows.map((row) => row['n'])).toEqual(Array.from({ length: 5000 }, (_, i) => 95_000 + i));
    const read = source.reads.slice(opened).reduce((sum, { start, end }) => sum + end - start, 0);
    expect(read).toBeLessThan(source.size * 0.15);
  });

  it('keeps a batch near its size when the pages that follow have longer values', async () => {
    const fields = [field('s', primitive('string'))];
    const rows = Array.from({ length: 1200 }, (_, i) => ({ s: i < 1000 ? `${i}` : `${i}`.repeat(20_000) }));
    const file = await openBytes(parquetBytes(fields, rows, { pageBytes: 4000, encoding: () => 'PLAIN' }));
    const sizes: number[] = [];
    for await (const batch of readRowBatches(file, { columns: fields, batchBytes: 200_000 })) {
      sizes.push(batch.rows.reduce((sum, row) => sum + (row['s'] as string).length, 0));
    }
    expect(Math.max(...sizes)).toBeLessThan(400_000);
  });

  it('keeps a batch near its size in bytes', async () => {
    const fields = [field('s', primitive('string'))];
    const rows = Array.from({ length: 100 }, (_, i) => ({ s: `${i} ${'x'.repeat(10_000)}` }));
    const file = await openBytes(parquetBytes(fields, rows, { codec: 'UNCOMPRESSED' }));
    const sizes: number[] = [];
    for await (const batch of readRowBatches(file, { columns: fields, batchBytes: 50_000 })) {
      sizes.push(batch.rows.length);
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(5);
    expect(sizes.reduce((a, b) => a + b)).toBe(100);
  });

  it('ends with the code aborted when the signal aborts', async () => {
    const file = await openBytes(parquetBytes(numbers, numberRows(20_000), { rowGroupRows: 1000 }));
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of readRowBatches(file, { columns: numbers }, stop.signal)) stop.abort();
    })();
    await expect(reading).rejects.toMatchObject({ code: 'aborted' });
  });

  it('hands on a failing read, once', async () => {
    const source = memorySource(parquetBytes(numbers, numberRows(5000), { rowGroupRows: 1000 }));
    const file = await openParquet(source);
    const failing = {
      ...file,
      source: { ...source, read: (): Promise<Uint8Array> => Promise.reject(new Error('the disk is gone')) },
    };
    await expect(collect(failing, { columns: numbers })).rejects.toThrow('the disk is gone');
  });

  it('of a small file takes the one read that opened it', async () => {
    const source = memorySource(parquetBytes(numbers, numberRows(1000), { rowGroupRows: 100 }));
    expect(await collect(await openParquet(source), { columns: numbers })).toEqual(numberRows(1000));
    expect(source.reads).toEqual([{ start: 0, end: source.size }]);
  });

  it('gives rows without columns, and constants, without reading a byte', async () => {
    const source = memorySource(parquetBytes(numbers, numberRows(20_000)));
    const file = await openParquet(source);
    source.reads.length = 0;
    const rows = await collect(file, {
      columns: [field('part', primitive('string'))],
      sourceOf: () => ({ kind: 'constant', value: 'x' }),
    });
    expect(rows).toStrictEqual(Array.from({ length: 20_000 }, () => ({ part: 'x' })));
    expect(await collect(file, { columns: [] })).toHaveLength(20_000);
    expect(source.reads).toHaveLength(0);
  });
});

/** An LZ4 block of literals only. */
function lz4Literals(bytes: Uint8Array): Uint8Array {
  const length = bytes.length;
  if (length < 15) return Uint8Array.from([length << 4, ...bytes]);
  const more = length - 15;
  const head = [0xf0, ...Array.from({ length: Math.floor(more / 255) }, () => 255), more % 255];
  return Buffer.concat([Uint8Array.from(head), bytes]);
}

/** Hadoop's framing of blocks: big-endian sizes, uncompressed then compressed. */
function hadoopFrames(bytes: Uint8Array, compress: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 1000) {
    const part = bytes.subarray(at, at + 1000);
    const packed = compress(part);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(part.length, 0);
    head.writeUInt32BE(packed.length, 4);
    frames.push(head, packed);
  }
  return Buffer.concat(frames);
}
