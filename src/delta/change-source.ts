/**
 * Where the changed rows of one commit lie: cdc files, or rows of added and removed files. Plain data, so a plan can
 * carry it.
 */
import type { DataFile, DeletionVectorDescriptor } from './actions.ts';

/** What happened to a row, in the change data feed's words. */
export type ChangeType = 'insert' | 'update_preimage' | 'update_postimage' | 'delete';

export interface ChangeSource {
  readonly version: number;
  /** Commit timestamp in milliseconds since 1970. */
  readonly timestamp: number;
  /** `cdc`: the file has a `_change_type` column. Otherwise every selected row is of this one type. */
  readonly kind: 'cdc' | 'insert' | 'delete';
  readonly file: DataFile;
  /**
   * Which rows count. `live`: those not in `file.deletionVector`. `masked`: those in `file.deletionVector` but not in
   * `except` (null = empty), the difference of two deletion vectors of one file.
   */
  readonly select:
    | { readonly kind: 'live' }
    | { readonly kind: 'masked'; readonly except: DeletionVectorDescriptor | null };
}
