/**
 * The only file that touches hyparquet. The version is pinned exactly; test/parquet/hyparquet-internals.test.ts states
 * what is relied on. Everything that goes in was measured by thriftExtent first, and everything that comes out is
 * checked by the caller: hyparquet trusts the numbers it reads.
 */
import { parquetMetadata, type FileMetaData } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { byteStreamSplit } from 'hyparquet/src/encoding.js';
import { readOffsetIndex } from 'hyparquet/src/indexes.js';
import { compressors } from 'hyparquet-compressors';
import { thriftExtent } from './thrift-extent.ts';

export type { FileMetaData, SchemaElement } from 'hyparquet';
export type PageHeader = ReturnType<typeof parquetHeader>;

/** Statistics are not used: cheap parsers that cannot fail. */
const NO_STATISTICS = {
  timestampFromMilliseconds: () => undefined,
  timestampFromMicroseconds: () => undefined,
  timestampFromNanoseconds: () => undefined,
  dateFromDays: () => undefined,
  stringFromBytes: () => undefined,
  uuidFromBytes: () => undefined,
  jsonFromBytes: () => undefined,
} as unknown as NonNullable<NonNullable<Parameters<typeof parquetMetadata>[1]>['parsers']>;

/** Parses a footer: the bytes of the FileMetaData struct followed by its length and the magic. Throws on damage. */
export function parseFooter(tail: Uint8Array): FileMetaData {
  const extent = thriftExtent(tail.subarray(0, tail.length - 8), 0);
  if (extent < 0) throw new Error('the footer ends early');
  return parquetMetadata(tail, { geoparquet: false, parsers: NO_STATISTICS });
}

/** Parses the page header at `start` of `bytes`. Undefined when the bytes end before it does; throws on damage. */
export function parsePageHeader(
  bytes: Uint8Array,
  start: number,
): { readonly header: PageHeader; readonly end: number } | undefined {
  const end = thriftExtent(bytes, start);
  if (end < 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start);
  const header = parquetHeader({ view, offset: 0 });
  checkNumbers(header);
  checkNumbers(header.data_page_header);
  checkNumbers(header.data_page_header_v2);
  checkNumbers(header.dictionary_page_header);
  return { header, end };
}

/** hyparquet hands on a field as whatever Thrift type the file gives it: a 64-bit number where 32 belong is a bigint. */
function checkNumbers(part: object | undefined): void {
  for (const [name, value] of Object.entries(part ?? {})) {
    const fits = ['number', 'string', 'undefined', 'boolean'].includes(typeof value);
    if (!fits && !NESTED.has(name)) throw new Error(`the field ${name} of a page header has another type`);
  }
}

const NESTED = new Set([
  'statistics',
  'data_page_header',
  'data_page_header_v2',
  'dictionary_page_header',
  'index_page_header',
]);

/** One page of a column chunk as the offset index locates it. */
export interface PageLocation {
  readonly offset: number;
  readonly bytes: number;
  /** Within its row group. */
  readonly firstRow: number;
}

/** Parses an offset index. Throws on damage. */
export function parseOffsetIndex(bytes: Uint8Array): PageLocation[] {
  if (thriftExtent(bytes, 0) < 0) throw new Error('the offset index ends early');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return readOffsetIndex({ view, offset: 0 }).page_locations.map((location) => ({
    offset: Number(location.offset),
    bytes: location.compressed_page_size,
    firstRow: Number(location.first_row_index),
  }));
}

/** Decodes DELTA_BINARY_PACKED into `out`; returns the offset behind it. The caller has checked the header. */
export function unpackDelta(bytes: Uint8Array, start: number, out: Int32Array | BigInt64Array): number {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: start };
  deltaBinaryUnpack(reader, out.length, out);
  return reader.offset;
}

/** Decodes BYTE_STREAM_SPLIT values of `width` bytes; returns them as PLAIN bytes. */
export function joinByteStreams(bytes: Uint8Array, start: number, count: number, width: number): Uint8Array {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: start };
  if (count === 0) return new Uint8Array(0);
  const type = width === 4 ? 'FLOAT' : width === 8 ? 'DOUBLE' : 'FIXED_LEN_BYTE_ARRAY';
  const values = byteStreamSplit(reader, count, type, width);
  const joined = Array.isArray(values) ? (values[0] as Uint8Array) : values;
  return new Uint8Array(joined.buffer, 0, count * width);
}

/** Decompresses a block with one of hyparquet's codecs. The caller checks the length of the result. */
export function hyparquetDecompress(codec: 'SNAPPY' | 'LZ4' | 'LZ4_RAW', input: Uint8Array, size: number): Uint8Array {
  const decompress = compressors[codec];
  if (decompress === undefined) throw new Error(`hyparquet-compressors lacks ${codec}`);
  return decompress(input, size);
}
