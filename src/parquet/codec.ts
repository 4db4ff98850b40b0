import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { hyparquetDecompress } from './hyparquet-internals.ts';

/** A page is decompressed as a whole, so this bounds the memory one page can ask for. Writers stay below 128 MiB. */
export const MAX_PAGE_BYTES = 256 * 1024 * 1024;

/** Codecs that are read, by their name in the format. */
const DECOMPRESS: Readonly<Record<string, (input: Uint8Array, size: number) => Uint8Array>> = {
  UNCOMPRESSED: (input) => input,
  SNAPPY: (input, size) => hyparquetDecompress('SNAPPY', checkedSnappy(input, size), size),
  GZIP: (input, size) => gunzipSync(input, { maxOutputLength: size }),
  ZSTD: (input, size) => zstdDecompressSync(input, { maxOutputLength: size }),
  BROTLI: (input, size) => brotliDecompressSync(input, { maxOutputLength: size }),
  LZ4: (input, size) => hyparquetDecompress('LZ4', checkedLz4(input, size), size),
  LZ4_RAW: (input, size) => hyparquetDecompress('LZ4_RAW', checkedLz4(input, size), size),
};

export function isKnownCodec(codec: string): boolean {
  return Object.hasOwn(DECOMPRESS, codec);
}

/**
 * Decompresses to exactly `size` bytes (at most MAX_PAGE_BYTES, checked by the caller) or throws. The result is new
 * memory, or `input` itself where nothing is compressed.
 */
export function decompress(codec: string, input: Uint8Array, size: number): Uint8Array {
  // Some writers leave out the compressed form of nothing.
  if (size === 0) return new Uint8Array(0);
  const output = DECOMPRESS[codec]!(input, size);
  if (output.length !== size) throw new Error(`a page decompresses to ${output.length} bytes instead of ${size}`);
  return output;
}

/** Snappy says its length first and cannot grow more than 64 bytes for every 3: memory is only taken for real data. */
function checkedSnappy(input: Uint8Array, size: number): Uint8Array {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    const byte = input[i] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) break;
  }
  if (length !== size) throw new Error(`a snappy page of ${length} bytes is said to have ${size}`);
  if (size > input.length * 24 + 64) throw new Error('a snappy page is too short');
  return input;
}

/** A byte of LZ4 stands for at most 255. */
function checkedLz4(input: Uint8Array, size: number): Uint8Array {
  if (size > input.length * 256) throw new Error('an LZ4 page is too short');
  return input;
}
