/** Output bindings: storage queues and blobs. */
import { randomUUID } from 'node:crypto';
import type { Log } from '../../shared/telemetry.ts';
import type { FunctionDefinition, OutputBinding } from './function-definition.ts';
import { parseJson } from './json.ts';
import type { AppSettings } from './settings.ts';
import type { StorageAccounts } from './storage-accounts.ts';
import type { CallOutcome } from './worker-pool.ts';
import type { TypedData } from './worker-protocol.ts';

/** Carries out what a function gave to its output bindings. */
export class OutputWriter {
  readonly #accounts: StorageAccounts;
  readonly #settings: AppSettings;
  readonly #encodeMessages: boolean;
  readonly #log: Log;

  constructor(accounts: StorageAccounts, settings: AppSettings, encodeMessages: boolean, log: Log) {
    this.#accounts = accounts;
    this.#settings = settings;
    this.#encodeMessages = encodeMessages;
    this.#log = log;
  }

  /** Writes all outputs of a call; rejects when one cannot be written. */
  async write(definition: FunctionDefinition, outcome: Extract<CallOutcome, { kind: 'succeeded' }>): Promise<void> {
    for (const output of definition.outputs) {
      const data =
        output.name === '$return'
          ? outcome.returnValue
          : outcome.outputData.find(({ name }) => name === output.name)?.data;
      if (data !== undefined && data !== null) await this.#writeOne(definition.name, output, data);
    }
  }

  async #writeOne(functionName: string, output: OutputBinding, data: TypedData): Promise<void> {
    const option = (name: string): string => {
      const value = output.options[name];
      return typeof value === 'string' ? value : '';
    };
    if (output.type === 'queue') {
      const queue = this.#accounts
        .queues(option('connection'))
        .getQueueClient(this.#settings.resolve(option('queueName')));
      await queue.createIfNotExists();
      for (const text of messagesOf(data)) {
        await queue.sendMessage(this.#encodeMessages ? Buffer.from(text).toString('base64') : text);
      }
    } else if (output.type === 'blob') {
      const path = this.#settings.resolve(option('path')).replaceAll('{rand-guid}', () => randomUUID());
      const slash = path.indexOf('/');
      const container = this.#accounts.blobs(option('connection')).getContainerClient(path.slice(0, slash));
      await container.createIfNotExists();
      const bytes = bytesOf(data);
      await container.getBlockBlobClient(path.slice(slash + 1)).upload(bytes, bytes.length);
    } else {
      this.#log.event('hostProblem', { problem: 'output binding not offered', functionName, type: output.type });
    }
  }
}

/** An array becomes one message each; objects are printed with indentation, as recorded. */
function messagesOf(data: TypedData): readonly string[] {
  if ('string' in data) return [data.string];
  if ('json' in data) {
    const value = parseJson(data.json);
    if (value === undefined) return [data.json];
    const values = Array.isArray(value) ? value : [value];
    return values.map((each) => (typeof each === 'string' ? each : JSON.stringify(each, undefined, 2)));
  }
  return [bytesOf(data).toString('utf8')];
}

function bytesOf(data: TypedData): Buffer {
  if ('bytes' in data && data.bytes instanceof Uint8Array) return Buffer.from(data.bytes);
  if ('string' in data) return Buffer.from(data.string);
  if ('json' in data) return Buffer.from(data.json);
  if ('int' in data) return Buffer.from(String(data.int));
  if ('double' in data) return Buffer.from(String(data.double));
  return Buffer.alloc(0);
}
