/** LogStore on Azure Blob Storage, flat or with a hierarchical namespace, and on OneLake. */
import type { BlobItem, ContainerClient } from '@azure/storage-blob';
import type { LogStore, StoredFile } from '../delta/log-store.ts';
import type { ByteSource } from '../parquet/byte-source.ts';
import { SyncError } from '../shared/errors.ts';

/** What the store needs of a container. */
export type BlobContainer = Pick<ContainerClient, 'url' | 'listBlobsByHierarchy' | 'getBlobClient'>;

/** Requests that read a body are tried again this often when the body breaks off. */
const BODY_RETRIES = 3;

interface StorageFailure {
  readonly statusCode?: number;
  readonly code?: string;
  readonly name?: string;
}

/** Maps an error of the SDK to the catalogue; the SDK's text may hold URLs with signatures, so it is only the cause. */
function storageError(error: unknown, path: string): unknown {
  if (error instanceof SyncError || !(error instanceof Error) || error.name === 'AbortError') return error;
  const { statusCode, code } = error as StorageFailure;
  const name = JSON.stringify(path.slice(0, 300));
  const suffix = code === undefined ? '' : ` (${code})`;
  if (statusCode === 404) {
    return new SyncError('storageNotFound', { problem: `The blob ${name} does not exist${suffix}.`, cause: error });
  }
  if (statusCode === 412) {
    return new SyncError('storageChanged', {
      problem: `The blob ${name} was replaced while it was read.`,
      cause: error,
    });
  }
  if (statusCode === 401 || statusCode === 403) {
    return new SyncError('storageForbidden', {
      problem: `Reading the blob ${name} was refused${suffix}.`,
      remedy: 'Give the identity the role Storage Blob Data Reader on the container.',
      cause: error,
    });
  }
  return new SyncError('storageUnavailable', {
    problem: `Reading the blob ${name} failed${statusCode === undefined ? '' : ` with status ${statusCode}`}${suffix}.`,
    cause: error,
  });
}

/** Directories of a hierarchical namespace are zero-byte entries that say so in their metadata or resource type. */
function isDirectory(blob: BlobItem): boolean {
  const { metadata, properties } = blob;
  const resourceType = (properties as { readonly resourceType?: string }).resourceType;
  return metadata?.['hdi_isfolder'] === 'true' || resourceType === 'directory';
}

/** A LogStore on the folder `folder` of a container; `folder` is decoded and has no slash at its ends. */
export class BlobLogStore implements LogStore {
  readonly location: string;
  readonly #container: BlobContainer;
  readonly #prefix: string;
  readonly #canStartFrom: boolean;

  constructor(container: BlobContainer, folder: string) {
    const url = new URL(container.url);
    this.#container = container;
    this.#prefix = folder === '' ? '' : `${folder}/`;
    this.location = `${url.origin}${url.pathname}/${folder}`;
    // OneLake answers a listing that starts at a name with nothing at all.
    this.#canStartFrom = !url.hostname.endsWith('.fabric.microsoft.com');
  }

  async *list(folder: string, from: string, signal?: AbortSignal): AsyncGenerator<StoredFile> {
    if (!this.#canStartFrom) {
      yield* this.#list(folder, from, false, signal);
      return;
    }
    let found = false;
    for await (const file of this.#list(folder, from, true, signal)) {
      found = true;
      yield file;
    }
    // A service that does not know the start must not look like an empty log.
    if (!found && from > `${folder}/`) yield* this.#list(folder, from, false, signal);
  }

  async *#list(
    folder: string,
    from: string,
    startThere: boolean,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredFile> {
    const prefix = `${this.#prefix}${folder}/`;
    const start = Buffer.from(from);
    try {
      const items = this.#container.listBlobsByHierarchy('/', {
        prefix,
        includeMetadata: true,
        ...(startThere ? { startFrom: `${this.#prefix}${from}` } : {}),
        ...(signal === undefined ? {} : { abortSignal: signal }),
      });
      for await (const item of items) {
        if (item.kind === 'prefix' || isDirectory(item)) continue;
        const path = item.name.slice(this.#prefix.length);
        if (!item.name.startsWith(prefix) || Buffer.compare(Buffer.from(path), start) < 0) continue;
        yield storedFile(path, item.properties);
      }
    } catch (error) {
      const mapped = storageError(error, folder);
      // A container or folder that does not exist has no files.
      if (mapped instanceof SyncError && mapped.code === 'storageNotFound') return;
      throw mapped;
    }
  }

  async read(path: string, signal?: AbortSignal): Promise<{ readonly bytes: Uint8Array; readonly file: StoredFile }> {
    const { pieces, file } = await this.stream(path, signal);
    const parts: Uint8Array[] = [];
    for await (const piece of pieces) parts.push(piece);
    const bytes = Buffer.concat(parts);
    return { bytes, file: { ...file, size: bytes.length } };
  }

  async stream(
    path: string,
    signal?: AbortSignal,
  ): Promise<{ readonly pieces: AsyncIterable<Uint8Array>; readonly file: StoredFile }> {
    const client = this.#container.getBlobClient(this.#blobName(path));
    try {
      const response = await client.download(0, undefined, {
        maxRetryRequests: BODY_RETRIES,
        ...(signal === undefined ? {} : { abortSignal: signal }),
      });
      return { pieces: piecesOf(response.readableStreamBody, path), file: storedFile(path, response) };
    } catch (error) {
      throw storageError(error, path);
    }
  }

  async open(path: string, signal?: AbortSignal): Promise<ByteSource> {
    const client = this.#container.getBlobClient(this.#blobName(path));
    const properties = await client
      .getProperties(signal === undefined ? {} : { abortSignal: signal })
      .catch((error: unknown) => {
        throw storageError(error, path);
      });
    if (properties.metadata?.['hdi_isfolder'] === 'true') {
      throw new SyncError('storageNotFound', { problem: `The blob ${JSON.stringify(path)} is a folder.` });
    }
    const { size, etag } = storedFile(path, properties);
    return {
      name: path,
      size,
      async read(start, end, readSignal) {
        const length = Math.max(0, Math.min(end, size) - start);
        if (length === 0) return new Uint8Array(0);
        try {
          // One request: the ranges are chosen by the reader. The version is pinned by its ETag.
          const response = await client.download(start, length, {
            conditions: { ifMatch: etag },
            maxRetryRequests: BODY_RETRIES,
            ...(readSignal === undefined ? {} : { abortSignal: readSignal }),
          });
          const bytes = Buffer.allocUnsafeSlow(length);
          let at = 0;
          for await (const chunk of response.readableStreamBody ?? []) at += Buffer.from(chunk).copy(bytes, at);
          if (at !== length) throw Object.assign(new Error('the body is too short'), { statusCode: 500 });
          return bytes;
        } catch (error) {
          throw storageError(error, path);
        }
      },
    };
  }

  /** Name of the blob of a path, which may be an absolute URL of this container. Throws `unsafePath` for any other. */
  #blobName(path: string): string {
    const inContainer = absoluteBlobName(path, new URL(this.#container.url));
    const name = inContainer ?? `${this.#prefix}${path}`;
    const leaves = inContainer === null || !name.startsWith(this.#prefix) || name.split('/').some(isDotSegment);
    if (!leaves && path !== '' && !path.includes('\0')) return name;
    throw new SyncError('unsafePath', {
      problem: `The path ${JSON.stringify(path.slice(0, 300))} is outside the table folder, so it is not reachable here.`,
    });
  }
}

async function* piecesOf(body: NodeJS.ReadableStream | undefined, path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body ?? []) yield Buffer.from(chunk);
  } catch (error) {
    throw storageError(error, path);
  }
}

function isDotSegment(segment: string): boolean {
  return segment === '.' || segment === '..';
}

const ABSOLUTE = /^([a-z][a-z0-9+.-]*):\/\/(?:([^/@]*)@)?([^/]+)\/(.*)$/is;

/**
 * The blob name that an absolute, decoded path means in a container; null when it is another place, undefined when the path
 * is relative.
 */
export function absoluteBlobName(path: string, container: URL): string | null | undefined {
  if (path.startsWith('/')) return null;
  const match = ABSOLUTE.exec(path);
  if (match === null) return undefined;
  const [, scheme = '', user, host = '', rest = ''] = match;
  const sameHost = host.toLowerCase().replace('.dfs.', '.blob.') === container.host.replace('.dfs.', '.blob.');
  if (!sameHost) return null;
  const own = decodeURIComponent(container.pathname).slice(1);
  if (/^(?:abfss?|wasbs?)$/i.test(scheme)) return user === own ? rest : null;
  if (!/^https?$/i.test(scheme) || user !== undefined) return null;
  return rest.startsWith(`${own}/`) ? rest.slice(own.length + 1) : null;
}

interface BlobDescription {
  readonly contentLength?: number;
  readonly lastModified?: Date;
  readonly etag?: string;
}

function storedFile(path: string, { contentLength, lastModified, etag }: BlobDescription): StoredFile {
  if (etag === undefined || contentLength === undefined) {
    throw new SyncError('storageUnavailable', { problem: `The store did not describe ${JSON.stringify(path)}.` });
  }
  // Listings give the ETag without quotes, responses with them.
  const bare = etag.replace(/^(?:W\/)?"(.*)"$/, '$1');
  return { path, size: contentLength, modifiedAt: lastModified?.getTime() ?? 0, etag: `"${bare}"` };
}
