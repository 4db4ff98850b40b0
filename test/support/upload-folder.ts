/** Copies a folder into a blob container. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ContainerClient } from '@azure/storage-blob';

/** Uploads every file below `folder`, under `prefix`. */
export async function uploadFolder(folder: string, container: ContainerClient, prefix: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await container.getBlockBlobClient(`${prefix}/${relative(folder, path)}`).uploadData(await readFile(path));
  }
}
