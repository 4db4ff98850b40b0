/** Reading ahead: what is asked for while rows are decoded. */
import { setImmediate as turn } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ByteSource } from '../../src/parquet/byte-source.ts';
import { openParquet } from '../../src/parquet/parquet-file.ts';
import { readRowBatches } from '../../src/parquet/row-reader.ts';
import type { Row } from '../../src/parquet/value-type.ts';
import { parquetBytes, type ParquetOptions } from '../support/parquet-rows.ts';
import { collect, memorySource } from './memory-source.ts';
import { field, primitive } from './random-rows.ts';

const COLUMNS = 12;
const GROUP_ROWS = 4000;
const fields = Array.from({ length: COLUMNS }, (_, i) => field(`c${i}`, primitive('long')));
const rows: Row[] = Array.from({ length: 6 * GROUP_ROWS }, (_, row) =>
  Object.fromEntries(fields.map(({ name }, i) => [name, row * COLUMNS + i])),
);
let bytes: Uint8Array;

beforeAll(() => {
  bytes = parquetBytes(fields, rows, { rowGroupRows: GROUP_ROWS, codec: 'UNCOMPRESSED', pageBytes: 8000 });
});

/** A source whose reads end some turns of the event loop later; counts what is under way. */
function slowSource(turns: number, of = bytes): ByteSource & { most: number; mostBytes: number; reads: number } {
  const memory = memorySource(of);
  let underWay = 0;
  let bytesUnderWay = 0;
  const source = {
    name: memory.name,
    size: memory.size,
    most: 0,
    mostBytes: 0,
    reads: 0,
    async read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array> {
      source.reads++;
      source.most = Math.max(source.most, ++underWay);
      source.mostBytes = Math.max(source.mostBytes, (bytesUnderWay += end - start));
      for (let i = 0; i < turns; i++) await turn();
      underWay--;
      bytesUnderWay -= end - start;
      return memory.read(start, end, signal);
    },
  };
  return source;
}

describe('reading ahead', () => {
  it('asks for the next row group while one is decoded', async () => {
    const source = memorySource(bytes);
    const file = await openParquet(source);
    const { endByte } = file.rowGroups[0]!;
    for await (const batch of readRowBatches(file, { columns: fields })) {
      expect(batch.firstRow).toBe(0);
      expect(source.reads.some(({ start }) => start >= endByte)).toBe(true);
      break;
    }
  });

  it('of a row group that fits the budget takes few reads, whatever the number of columns', async () => {
    const source = slowSource(3);
    const file = await openParquet(source);
    source.reads = 0;
    expect(await collect(file, { columns: fields })).toEqual(rows);
    expect(source.reads).toBe(file.rowGroups.length);
  });

  it('of a larger row group has many reads under way at once, within the budget', async () => {
    const four = fields.slice(0, 4);
    const many = Array.from({ length: 80_000 }, (_, row): Row => ({ c0: row, c1: row + 1, c2: row * 7, c3: row * 9 }));
    const layout: ParquetOptions = {
      rowGroupRows: 40_000,
      codec: 'UNCOMPRESSED',
      pageBytes: 8000,
      encoding: () => 'PLAIN',
    };
    const source = slowSource(3, parquetBytes(four, many, layout));
    const file = await openParquet(source);
    source.most = 0;
    const windowBytes = 1024 * 1024;
    expect(await collect(file, { columns: four, windowBytes })).toEqual(many);
    expect(source.most).toBeGreaterThan(3);
    expect(source.most).toBeLessThanOrEqual(16);
    // A column whose window is wanted at once does not wait for the others' room.
    expect(source.mostBytes).toBeLessThanOrEqual(windowBytes + 256 * 1024);
  });

  it('frees what was read as soon as its pages are decoded', async () => {
    const memory = memorySource(bytes);
    const given: Uint8Array[] = [];
    const source: ByteSource = {
      ...memory,
      async read(start, end, signal) {
        const read = await memory.read(start, end, signal);
        given.push(read);
        return read;
      },
    };
    const file = await openParquet(source);
    given.length = 0;
    const windowBytes = 800 * 1024;
    let most = 0;
    for await (const _ of readRowBatches(file, { columns: fields, windowBytes })) {
      most = Math.max(
        most,
        given.reduce((sum, part) => sum + part.byteLength, 0),
      );
    }
    await turn();
    expect(given.length).toBe(file.rowGroups.length);
    expect(given.filter((part) => part.byteLength > 0)).toHaveLength(0);
    expect(most).toBeLessThanOrEqual(windowBytes);
  });

  it('starts no read after the caller stopped', async () => {
    const source = slowSource(5);
    const file = await openParquet(source);
    for await (const _ of readRowBatches(file, { columns: fields, windowBytes: 200 * 1024 })) break;
    const { reads } = source;
    for (let i = 0; i < 50; i++) await turn();
    expect(source.reads).toBe(reads);
  });

  it('does not report a read ahead that failed before its rows are wanted', async () => {
    const memory = memorySource(bytes);
    const file = await openParquet(memory);
    const { endByte } = file.rowGroups[0]!;
    const source: ByteSource = {
      ...memory,
      read: (start, end, signal) =>
        start >= endByte ? Promise.reject(new Error('the line is down')) : memory.read(start, end, signal),
    };
    const firsts: number[] = [];
    const reading = (async () => {
      for await (const batch of readRowBatches({ ...file, source }, { columns: fields })) firsts.push(batch.firstRow);
    })();
    await expect(reading).rejects.toThrow('the line is down');
    expect(firsts.length).toBeGreaterThan(0);
    expect(Math.max(...firsts)).toBeLessThan(GROUP_ROWS);
  });
});
