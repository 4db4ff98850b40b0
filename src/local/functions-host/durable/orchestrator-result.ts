/** What an orchestrator function answers to a replay: its actions since the start of the generation, and its end. */
import { isJsonObject, numberField, parseJson, stringField } from '../json.ts';
import type { Json, JsonObject } from '../json.ts';

/** Retry options of an activity or sub-orchestration; milliseconds. */
export interface RetryOptions {
  readonly firstRetryIntervalInMilliseconds: number;
  readonly maxNumberOfAttempts: number;
  readonly backoffCoefficient: number;
  readonly maxRetryIntervalInMilliseconds: number;
}

/** An action of the protocol that this host carries out. */
export type Action =
  | {
      readonly kind: 'callActivity';
      readonly name: string;
      readonly input: Json | undefined;
      readonly retry?: RetryOptions;
    }
  | {
      readonly kind: 'callSubOrchestrator';
      readonly name: string;
      readonly instanceId: string | undefined;
      readonly version: string | undefined;
      readonly input: Json | undefined;
      readonly retry?: RetryOptions;
    }
  | { readonly kind: 'continueAsNew'; readonly input: Json | undefined }
  | { readonly kind: 'createTimer'; readonly fireAt: number; readonly isCanceled: boolean }
  | { readonly kind: 'waitForExternalEvent'; readonly name: string }
  | { readonly kind: 'whenAny' | 'whenAll'; readonly children: readonly Action[] };

/** The answer of an orchestrator function. `error` is the message with which it threw. */
export interface OrchestratorResult {
  readonly isDone: boolean;
  readonly actions: readonly Action[];
  readonly output: Json;
  readonly error: string | undefined;
  readonly customStatus: Json | undefined;
}

const FAILURE_LABEL = '$OutOfProcData$:';

/** Reads the returned JSON. Throws an Error that says what this host cannot do. */
export function readOrchestratorResult(value: Json | undefined): OrchestratorResult {
  if (!isJsonObject(value)) throw new Error('The orchestrator function did not answer with an object.');
  const actions = Array.isArray(value['actions']) ? (value['actions'] as readonly Json[]) : [];
  return {
    isDone: value['isDone'] === true,
    actions: actions.flatMap((batch) => (Array.isArray(batch) ? (batch as readonly Json[]) : [])).map(readAction),
    output: value['output'] ?? null,
    error: stringField(value, 'error'),
    customStatus: value['customStatus'],
  };
}

/**
 * Reads the message of a thrown error: the result behind `$OutOfProcData$:` when the orchestrator itself threw, or
 * undefined for every other failure.
 */
export function readOrchestratorFailure(message: string): OrchestratorResult | undefined {
  const at = message.indexOf(FAILURE_LABEL);
  if (at < 0) return undefined;
  const value = parseJson(message.slice(at + FAILURE_LABEL.length));
  if (!isJsonObject(value)) return undefined;
  return { ...readOrchestratorResult(value), isDone: false, error: stringField(value, 'error') ?? '' };
}

function readAction(value: Json): Action {
  if (!isJsonObject(value)) throw new Error('An action of the orchestrator is not an object.');
  const type = numberField(value, 'actionType') ?? -1;
  switch (type) {
    case 0:
      return { kind: 'callActivity', name: stringField(value, 'functionName') ?? '', input: value['input'] };
    case 1:
      return {
        kind: 'callActivity',
        name: stringField(value, 'functionName') ?? '',
        input: value['input'],
        retry: readRetry(value['retryOptions']),
      };
    case 2:
      return readSubOrchestrator(value);
    case 3:
      return { ...readSubOrchestrator(value), retry: readRetry(value['retryOptions']) };
    case 4:
      return { kind: 'continueAsNew', input: value['input'] };
    case 5:
      return {
        kind: 'createTimer',
        fireAt: Date.parse(stringField(value, 'fireAt') ?? ''),
        isCanceled: value['isCanceled'] === true,
      };
    case 6:
      return { kind: 'waitForExternalEvent', name: stringField(value, 'externalEventName') ?? '' };
    case 11:
    case 12: {
      const children = Array.isArray(value['compoundActions']) ? (value['compoundActions'] as readonly Json[]) : [];
      return { kind: type === 11 ? 'whenAny' : 'whenAll', children: children.map(readAction) };
    }
    default:
      throw new Error(`The local host does not support action type ${type} (${actionName(type)}).`);
  }
}

function readSubOrchestrator(value: JsonObject): Extract<Action, { kind: 'callSubOrchestrator' }> {
  return {
    kind: 'callSubOrchestrator',
    name: stringField(value, 'functionName') ?? '',
    instanceId: stringField(value, 'instanceId'),
    version: stringField(value, 'version'),
    input: value['input'],
  };
}

function readRetry(value: Json | undefined): RetryOptions {
  const options = isJsonObject(value) ? value : {};
  return {
    firstRetryIntervalInMilliseconds: numberField(options, 'firstRetryIntervalInMilliseconds') ?? 0,
    maxNumberOfAttempts: numberField(options, 'maxNumberOfAttempts') ?? 1,
    backoffCoefficient: numberField(options, 'backoffCoefficient') ?? 1,
    maxRetryIntervalInMilliseconds: numberField(options, 'maxRetryIntervalInMilliseconds') ?? Number.MAX_SAFE_INTEGER,
  };
}

function actionName(type: number): string {
  if (type === 7 || type === 9 || type === 10) return 'entities';
  if (type === 8) return 'callHttp';
  if (type === 13 || type === 14) return 'entity locks';
  return 'unknown';
}
