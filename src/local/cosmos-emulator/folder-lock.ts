/** Keeps a second emulator out of a data folder, also after the first was killed. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SyncError } from '../../shared/errors.ts';

const NAME = 'lock';
/** Folders in use by this process: its own id in a lock file may also be that of an earlier one. */
const held = new Set<string>();

/** Takes the folder; returns how to give it back. `dataFolderInUse` when a living process has it. */
export function lockFolder(folder: string): () => void {
  const path = join(resolve(folder), NAME);
  const owner = readOwner(path);
  if (held.has(path) || (owner !== undefined && owner.id !== process.pid && isAlive(owner))) {
    throw new SyncError('dataFolderInUse', {
      problem: `The data folder ${folder} is in use.`,
      reason: `Process ${owner?.id ?? process.pid} runs an emulator on it.`,
    });
  }
  rmSync(path, { force: true });
  const descriptor = openSync(path, 'wx', 0o600);
  writeSync(descriptor, JSON.stringify({ id: process.pid, started: startOf(process.pid) }));
  closeSync(descriptor);
  held.add(path);
  return () => {
    held.delete(path);
    rmSync(path, { force: true });
  };
}

interface Owner {
  readonly id: number;
  readonly started: string | undefined;
}

function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path, 'utf8')) as Partial<Owner>;
    return typeof owner.id === 'number' ? { id: owner.id, started: owner.started } : undefined;
  } catch {
    // No lock, or one that was cut off while it was written.
    return undefined;
  }
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.id, 0);
  } catch {
    return false;
  }
  // Process ids are given out again; where the system tells when a process started, that decides.
  return owner.started === undefined || owner.started === startOf(owner.id);
}

/** When a process started, in the system's own measure (Linux); undefined elsewhere. */
function startOf(id: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
