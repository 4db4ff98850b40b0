/** Deletion vectors (PROTOCOL.md, "Deletion Vectors" and "Deletion Vector File Storage Format"). */
import { crc32 } from 'node:zlib';
import type { ByteSource } from '../parquet/byte-source.ts';
import { SyncError } from '../shared/errors.ts';
import type { DeletionVectorDescriptor } from './actions.ts';
import { normalizeActionPath } from './file-path.ts';
import type { LogStore } from './log-store.ts';
import { decodeRoaring64, RoaringFormatError, type RowSet } from './roaring-bitmap.ts';
import { decodeZ85 } from './z85.ts';

const MAGIC = 1681511377;
const FORMAT_VERSION = 1;
const UUID_CHARACTERS = 20;

function damaged(where: string, reason: string, cause?: unknown): SyncError {
  return new SyncError('deletionVectorDamaged', {
    problem: `The deletion vector ${where} cannot be used: ${reason}.`,
    reason: 'Without it deleted rows would come back.',
    cause,
  });
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Path of the file that holds a vector of storage type `u` or `p`, relative to the table or absolute. */
export function deletionVectorPath(vector: DeletionVectorDescriptor): string {
  const text = vector.pathOrInlineDv;
  if (vector.storageType === 'p') return normalizeActionPath(text);
  const uuid = decodeZ85(text.slice(-UUID_CHARACTERS));
  if (uuid === undefined || uuid.length !== 16) throw damaged('in a file action', 'its file name is not Z85');
  const prefix = text.slice(0, -UUID_CHARACTERS);
  return `${prefix === '' ? '' : `${prefix}/`}deletion_vector_${uuidText(uuid)}.bin`;
}

async function readStored(
  store: LogStore,
  vector: DeletionVectorDescriptor,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const where = JSON.stringify(path);
  const source = await store.open(path, signal).catch((error: unknown) => {
    if (error instanceof SyncError && error.code === 'storageNotFound') {
      throw damaged(where, 'the deletion vector file is missing', error);
    }
    throw error;
  });
  const offset = vector.offset ?? (await onlyOffset(source, vector.sizeInBytes, signal));
  const start = offset === 1 ? 0 : offset;
  const end = offset + 4 + vector.sizeInBytes + 4;
  if (end > source.size) throw damaged(where, 'the deletion vector file is truncated');
  const read = await source.read(start, end, signal);
  if (start < offset && read[0] !== FORMAT_VERSION) throw damaged(where, `its format version is ${read[0]}`);
  const bytes = read.subarray(offset - start);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getInt32(0, false);
  if (size !== vector.sizeInBytes) throw damaged(where, 'its size differs from the log');
  const data = bytes.subarray(4, 4 + size);
  if (crc32(data) !== view.getUint32(4 + size, false)) throw damaged(where, 'checksum mismatch');
  return data;
}

/**
 * Where the vector is when the log leaves the offset out. The protocol says 0, but a file starts with its version byte, so
 * the first vector is at 1: its size tells.
 */
async function onlyOffset(source: ByteSource, size: number, signal: AbortSignal | undefined): Promise<0 | 1> {
  const head = await source.read(0, 4, signal);
  const isFirst = head.length === 4 && new DataView(head.buffer, head.byteOffset, 4).getInt32(0, false) === size;
  return isFirst ? 0 : 1;
}

function readInline(vector: DeletionVectorDescriptor): Uint8Array {
  const where = 'stored in the log';
  const bytes = decodeZ85(vector.pathOrInlineDv);
  if (bytes === undefined) throw damaged(where, 'it is not Z85');
  if (bytes.length < vector.sizeInBytes) throw damaged(where, 'it is shorter than its size');
  return bytes.subarray(0, vector.sizeInBytes);
}

/**
 * Reads the rows that a deletion vector marks, checked against size, checksum, magic number and cardinality. Throws
 * `deletionVectorDamaged` for every failure, a missing file included.
 */
export async function readDeletionVector(
  store: LogStore,
  vector: DeletionVectorDescriptor,
  signal?: AbortSignal,
): Promise<RowSet> {
  const path = vector.storageType === 'i' ? undefined : deletionVectorPath(vector);
  const where = path === undefined ? 'stored in the log' : JSON.stringify(path);
  const data = path === undefined ? readInline(vector) : await readStored(store, vector, path, signal);
  if (data.length < 4 || new DataView(data.buffer, data.byteOffset, 4).getInt32(0, true) !== MAGIC) {
    throw damaged(where, 'bad magic number');
  }
  try {
    const rows = decodeRoaring64(data.subarray(4));
    if (rows.size !== vector.cardinality) {
      throw damaged(where, `it marks ${rows.size} rows, the log says ${vector.cardinality}`);
    }
    return rows;
  } catch (error) {
    if (error instanceof RoaringFormatError) throw damaged(where, error.message, error);
    throw error;
  }
}
