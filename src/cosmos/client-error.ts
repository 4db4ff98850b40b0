/** What an error of the SDK's client means to the stores that use it. */
import { ErrorResponse } from '@azure/cosmos';
import { systemClock } from '../shared/clock.ts';
import { SyncError, type ErrorCode } from '../shared/errors.ts';
import { noToken } from './authorization.ts';
import { deliveryError, targetError } from './service-answer.ts';

/** HTTP status of the answer that the error is about; 0 when there was none. */
export function statusOf(error: unknown): number {
  return error instanceof ErrorResponse && typeof error.code === 'number' ? error.code : 0;
}

/** Substatus of that answer; 0 when it has none. */
export function subStatusOf(error: unknown): number {
  return error instanceof ErrorResponse ? (error.substatus ?? 0) : 0;
}

/**
 * What is wrong when it is not the resource: no network, a certificate that is not trusted, no token, a wrong key, a wrong
 * clock. Undefined for every other answer. `what` names the resource, such as `state container "state"`.
 */
export function accountError(error: unknown, what: string): SyncError | undefined {
  if (error instanceof ErrorResponse && statusOf(error) > 0) {
    const answer = {
      status: statusOf(error),
      subStatus: subStatusOf(error),
      chargedRu: 0,
      retryAfterMs: 0,
      headers: (error.headers ?? {}) as Record<string, string>,
      body: Buffer.alloc(0),
    };
    const refused = targetError(answer, what, systemClock.now());
    return refused?.code === 'targetKeyRefused' || refused?.code === 'targetClockSkew' ? refused : undefined;
  }
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  if (typeof name === 'string' && /Credential|Authentication/.test(name)) return noToken(error);
  const cause = name === 'TimeoutError' ? 'timeout' : code;
  return deliveryError(typeof cause === 'string' && /^\w+$/.test(cause) ? cause : 'no answer', what);
}

/** What an error says, under a code of the resource that was asked for. */
export function recoded(
  { problem, reason = '', remedy, retryable }: SyncError,
  code: ErrorCode,
  cause: unknown,
): SyncError {
  return new SyncError(code, { problem, reason, remedy, retryable, cause });
}
