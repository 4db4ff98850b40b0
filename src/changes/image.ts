/** One side of what happened to a row in one commit, as the document it maps to. */
import type { Identity, JsonObject } from '../documents/document.ts';
import type { Rejection } from '../documents/rejection.ts';

/** Where a row lies: a data file of the table and the index of the row in it. */
export interface RowPosition {
  readonly path: string;
  readonly row: number;
}

export interface Image {
  /** before: delete, update_preimage. after: insert, update_postimage. */
  readonly side: 'before' | 'after';
  /** The commit. */
  readonly version: number;
  readonly identity: Identity;
  readonly document: JsonObject;
  readonly position: RowPosition;
  /** Set when the row has an identity but no document (which is then empty): nothing may be concluded from its content. */
  readonly rejection?: Rejection;
}

/** Orders rows of one commit by path, then index. */
export function comparePositions(a: RowPosition, b: RowPosition): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.row - b.row;
}
