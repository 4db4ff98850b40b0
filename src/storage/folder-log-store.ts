/** LogStore on a folder of this machine: local tables, tests. Symbolic links may not lead out of the table folder. */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { open, readdir, realpath, stat, type FileHandle } from 'node:fs/promises';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { isAbsolutePath } from '../delta/file-path.ts';
import type { LogStore, StoredFile } from '../delta/log-store.ts';
import type { ByteSource } from '../parquet/byte-source.ts';
import { SyncError } from '../shared/errors.ts';

/** Files whose size and time are asked for at once while listing. */
const STAT_BATCH = 64;
/** What is read at once of a file that is streamed. */
const PIECE_BYTES = 1024 * 1024;

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function unsafe(path: string): SyncError {
  return new SyncError('unsafePath', {
    problem: `The path ${JSON.stringify(path.slice(0, 300))} is outside the table folder, so it is not reachable here.`,
  });
}

/** Maps a file system error to the catalogue. */
function storageError(error: unknown, path: string): unknown {
  const name = JSON.stringify(path.slice(0, 300));
  switch (errorCode(error) ?? '') {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENAMETOOLONG':
      return new SyncError('storageNotFound', { problem: `The file ${name} does not exist.`, cause: error });
    case 'EACCES':
    case 'EPERM':
      return new SyncError('storageForbidden', { problem: `The file ${name} may not be read.`, cause: error });
    case 'ELOOP':
    case 'ERR_INVALID_ARG_VALUE':
      return unsafe(path);
    default:
      return error;
  }
}

function describe(path: string, stats: BigIntStats): StoredFile {
  const etag = createHash('sha256').update(`${stats.size}/${stats.mtimeNs}/${stats.ino}`).digest('hex').slice(0, 32);
  // Rounded: who sets a file's time in milliseconds goes through a double of seconds.
  const modifiedAt = Number((stats.mtimeNs + 500_000n) / 1_000_000n);
  return { path, size: Number(stats.size), modifiedAt, etag };
}

async function statFile(handle: FileHandle): Promise<BigIntStats> {
  const stats = await handle.stat({ bigint: true });
  if (!stats.isFile()) throw Object.assign(new Error('not a file'), { code: 'EISDIR' });
  return stats;
}

/** A LogStore on the folder `root`. The folder need not exist: then every listing is empty. */
export class FolderLogStore implements LogStore {
  readonly location: string;
  #realRoot: string | undefined;

  constructor(root: string) {
    this.location = resolve(root);
  }

  async *list(folder: string, from: string, signal?: AbortSignal): AsyncGenerator<StoredFile> {
    signal?.throwIfAborted();
    let entries;
    try {
      entries = await readdir(await this.#resolve(folder), { withFileTypes: true });
    } catch (error) {
      const mapped = storageError(error, folder);
      if (mapped instanceof SyncError && mapped.code === 'storageNotFound') return;
      throw mapped;
    }
    const start = Buffer.from(from);
    const wanted = entries
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => ({ path: `${folder}/${entry.name}`, key: Buffer.from(`${folder}/${entry.name}`) }))
      .filter(({ key }) => Buffer.compare(key, start) >= 0)
      .toSorted((a, b) => Buffer.compare(a.key, b.key));
    for (let at = 0; at < wanted.length; at += STAT_BATCH) {
      signal?.throwIfAborted();
      const batch = await Promise.all(wanted.slice(at, at + STAT_BATCH).map(({ path }) => this.#describe(path)));
      for (const file of batch) if (file !== undefined) yield file;
    }
  }

  async read(path: string, signal?: AbortSignal): Promise<{ readonly bytes: Uint8Array; readonly file: StoredFile }> {
    return this.#withFile(path, signal, async (handle) => {
      const before = await statFile(handle);
      const bytes = await handle.readFile(signal === undefined ? {} : { signal });
      const file = describe(path, await handle.stat({ bigint: true }));
      if (file.etag !== describe(path, before).etag || file.size !== bytes.length) throw changed(path);
      return { bytes, file };
    });
  }

  async stream(
    path: string,
    signal?: AbortSignal,
  ): Promise<{ readonly pieces: AsyncIterable<Uint8Array>; readonly file: StoredFile }> {
    const source = await this.open(path, signal);
    return { pieces: piecesOf(source, signal), file: source.file };
  }

  async open(path: string, signal?: AbortSignal): Promise<ByteSource & { readonly file: StoredFile }> {
    const file = await this.#withFile(path, signal, async (handle) => describe(path, await statFile(handle)));
    return {
      name: path,
      size: file.size,
      file,
      read: (start, end, readSignal) =>
        this.#withFile(path, readSignal, (handle) => readRange(handle, file, start, end)),
    };
  }

  async #withFile<T>(path: string, signal: AbortSignal | undefined, use: (handle: FileHandle) => Promise<T>) {
    signal?.throwIfAborted();
    let handle: FileHandle | undefined;
    try {
      handle = await open(await this.#resolve(path), 'r');
      return await use(handle);
    } catch (error) {
      throw storageError(error, path);
    } finally {
      await handle?.close();
    }
  }

  async #describe(path: string): Promise<StoredFile | undefined> {
    try {
      const stats = await stat(await this.#resolve(path), { bigint: true });
      return stats.isFile() ? describe(path, stats) : undefined;
    } catch {
      // Removed between listing and asking, or a link out of the folder: not part of the table.
      return undefined;
    }
  }

  /** The real path of a file of the table; throws `unsafePath` for anything else. */
  async #resolve(path: string): Promise<string> {
    if (path.includes('\0')) throw unsafe(path);
    this.#realRoot ??= await realpath(this.location);
    // An absolute URI of another store, such as abfss://…
    if (!path.startsWith('/') && isAbsolutePath(path)) throw unsafe(path);
    const inside = isAbsolute(path) ? resolve(path) : join(this.location, path);
    if (!isWithin(inside, this.location) && !isWithin(inside, this.#realRoot)) throw unsafe(path);
    const real = await realpath(inside);
    if (!isWithin(real, this.#realRoot)) throw unsafe(path);
    return real;
  }
}

function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

function changed(path: string): SyncError {
  return new SyncError('storageChanged', {
    problem: `The file ${JSON.stringify(path)} was replaced while it was read.`,
  });
}

async function* piecesOf(source: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += PIECE_BYTES) {
    yield await source.read(at, Math.min(at + PIECE_BYTES, source.size), signal);
  }
}

async function readRange(handle: FileHandle, file: StoredFile, start: number, end: number): Promise<Uint8Array> {
  const current = describe(file.path, await handle.stat({ bigint: true }));
  if (current.etag !== file.etag) throw changed(file.path);
  const length = Math.max(0, Math.min(end, file.size) - start);
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) throw changed(file.path);
    done += bytesRead;
  }
  return bytes;
}
