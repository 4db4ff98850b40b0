/** Events to hints: which table's log an event speaks of. An event is never more than a reason to look at the log. */
import type { TableLocation } from '../storage/table-location.ts';

/** A reason to look at a table. */
export interface Hint {
  readonly tableId: string;
  /** The commit the event names, for messages. */
  readonly version: number | null;
}

/** The commit a path names: the table's folder and the version; null when the path is no commit file. */
export function commitOf(path: string): { readonly folder: string; readonly version: number } | null {
  const match = /^(?:(.*)\/)?_delta_log\/(\d{20})\.json$/s.exec(path);
  if (match === null) return null;
  return { folder: match[1] ?? '', version: Number(match[2]) };
}

/** Stands for the container in events about local folders; no container of a storage account can have this name. */
const FOLDER = '_folder';

/** Tables whose log holds the blob `path` of `container`. */
export function hintsFor(
  container: string,
  path: string,
  locations: ReadonlyMap<string, TableLocation>,
): readonly Hint[] {
  const commit = commitOf(container === FOLDER ? decodedPath(path) : path);
  if (commit === null) return [];
  const hints: Hint[] = [];
  for (const [tableId, location] of locations) {
    const folder = location.kind === 'blob' ? location.folder : location.path.replace(/^\/+|\/+$/g, '');
    const home = location.kind === 'blob' ? location.container : FOLDER;
    if (home === container && folder === commit.folder.replace(/^\/+/, ''))
      hints.push({ tableId, version: commit.version });
  }
  return hints;
}

/** A folder's events carry the path of a file URL. */
function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

const SUBJECT = /^\/blobServices\/default\/containers\/([^/]+)\/blobs\/(.+)$/s;

/**
 * Container and path of every blob that a message speaks of: one storage event, an array of them (Event Grid schema or
 * CloudEvents), or nothing. Blob names in subjects are not encoded; the destination of a rename is its subject.
 */
export function blobsOf(message: unknown): readonly { readonly container: string; readonly path: string }[] {
  const events: readonly unknown[] = Array.isArray(message) ? message : [message];
  const blobs: { container: string; path: string }[] = [];
  for (const event of events) {
    const subject = typeof event === 'object' && event !== null && 'subject' in event ? event.subject : undefined;
    const match = typeof subject === 'string' && subject.length <= 4_096 ? SUBJECT.exec(subject) : null;
    if (match?.[1] !== undefined && match[2] !== undefined) blobs.push({ container: match[1], path: match[2] });
  }
  return blobs;
}
