/** The document that tells readers how fresh a table's documents are and, where it is published, which of them to read. */
import { SyncError } from '../shared/errors.ts';
import type { Checkpoint } from './state.ts';

/** One for each table, in the container that `freshness` names. */
export interface PublicationDocument {
  /** The table's id. */
  readonly id: string;
  readonly table: string;
  /** Version of the table that the documents show. */
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly commitTime: string;
  readonly syncedAt: string;
  /** Container to read, or with publish versionFlag the generation. */
  readonly live: string | number;
}

/** A document as read, with the ETag that a change must match. */
export interface StoredPublication {
  readonly document: PublicationDocument;
  readonly etag: string;
}

/** Port to the container of freshness and pointer documents. */
export interface PublicationStore {
  /** Null when there is no document yet. */
  read(tableId: string, signal?: AbortSignal): Promise<StoredPublication | null>;
  /** Creates (ETag null) or replaces by compare-and-swap; false when somebody else was first. */
  write(document: PublicationDocument, etag: string | null, signal?: AbortSignal): Promise<boolean>;
  /** Deletes by compare-and-swap; false when somebody changed it meanwhile. */
  remove(tableId: string, etag: string, signal?: AbortSignal): Promise<boolean>;
}

/** How often a write is tried against others. */
const ATTEMPTS = 5;

/**
 * Writes the document of a checkpoint. `allowed` are the values of `live` that may be replaced: another one means that
 * somebody else switched readers over. Throws `pointerChanged`, `publicationUnavailable`.
 */
export async function publish(
  store: PublicationStore,
  tableId: string,
  checkpoint: Pick<Checkpoint, 'version' | 'commitTimestamp' | 'syncedAt'>,
  live: string | number,
  allowed: readonly (string | number | null)[] | 'any',
  signal?: AbortSignal,
): Promise<void> {
  const document: PublicationDocument = {
    id: tableId,
    table: tableId,
    version: checkpoint.version,
    commitTime: new Date(checkpoint.commitTimestamp).toISOString(),
    syncedAt: new Date(checkpoint.syncedAt).toISOString(),
    live,
  };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stored = await store.read(tableId, signal);
    const named = stored?.document.live ?? null;
    if (allowed !== 'any' && !allowed.includes(named)) throw pointerChanged(tableId, named, allowed);
    if (await store.write(document, stored?.etag ?? null, signal)) return;
  }
  throw changesTooOften(tableId);
}

/** Deletes the document of a table that is no longer there to be read. Throws `publicationUnavailable`. */
export async function withdraw(store: PublicationStore, tableId: string, signal?: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stored = await store.read(tableId, signal);
    if (stored === null || (await store.remove(tableId, stored.etag, signal))) return;
  }
  throw changesTooOften(tableId);
}

/** Somebody else switched readers over: nothing may be written or deleted until it is clear what they read. */
export function pointerChanged(
  tableId: string,
  named: string | number | null,
  allowed: readonly (string | number | null)[],
): SyncError {
  const expected = allowed.filter((each) => each !== null).map((each) => JSON.stringify(each));
  return new SyncError('pointerChanged', {
    problem: `The pointer document of ${tableId} was changed by somebody else.`,
    reason: `It names ${named === null ? 'nothing' : JSON.stringify(named)} instead of ${expected.join(' or ')}.`,
  });
}

function changesTooOften(tableId: string): SyncError {
  return new SyncError('publicationUnavailable', {
    problem: `The pointer document of ${tableId} changed at every attempt to update it.`,
  });
}
