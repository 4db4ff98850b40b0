/** Names in `_delta_log` (PROTOCOL.md, "Delta Log Entries", "Checkpoints", "Log Compaction Files"). Everything else there means nothing. */

import { decodePath } from './file-path.ts';

/** Folder of the log, relative to the table. */
export const LOG_FOLDER = '_delta_log';

/** What a name in the log says. */
export type LogName =
  | { readonly kind: 'commit'; readonly version: number }
  | { readonly kind: 'checkpoint'; readonly version: number }
  /** One of `parts` files that are a checkpoint only together; `part` counts from 1. */
  | { readonly kind: 'checkpointPart'; readonly version: number; readonly part: number; readonly parts: number }
  /** UUID-named V2 checkpoint. */
  | { readonly kind: 'uuidCheckpoint'; readonly version: number; readonly format: 'json' | 'parquet' }
  /** Replaces the commits `version` to `end`, both included. */
  | { readonly kind: 'compaction'; readonly version: number; readonly end: number };

const NAME =
  /^(\d{20})\.(?:(json)|(checkpoint\.parquet)|checkpoint\.(\d{10})\.(\d{10})\.parquet|checkpoint\.[^./]+\.(json|parquet)|(\d{20})\.compacted\.json)$/;

/** Reads the base name of a file in `_delta_log`; undefined for names without meaning, and versions beyond 2^53. */
export function parseLogName(name: string): LogName | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const version = Number(match[1]);
  if (!Number.isSafeInteger(version)) return undefined;
  if (match[2] !== undefined) return { kind: 'commit', version };
  if (match[3] !== undefined) return { kind: 'checkpoint', version };
  if (match[4] !== undefined && match[5] !== undefined) {
    const part = Number(match[4]);
    const parts = Number(match[5]);
    return part >= 1 && part <= parts ? { kind: 'checkpointPart', version, part, parts } : undefined;
  }
  if (match[6] === 'json' || match[6] === 'parquet') return { kind: 'uuidCheckpoint', version, format: match[6] };
  const end = Number(match[7]);
  return Number.isSafeInteger(end) && end > version ? { kind: 'compaction', version, end } : undefined;
}

/** Twenty digits: the prefix of every name of that version. */
export function versionText(version: number): string {
  return String(version).padStart(20, '0');
}

/** Path of a commit file, relative to the table. */
export function commitPath(version: number): string {
  return `${LOG_FOLDER}/${versionText(version)}.json`;
}

/** Path of the newest-checkpoint hint. */
export const LAST_CHECKPOINT_PATH = `${LOG_FOLDER}/_last_checkpoint`;

/** Path of a sidecar. The log may name it by base name or by absolute URI, percent-encoded: only its base name counts. */
export function sidecarPath(uri: string): string {
  const name = decodePath(uri);
  return `${LOG_FOLDER}/_sidecars/${name.slice(name.lastIndexOf('/') + 1)}`;
}
