/** Parquet files page by page, for what no writer at hand produces: V1 pages, checksums, INT96, odd schemas, damage. */
import { crc32 } from 'node:zlib';
import type { Encoding, SchemaElement } from 'hyparquet';
import { Encodings } from 'hyparquet/src/constants.js';
import { ByteWriter } from 'hyparquet-writer';
import { writeMetadata } from 'hyparquet-writer/src/metadata.js';
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js';

export interface HandMadePage {
  readonly kind: 'dictionary' | 'v1' | 'v2';
  readonly values: number;
  readonly encoding: Encoding;
  /** What follows the header: for v1 levels with their lengths, then values. */
  readonly body: Uint8Array;
  /** Default: the length of the body. */
  readonly uncompressed?: number;
  /** v2 only. */
  readonly levels?: { readonly repetition: number; readonly definition: number; readonly nulls: number };
  readonly rows?: number;
  /** `true` writes the right checksum, a number that one. */
  readonly crc?: boolean | number;
  readonly levelEncoding?: Encoding;
}

export interface HandMadeColumn {
  readonly path: readonly string[];
  readonly pages: readonly HandMadePage[];
  readonly codec?: string;
}

/** A file of one row group. */
export function handMadeFile(
  schema: readonly SchemaElement[],
  rows: number,
  columns: readonly HandMadeColumn[],
): Uint8Array {
  const writer = new ByteWriter();
  writer.appendUint32(0x31524150);
  const leaves = schema.filter((element) => element.type !== undefined);
  const chunks = columns.map((column, i) => {
    const start = writer.offset;
    for (const page of column.pages) appendPage(writer, page);
    return {
      file_offset: BigInt(start),
      meta_data: {
        type: leaves[i]!.type!,
        encodings: [],
        path_in_schema: [...column.path],
        codec: (column.codec ?? 'UNCOMPRESSED') as 'UNCOMPRESSED',
        num_values: BigInt(column.pages.reduce((sum, page) => sum + (page.kind === 'dictionary' ? 0 : page.values), 0)),
        total_uncompressed_size: BigInt(writer.offset - start),
        total_compressed_size: BigInt(writer.offset - start),
        data_page_offset: BigInt(start),
      },
    };
  });
  const metadata = {
    version: 1,
    schema: [...schema],
    num_rows: BigInt(rows),
    row_groups: [{ columns: chunks, total_byte_size: 0n, num_rows: BigInt(rows) }],
    metadata_length: 0,
  };
  writeMetadata(writer, metadata);
  writer.appendUint32(0x31524150);
  return writer.getBytes().slice();
}

function appendPage(writer: ByteWriter, page: HandMadePage): void {
  const { body, values } = page;
  const encoding = Encodings.indexOf(page.encoding);
  const levelEncoding = Encodings.indexOf(page.levelEncoding ?? 'RLE');
  const sum = crc32(body) | 0;
  serializeTCompactProtocol(writer, {
    field_1: page.kind === 'v1' ? 0 : page.kind === 'v2' ? 3 : 2,
    field_2: page.uncompressed ?? body.length,
    field_3: body.length,
    ...(page.crc === undefined || page.crc === false ? {} : { field_4: page.crc === true ? sum : page.crc }),
    ...(page.kind === 'v1' && {
      field_5: { field_1: values, field_2: encoding, field_3: levelEncoding, field_4: levelEncoding },
    }),
    ...(page.kind === 'dictionary' && { field_7: { field_1: values, field_2: encoding } }),
    ...(page.kind === 'v2' && {
      field_8: {
        field_1: values,
        field_2: page.levels?.nulls ?? 0,
        field_3: page.rows ?? values,
        field_4: encoding,
        field_5: page.levels?.definition ?? 0,
        field_6: page.levels?.repetition ?? 0,
      },
    }),
  });
  writer.appendBytes(body);
}

/** Levels or indexes as runs of [count, value], each value one byte; with the length in front unless it is bare. */
export function runs(pairs: readonly (readonly [number, number])[], bare = false): Uint8Array {
  const bytes: number[] = [];
  for (const [count, value] of pairs) {
    for (let head = count * 2; ; head = Math.floor(head / 128)) {
      if (head < 128) {
        bytes.push(head);
        break;
      }
      bytes.push((head % 128) + 128);
    }
    bytes.push(value);
  }
  if (bare) return Uint8Array.from(bytes);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, Uint8Array.from(bytes)]);
}

export function int32s(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

export function int64s(...values: readonly bigint[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values).buffer);
}

/** Nanoseconds of the day and Julian day. */
export function int96(nanos: bigint, julianDay: number): Uint8Array {
  return Buffer.concat([int64s(nanos), int32s(julianDay)]);
}

/** PLAIN byte arrays. */
export function byteArrays(...values: readonly (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value;
      return [int32s(bytes.length), bytes];
    }),
  );
}

/** A file with one required column and one V1 page. */
export function oneColumn(element: SchemaElement, values: number, body: Uint8Array): Uint8Array {
  return handMadeFile(
    [
      { name: 'root', num_children: 1 },
      { repetition_type: 'REQUIRED', ...element },
    ],
    values,
    [{ path: [element.name], pages: [{ kind: 'v1', values, encoding: 'PLAIN', body }] }],
  );
}
