/** Port to the mirrored container. */
import type { Operation } from '../changes/operation.ts';
import type { Identity, JsonObject } from '../documents/document.ts';

export type { Operation, PatchStep } from '../changes/operation.ts';

/** What became of one operation, reported exactly once for each one handed in. */
export interface Outcome {
  readonly operation: Operation;
  /**
   * - applied: the container is as the operation wants it
   * - exists, missing, changed: its condition did not hold, nothing was done
   * - rejected: the service refuses this row for good (too large, unique key, bad request): a dead letter
   * - failed: not done, and not the row's fault (stopped, retries used up)
   */
  readonly status: 'applied' | 'exists' | 'missing' | 'changed' | 'rejected' | 'failed';
  /** HTTP status and substatus of the last answer; 0 when there was none. */
  readonly statusCode: number;
  readonly subStatus: number;
  /** True when an answer to this operation was lost at some attempt, so it may have been applied more than once or after a fence. */
  readonly ambiguous: boolean;
  /** RU charged over all attempts. */
  readonly requestUnits: number;
  readonly attempts: number;
  /** Why, for rejected and failed. Never row content. */
  readonly reason?: string;
}

/** A document as stored, for reconcile, verify and merges. */
export interface StoredDocument {
  readonly identity: Identity;
  readonly etag: string;
  readonly document: JsonObject;
}

/** A page of a scan: documents of one range in effective-partition-key order is not promised. */
export interface DocumentPage {
  readonly documents: readonly StoredDocument[];
  /** Continues the scan after this page; null at the end. */
  readonly cursor: string | null;
  readonly requestUnits: number;
}

/** Half-open range of effective partition keys; "" and "FF" are the ends. */
export interface EpkRange {
  readonly start: string;
  readonly end: string;
}

/** What the writer knows of the target container. */
export interface TargetInfo {
  /** Cosmos' own id of the container: changes when it is dropped and created again. */
  readonly rid: string;
  /** JSON pointers of the partition key, e.g. ["/category"]. */
  readonly partitionKeyPaths: readonly string[];
  readonly partitionKeyKind: 'Hash' | 'MultiHash';
  readonly partitionKeyVersion: 1 | 2;
  /** Seconds; -1 on but none by default; undefined off. */
  readonly defaultTtl: number | undefined;
  /** Effective-partition-key ranges of the physical partitions, in order. */
  readonly partitions: readonly EpkRange[];
}

/**
 * Writes under the table's RU limiter. Errors of the target as a whole (gone, forbidden, wrong key) reject with a
 * SyncError; errors of rows are outcomes.
 */
export interface DocumentWriter {
  describe(signal: AbortSignal): Promise<TargetInfo>;
  /** Yields an outcome for every operation, in any order. Stops sending when the signal aborts; what was not sent is `failed`. */
  write(operations: AsyncIterable<readonly Operation[]>, signal: AbortSignal): AsyncIterable<readonly Outcome[]>;
  /** The documents of these identities that exist. */
  read(
    identities: readonly Identity[],
    signal: AbortSignal,
  ): Promise<{ readonly documents: readonly StoredDocument[]; readonly requestUnits: number }>;
  /** Documents whose effective partition key lies in the range, page by page. */
  scan(range: EpkRange, cursor: string | null, signal: AbortSignal): Promise<DocumentPage>;
}
