/** A call under the function's own retry policy (`retry` in its registration). */
import type { Clock } from '../../shared/clock.ts';
import type { FunctionDefinition } from './function-definition.ts';
import type { Call, CallOutcome, FunctionRunner } from './worker-pool.ts';
import type { RetryContext } from './worker-protocol.ts';

/** Calls until it succeeds or the policy is used up; without a policy, once. */
export async function callWithRetries(
  runner: FunctionRunner,
  definition: FunctionDefinition,
  call: Omit<Call, 'functionName' | 'retryContext'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<CallOutcome> {
  const { retry } = definition;
  let exception: RetryContext['exception'] = null;
  for (let attempt = 0; ; attempt += 1) {
    const retryContext =
      retry === undefined ? null : { retryCount: attempt, maxRetryCount: retry.maxRetryCount, exception };
    const outcome = await runner.call({ ...call, functionName: definition.name, retryContext });
    const used = retry === undefined || (retry.maxRetryCount >= 0 && attempt >= retry.maxRetryCount);
    if (outcome.kind === 'succeeded' || outcome.kind === 'stopped' || used) return outcome;
    exception =
      outcome.kind === 'failed'
        ? { message: outcome.message, stackTrace: outcome.stack }
        : { message: outcome.kind, stackTrace: '' };
    try {
      await clock.sleep(retry.delayOf(attempt), signal);
    } catch {
      return { kind: 'stopped' };
    }
  }
}
