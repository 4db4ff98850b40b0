import { crc32 } from 'node:zlib';
import { decompress, MAX_PAGE_BYTES } from './codec.ts';
import { transcodeToPlain } from './encoded-values.ts';
import type { FileField } from './file-schema.ts';
import type { PageHeader } from './hyparquet-internals.ts';
import { PlainValues } from './plain-values.ts';
import { freeMemory, type PageMemory } from './reused-memory.ts';
import { RleReader } from './rle-reader.ts';

/** A data page, ready to be decoded value by value. */
export interface DataPage {
  /** Entries: values and nulls. */
  readonly count: number;
  readonly repetitions: RleReader | undefined;
  readonly definitions: RleReader | undefined;
  /** Indexes into the column chunk's dictionary, or into [false, true] for booleans; else `values` are there. */
  readonly indexes: RleReader | undefined;
  readonly values: PlainValues | undefined;
}

/** Checks what a page header says against the bytes its column chunk has left. Throws on damage. */
export function checkPageHeader(header: PageHeader, bytesLeft: number): void {
  const { compressed_page_size: compressed, uncompressed_page_size: uncompressed } = header;
  if (!(compressed >= 0 && compressed <= bytesLeft)) throw new Error('a page reaches beyond its column chunk');
  if (!(uncompressed >= 0)) throw new Error(`a page has ${uncompressed} bytes`);
  if (uncompressed > MAX_PAGE_BYTES || compressed > MAX_PAGE_BYTES) {
    throw new Error(`a page has ${uncompressed} bytes, more than the ${MAX_PAGE_BYTES} that are read at once`);
  }
}

/** Checks the page's own checksum if it has one. */
export function checkPageSum(header: PageHeader, body: Uint8Array): void {
  if (header.crc !== undefined && crc32(body) !== header.crc >>> 0) throw new Error('a page fails its checksum');
}

/** Entries of a data page, and its rows where the header says so. */
export function pageCounts(header: PageHeader): { readonly entries: number; readonly rows: number | undefined } {
  const v2 = header.data_page_header_v2;
  const entries = v2?.num_values ?? header.data_page_header?.num_values ?? -1;
  if (!(entries >= 0)) throw new Error('a data page has no value count');
  return { entries, rows: v2?.num_rows };
}

/** Values of a dictionary page, in PLAIN layout. */
export function openDictionaryPage(
  header: PageHeader,
  body: Uint8Array,
  codec: string,
  width: number,
): { readonly count: number; readonly values: PlainValues } {
  const count = header.dictionary_page_header?.num_values ?? -1;
  const bytes = decompress(codec, body, header.uncompressed_page_size);
  if (!(count >= 0 && count * (width || 4) <= bytes.length)) throw new Error(`a dictionary has ${count} values`);
  return { count, values: new PlainValues(bytes) };
}

/** Decompresses a data page and finds its levels and values; everything the page refers to is in `memory`. */
export function openDataPage(
  header: PageHeader,
  body: Uint8Array,
  codec: string,
  memory: PageMemory,
  leaf: FileField,
): DataPage {
  return header.data_page_header_v2 === undefined
    ? openV1(header, body, codec, memory, leaf)
    : openV2(header, header.data_page_header_v2, body, codec, memory, leaf);
}

function openV1(header: PageHeader, body: Uint8Array, codec: string, memory: PageMemory, leaf: FileField): DataPage {
  const v1 = header.data_page_header;
  if (v1 === undefined) throw new Error('a data page has no header');
  const stored = decompress(codec, body, header.uncompressed_page_size);
  const bytes = memory.hold(stored);
  if (stored !== body) freeMemory(stored);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const levels = (max: number, encoding: string | undefined): RleReader | undefined => {
    if (max === 0) return undefined;
    if (encoding !== 'RLE') throw new Error(`levels are encoded as ${String(encoding)}`);
    const start = at + 4;
    at = start + view.getUint32(at, true);
    if (at > bytes.length) throw new Error('levels reach beyond their page');
    return new RleReader(view, start, at, bitWidth(max));
  };
  const repetitions = levels(leaf.repetitionLevel, v1.repetition_level_encoding);
  const definitions = levels(leaf.definitionLevel, v1.definition_level_encoding);
  return { count: v1.num_values, repetitions, definitions, ...openValues(bytes, at, v1.encoding, leaf, v1.num_values) };
}

function openV2(
  header: PageHeader,
  v2: NonNullable<PageHeader['data_page_header_v2']>,
  body: Uint8Array,
  codec: string,
  memory: PageMemory,
  leaf: FileField,
): DataPage {
  const repetitionBytes = v2.repetition_levels_byte_length;
  const levelBytes = repetitionBytes + v2.definition_levels_byte_length;
  if (!(repetitionBytes >= 0 && levelBytes >= repetitionBytes && levelBytes <= body.length)) {
    throw new Error('levels reach beyond their page');
  }
  const stored = body.subarray(levelBytes);
  const size = header.uncompressed_page_size - levelBytes;
  if (size < 0) throw new Error('a page is shorter than its levels');
  const values = v2.is_compressed === false ? stored : decompress(codec, stored, size);
  const bytes = memory.hold(body.subarray(0, levelBytes), values);
  if (values !== stored) freeMemory(values);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const levels = (max: number, start: number, end: number): RleReader | undefined =>
    max === 0 ? undefined : new RleReader(view, start, end, bitWidth(max));
  return {
    count: v2.num_values,
    repetitions: levels(leaf.repetitionLevel, 0, repetitionBytes),
    definitions: levels(leaf.definitionLevel, repetitionBytes, levelBytes),
    ...openValues(bytes, levelBytes, v2.encoding, leaf, v2.num_values),
  };
}

function openValues(
  bytes: Uint8Array,
  at: number,
  encoding: string,
  leaf: FileField,
  count: number,
): Pick<DataPage, 'indexes' | 'values'> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (encoding) {
    case 'PLAIN':
      return leaf.physical === 'BOOLEAN'
        ? { indexes: RleReader.ofBits(view, at, bytes.length), values: undefined }
        : { indexes: undefined, values: new PlainValues(bytes, at) };
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY': {
      // A page of nulls only may leave out the bit width.
      const width = bytes[at] ?? 0;
      return { indexes: new RleReader(view, at + 1, bytes.length, width), values: undefined };
    }
    case 'RLE': {
      if (leaf.physical !== 'BOOLEAN') throw new Error('the encoding RLE is for booleans only');
      if (at === bytes.length) return { indexes: new RleReader(view, at, at, 1), values: undefined };
      const start = at + 4;
      return { indexes: new RleReader(view, start, start + view.getUint32(at, true), 1), values: undefined };
    }
    default:
      return { indexes: undefined, values: new PlainValues(transcodeToPlain(bytes, at, encoding, leaf, count)) };
  }
}

function bitWidth(max: number): number {
  return 32 - Math.clz32(max);
}
