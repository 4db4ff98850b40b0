/**
 * Images as lines of JSON, for spilling. A line that begins with a quote introduces the next file path, so that paths
 * are written once; the others are `[side, version, epk, id, partition key, path number, row, document]`, and behind it
 * the rejection where there is one. An absent partition key value is `{}`, as in Cosmos DB's own header.
 */
import type { JsonObject, PartitionKeyValue } from '../documents/document.ts';
import type { Rejection } from '../documents/rejection.ts';
import { SyncError } from '../shared/errors.ts';
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

const NEWLINE = 0x0a;

/** Reads back what `ImageLines` wrote, whole. Throws `planDamaged` naming the blob for anything else. */
export function* decodeImageLines(bytes: Uint8Array, name: string): Generator<Image> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const paths: string[] = [];
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf(NEWLINE, start);
    if (end === -1) throw damaged(name, 'its last line does not end');
    const value = parseLine(text.toString('utf8', start, end), name);
    start = end + 1;
    if (typeof value === 'string') paths.push(value);
    else yield imageOf(value, paths, name);
  }
}

function parseLine(line: string, name: string): unknown {
  try {
    return JSON.parse(line) as unknown;
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
  const partitionKey = (key as unknown[]).map((part) =>
    typeof part === 'object' && part !== null ? undefined : part,
  ) as PartitionKeyValue[];
  return {
    side: side === 0 ? 'before' : 'after',
    version: version as number,
    identity: { id, partitionKey, epk },
    document: document as JsonObject,
    position: { path, row: row as number },
    ...(rejection === undefined ? {} : { rejection: rejection as Rejection }),
  };
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
