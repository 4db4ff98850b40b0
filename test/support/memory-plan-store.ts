/** A plan store in memory that counts what it is asked for. */
import type { PlanStore } from '../../src/changes/plan-store.ts';
import { SyncError } from '../../src/shared/errors.ts';

export class MemoryPlanStore implements PlanStore {
  readonly blobs = new Map<string, Uint8Array>();
  reads = 0;
  bytesRead = 0;
  bytesWritten = 0;

  write(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.bytesWritten += bytes.length;
    // Not slice: a Buffer's shares the memory of its writer.
    this.blobs.set(name, new Uint8Array(bytes));
    return Promise.resolve();
  }

  read(
    name: string,
    range?: { readonly start: number; readonly end: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const blob = this.blobs.get(name);
    if (blob === undefined)
      return Promise.reject(new SyncError('storageNotFound', { problem: `There is no ${name}.` }));
    const bytes = range === undefined ? blob : blob.slice(range.start, range.end);
    this.reads++;
    this.bytesRead += bytes.length;
    return Promise.resolve(bytes);
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for (const name of [...this.blobs.keys()].toSorted()) if (name.startsWith(prefix)) yield name;
  }

  remove(prefix: string): Promise<void> {
    for (const name of this.blobs.keys()) if (name.startsWith(prefix)) this.blobs.delete(name);
    return Promise.resolve();
  }
}
