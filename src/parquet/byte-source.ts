import { SyncError } from '../shared/errors.ts';

/** Random access to the bytes of one file. */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Bytes [start, end), in memory that is the caller's from then on: he may free it. Never a suffix range. Rejects when
   * the signal aborts.
   */
  read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** A source that gives fewer or more bytes than asked for has another file under it now. */
export function checkLength(source: ByteSource, bytes: Uint8Array, expected: number): void {
  if (bytes.length === expected) return;
  throw new SyncError('storageChanged', {
    problem: `A read of ${source.name} gave ${bytes.length} bytes instead of ${expected}.`,
  });
}
