/** Plans in a folder: for the command line without a storage account, and for tests. */
import { closeSync, openSync, readSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PlanStore } from '../changes/plan-store.ts';
import { SyncError } from '../shared/errors.ts';

/** A chunk reads many thousand stretches of this size: a promise and a file handle for each cost several times the read. */
const SMALL_BYTES = 64 * 1024;

export function folderPlanStore(root: string): PlanStore {
  let writes = 0;
  return {
    async write(name, bytes) {
      const path = join(root, name);
      await mkdir(dirname(path), { recursive: true });
      const temporary = `${path}.${process.pid}.${writes++}.tmp`;
      await writeFile(temporary, bytes);
      await rename(temporary, path);
    },
    async read(name, range) {
      try {
        if (range === undefined) return await readFile(join(root, name));
        if (range.end - range.start <= SMALL_BYTES) return readSmall(join(root, name), range);
        const file = await open(join(root, name));
        try {
          const bytes = new Uint8Array(range.end - range.start);
          const { bytesRead } = await file.read(bytes, 0, bytes.length, range.start);
          return bytes.subarray(0, bytesRead);
        } finally {
          await file.close();
        }
      } catch (cause) {
        throw new SyncError('storageNotFound', { problem: `The plan file "${name}" cannot be read.`, cause });
      }
    },
    async *list(prefix) {
      const names = await namesBelow(root);
      yield* names.filter((name) => name.startsWith(prefix) && !name.endsWith('.tmp'));
    },
    async remove(prefix) {
      for (const name of await namesBelow(root))
        if (name.startsWith(prefix)) await rm(join(root, name), { force: true });
    },
  };
}

function readSmall(path: string, range: { readonly start: number; readonly end: number }): Uint8Array {
  const file = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(range.end - range.start);
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, range.start));
  } finally {
    closeSync(file);
  }
}

async function namesBelow(root: string): Promise<string[]> {
  try {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(root.length + 1)
          .replaceAll('\\', '/'),
      )
      .toSorted();
  } catch {
    return [];
  }
}
