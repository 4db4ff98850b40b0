import { checkLength, type ByteSource } from './byte-source.ts';
import { asFault, damaged, stopIfAborted, unsupported, type FilePlace } from './file-fault.ts';
import { fileSchema, type FileField } from './file-schema.ts';
import { parseFooter, type FileMetaData } from './hyparquet-internals.ts';

/** The bytes of one column in one row group. */
export interface ColumnChunk {
  readonly codec: string;
  /** [start, end) in the file: dictionary page, then data pages. */
  readonly start: number;
  readonly end: number;
  readonly numValues: number;
  /** Where the file's page locations for this chunk are, if it has them. */
  readonly offsetIndex: { readonly start: number; readonly end: number } | undefined;
}

export interface RowGroup {
  readonly index: number;
  /** First and one past the last byte of its column chunks. */
  readonly startByte: number;
  readonly endByte: number;
  /** Physical index of its first row in the file. */
  readonly firstRow: number;
  readonly numRows: number;
  /** By leaf index. */
  readonly columns: readonly ColumnChunk[];
}

/** An opened file: its footer, checked against the file's size and against itself. */
export interface ParquetFile {
  readonly source: ByteSource;
  readonly numRows: number;
  readonly rowGroups: readonly RowGroup[];
  /** The root group; its children are the columns. */
  readonly schema: FileField;
  readonly leaves: readonly FileField[];
}

/** First read: enough for the footer of most files. */
const TAIL_BYTES = 64 * 1024;
/** A footer grows when it is parsed; this is some 200,000 column chunks. */
const MAX_FOOTER_BYTES = 64 * 1024 * 1024;

/** Reads the footer with one ranged read, or two when it is long. A file that fits the first read is never read again. */
export async function openParquet(source: ByteSource, signal?: AbortSignal): Promise<ParquetFile> {
  const place: FilePlace = { file: source.name };
  const size = source.size;
  if (size < 12) throw damaged(place, `it has only ${size} bytes`);
  stopIfAborted(signal);
  let tail = await source.read(Math.max(0, size - TAIL_BYTES), size, signal);
  checkLength(source, tail, Math.min(size, TAIL_BYTES));
  const opened = tail.length === size ? inMemory(source, tail) : source;
  const footerBytes = footerLength(place, tail, size) + 8;
  if (footerBytes > tail.length) {
    const head = await source.read(size - footerBytes, size - tail.length, signal);
    checkLength(source, head, footerBytes - tail.length);
    tail = Buffer.concat([head, tail]);
  }
  stopIfAborted(signal);
  try {
    return describeFile(place, opened, parseFooter(tail.subarray(tail.length - footerBytes)), size - footerBytes);
  } catch (thrown) {
    throw asFault(place, thrown);
  }
}

function inMemory({ name, size }: ByteSource, bytes: Uint8Array): ByteSource {
  return {
    name,
    size,
    async read(start, end, signal) {
      signal?.throwIfAborted();
      return bytes.slice(start, end);
    },
  };
}

function footerLength(place: FilePlace, tail: Uint8Array, size: number): number {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const magic = view.getUint32(tail.length - 4, true);
  if (magic === 0x45524150) throw unsupported(place, 'Parquet encryption');
  if (magic !== 0x31524150) throw damaged(place, 'it does not end with the magic PAR1');
  const length = view.getUint32(tail.length - 8, true);
  if (length > size - 12) throw damaged(place, `its footer of ${length} bytes is longer than the file`);
  if (length > MAX_FOOTER_BYTES) throw unsupported(place, `a footer of ${length} bytes`);
  return length;
}

function describeFile(place: FilePlace, source: ByteSource, metadata: FileMetaData, dataEnd: number): ParquetFile {
  const { root, leaves } = fileSchema(place, metadata.schema);
  const rowGroups: RowGroup[] = [];
  let firstRow = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const numRows = count(place, group.num_rows, 'row count');
    if (group.columns.length !== leaves.length) {
      throw damaged(place, `row group ${index} has ${group.columns.length} column chunks for ${leaves.length} columns`);
    }
    const columns = group.columns.map((chunk, leaf) => columnChunk(place, leaves[leaf]!, chunk, dataEnd));
    rowGroups.push({
      index,
      startByte: columns.reduce((least, chunk) => Math.min(least, chunk.start), dataEnd),
      endByte: columns.reduce((most, chunk) => Math.max(most, chunk.end), 0),
      firstRow,
      numRows,
      columns,
    });
    firstRow += numRows;
  }
  const numRows = count(place, metadata.num_rows, 'row count');
  if (numRows !== firstRow) throw damaged(place, `it counts ${numRows} rows, its row groups ${firstRow}`);
  return { source, numRows, rowGroups, schema: root, leaves };
}

function columnChunk(
  place: FilePlace,
  leaf: FileField,
  chunk: FileMetaData['row_groups'][number]['columns'][number],
  dataEnd: number,
): ColumnChunk {
  const at: FilePlace = { ...place, column: leaf.path.join('.') };
  const meta = chunk.meta_data;
  if (chunk.crypto_metadata !== undefined) throw unsupported(at, 'Parquet encryption');
  if (meta === undefined) throw damaged(at, 'a column chunk has no metadata');
  if (chunk.file_path !== undefined) throw unsupported(at, 'a column chunk in another file');
  const path = meta.path_in_schema;
  if (
    path.length !== leaf.path.length ||
    path.some((name, i) => name !== leaf.path[i]) ||
    meta.type !== leaf.physical
  ) {
    throw damaged(at, 'a column chunk does not belong to the column at its position');
  }
  const dataStart = count(at, meta.data_page_offset, 'data page offset');
  const dictionary = meta.dictionary_page_offset;
  // Some writers give 0 for "none"; a dictionary page, if any, comes first.
  const start =
    dictionary === undefined || Number(dictionary) <= 0
      ? dataStart
      : Math.min(dataStart, count(at, dictionary, 'dictionary page offset'));
  const end = start + count(at, meta.total_compressed_size, 'compressed size');
  if (end > dataEnd) throw damaged(at, 'a column chunk reaches beyond the data');
  const indexStart = Number(chunk.offset_index_offset ?? 0n);
  const indexBytes = chunk.offset_index_length ?? 0;
  return {
    codec: meta.codec ?? 'unknown',
    start,
    end,
    numValues: count(at, meta.num_values, 'value count'),
    offsetIndex:
      indexStart > 0 && indexBytes > 0 && indexStart + indexBytes <= dataEnd
        ? { start: indexStart, end: indexStart + indexBytes }
        : undefined,
  };
}

function count(place: FilePlace, value: bigint | number | undefined, what: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw damaged(place, `its ${what} is ${String(value)}`);
  return number;
}
