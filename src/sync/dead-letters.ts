/** Dead letters: rows that cannot be written, kept as JSON lines in blobs whose names depend only on the plan. */
import { createHash } from 'node:crypto';
import type { PlanStore } from '../changes/plan-store.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { SyncError } from '../shared/errors.ts';
import { parsePlainJson } from '../shared/json.ts';
import { identityHash, type Identity, type JsonObject, type PartitionKeyValue } from '../documents/document.ts';

export interface DeadLetter {
  /** A rejection code of the mapping, `duplicateKey`, or what the service answered. */
  readonly code: string;
  readonly reason: string;
  /** Table version the row belongs to. */
  readonly version: number;
  /** Data file and physical row, where they are known. */
  readonly path: string | null;
  readonly row: number | null;
  readonly column?: string;
  /** The same for letters of one document; absent where a row has no identity. Opaque: it tells nothing of the row. */
  readonly key?: string;
  /** Only with `deadLetters.content` keys or row. */
  readonly id?: string;
  readonly partitionKey?: readonly PartitionKeyValue[];
  /** Only with `deadLetters.content` row: the mapped document. */
  readonly document?: JsonObject;
}

/** What is known of a row that cannot be written, before the configuration decides how much of it is kept. */
export interface FailedRow {
  readonly code: string;
  readonly reason: string;
  readonly version: number;
  readonly position: { readonly path: string; readonly row: number } | null;
  readonly column?: string;
  readonly identity?: Identity;
  readonly document?: JsonObject;
}

/** What letters call a document. */
export function letterKey(identity: Identity): string {
  return createHash('sha256').update(identityHash(identity)).digest('hex').slice(0, 16);
}

/** Dead letters of one slice; a repeated slice writes the same blob again. */
export class DeadLetterBlob {
  readonly #content: TableConfiguration['deadLetters']['content'];
  readonly #lines: string[] = [];

  constructor(content: TableConfiguration['deadLetters']['content']) {
    this.#content = content;
  }

  get count(): number {
    return this.#lines.length;
  }

  add(row: FailedRow): void {
    const { identity, document, column } = row;
    const letter: DeadLetter = {
      code: row.code,
      reason: row.reason,
      version: row.version,
      path: row.position?.path ?? null,
      row: row.position?.row ?? null,
      ...(column === undefined ? {} : { column }),
      ...(identity === undefined ? {} : { key: letterKey(identity) }),
      ...(this.#content === 'none' || identity === undefined
        ? {}
        : { id: identity.id, partitionKey: identity.partitionKey }),
      ...(this.#content !== 'row' || document === undefined ? {} : { document }),
    };
    this.#lines.push(JSON.stringify(letter));
  }

  /** Writes the blob when there is anything to keep. */
  async write(store: PlanStore, name: string, signal?: AbortSignal): Promise<void> {
    if (this.#lines.length > 0)
      await store.write(name, new TextEncoder().encode(`${this.#lines.join('\n')}\n`), signal);
  }
}

/** Folder of a target's dead letters. */
export function deadLetterFolder(target: string): string {
  return `dead-letters/${target}/`;
}

/** Deterministic: epoch, chunk and which of its slices. */
export function deadLetterName(target: string, epoch: number, slice: string): string {
  return `${deadLetterFolder(target)}${String(epoch).padStart(10, '0')}/${slice}.jsonl`;
}

/** Dead letters of a target, oldest epoch first, as they were written. */
export async function* readDeadLetters(
  store: PlanStore,
  target: string,
  signal?: AbortSignal,
): AsyncGenerator<DeadLetter> {
  for await (const name of store.list(deadLetterFolder(target), signal)) {
    const text = await textOf(store, name, signal);
    for (const line of text.split('\n')) if (line !== '') yield parsePlainJson(line) as DeadLetter;
  }
}

/** Nothing for letters that an epoch has answered, and removed, since they were listed. */
async function textOf(store: PlanStore, name: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    return new TextDecoder().decode(await store.read(name, undefined, signal));
  } catch (error) {
    if (error instanceof SyncError && error.code === 'storageNotFound') return '';
    throw error;
  }
}
