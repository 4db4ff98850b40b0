/** What the service's answer to one operation of a batch means for that operation. */
import type { JsonObject } from '../documents/document.ts';
import type { BatchOperation } from './batch-operation.ts';
import type { ContainerGateway } from './container-gateway.ts';
import {
  PARTITION_KEY_FULL,
  credibleCharge,
  credibleWait,
  isJsonObject,
  isPassing,
  targetError,
} from './service-answer.ts';
import { SyncError } from '../shared/errors.ts';

/** One entry of the answer to a batch, in the order of its operations. */
export interface OperationAnswer {
  readonly statusCode: number;
  readonly subStatus: number;
  readonly chargedRu: number;
  readonly retryAfterMs: number;
  readonly message: string;
  readonly etag: string;
  readonly document: JsonObject | undefined;
  /** There was no answer (`statusCode` 0) though the request may have arrived. */
  readonly lost: boolean;
}

/** Why the service refuses a row for good. Codes are a contract: they appear in dead letters. */
export type RowRefusal =
  | 'badRequest'
  | 'documentTooLarge'
  | 'partitionKeyFull'
  | 'partitionKeyMismatch'
  | 'uniqueKey'
  | 'refused';

/** What becomes of an operation. */
export type Verdict =
  | { readonly kind: 'applied' | 'exists' | 'missing' | 'changed' }
  | { readonly kind: 'rejected'; readonly reason: RowRefusal }
  /** Send it again later. `ambiguous`: the service does not know whether it was done. */
  | { readonly kind: 'retry'; readonly ambiguous: boolean }
  /** There was no room left in the answer; nothing is wrong. */
  | { readonly kind: 'again' }
  | { readonly kind: 'throttled' }
  /** The partition key range is not (any more) where the key lives. */
  | { readonly kind: 'moved' }
  /** Another document holds a value that must be unique; it may be one that this call deletes. */
  | { readonly kind: 'uniqueKey' }
  /** The answer condemns the target, not the row. */
  | { readonly kind: 'target' };

/** 410: name cache stale, range gone, split not complete, partition migrating: all mean "look at the ranges again". */
const GONE = 410;
/** 404: the container itself is gone. */
const OWNER_NOT_FOUND = 1003;
/** 400: the key in the request is not the one in the document. */
const KEY_MISMATCH = 1001;

const applied: Verdict = { kind: 'applied' };
const missing: Verdict = { kind: 'missing' };

/** Reads the answer to a batch; undefined unless it is an array with one usable entry per operation. */
export function parseBatchAnswer(json: unknown, operations: number): readonly OperationAnswer[] | undefined {
  if (!Array.isArray(json) || json.length !== operations) return undefined;
  const answers: OperationAnswer[] = [];
  for (const entry of json as readonly Readonly<Record<string, unknown>>[]) {
    const statusCode = entry?.['statusCode'];
    if (typeof statusCode !== 'number' || !Number.isInteger(statusCode) || statusCode < 200) return undefined;
    const { subStatusCode, requestCharge, retryAfterMilliseconds, message, eTag, resourceBody } = entry;
    answers.push({
      statusCode,
      subStatus: positive(subStatusCode),
      chargedRu: credibleCharge(requestCharge),
      retryAfterMs: credibleWait(retryAfterMilliseconds),
      message: typeof message === 'string' ? message : '',
      etag: typeof eTag === 'string' ? eTag : '',
      document: isJsonObject(resourceBody) ? resourceBody : undefined,
      lost: false,
    });
  }
  return answers;
}

function positive(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : 0;
}

/** The meaning of an answer to an operation of this kind. */
export function judge(kind: BatchOperation['kind'], answer: OperationAnswer): Verdict {
  const { statusCode: status, subStatus } = answer;
  if (status >= 200 && status < 300) {
    // A read that found something and does not show it found nothing out.
    return kind === 'read' && answer.document === undefined ? { kind: 'retry', ambiguous: false } : applied;
  }
  if (status === 0) return { kind: 'retry', ambiguous: answer.lost };
  if (status === GONE) return { kind: 'moved' };
  if (status === 429) return { kind: 'throttled' };
  if (status === 413) {
    // 3402: the answers of a batch of reads outgrew one response; fewer of them fit.
    return kind === 'read' ? { kind: 'again' } : { kind: 'rejected', reason: 'documentTooLarge' };
  }
  if (isPassing(status, subStatus)) return { kind: 'retry', ambiguous: isUnknown(status) };
  switch (status) {
    case 404:
      if (subStatus === OWNER_NOT_FOUND) return { kind: 'target' };
      if (kind === 'delete') return applied;
      return kind === 'upsert' || kind === 'create' ? { kind: 'target' } : missing;
    case 409:
      return judgeConflict(kind, answer.message);
    case 412:
      return { kind: 'changed' };
    case 401:
      return { kind: 'target' };
    case 403:
      return subStatus === PARTITION_KEY_FULL ? { kind: 'rejected', reason: 'partitionKeyFull' } : { kind: 'target' };
    case 400:
      return { kind: 'rejected', reason: subStatus === KEY_MISMATCH ? 'partitionKeyMismatch' : 'badRequest' };
    default:
      return { kind: 'rejected', reason: 'refused' };
  }
}

/** Statuses after which the service itself does not know whether a write was done. 449 and 429 say that it was not. */
export function isUnknown(status: number): boolean {
  return status === 408 || status >= 500;
}

/** Only a create can meet its own identity; every other conflict is about a unique key. */
function judgeConflict(kind: BatchOperation['kind'], message: string): Verdict {
  return kind === 'create' && !/unique index constraint/i.test(message) ? { kind: 'exists' } : { kind: 'uniqueKey' };
}

/** True for refusals of a whole batch that are about what is in it. */
export function blamesRows(status: number, subStatus: number): boolean {
  return status === 400 || status === 413 || (status === 403 && subStatus === PARTITION_KEY_FULL);
}

/** Why a row is at fault that was refused alone, as a whole request. */
export function refusalReason(refusal: { readonly status: number; readonly subStatus: number }): RowRefusal {
  if (refusal.status === 413) return 'documentTooLarge';
  if (refusal.status === 403) return 'partitionKeyFull';
  return refusal.subStatus === KEY_MISMATCH ? 'partitionKeyMismatch' : 'badRequest';
}

/** The error for an operation's answer that condemns the target. */
export function operationError(answer: OperationAnswer, gateway: ContainerGateway): SyncError {
  const { statusCode: status, subStatus } = answer;
  const whole = { ...answer, status, headers: {}, body: Buffer.alloc(0) };
  return (
    targetError(whole, gateway.name, gateway.now()) ??
    new SyncError('targetRejects', {
      problem: `The ${gateway.name} refuses operations.`,
      reason: `Cosmos DB answered ${status}/${subStatus}.`,
    })
  );
}
