/**
 * Storage events as Azure Event Grid delivers them (Event Grid schema, Azure Blob Storage as the source), and the filter
 * of the subscription that infra/ makes. Pure: ids and times are arguments.
 */

/** A blob as it is after a write. */
export interface WrittenBlob {
  readonly container: string;
  /** Path in the container. */
  readonly path: string;
  readonly url: string;
  readonly eTag: string;
  readonly contentLength: number;
}

/** Where and when an event happened; what the service would add. */
export interface EventOrigin {
  readonly id: string;
  readonly account: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** One event, as a subscriber parses it. */
export interface StorageEvent {
  readonly topic: string;
  readonly subject: string;
  readonly eventType: 'Microsoft.Storage.BlobCreated' | 'Microsoft.Storage.BlobRenamed';
  readonly id: string;
  readonly eventTime: string;
  readonly data: Readonly<Record<string, unknown>> & { readonly api: string };
  readonly dataVersion: string;
  readonly metadataVersion: string;
}

/** Calls that end a write, as `data.api` names them. A file made with the Data Lake API exists before it is flushed. */
const WRITING_CALLS: readonly string[] = [
  'PutBlob',
  'PutBlockList',
  'CopyBlob',
  'FlushWithClose',
  'RenameFile',
  'SftpCommit',
  'SftpRename',
];

/** Names below `_delta_log` that are no commit. */
const NOT_COMMITS: readonly string[] = [
  '/_delta_log/_staged_commits/',
  '/_delta_log/__tmp_path_dir/',
  '.checkpoint.',
  '.compacted.',
];

/** The event of a blob that was written. */
export function blobCreated(blob: WrittenBlob, origin: EventOrigin): StorageEvent {
  return {
    ...envelope(blob.container, blob.path, origin),
    eventType: 'Microsoft.Storage.BlobCreated',
    data: {
      api: 'PutBlob',
      clientRequestId: origin.id,
      requestId: origin.id,
      eTag: blob.eTag.replaceAll('"', ''),
      contentType: 'application/octet-stream',
      contentLength: blob.contentLength,
      blobType: 'BlockBlob',
      url: blob.url,
      ...trailer(origin),
    },
    dataVersion: '',
  };
}

/** The event of a file that got its name by a rename (accounts with a hierarchical namespace). The subject is the new name. */
export function blobRenamed(blob: WrittenBlob, sourceUrl: string, origin: EventOrigin): StorageEvent {
  return {
    ...envelope(blob.container, blob.path, origin),
    eventType: 'Microsoft.Storage.BlobRenamed',
    data: {
      api: 'RenameFile',
      clientRequestId: origin.id,
      requestId: origin.id,
      sourceUrl,
      destinationUrl: blob.url,
      ...trailer(origin),
    },
    dataVersion: '1',
  };
}

/** Whether the subscription lets the event through. Comparisons ignore case, as Event Grid's do. */
export function isCommitEvent(event: StorageEvent): boolean {
  const subject = event.subject.toLowerCase();
  return (
    WRITING_CALLS.includes(event.data.api) &&
    subject.endsWith('.json') &&
    subject.includes('/_delta_log/') &&
    !NOT_COMMITS.some((part) => subject.includes(part))
  );
}

/** The body that asks a webhook to prove that it wants events. */
export function validationEvent(code: string, origin: EventOrigin): Readonly<Record<string, unknown>> {
  return {
    id: origin.id,
    topic: topic(origin.account),
    subject: '',
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    eventTime: new Date(origin.time).toISOString(),
    data: { validationCode: code, validationUrl: '' },
    dataVersion: '2',
    metadataVersion: '1',
  };
}

function envelope(container: string, path: string, origin: EventOrigin) {
  return {
    topic: topic(origin.account),
    subject: `/blobServices/default/containers/${container}/blobs/${path}`,
    id: origin.id,
    eventTime: new Date(origin.time).toISOString(),
    metadataVersion: '1',
  };
}

function trailer(origin: EventOrigin) {
  return {
    // Later events of one blob have a greater one; longer than any number a double holds.
    sequencer: origin.time.toString(16).padStart(48, '0'),
    storageDiagnostics: { batchId: origin.id },
  };
}

function topic(account: string): string {
  return `/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/${account}`;
}
