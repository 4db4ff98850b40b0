/** Continuation tokens: where a paged read goes on. They hold all that is needed, so they outlive the emulator. */
import { isJsonMap, type JsonMap } from './json.ts';
import { badRequest } from './refusal.ts';

/** After this document of the partitions in [min, max); `skip` results of the next one were already given. */
export interface ScanPosition {
  readonly kind: 'scan';
  readonly rid: string;
  /** Tells reads apart that stand at the same place; the place alone is enough to go on. */
  readonly read: number;
  readonly min: string;
  readonly max: string;
  readonly number: number;
  readonly skip: number;
}

/** After this many results of a query that is computed as a whole. */
export interface OffsetPosition {
  readonly kind: 'offset';
  readonly rid: string;
  readonly read: number;
  readonly offset: number;
}

/** After the result with these keys of the document with this number, of whose equal results `skip` were given. */
export interface OrderedPosition {
  readonly kind: 'ordered';
  readonly rid: string;
  readonly read: number;
  /** As in the result: `{"item": …}`, or `{}` where the document has no such property. */
  readonly keys: readonly JsonMap[];
  readonly number: number;
  readonly skip: number;
}

export type Position = ScanPosition | OffsetPosition | OrderedPosition;

/** Text of a position that a header can carry. */
export function encodePosition(position: Position): string {
  return JSON.stringify(position).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Reads a token that belongs to the container with this `_rid`, or 400. */
export function decodePosition(token: string, rid: string): Position {
  let position: unknown;
  try {
    position = JSON.parse(token);
  } catch {
    throw badRequest('Invalid Continuation Token.');
  }
  if (!isJsonMap(position)) throw badRequest('Invalid Continuation Token.');
  const { kind, read = 0, min, max, number, skip, offset, keys } = position;
  if (position['rid'] !== rid) throw badRequest('Invalid Continuation Token: it belongs to another container.');
  if (!isCount(read)) throw badRequest('Invalid Continuation Token.');
  if (kind === 'offset' && isCount(offset)) return { kind: 'offset', rid, read, offset };
  if (kind === 'scan' && typeof min === 'string' && typeof max === 'string' && isCount(number) && isCount(skip)) {
    return { kind: 'scan', rid, read, min, max, number, skip };
  }
  if (kind === 'ordered' && Array.isArray(keys) && keys.every(isJsonMap) && isCount(number) && isCount(skip)) {
    return { kind: 'ordered', rid, read, keys, number, skip };
  }
  throw badRequest('Invalid Continuation Token.');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
