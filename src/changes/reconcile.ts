/**
 * The two sides of a range of the identity hash compared: what the table maps to, and what the container holds. Pure; the
 * table's side is held, the container's side streams past it.
 */
import { differingFields, sameDocument, withoutFields } from '../documents/document-text.ts';
import { type Identity, identityHash, type JsonObject } from '../documents/document.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { Image } from './image.ts';
import { type Change, NetChanges } from './net-changes.ts';
import { type Decision, decideOperation, mergeOperation, type OperationPolicy } from './operation-decision.ts';

/** A document as the container has it. */
export interface StoredSide {
  readonly identity: Identity;
  readonly etag: string;
  readonly document: JsonObject;
}

/** Where both sides do not agree. */
export type Difference =
  | { readonly kind: 'missing'; readonly row: Change }
  | {
      readonly kind: 'different';
      readonly row: Change;
      readonly stored: StoredSide;
      readonly fields: readonly string[];
    }
  | { readonly kind: 'extra'; readonly stored: StoredSide };

/** Documents by what became of them. */
export interface ReconcileCounts {
  readonly equal: number;
  readonly missing: number;
  readonly different: number;
  readonly extra: number;
  /** In the container, and not this table's: other discriminator or generation. */
  readonly foreign: number;
  /** In the container, flagged as deleted and without a row. */
  readonly flagged: number;
  /** Identities with several rows where these are errors: dead letters, neither equal nor different. */
  readonly duplicates: number;
}

/** What decides which stored documents count, and what a repair does. */
export interface ReconcilePolicy extends OperationPolicy {
  /** The version of the table that is compared. */
  readonly version: number;
  readonly discriminator?: TableConfiguration['discriminator'];
  /** With publish versionFlag: the field, and the generation that is compared. */
  readonly generation?: { readonly field: string; readonly value: number };
  /** Hashes of identities that rows had before: their documents are this table's whatever they look like. */
  readonly former?: ReadonlySet<string>;
}

/** Compares one range. First `addRow` for every row, then `match` for every stored document, then `rest`. */
export class Reconciliation {
  readonly #rows = new NetChanges({ beforeKnown: false });
  readonly #policy: ReconcilePolicy;
  readonly #counts = { equal: 0, missing: 0, different: 0, extra: 0, foreign: 0, flagged: 0, duplicates: 0 };
  #open: Map<string, Change> | undefined;

  constructor(policy: ReconcilePolicy) {
    this.#policy = policy;
  }

  /** An after image: the document that a row of the table maps to. */
  addRow(image: Image): void {
    this.#rows.add(image);
  }

  /** Rows that are held, and roughly the memory they take. */
  get held(): { readonly rows: number; readonly bytes: number } {
    return { rows: this.#rows.size, bytes: this.#rows.heldBytes };
  }

  /** What is wrong with a stored document; undefined when nothing is. */
  match(stored: StoredSide): Difference | undefined {
    const open = this.#rowsByIdentity();
    const key = identityHash(stored.identity);
    if (!belongs(stored.document, this.#policy) && this.#policy.former?.has(key) !== true) {
      this.#counts.foreign++;
      return undefined;
    }
    const row = open.get(key);
    if (row === undefined) return this.#extra(stored);
    open.delete(key);
    if (this.#isDuplicate(row)) return undefined;
    const fields = differences(row, stored.document, this.#policy);
    if (fields.length === 0) {
      this.#counts.equal++;
      return undefined;
    }
    this.#counts.different++;
    return { kind: 'different', row, stored, fields };
  }

  /** Rows that no stored document matched, and duplicates among them; call it once, last. */
  *rest(): Generator<Difference> {
    const open = this.#rowsByIdentity();
    for (const row of open.values()) {
      if (this.#isDuplicate(row)) continue;
      this.#counts.missing++;
      yield { kind: 'missing', row };
    }
    open.clear();
  }

  get counts(): ReconcileCounts {
    return { ...this.#counts };
  }

  /** Identities that have several rows, for dead letters and for the memory of known duplicates. */
  *duplicates(): Generator<Change> {
    for (const row of this.#rows.changes()) if (row.after.count > 1) yield row;
  }

  #rowsByIdentity(): Map<string, Change> {
    this.#open ??= new Map([...this.#rows.changes()].map((row) => [identityHash(row.identity), row]));
    return this.#open;
  }

  #extra(stored: StoredSide): Difference | undefined {
    if (isFlagged(stored.document, this.#policy)) {
      this.#counts.flagged++;
      return undefined;
    }
    this.#counts.extra++;
    return { kind: 'extra', stored };
  }

  #isDuplicate(row: Change): boolean {
    const duplicate = row.after.count > 1 && this.#policy.duplicates === 'error';
    if (duplicate) this.#counts.duplicates++;
    return duplicate;
  }
}

/** What makes both sides agree, in the mode of the table; README.md has the table. */
export function repairDecision(difference: Difference, policy: ReconcilePolicy): Decision {
  switch (difference.kind) {
    case 'missing': {
      const decision = decideOperation(difference.row, policy, true);
      // Nothing is there, so there is nothing to merge with; a document that appeared meanwhile is.
      return decision.kind === 'merge'
        ? { kind: 'operation', operation: { kind: 'create', ...pick(decision.merge) }, otherwise: decision.merge }
        : decision;
    }
    case 'different': {
      if (policy.mode === 'insertOnly') return { kind: 'none', why: 'notInserted' };
      const decision = decideOperation(difference.row, policy, true);
      if (decision.kind !== 'merge') return decision;
      const operation = mergeOperation(decision.merge, difference.stored, policy.sourceVersion);
      return operation === undefined
        ? { kind: 'none', why: 'unchanged' }
        : { kind: 'operation', operation, otherwise: decision.merge };
    }
    case 'extra': {
      const { identity } = difference.stored;
      // In mode patch the application may have documents that never were rows.
      const ours = policy.discriminator !== undefined || policy.former?.has(identityHash(identity)) === true;
      if (policy.mode === 'patch' && !ours) return { kind: 'none', why: 'deleteIgnored' };
      const none = { images: [], count: 0 };
      return decideOperation(
        { identity, version: policy.version, before: { known: false, ...none }, after: none },
        policy,
        true,
      );
    }
  }
}

function pick(merge: { readonly identity: Identity; readonly document: JsonObject }): {
  readonly identity: Identity;
  readonly document: JsonObject;
} {
  return { identity: merge.identity, document: merge.document };
}

/** Top-level fields in which a stored document differs from what its row maps to. */
function differences(row: Change, stored: JsonObject, policy: ReconcilePolicy): string[] {
  const wanted = row.after.images[0]?.document;
  if (wanted === undefined) return [];
  const actual = withoutFields(stored, policy.sourceVersion === undefined ? [] : [policy.sourceVersion]);
  if (sameDocument(wanted, actual)) return [];
  const fields = differingFields(wanted, actual);
  // Fields outside the mapping belong to the application in mode patch.
  return policy.mode === 'patch' ? fields.filter((name) => policy.fields.includes(name)) : fields;
}

function belongs(document: JsonObject, policy: ReconcilePolicy): boolean {
  const { discriminator, generation } = policy;
  if (discriminator !== undefined && document[discriminator.field] !== discriminator.value) return false;
  return generation === undefined || document[generation.field] === generation.value;
}

function isFlagged(document: JsonObject, policy: ReconcilePolicy): boolean {
  return policy.mode === 'softDelete' && document[policy.softDelete?.flag ?? 'deleted'] === true;
}
