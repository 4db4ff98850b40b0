/** Plans, shuffle files and dead letters in a Blob Storage container. */
import { type ContainerClient, RestError } from '@azure/storage-blob';
import type { PlanStore } from '../changes/plan-store.ts';
import { SyncError } from '../shared/errors.ts';

/** The container must exist. Throws `storageNotFound`, `storageForbidden`, `storageUnavailable`. */
export function blobPlanStore(container: ContainerClient): PlanStore {
  const wrap = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw storageError(error, name);
    }
  };
  return {
    write: (name, bytes, signal) =>
      wrap(name, async () => {
        await container.getBlockBlobClient(name).uploadData(bytes, abort(signal));
      }),
    read: (name, range, signal) =>
      wrap(name, async () => {
        const blob = container.getBlockBlobClient(name);
        if (range === undefined) return blob.downloadToBuffer(0, undefined, abort(signal));
        if (range.end <= range.start) return new Uint8Array(0);
        return blob.downloadToBuffer(range.start, range.end - range.start, abort(signal));
      }),
    async *list(prefix, signal) {
      try {
        for await (const blob of container.listBlobsFlat({ prefix, ...abort(signal) })) yield blob.name;
      } catch (error) {
        throw storageError(error, prefix);
      }
    },
    remove: (prefix, signal) =>
      wrap(prefix, async () => {
        for await (const blob of container.listBlobsFlat({ prefix, ...abort(signal) })) {
          await container.getBlobClient(blob.name).deleteIfExists(abort(signal));
        }
      }),
  };
}

function abort(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function storageError(error: unknown, name: string): Error {
  if (!(error instanceof RestError)) return error instanceof Error ? error : new Error(String(error));
  const status = error.statusCode ?? 0;
  const code =
    status === 404 ? 'storageNotFound' : status === 401 || status === 403 ? 'storageForbidden' : 'storageUnavailable';
  return new SyncError(code, {
    problem: `The blob "${name}" of the plan store cannot be used.`,
    reason: `The service answered ${status}.`,
    cause: error,
  });
}
