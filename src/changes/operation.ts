/** What is done to Cosmos for one change. */
import type { Identity, JsonObject, JsonValue } from '../documents/document.ts';

/** At most one per identity in a call of the writer. */
export type Operation =
  | { readonly kind: 'upsert'; readonly identity: Identity; readonly document: JsonObject }
  /** Fails softly (`exists`) when the document is there. */
  | { readonly kind: 'create'; readonly identity: Identity; readonly document: JsonObject }
  /** Absent documents count as applied. */
  | { readonly kind: 'delete'; readonly identity: Identity; readonly ifMatch?: string }
  /** Fails softly (`missing` / `changed`). */
  | { readonly kind: 'replace'; readonly identity: Identity; readonly document: JsonObject; readonly ifMatch: string }
  /** At most 10 steps. Fails softly with `missing`. */
  | { readonly kind: 'patch'; readonly identity: Identity; readonly steps: readonly PatchStep[] };

export type PatchStep =
  | { readonly op: 'set'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly path: string };
