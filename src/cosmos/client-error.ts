/** What an error of the SDK's client means to the stores that use it. */
import { ErrorResponse } from '@azure/cosmos';
import { systemClock } from '../shared/clock.ts';
import type { SyncError } from '../shared/errors.ts';
import { noToken } from './authorization.ts';
import { deliveryError, targetError } from './service-answer.ts';

/** HTTP status of the answer that the error is about; 0 when there was none. */
export function statusOf(error: unknown): number {
  return error instanceof ErrorResponse && typeof error.code === 'number' ? error.code : 0;
}

/**
 * What is wrong when it is not the resource: no network, a certificate that is not trusted, no token, a wrong key, a wrong
 * clock. Undefined for every other answer. `what` names the resource, such as `state container "state"`.
 */
export function accountError(error: unknown, what: string): SyncError | undefined {
  if (error instanceof ErrorResponse && statusOf(error) > 0) {
    const answer = {
      status: statusOf(error),
      subStatus: error.substatus ?? 0,
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

/** Problem, reason and remedy of another error, for one with a code of its own. */
export function wordsOf(error: SyncError): {
  readonly problem: string;
  readonly reason: string;
  readonly remedy: string;
  readonly retryable: boolean;
} {
  const { problem, reason = '', remedy, retryable } = error;
  return { problem, reason, remedy, retryable };
}
