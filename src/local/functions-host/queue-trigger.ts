/** Storage queue functions. */
import type { DequeuedMessageItem } from '@azure/storage-queue';
import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/telemetry.ts';
import type { FaultPlan } from './faults.ts';
import type { FunctionOf } from './function-definition.ts';
import type { FunctionInputs } from './function-inputs.ts';
import type { HostConfiguration } from './host-json.ts';
import { scalarProperties } from './http-trigger.ts';
import { isJsonObject, parseJson } from './json.ts';
import type { OutputWriter } from './output-bindings.ts';
import { QueueListener } from './queue-listener.ts';
import type { MessageVerdict } from './queue-listener.ts';
import { callWithRetries } from './retried-call.ts';
import type { AppSettings } from './settings.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import type { FunctionRunner } from './worker-pool.ts';
import type { TypedData } from './worker-protocol.ts';

/** What queue functions are driven with. */
export interface QueueTriggerParts {
  readonly configuration: HostConfiguration['queues'];
  readonly settings: AppSettings;
  readonly accounts: StorageAccounts;
  readonly runner: FunctionRunner;
  readonly inputs: FunctionInputs;
  readonly outputs: OutputWriter;
  readonly faults: FaultPlan;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The listener of a queue function. Throws `settingMissing`. */
export function queueListener(definition: FunctionOf<'queue'>, parts: QueueTriggerParts): QueueListener {
  const { configuration, settings, accounts, clock, log } = parts;
  const queueName = settings.resolve(definition.trigger.queueName);
  return new QueueListener({
    service: accounts.queues(definition.trigger.connection),
    queueName,
    poisonQueueName: `${queueName}-poison`,
    batchSize: configuration.batchSize,
    newBatchThreshold: configuration.newBatchThreshold,
    maxDequeueCount: configuration.maxDequeueCount,
    visibilityTimeout: configuration.visibilityTimeout,
    maxPollingInterval: configuration.maxPollingInterval,
    handle: (message) => handle(definition, message, parts),
    clock,
    log,
  });
}

async function handle(
  definition: FunctionOf<'queue'>,
  message: DequeuedMessageItem,
  parts: QueueTriggerParts,
): Promise<MessageVerdict> {
  const text = parts.configuration.messageEncoding === 'none' ? message.messageText : decodeBase64(message.messageText);
  if (text === undefined) return 'poison';
  if (parts.faults.strike('queueMessageLost', definition.name) !== undefined) return 'done';
  const verdict = await callQueueFunction(definition, text, messageMetadata(message), parts);
  const again = verdict === 'done' && parts.faults.strike('queueMessageDuplicated', definition.name) !== undefined;
  return again ? 'again' : verdict;
}

/** Calls a queue function with a text, as a message does or an operator through the admin API. */
export async function callQueueFunction(
  definition: FunctionOf<'queue'>,
  text: string,
  metadata: Readonly<Record<string, TypedData>>,
  parts: QueueTriggerParts,
): Promise<MessageVerdict> {
  const body = parseJson(text);
  const outcome = await callWithRetries(
    parts.runner,
    definition,
    {
      inputData: [{ name: definition.triggerBinding, data: { string: text } }, ...parts.inputs.of(definition)],
      triggerMetadata: {
        ...(isJsonObject(body) ? scalarProperties(body) : {}),
        QueueTrigger: { string: text },
        ...metadata,
      },
    },
    parts.clock,
    parts.signal,
  );
  if (outcome.kind === 'succeeded') {
    await parts.outputs.write(definition, outcome);
    return 'done';
  }
  const reason = outcome.kind === 'failed' ? outcome.message : outcome.kind;
  if (outcome.kind !== 'stopped') parts.log.event('functionFailed', { functionName: definition.name, reason });
  return 'failed';
}

function messageMetadata(message: DequeuedMessageItem): Readonly<Record<string, TypedData>> {
  const time = (date: Date): TypedData => ({ json: JSON.stringify(date.toISOString().replace(/\.\d+Z$/, '+00:00')) });
  return {
    DequeueCount: { json: String(message.dequeueCount) },
    ExpirationTime: time(message.expiresOn),
    Id: { string: message.messageId },
    InsertionTime: time(message.insertedOn),
    NextVisibleTime: time(message.nextVisibleOn),
    PopReceipt: { string: message.popReceipt },
  };
}

/** The text of a base64 message; undefined for everything else, which the official host sends to the poison queue. */
export function decodeBase64(text: string): string | undefined {
  const compact = text.replaceAll(/\s/g, '');
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(compact)) return undefined;
  return Buffer.from(compact, 'base64').toString('utf8');
}
