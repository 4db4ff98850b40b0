/** How a failed activity appears in the history: Reason and Details as the official host writes them (shortened). */
import { formatTimeSpan } from '../time-span.ts';
import type { CallOutcome } from '../worker-pool.ts';

/** Reason and Details of a TaskFailed event. Details is the JSON text of a .NET exception. */
export interface ActivityFailure {
  readonly reason: string;
  readonly details: string;
}

/** The failure behind an outcome that is not a success. */
export function activityFailure(
  functionName: string,
  outcome: Exclude<CallOutcome, { kind: 'succeeded' | 'stopped' }>,
): ActivityFailure {
  switch (outcome.kind) {
    case 'failed':
      return failure(functionName, ` ${outcome.message}`, {
        $type: 'System.Exception, System.Private.CoreLib',
        ClassName: 'System.Exception',
        Message: ` ${outcome.message}`,
        Data: null,
        InnerException: {
          $type: 'Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException, Microsoft.Azure.WebJobs.Script',
          IsUserException: false,
          RemoteStackTrace: outcome.stack,
          RemoteMessage: outcome.message,
          RemoteTypeName: null,
          Message: `Result: Failure\nException: ${outcome.message}\nStack: ${outcome.stack}`,
        },
      });
    case 'timedOut': {
      const timeout = formatTimeSpan(outcome.timeoutMilliseconds);
      const message = `Timeout value of ${timeout} was exceeded by function: Functions.${functionName}`;
      return failure(functionName, message, {
        $type: 'Microsoft.Azure.WebJobs.Host.FunctionTimeoutException, Microsoft.Azure.WebJobs.Host',
        Timeout: timeout,
        MethodName: `Functions.${functionName}`,
        Handled: false,
        ClassName: 'Microsoft.Azure.WebJobs.Host.FunctionTimeoutException',
        Message: message,
        Data: null,
        InnerException: null,
      });
    }
    case 'workerExited': {
      // .NET reports the end by a signal as code 128 + 9.
      const code = outcome.exit.exitCode ?? 137;
      const message = `node exited with code ${code} (0x${code.toString(16).toUpperCase()})`;
      return failure(functionName, message, {
        $type: 'Microsoft.Azure.WebJobs.Script.Workers.WorkerProcessExitException, Microsoft.Azure.WebJobs.Script',
        Message: message,
        InnerException: null,
      });
    }
  }
}

/** A failure that the host itself decides on. */
export function refusedActivity(functionName: string, message: string): ActivityFailure {
  return failure(functionName, message, {
    $type: 'System.InvalidOperationException, System.Private.CoreLib',
    ClassName: 'System.InvalidOperationException',
    Message: message,
  });
}

function failure(functionName: string, message: string, details: object): ActivityFailure {
  return { reason: `Activity function '${functionName}' failed: ${message}`, details: JSON.stringify(details) };
}
