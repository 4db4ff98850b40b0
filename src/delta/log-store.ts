/**
 * Port to where a Delta table lies. Paths are decoded, with `/` between segments; relative to the table folder, or, in
 * actions, absolute (`/x`, `scheme://…`). An adapter refuses (`unsafePath`) whatever is outside the folder.
 */
import type { ByteSource } from '../parquet/byte-source.ts';

/** One object of a listing. */
export interface StoredFile {
  /** Relative to the table folder. */
  readonly path: string;
  readonly size: number;
  /** Last modification in milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Changes whenever the content does. */
  readonly etag: string;
}

export interface LogStore {
  /** For messages: where the table lies, without credentials. */
  readonly location: string;
  /** Files directly in `folder` (no sub-folders, no directory entries) whose path is >= `from`, in ascending UTF-8 order. One list call per page. An absent folder is empty. */
  list(folder: string, from: string, signal?: AbortSignal): AsyncIterable<StoredFile>;
  /** The whole file and what it was, read consistently. Throws `storageNotFound` when it is absent. */
  read(path: string, signal?: AbortSignal): Promise<{ readonly bytes: Uint8Array; readonly file: StoredFile }>;
  /**
   * As `read`, with the bytes in pieces as they arrive, for files of any size: one request. A piece is the caller's. Reading
   * them throws `storageChanged` when the file was replaced meanwhile.
   */
  stream(
    path: string,
    signal?: AbortSignal,
  ): Promise<{ readonly pieces: AsyncIterable<Uint8Array>; readonly file: StoredFile }>;
  /** Random access to one unchanging version of a file; ranges fail with `storageChanged` when it was replaced. Throws `storageNotFound`. */
  open(path: string, signal?: AbortSignal): Promise<ByteSource>;
}
