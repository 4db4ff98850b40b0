/** Opens the store of a table from a location as people write it, for the command line. */
import type { StoragePipelineOptions } from '@azure/storage-blob';
import type { LogStore } from '../delta/log-store.ts';
import { BlobLogStore } from './blob-log-store.ts';
import { FolderLogStore } from './folder-log-store.ts';
import { parseTableLocation } from './table-location.ts';

/** Bounded: the SDK's own default tries for minutes. */
export const READ_RETRIES: StoragePipelineOptions = {
  retryOptions: { maxTries: 5, retryDelayInMs: 200, maxRetryDelayInMs: 5_000, tryTimeoutInMs: 60_000 },
};

/**
 * A store for `text`: a folder, or a URL. Credentials of a URL, in order: a shared access signature in it, the connection
 * string in the environment variable AZURE_STORAGE_CONNECTION_STRING when it is for that account, the default Azure
 * credential. Throws `usage`.
 */
export async function openTable(text: string, environment: NodeJS.ProcessEnv = process.env): Promise<LogStore> {
  const location = parseTableLocation(text);
  if (location.kind === 'folder') return new FolderLogStore(location.path);
  const { endpoint, container, folder, sas } = location;
  // Loaded only here: a folder needs none of it, and it takes longer to load than a small table to read.
  const { AnonymousCredential, BlobServiceClient, ContainerClient } = await import('@azure/storage-blob');
  const url = `${endpoint}/${encodeURIComponent(container)}`;
  if (sas !== '') {
    return new BlobLogStore(new ContainerClient(`${url}${sas}`, new AnonymousCredential(), READ_RETRIES), folder);
  }
  const connection = environment['AZURE_STORAGE_CONNECTION_STRING'];
  if (connection !== undefined && connection !== '') {
    const service = BlobServiceClient.fromConnectionString(connection, READ_RETRIES);
    if (service.url.replace(/\/$/, '') === endpoint)
      return new BlobLogStore(service.getContainerClient(container), folder);
  }
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new BlobLogStore(new ContainerClient(url, new DefaultAzureCredential(), READ_RETRIES), folder);
}
