/** Makes what infra/ makes in the cloud: blob containers, queues, the database, and its containers. Repeating it changes nothing. */
import { CosmosClient, PartitionKeyDefinitionVersion, PartitionKeyKind } from '@azure/cosmos';
import type { PartitionKeyDefinition } from '@azure/cosmos';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import {
  HINT_QUEUE,
  LAKE_CONTAINER,
  LEASE_CONTAINER,
  PLAN_CONTAINER,
  STATE_CONTAINER,
  STATE_DATABASE,
} from './app-settings.ts';
import type { AzuriteAddress, CosmosAddress } from './services.ts';

/** A container that tables are written to, or freshness documents. */
export interface TargetContainer {
  readonly database: string;
  readonly container: string;
  /** As in "/category". */
  readonly partitionKeyPath: string;
  /** RU/s; undefined: the service's default. */
  readonly ruPerSecond: number | undefined;
}

/** Blob containers and queues of the app. */
export async function makeStorage(azurite: AzuriteAddress, signal: AbortSignal): Promise<void> {
  const blobs = BlobServiceClient.fromConnectionString(azurite.connectionString);
  const queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
  const options = { abortSignal: signal };
  await Promise.all([
    blobs.getContainerClient(LAKE_CONTAINER).createIfNotExists(options),
    blobs.getContainerClient(PLAN_CONTAINER).createIfNotExists(options),
    queues.getQueueClient(HINT_QUEUE).createIfNotExists(options),
  ]);
}

/** The databases and containers of the app, and the targets. */
export async function makeContainers(
  cosmos: CosmosAddress,
  targets: readonly TargetContainer[],
  signal: AbortSignal,
): Promise<void> {
  const client = new CosmosClient({ endpoint: cosmos.endpoint, key: cosmos.key });
  const options = { abortSignal: signal };
  try {
    const state = await client.databases.createIfNotExists({ id: STATE_DATABASE }, options);
    // TTL on, without a default: lines of the ledger carry their own.
    await state.database.containers.createIfNotExists(
      { id: STATE_CONTAINER, partitionKey: keyDefinition('/target'), defaultTtl: -1 },
      options,
    );
    await state.database.containers.createIfNotExists(
      { id: LEASE_CONTAINER, partitionKey: keyDefinition('/id') },
      options,
    );
    for (const { database: name, container, partitionKeyPath, ruPerSecond } of targets) {
      const { database } = await client.databases.createIfNotExists({ id: name }, options);
      await database.containers.createIfNotExists(
        {
          id: container,
          partitionKey: keyDefinition(partitionKeyPath),
          ...(ruPerSecond === undefined ? {} : { throughput: ruPerSecond }),
        },
        options,
      );
    }
  } finally {
    client.dispose();
  }
}

function keyDefinition(path: string): PartitionKeyDefinition {
  return { paths: [path], kind: PartitionKeyKind.Hash, version: PartitionKeyDefinitionVersion.V2 };
}
