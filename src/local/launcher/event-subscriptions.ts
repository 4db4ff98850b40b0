/** Who subscribes to storage events in the local Azure, and commits of a folder as such events. */
import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { QueueServiceClient } from '@azure/storage-queue';
import { HINT_QUEUE } from './app-settings.ts';
import type { EventPath } from './app-settings.ts';
import { queueSubscriber, webhookSubscriber } from './event-delivery.ts';
import type { Subscriber } from './event-delivery.ts';
import type { CommitFile } from './log-folder.ts';
import type { FunctionsAddress } from './services.ts';
import type { Addresses } from './session-event.ts';
import { blobCreated } from './storage-event.ts';
import type { StorageEvent } from './storage-event.ts';

/** The subscriptions of a way from commit to app. */
export function subscribersOf(events: EventPath, addresses: Addresses): Subscriber[] {
  const subscribers: Subscriber[] = [];
  const { azurite, functions } = addresses;
  if (events === 'all' || events === 'queue') {
    const queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
    subscribers.push(queueSubscriber(queues.getQueueClient(HINT_QUEUE)));
  }
  if (events === 'all' || events === 'blob') {
    for (const url of blobTriggerUrls(functions)) subscribers.push(webhookSubscriber(url, azurite.account));
  }
  return subscribers;
}

/** Addresses that a subscription of blob events names; learn.microsoft.com "functions-event-grid-blob-trigger". */
function blobTriggerUrls(functions: FunctionsAddress): string[] {
  const code = functions.systemKeys['blobs_extension'];
  if (code === undefined) return [];
  return functions.functions
    .filter(({ trigger }) => trigger === 'blob')
    .map(({ name }) => {
      const query = new URLSearchParams({ functionName: `Host.Functions.${name}`, code });
      return `${functions.url}/runtime/webhooks/blobs?${query.toString()}`;
    });
}

/** A commit file in a folder, told like a blob of that address. Only the hint queue takes it: there is no blob to bind. */
export function folderEvent(commit: CommitFile, time: number): StorageEvent {
  const url = pathToFileURL(commit.path);
  return blobCreated(
    {
      container: '_folder',
      path: url.pathname.slice(1),
      url: url.href,
      eTag: commit.eTag,
      contentLength: commit.size,
    },
    { id: randomUUID(), account: 'folder', time },
  );
}
