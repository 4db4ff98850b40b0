/**
 * Blob functions with source EventGrid: the webhook puts each event on an internal queue; its messages download the
 * blob and call the function. As on the official host there is no de-duplication and no filter by event type.
 */
import type { DequeuedMessageItem } from '@azure/storage-queue';
import type { BlobDownloadResponseParsed } from '@azure/storage-blob';
import { buffer } from 'node:stream/consumers';
import type { Clock } from '../../shared/clock.ts';
import { SyncError } from '../../shared/errors.ts';
import type { Log } from '../../shared/telemetry.ts';
import { matchBlobPath, parseBlobUrl } from './blob-path.ts';
import type { FaultPlan } from './faults.ts';
import type { FunctionOf } from './function-definition.ts';
import type { FunctionInputs } from './function-inputs.ts';
import type { HostConfiguration } from './host-json.ts';
import { emptyResponse } from './http-exchange.ts';
import type { HostRequest, HostResponse } from './http-exchange.ts';
import { isJsonObject, parseJson, stringField } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import type { OutputWriter } from './output-bindings.ts';
import { QueueListener } from './queue-listener.ts';
import type { MessageVerdict } from './queue-listener.ts';
import { decodeBase64 } from './queue-trigger.ts';
import type { AppSettings } from './settings.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import type { FunctionRunner } from './worker-pool.ts';
import type { TypedData } from './worker-protocol.ts';

/** What blob functions are driven with. */
export interface BlobTriggerParts {
  readonly functions: readonly FunctionOf<'blob'>[];
  readonly configuration: HostConfiguration['blobs'];
  readonly maxPollingInterval: number;
  /** Part of the internal queue's name. */
  readonly hostId: string;
  readonly settings: AppSettings;
  readonly accounts: StorageAccounts;
  readonly runner: FunctionRunner;
  readonly inputs: FunctionInputs;
  readonly outputs: OutputWriter;
  readonly faults: FaultPlan;
  readonly clock: Clock;
  readonly log: Log;
}

const POISON_QUEUE = 'webjobs-blobtrigger-poison';
const FUNCTION_PREFIX = 'Host.Functions.';

/** Serves the webhook and works the internal queue. */
export class BlobTriggers {
  readonly #parts: BlobTriggerParts;
  readonly #queueName: string;
  readonly #listener: QueueListener;

  /** Throws `settingMissing` when there is no host storage. */
  constructor(parts: BlobTriggerParts) {
    this.#parts = parts;
    this.#queueName = `azure-webjobs-blobtrigger-${parts.hostId}`;
    this.#listener = new QueueListener({
      service: parts.accounts.queues(''),
      queueName: this.#queueName,
      poisonQueueName: POISON_QUEUE,
      batchSize: Math.min(32, parts.configuration.maxDegreeOfParallelism),
      newBatchThreshold: Math.floor(parts.configuration.maxDegreeOfParallelism / 2),
      maxDequeueCount: parts.configuration.poisonBlobThreshold,
      visibilityTimeout: 0,
      maxPollingInterval: parts.maxPollingInterval,
      handle: (message) => this.#handle(message),
      clock: parts.clock,
      log: parts.log,
    });
  }

  /** Throws `storageUnavailable`. */
  async start(): Promise<void> {
    try {
      await this.#parts.accounts.queues('').getQueueClient(this.#queueName).createIfNotExists();
    } catch (error) {
      const reason = isJsonObject(error) ? (stringField(error, 'code') ?? 'no reason') : 'no reason';
      throw new SyncError('storageUnavailable', {
        problem: 'The storage account of AzureWebJobsStorage does not answer.',
        reason: `Its queue service gave ${reason}.`,
        cause: error,
      });
    }
    this.#listener.start();
  }

  async stop(): Promise<void> {
    await this.#listener.stop();
  }

  /** Answers `/runtime/webhooks/blobs`; the caller has checked the key. */
  async webhook(request: HostRequest): Promise<HostResponse> {
    if (request.method === 'OPTIONS') {
      return { status: 200, headers: { 'webhook-allowed-origin': 'eventgrid.azure.net' } };
    }
    const eventType = request.headers['aeg-event-type']?.toLowerCase();
    if (request.method !== 'POST' || eventType === undefined) return emptyResponse(400);
    const value = parseJson(request.body.toString('utf8'));
    if (value === undefined) return emptyResponse(500);
    const events = (Array.isArray(value) ? (value as readonly Json[]) : [value]).filter((event) => isJsonObject(event));
    if (eventType === 'subscriptionvalidation') return validationResponse(events);
    if (eventType !== 'notification') return emptyResponse(202);
    const name = request.url.searchParams.get('functionName') ?? '';
    return this.#notify(name, events);
  }

  async #notify(name: string, events: readonly JsonObject[]): Promise<HostResponse> {
    const definition = this.#function(name);
    if (definition === undefined) {
      this.#parts.log.event('hostProblem', { problem: 'blob event for an unknown function', functionName: name });
      return emptyResponse(202);
    }
    const messages = events.map((event) => this.#message(definition, event));
    // An event without an address: refused whole, so that Event Grid shows it as failed.
    if (messages.includes(undefined)) return emptyResponse(500);
    const queue = this.#parts.accounts.queues('').getQueueClient(this.#queueName);
    for (const message of messages) {
      if (message === undefined || message === 'elsewhere') continue;
      if (this.#parts.faults.strike('blobEventLost', definition.name) !== undefined) continue;
      await queue.sendMessage(Buffer.from(message).toString('base64'));
    }
    this.#listener.wake();
    return emptyResponse(202);
  }

  #function(name: string): FunctionOf<'blob'> | undefined {
    const short = name.startsWith(FUNCTION_PREFIX) ? name.slice(FUNCTION_PREFIX.length) : name;
    return this.#parts.functions.find((each) => each.name.toLowerCase() === short.toLowerCase());
  }

  /** The text for the internal queue; `elsewhere` for a blob that the function's path does not match. */
  #message(definition: FunctionOf<'blob'>, event: JsonObject): string | undefined {
    const data = isJsonObject(event['data']) ? event['data'] : {};
    const address = stringField(data, 'url');
    if (address === undefined) return undefined;
    const service = this.#parts.accounts.blobs(definition.trigger.connection);
    const place = parseBlobUrl(address, service.url);
    if (place === undefined) return undefined;
    const pattern = this.#parts.settings.resolve(definition.trigger.path);
    if (matchBlobPath(pattern, `${place.container}/${place.blob}`) === undefined) return 'elsewhere';
    return JSON.stringify(
      {
        Type: 'BlobTrigger',
        FunctionId: `${FUNCTION_PREFIX}${definition.name}`,
        BlobType: stringField(data, 'blobType') ?? 'BlockBlob',
        ContainerName: place.container,
        BlobName: place.blob,
        ETag: `"${stringField(data, 'eTag') ?? ''}"`,
      },
      undefined,
      2,
    );
  }

  async #handle(message: DequeuedMessageItem): Promise<MessageVerdict> {
    const value = parseJson(decodeBase64(message.messageText) ?? '');
    if (!isJsonObject(value)) return 'poison';
    const definition = this.#function(stringField(value, 'FunctionId') ?? '');
    const containerName = stringField(value, 'ContainerName');
    const blobName = stringField(value, 'BlobName');
    if (containerName === undefined || blobName === undefined) return 'poison';
    // A message of an earlier version of the app: nobody is left to take it.
    if (definition === undefined) return 'done';
    return this.#call(definition, containerName, blobName);
  }

  async #call(definition: FunctionOf<'blob'>, containerName: string, blobName: string): Promise<MessageVerdict> {
    const { accounts, settings, runner, inputs, outputs, log } = this.#parts;
    const path = `${containerName}/${blobName}`;
    const captures = matchBlobPath(settings.resolve(definition.trigger.path), path) ?? {};
    const client = accounts
      .blobs(definition.trigger.connection)
      .getContainerClient(containerName)
      .getBlobClient(blobName);
    const downloaded = await download(client);
    if (downloaded === undefined) return 'done';
    const outcome = await runner.call({
      functionName: definition.name,
      inputData: [{ name: definition.triggerBinding, data: { bytes: downloaded.bytes } }, ...inputs.of(definition)],
      triggerMetadata: {
        BlobTrigger: { string: path },
        Uri: { json: JSON.stringify(client.url) },
        Properties: { json: JSON.stringify(blobProperties(downloaded.response)) },
        Metadata: { json: JSON.stringify(downloaded.response.metadata ?? {}) },
        ...Object.fromEntries(
          Object.entries(captures).map(([name, text]): [string, TypedData] => [name, { string: text }]),
        ),
      },
      retryContext: null,
    });
    if (outcome.kind === 'succeeded') {
      await outputs.write(definition, outcome);
      return 'done';
    }
    const reason = outcome.kind === 'failed' ? outcome.message : outcome.kind;
    if (outcome.kind !== 'stopped') log.event('functionFailed', { functionName: definition.name, reason });
    return 'failed';
  }
}

function validationResponse(events: readonly JsonObject[]): HostResponse {
  const data = events[0]?.['data'];
  const code = isJsonObject(data) ? stringField(data, 'validationCode') : undefined;
  if (code === undefined) return emptyResponse(400);
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: JSON.stringify({ validationResponse: code }),
  };
}

interface Download {
  readonly response: BlobDownloadResponseParsed;
  readonly bytes: Buffer;
}

/** The blob with its properties; undefined when it is gone. */
async function download(client: { download(): Promise<BlobDownloadResponseParsed> }): Promise<Download | undefined> {
  try {
    const response = await client.download();
    const stream = response.readableStreamBody;
    return { response, bytes: stream === undefined ? Buffer.alloc(0) : await buffer(stream) };
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'statusCode' in error && error.statusCode === 404)
      return undefined;
    throw error;
  }
}

/** Properties as the .NET host prints them, reduced to those that say something. */
function blobProperties(response: BlobDownloadResponseParsed): JsonObject {
  const time = (date: Date | undefined): string => (date ?? new Date(0)).toISOString().replace(/\.\d+Z$/, '+00:00');
  const md5 = response.contentMD5;
  return {
    LastModified: time(response.lastModified),
    CreatedOn: time(response.createdOn ?? response.lastModified),
    Metadata: response.metadata ?? {},
    BlobType: 0,
    ContentLength: response.contentLength ?? 0,
    ContentType: response.contentType ?? null,
    ETag: {},
    ContentHash: md5 === undefined ? null : Buffer.from(md5).toString('base64'),
    ContentEncoding: response.contentEncoding ?? null,
    ContentLanguage: response.contentLanguage ?? null,
    CacheControl: response.cacheControl ?? null,
  };
}
