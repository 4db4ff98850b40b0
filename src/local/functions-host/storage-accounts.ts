/** Storage clients by connection name, made once each. */
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { SyncError } from '../../shared/errors.ts';
import type { AppSettings } from './settings.ts';

/** Clients of the storage accounts that bindings name. */
export class StorageAccounts {
  readonly #settings: AppSettings;
  readonly #queues = new Map<string, QueueServiceClient>();
  readonly #blobs = new Map<string, BlobServiceClient>();

  constructor(settings: AppSettings) {
    this.#settings = settings;
  }

  /** Throws `settingMissing` or `configInvalid`. */
  queues(connection: string): QueueServiceClient {
    const text = this.#settings.connectionString(connection);
    let client = this.#queues.get(text);
    if (client === undefined) {
      client = connect(connection, () =>
        QueueServiceClient.fromConnectionString(text, { retryOptions: { maxTries: 3, retryDelayInMs: 200 } }),
      );
      this.#queues.set(text, client);
    }
    return client;
  }

  /** Throws `settingMissing` or `configInvalid`. */
  blobs(connection: string): BlobServiceClient {
    const text = this.#settings.connectionString(connection);
    let client = this.#blobs.get(text);
    if (client === undefined) {
      client = connect(connection, () =>
        BlobServiceClient.fromConnectionString(text, { retryOptions: { maxTries: 3, retryDelayInMs: 200 } }),
      );
      this.#blobs.set(text, client);
    }
    return client;
  }
}

function connect<T>(connection: string, make: () => T): T {
  try {
    return make();
  } catch {
    // The SDK's message may quote the connection string, which holds the account key.
    throw new SyncError('configInvalid', {
      problem: `The storage connection ${connection === '' ? 'AzureWebJobsStorage' : connection} is malformed.`,
      reason: 'It is not a storage connection string.',
    });
  }
}
