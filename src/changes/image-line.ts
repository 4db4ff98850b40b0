/**
 * Images as lines of JSON, for spilling. A line that begins with a quote introduces the next file path, so that paths
 * are written once; the others are `[side, version, epk, id, partition key, path number, row, document]`, and behind it
 * the rejection where there is one. An absent partition key value is `{}`, as in Cosmos DB's own header.
 */
import { crc32 } from 'node:zlib';
import type { JsonObject, PartitionKeyValue } from '../documents/document.ts';
import type { Rejection } from '../documents/rejection.ts';
import { SyncError } from '../shared/errors.ts';
import { parsePlainJson } from '../shared/json.ts';
import type { Image } from './image.ts';

/** Writes lines; keeps the paths that were introduced. */
export class ImageLines {
  readonly #paths = new Map<string, number>();
  #lastPath = '';
  #lastNumber = -1;

  /** The lines for one image, each with its line end. */
  encode(image: Image): string {
    const { identity, position } = image;
    let introduction = '';
    if (position.path !== this.#lastPath || this.#lastNumber === -1) {
      let number = this.#paths.get(position.path);
      if (number === undefined) {
        number = this.#paths.size;
        this.#paths.set(position.path, number);
        introduction = `${JSON.stringify(position.path)}\n`;
      }
      this.#lastPath = position.path;
      this.#lastNumber = number;
    }
    const { partitionKey } = identity;
    const key = partitionKey.includes(undefined) ? partitionKey.map((value) => value ?? absentAs(value)) : partitionKey;
    const record = [
      image.side === 'before' ? 0 : 1,
      image.version,
      identity.epk,
      identity.id,
      key,
      this.#lastNumber,
      position.row,
      image.document,
      ...(image.rejection === undefined ? [] : [image.rejection]),
    ];
    return `${introduction}${JSON.stringify(record)}\n`;
  }
}

function absentAs(value: null | undefined): null | Readonly<Record<string, never>> {
  return value === null ? null : {};
}

/** Reads back what `ImageLines` wrote, line by line. Throws `planDamaged` naming the blob for anything else. */
export class ImageDecoder {
  readonly #paths: string[] = [];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** The image of a line without its line end; undefined for a line that introduces a path. */
  decode(line: Buffer): Image | undefined {
    return this.#take(parseLine(line.toString('utf8'), this.#name));
  }

  /** The images of whole lines, the last one with or without its end: many lines are parsed at once, which is faster. */
  decodeAll(lines: Buffer): readonly Image[] {
    const end = lines.at(-1) === NEWLINE ? lines.length - 1 : lines.length;
    const values = parseLine(`[${lines.toString('utf8', 0, end).replaceAll('\n', ',')}]`, this.#name);
    const images: Image[] = [];
    for (const value of values as readonly unknown[]) {
      const image = this.#take(value);
      if (image !== undefined) images.push(image);
    }
    return images;
  }

  #take(value: unknown): Image | undefined {
    if (typeof value !== 'string') return imageOf(value, this.#paths, this.#name);
    this.#paths.push(value);
    return undefined;
  }
}

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Lines without their ends. Throws `planDamaged` when the last one has none. */
export function* linesOf(bytes: Uint8Array, name: string): Generator<Buffer> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < text.length;) {
    const end = text.indexOf(NEWLINE, start);
    if (end === -1) throw damaged(name, 'its last line does not end');
    yield text.subarray(start, end);
    start = end + 1;
  }
}

/** Whole lines, together at most `atMost` bytes unless one is longer. Throws `planDamaged` when the last one has no end. */
export function* blocksOf(bytes: Uint8Array, atMost: number, name: string): Generator<Buffer> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (text.length > 0 && text.at(-1) !== NEWLINE) throw damaged(name, 'its last line does not end');
  for (let start = 0; start < text.length;) {
    const last = text.lastIndexOf(NEWLINE, Math.min(start + atMost, text.length) - 1);
    const end = (last >= start ? last : text.indexOf(NEWLINE, start)) + 1;
    yield text.subarray(start, end);
    start = end;
  }
}

/** Whether a line introduces a path instead of being an image. */
export function isPathLine(line: Buffer): boolean {
  return line[0] === QUOTE;
}

/** CRC-32 of the id in an image's line, found without parsing the rest. */
export function idHashOf(line: Buffer, name: string): number {
  // Before the id there are two numbers and the effective partition key, which has no character to escape.
  const keyStart = line.indexOf(QUOTE);
  const keyEnd = line.indexOf(QUOTE, keyStart + 1);
  const start = keyEnd + 2;
  if (keyStart === -1 || keyEnd === -1 || line[start] !== QUOTE) throw damaged(name, 'a line is no image');
  let end = line.indexOf(QUOTE, start + 1);
  let escaped = false;
  while (end !== -1 && backslashesBefore(line, end) % 2 === 1) {
    escaped = true;
    end = line.indexOf(QUOTE, end + 1);
  }
  if (end === -1) throw damaged(name, 'a line is no image');
  const id = line.subarray(start + 1, end);
  if (!escaped && !id.includes(BACKSLASH)) return crc32(id);
  return crc32(String(parseLine(line.toString('utf8', start, end + 1), name)));
}

function backslashesBefore(line: Buffer, end: number): number {
  let count = 0;
  while (line[end - 1 - count] === BACKSLASH) count++;
  return count;
}

function parseLine(line: string, name: string): unknown {
  try {
    return parsePlainJson(line);
  } catch {
    throw damaged(name, 'a line is not JSON');
  }
}

function imageOf(value: unknown, paths: readonly string[], name: string): Image {
  const record: readonly unknown[] = Array.isArray(value) ? value : [];
  const [side, version, epk, id, key, pathNumber, row, document, rejection] = record;
  const path = typeof pathNumber === 'number' ? paths[pathNumber] : undefined;
  const sound =
    (record.length === 8 || (record.length === 9 && isRejection(rejection))) &&
    (side === 0 || side === 1) &&
    Number.isSafeInteger(version) &&
    typeof epk === 'string' &&
    typeof id === 'string' &&
    Array.isArray(key) &&
    path !== undefined &&
    Number.isSafeInteger(row) &&
    typeof document === 'object' &&
    document !== null;
  if (!sound) throw damaged(name, 'a line is no image');
  const partitionKey = (key as unknown[]).some(isAbsent)
    ? (key as unknown[]).map((part) => (isAbsent(part) ? undefined : part))
    : key;
  return {
    side: side === 0 ? 'before' : 'after',
    version: version as number,
    identity: { id, partitionKey: partitionKey as PartitionKeyValue[], epk },
    document: document as JsonObject,
    position: { path, row: row as number },
    ...(rejection === undefined ? {} : { rejection: rejection as Rejection }),
  };
}

function isAbsent(part: unknown): boolean {
  return typeof part === 'object' && part !== null;
}

function isRejection(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    'reason' in value &&
    typeof value.reason === 'string'
  );
}

function damaged(name: string, reason: string): SyncError {
  return new SyncError('planDamaged', { problem: `The shuffle file ${name} is damaged: ${reason}.` });
}
