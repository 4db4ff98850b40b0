/**
 * The folder that keeps everything of one local Azure: blobs, documents, histories, settings, logs. One launcher at a
 * time uses it; a folder that is not one, or one of another format, is left untouched.
 */
import { link, mkdir, readFile, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SyncError } from '../../shared/errors.ts';
import { processStarted } from './process-identity.ts';

/** Format of the folder. Changes when a launcher could not continue an older one's folder. */
const FORMAT = 1;
const FORMAT_FILE = 'format.json';
const LOCK_FILE = 'launcher.lock';
/** How long children of a launcher that was killed may take to end. */
const CHILDREN_GRACE_MS = 10_000;

/** A process as the lock remembers it. `started` tells it from a later process with the same id. */
interface LockedProcess {
  readonly pid: number;
  readonly started: string;
}

interface LockContent {
  readonly launcher: LockedProcess;
  readonly children: readonly LockedProcess[];
}

/** A data folder held by this process. */
export interface DataFolder {
  readonly path: string;
  /** A path inside. */
  file(name: string): string;
  /** A sub-folder, made when it is absent. */
  folder(name: string): Promise<string>;
  /** Remembers a child, so that a later launcher waits until it is gone. */
  addChild(pid: number): Promise<void>;
  /** Gives the folder free. */
  release(): Promise<void>;
}

/**
 * Takes the folder, making it when it is absent; `fresh` empties it first. Throws `dataFolderForeign` (a folder with
 * something else in it), `dataFolderVersion`, `dataFolderInUse`.
 */
export async function openDataFolder(folder: string, fresh: boolean, signal: AbortSignal): Promise<DataFolder> {
  const path = resolve(folder);
  await makeFolder(path);
  await checkFormat(path);
  const lockFile = join(path, LOCK_FILE);
  await takeLock(lockFile, signal);
  if (fresh) {
    for (const name of await readdir(path)) {
      if (!name.startsWith(LOCK_FILE)) await rm(join(path, name), { recursive: true, force: true });
    }
  }
  await writeFile(join(path, FORMAT_FILE), `${JSON.stringify({ format: FORMAT })}\n`);

  const launcher = { pid: process.pid, started: await processStarted(process.pid) };
  const children: LockedProcess[] = [];
  return {
    path,
    file: (name) => join(path, name),
    async folder(name) {
      const inside = join(path, name);
      await mkdir(inside, { recursive: true });
      return inside;
    },
    async addChild(pid) {
      children.push({ pid, started: await processStarted(pid) });
      const content: LockContent = { launcher, children };
      await writeFile(`${lockFile}.new`, JSON.stringify(content));
      await rename(`${lockFile}.new`, lockFile);
    },
    async release() {
      await rm(lockFile, { force: true });
    },
  };
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw new SyncError('dataFolderForeign', { problem: `The data folder ${path} cannot be made.`, cause: error });
  }
}

async function checkFormat(path: string): Promise<void> {
  const names = await readdir(path);
  if (names.every((name) => name.startsWith(LOCK_FILE))) return;
  if (!names.includes(FORMAT_FILE)) {
    throw new SyncError('dataFolderForeign', {
      problem: `The data folder ${path} holds files that are not of a local Azure.`,
    });
  }
  const format = jsonObject(await readFile(join(path, FORMAT_FILE), 'utf8'))?.['format'];
  if (format !== FORMAT) {
    throw new SyncError('dataFolderVersion', {
      problem: `The data folder ${path} has format ${JSON.stringify(format) ?? 'unknown'}.`,
      reason: `This version reads format ${FORMAT}.`,
    });
  }
}

async function takeLock(lockFile: string, signal: AbortSignal): Promise<void> {
  const launcher: LockedProcess = { pid: process.pid, started: await processStarted(process.pid) };
  const content: LockContent = { launcher, children: [] };
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await createWhole(lockFile, JSON.stringify(content))) return;
    const text = await readFile(lockFile, 'utf8').catch(() => '');
    const holder = lockContent(text);
    if (holder !== undefined && (await isRunning(holder.launcher))) throw inUse(lockFile, holder.launcher.pid);
    for (const child of holder?.children ?? []) await waitUntilGone(child, lockFile, signal);
    // Only the stale lock that was read may go: another launcher can have replaced it by its own meanwhile.
    if ((await readFile(lockFile, 'utf8').catch(() => '')) === text) await unlink(lockFile).catch(() => undefined);
  }
  throw inUse(lockFile, undefined);
}

/** Creates a file with its content in one step; false when it exists. */
async function createWhole(file: string, text: string): Promise<boolean> {
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, text);
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

async function waitUntilGone(child: LockedProcess, lockFile: string, signal: AbortSignal): Promise<void> {
  for (let waited = 0; await isRunning(child); waited += 250) {
    if (waited >= CHILDREN_GRACE_MS) throw inUse(lockFile, child.pid);
    await new Promise((done) => {
      setTimeout(done, 250);
    });
    signal.throwIfAborted();
  }
}

async function isRunning(locked: LockedProcess): Promise<boolean> {
  const started = await processStarted(locked.pid);
  return started !== '' && started === locked.started;
}

function inUse(lockFile: string, pid: number | undefined): SyncError {
  return new SyncError('dataFolderInUse', {
    problem: `Another run uses the data folder${pid === undefined ? '' : ` (process ${pid})`}.`,
    reason: `Its lock is ${lockFile}.`,
  });
}

function lockContent(text: string): LockContent | undefined {
  const value = jsonObject(text);
  const launcher = lockedProcess(value?.['launcher']);
  if (launcher === undefined) return undefined;
  const children = Array.isArray(value?.['children']) ? value['children'] : [];
  return { launcher, children: children.map(lockedProcess).filter((child) => child !== undefined) };
}

function lockedProcess(value: unknown): LockedProcess | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, started } = value as { pid?: unknown; started?: unknown };
  return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
