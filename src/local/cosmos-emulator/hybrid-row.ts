/**
 * Batches in HybridRow, the binary form in which the SDK for .NET sends their operations and expects their results:
 * records with a checksum, each with one row. A row is a header with the number of its schema, a byte that says which
 * of the schema's fields it has, fields of fixed and then of variable length, and the others with their type and number.
 */
import { crc32 } from 'node:zlib';
import type { BatchResult } from './batch-answer.ts';
import { parseJson, type Json, type JsonMap } from './json.ts';
import { badRequest, type Refusal } from './refusal.ts';

const VERSION = 0x81;
const SEGMENT = 0x7fffd8f0;
const RECORD = 0x7fffd8f1;
const OPERATION = 0x7fe15470;
const RESULT = 0x7fe15471;
/** A segment of unlimited length: its header says only how long the header is. */
const SEGMENT_HEADER = Buffer.from([VERSION, 0xf0, 0xd8, 0xff, 0x7f, 1, 10, 0, 0, 0]);

const TYPE_FALSE = 2;
const TYPE_TRUE = 3;
const TYPE_UINT32 = 11;
const TYPE_FLOAT64 = 16;
const TYPE_UTF8 = 20;

const DOCUMENT = 2;
const OPERATION_TYPES: Readonly<Record<number, string>> = {
  0: 'Create',
  1: 'Patch',
  2: 'Read',
  4: 'Delete',
  5: 'Replace',
  20: 'Upsert',
};
/** Fields of an operation by their bit, after the two of fixed length. */
const VARIABLE_FIELDS = ['partitionKey', 'effectivePartitionKey', 'id', 'binaryId', 'resourceBody'] as const;
/** Further fields of an operation by their number. */
const SPARSE_FIELDS: Readonly<Record<number, string>> = {
  8: 'indexingDirective',
  9: 'ifMatch',
  10: 'ifNoneMatch',
  12: 'minimalReturnPreference',
};
const RETRY_AFTER = 5;
const REQUEST_CHARGE = 6;

/** True for a body in HybridRow; JSON begins with no such byte. */
export function isHybridRow(body: Buffer): boolean {
  return body[0] === VERSION;
}

/** The operations as they stand in a batch of JSON, or 400. */
export function readHybridRows(body: Buffer): Json[] {
  const reader = new RowReader(body);
  reader.header(SEGMENT);
  if ((reader.byte() & 1) === 1) reader.skipTo(reader.int32());
  const operations: Json[] = [];
  while (reader.more) {
    reader.header(RECORD);
    const length = reader.int32();
    const checksum = reader.int32() >>> 0;
    const row = reader.bytes(length);
    if (crc32(row) !== checksum) throw malformed('a record does not have its checksum');
    operations.push(readOperation(new RowReader(row)));
  }
  return operations;
}

function readOperation(reader: RowReader): JsonMap {
  reader.header(OPERATION);
  const present = reader.byte();
  if ((present & 3) !== 3) throw malformed('an operation has no type');
  const type = reader.int32();
  const operationType = OPERATION_TYPES[type];
  if (operationType === undefined) throw malformed(`there is no operation ${type}`);
  if (reader.int32() !== DOCUMENT) throw malformed('an operation is not about a document');
  const operation: JsonMap = { operationType };
  VARIABLE_FIELDS.forEach((name, index) => {
    if ((present & (4 << index)) === 0) return;
    const value = reader.bytes(reader.length());
    if (name === 'effectivePartitionKey' || name === 'binaryId') throw malformed(`'${name}' is not supported`);
    operation[name] = name === 'resourceBody' ? parseJson(value.toString('utf8')) : value.toString('utf8');
  });
  while (reader.more) {
    const kind = reader.byte();
    const field = reader.length();
    const name = SPARSE_FIELDS[field];
    if (name === undefined) throw malformed(`the field ${field} of an operation is not supported`);
    if (kind === TYPE_UTF8) operation[name] = reader.bytes(reader.length()).toString('utf8');
    else if (kind === TYPE_TRUE || kind === TYPE_FALSE) operation[name] = kind === TYPE_TRUE;
    else throw malformed(`the type ${kind} is not supported`);
  }
  return operation;
}

function malformed(why: string): Refusal {
  return badRequest(`The batch cannot be read as HybridRow: ${why}.`);
}

/** The results as the SDK reads them. Rows have no place for messages. */
export function writeHybridRows(results: readonly BatchResult[]): Buffer {
  const parts: Buffer[] = [SEGMENT_HEADER];
  for (const result of results) {
    const row = resultRow(result);
    const record = Buffer.alloc(13);
    writeHeader(record, RECORD);
    record.writeInt32LE(row.length, 5);
    record.writeUInt32LE(crc32(row), 9);
    parts.push(record, row);
  }
  return Buffer.concat(parts);
}

function resultRow(result: BatchResult): Buffer {
  const { etag, resource, retryAfterMs } = result;
  const fixed = Buffer.alloc(14);
  writeHeader(fixed, RESULT);
  fixed[5] = 3 | (etag === undefined ? 0 : 4) | (resource === undefined ? 0 : 8);
  fixed.writeInt32LE(result.status, 6);
  fixed.writeInt32LE(result.substatus, 10);
  const parts: Buffer[] = [fixed];
  for (const text of [etag, resource]) {
    if (text === undefined) continue;
    const bytes = Buffer.from(text, 'utf8');
    parts.push(lengthBytes(bytes.length), bytes);
  }
  if (retryAfterMs !== undefined) {
    const retry = Buffer.from([TYPE_UINT32, RETRY_AFTER, 0, 0, 0, 0]);
    retry.writeUInt32LE(retryAfterMs, 2);
    parts.push(retry);
  }
  const charge = Buffer.alloc(10);
  charge[0] = TYPE_FLOAT64;
  charge[1] = REQUEST_CHARGE;
  charge.writeDoubleLE(result.charge, 2);
  return Buffer.concat([...parts, charge]);
}

function writeHeader(target: Buffer, schema: number): void {
  target[0] = VERSION;
  target.writeInt32LE(schema, 1);
}

/** Seven bits a byte, the lowest first. */
function lengthBytes(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

class RowReader {
  private readonly data: Buffer;
  private at = 0;

  constructor(data: Buffer) {
    this.data = data;
  }

  get more(): boolean {
    return this.at < this.data.length;
  }

  header(schema: number): void {
    if (this.byte() !== VERSION) throw malformed('its version is not known');
    const found = this.int32();
    if (found !== schema) throw malformed(`there is schema ${found} where ${schema} should be`);
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0;
  }

  int32(): number {
    return this.bytes(4).readInt32LE();
  }

  /** A length or a number of a field. */
  length(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed('a length is too large');
  }

  bytes(length: number): Buffer {
    const end = this.at + length;
    if (length < 0 || end > this.data.length) throw malformed('it ends too early');
    const part = this.data.subarray(this.at, end);
    this.at = end;
    return part;
  }

  skipTo(position: number): void {
    this.bytes(position - this.at);
  }
}
