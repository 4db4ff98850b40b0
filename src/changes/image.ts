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
  /** The commit; for a row of a snapshot, the one that added its file. */
  readonly version: number;
  readonly identity: Identity;
  readonly document: JsonObject;
  readonly position: RowPosition;
  /** Set when the row has an identity but no document (which is then empty): nothing may be concluded from its content. */
  readonly rejection?: Rejection;
}

/** Orders rows by the commit that added them, then path, then index: the order in which `duplicates: last` decides. */
export function compareRows(a: Pick<Image, 'version' | 'position'>, b: Pick<Image, 'version' | 'position'>): number {
  if (a.version !== b.version) return a.version - b.version;
  if (a.position.path !== b.position.path) return a.position.path < b.position.path ? -1 : 1;
  return a.position.row - b.position.row;
}
