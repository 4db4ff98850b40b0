import { SyncError } from '../shared/errors.ts';

/** What a fault is about: the file and, where known, the column (dotted, for messages only). */
export interface FilePlace {
  readonly file: string;
  readonly column?: string;
}

/** The bytes contradict the format or each other. */
export function damaged(place: FilePlace, reason: string, cause?: unknown): SyncError {
  return new SyncError('dataFileDamaged', { problem: `${describe(place)} is damaged:`, reason: `${reason}.`, cause });
}

/** The bytes may be fine, but this program cannot read them without loss. `what` is a noun phrase. */
export function unsupported(place: FilePlace, what: string): SyncError {
  return new SyncError('unsupportedFeature', {
    problem: `${describe(place)} cannot be read:`,
    reason: `${what} is not supported.`,
    remedy: 'Rewrite the file or the column with the engine that writes the table.',
  });
}

/** A fault met while decoding: SyncErrors stay, everything else (range errors, codec errors) means damage. */
export function asFault(place: FilePlace, thrown: unknown): SyncError {
  if (thrown instanceof SyncError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return damaged(place, text.slice(0, 200), thrown);
}

/** Ends the work when the caller no longer wants it. */
export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new SyncError('aborted', { problem: 'The work was stopped.', cause: signal.reason });
  }
}

function describe(place: FilePlace): string {
  return place.column === undefined
    ? `Parquet file ${place.file}`
    : `Column ${place.column} of Parquet file ${place.file}`;
}
