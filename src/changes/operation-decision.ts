/**
 * What a change makes of a document in each mode. README.md beside this file has the table of modes; the functions here
 * are pure.
 */
import type { SyncMode, TableConfiguration } from '../config/sync-configuration.ts';
import { differingFields, sameDocument, withoutFields } from '../documents/document-text.ts';
import type { Identity, JsonObject, JsonValue } from '../documents/document.ts';
import type { RowPosition } from './image.ts';
import type { Change } from './net-changes.ts';
import type { Operation, PatchStep } from './operation.ts';

/** What decides besides the change itself; the same for a whole epoch. */
export interface OperationPolicy {
  readonly mode: SyncMode;
  readonly duplicates: TableConfiguration['duplicates'];
  /** The container is known to hold what the checkpoint says, so a write that changes nothing may be skipped. */
  readonly stateKnown: boolean;
  /** With mode softDelete. */
  readonly softDelete?: TableConfiguration['softDelete'];
  /** With mode patch: absent holds the epoch when a row is gone. */
  readonly onDelete?: TableConfiguration['onDelete'];
  /** Field that gets the version of the change. */
  readonly sourceVersion?: string;
  /** Top-level fields of the mapping: the others in a document belong to the application. */
  readonly fields: readonly string[];
  /** Commit time of a version of the range, in the 7-digit ISO form. */
  readonly commitTime: (version: number) => string;
}

/** Mapped fields to be put into a stored document, the rest of which stays. */
export interface Merge {
  readonly identity: Identity;
  readonly document: JsonObject;
  /** Top-level fields that go when `document` does not have them. */
  readonly fields: readonly string[];
}

export type Decision =
  /** `otherwise`: read and merge when the operation finds the document `missing` or that it `exists`. */
  | { readonly kind: 'operation'; readonly operation: Operation; readonly otherwise?: Merge }
  /** Read the document, then do what `mergeOperation` says. */
  | { readonly kind: 'merge'; readonly merge: Merge }
  | { readonly kind: 'none'; readonly why: 'unchanged' | 'deleteIgnored' | 'notInserted' | 'neverWritten' }
  /** Several live rows of one identity: dead letters, the document stays as it is. */
  | {
      readonly kind: 'duplicates';
      readonly identity: Identity;
      readonly positions: readonly RowPosition[];
      readonly count: number;
    }
  /** Mode patch without `onDelete`: an operator has to decide. */
  | { readonly kind: 'held'; readonly identity: Identity };

/** Cosmos DB takes this many steps in one patch. */
const MAX_PATCH_STEPS = 10;

/** `forced`: the identity is to be written whatever is believed about it. Changes with `after.count` > 1 are duplicates also under `last`. */
export function decideOperation(change: Change, policy: OperationPolicy, forced = false): Decision {
  const { identity, before, after } = change;
  const certain = before.known && policy.stateKnown && !forced;
  const [image] = after.images;
  if (image === undefined) return decideGone(change, policy, certain);
  if (after.count > 1 && policy.duplicates === 'error') {
    return {
      kind: 'duplicates',
      identity,
      positions: after.images.map(({ position }) => position),
      count: after.count,
    };
  }
  const [old] = before.images;
  if (policy.mode === 'insertOnly') {
    if (before.known && before.count > 0 && !forced) return { kind: 'none', why: 'notInserted' };
    return operation({ kind: 'create', identity, document: stamped(image.document, change, policy) });
  }
  const comparable = certain && before.count === 1 && after.count === 1;
  if (comparable && old !== undefined && sameDocument(old.document, image.document)) {
    return { kind: 'none', why: 'unchanged' };
  }
  const document = stamped(image.document, change, policy);
  if (policy.mode !== 'patch') return operation({ kind: 'upsert', identity, document });

  const merge: Merge = { identity, document, fields: policy.fields };
  if (certain && before.count === 0) {
    return { kind: 'operation', operation: { kind: 'create', identity, document }, otherwise: merge };
  }
  const steps = comparable && old !== undefined ? patchSteps(old.document, image.document, document) : undefined;
  if (steps === undefined) return { kind: 'merge', merge };
  return { kind: 'operation', operation: { kind: 'patch', identity, steps }, otherwise: merge };
}

/** What a merge makes of the document as it is stored; undefined when it is as it should be. */
export function mergeOperation(
  merge: Merge,
  stored: { readonly document: JsonObject; readonly etag: string } | undefined,
  sourceVersion?: string,
): Operation | undefined {
  const { identity } = merge;
  if (stored === undefined) return { kind: 'create', identity, document: merge.document };
  const current = withoutFields(stored.document);
  const kept = withoutFields(current, merge.fields);
  const document = { ...kept, ...merge.document };
  // A new version stamp alone is no reason to write.
  const ignored = sourceVersion === undefined ? [] : [sourceVersion];
  if (sameDocument(withoutFields(current, ignored), withoutFields(document, ignored))) return undefined;
  return { kind: 'replace', identity, document, ifMatch: stored.etag };
}

function decideGone(change: Change, policy: OperationPolicy, certain: boolean): Decision {
  const { identity } = change;
  if (certain && change.before.count === 0) return { kind: 'none', why: 'neverWritten' };
  switch (policy.mode) {
    case 'mirror':
      return operation({ kind: 'delete', identity });
    case 'upsert':
    case 'insertOnly':
      return { kind: 'none', why: 'deleteIgnored' };
    case 'softDelete':
      return operation({ kind: 'patch', identity, steps: softDeleteSteps(change, policy) });
    case 'patch':
      if (policy.onDelete === undefined) return { kind: 'held', identity };
      return policy.onDelete === 'delete'
        ? operation({ kind: 'delete', identity })
        : { kind: 'none', why: 'deleteIgnored' };
  }
}

function operation(operation: Operation): Decision {
  return { kind: 'operation', operation };
}

/** The flag, the commit time, and the time to live where one is configured. Missing documents need no flag. */
function softDeleteSteps(change: Change, policy: OperationPolicy): PatchStep[] {
  const { flag = 'deleted', at = 'deletedAt', ttlSeconds } = policy.softDelete ?? {};
  const steps = [set(flag, true), set(at, policy.commitTime(change.version))];
  if (ttlSeconds !== undefined) steps.push(set('ttl', ttlSeconds));
  if (policy.sourceVersion !== undefined) steps.push(set(policy.sourceVersion, change.version));
  return steps;
}

/** Steps from one mapped document to the next; undefined where a patch cannot do it: too many, or a field that goes. */
function patchSteps(before: JsonObject, after: JsonObject, written: JsonObject): PatchStep[] | undefined {
  const changed = new Set(differingFields(before, after));
  // Removing a field that the application has removed already would fail.
  if ([...changed].some((name) => !Object.hasOwn(after, name))) return undefined;
  for (const name of Object.keys(written)) if (!Object.hasOwn(after, name)) changed.add(name);
  if (changed.size > MAX_PATCH_STEPS) return undefined;
  return [...changed].map((name) => set(name, written[name] ?? null));
}

function set(name: string, value: JsonValue): PatchStep {
  return { op: 'set', path: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, value };
}

function stamped(document: JsonObject, change: Change, policy: OperationPolicy): JsonObject {
  return policy.sourceVersion === undefined ? document : { ...document, [policy.sourceVersion]: change.version };
}
