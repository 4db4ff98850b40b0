/** One operation on its way: what was handed in, where it stands, and what became of it. */
import type { JsonObject } from '../documents/document.ts';
import type { Outcome } from '../sync/document-writer.ts';
import type { BatchOperation } from './batch-operation.ts';
import type { CostEstimate } from './operation-cost.ts';

/** Mutable on purpose: millions of these pass through, each touched a handful of times. */
export interface BatchItem<T extends BatchOperation = BatchOperation> {
  readonly operation: T;
  /** Partition key and id as text: operations of one identity go one after the other. */
  readonly identityKey: string;
  readonly text: string;
  readonly bytes: number;
  readonly cost: CostEstimate;
  /** The next operation on the same identity, which waits for this one. */
  next: BatchItem<T> | undefined;
  attempts: number;
  requestUnits: number;
  statusCode: number;
  subStatus: number;
  ambiguous: boolean;
  /** Monotonic milliseconds after which it is not sent again; set when it is first sent. */
  deadline: number;
  /** How often a unique key stood in its way. */
  conflicts: number;
  status: Outcome['status'] | undefined;
  reason: string | undefined;
  /** What a read found. */
  document: JsonObject | undefined;
  etag: string;
}

/** A new item that nothing has happened to. */
export function batchItem<T extends BatchOperation>(
  operation: T,
  identityKey: string,
  encoded: { readonly text: string; readonly bytes: number },
  cost: CostEstimate,
): BatchItem<T> {
  return {
    operation,
    identityKey,
    text: encoded.text,
    bytes: encoded.bytes,
    cost,
    next: undefined,
    attempts: 0,
    requestUnits: 0,
    statusCode: 0,
    subStatus: 0,
    ambiguous: false,
    deadline: 0,
    conflicts: 0,
    status: undefined,
    reason: undefined,
    document: undefined,
    etag: '',
  };
}
