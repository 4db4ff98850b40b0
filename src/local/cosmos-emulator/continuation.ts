/** Continuation tokens: where a paged read goes on. They hold all that is needed, so they outlive the emulator. */
import { isJsonMap } from './json.ts';
import { badRequest } from './refusal.ts';

/** After this document of the partitions in [min, max); `skip` results of the next one were already given. */
export interface ScanPosition {
  readonly kind: 'scan';
  readonly rid: string;
  readonly min: string;
  readonly max: string;
  readonly number: number;
  readonly skip: number;
}

/** After this many results of a query that is computed as a whole. */
export interface OffsetPosition {
  readonly kind: 'offset';
  readonly rid: string;
  readonly offset: number;
}

export type Position = ScanPosition | OffsetPosition;

export function encodePosition(position: Position): string {
  return JSON.stringify(position);
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
  const { kind, min, max, number, skip, offset } = position;
  if (position['rid'] !== rid) throw badRequest('Invalid Continuation Token: it belongs to another container.');
  if (kind === 'offset' && isCount(offset)) return { kind: 'offset', rid, offset };
  if (kind === 'scan' && typeof min === 'string' && typeof max === 'string' && isCount(number) && isCount(skip)) {
    return { kind: 'scan', rid, min, max, number, skip };
  }
  throw badRequest('Invalid Continuation Token.');
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
