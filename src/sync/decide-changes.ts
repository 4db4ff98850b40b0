/** Net changes to decisions: what is written, what is refused, what nobody has to do. Pure. */
import type { Image } from '../changes/image.ts';
import type { Change } from '../changes/net-changes.ts';
import { decideOperation, type OperationPolicy } from '../changes/operation-decision.ts';
import { identityHash, type Identity } from '../documents/document.ts';
import type { FailedRow } from './dead-letters.ts';
import type { SlicePlan } from './slice-plan.ts';
import type { PlacedDecision } from './write-stream.ts';

/** What becomes of one change. */
export type ChangeVerdict =
  | { readonly kind: 'write'; readonly hash: string; readonly placed: PlacedDecision }
  | {
      readonly kind: 'failed';
      readonly hash: string;
      readonly rows: readonly FailedRow[];
      readonly duplicate: Identity | null;
    }
  | { readonly kind: 'none'; readonly hash: string }
  /** A decision that only an operator can take (mode patch, a row is gone, `onDelete` is not set). */
  | { readonly kind: 'undecided'; readonly hash: string };

/** The policy of a plan. `stateKnown` is false when the container may hold anything. */
export function policyOf(plan: SlicePlan): OperationPolicy {
  const { table } = plan.context;
  const { header } = plan;
  const text = new Date(header.result.commitTimestamp).toISOString().replace('Z', '0000Z');
  return {
    mode: table.mode,
    duplicates: table.duplicates,
    stateKnown: !header.unconditional,
    softDelete: table.softDelete,
    onDelete: table.onDelete,
    fields: plan.mapping.fields,
    commitTime: () => text,
    ...(table.sourceVersion === undefined ? {} : { sourceVersion: table.sourceVersion }),
  };
}

/** Decides one change. `forced`: written whatever is believed about the container. */
export function judgeChange(change: Change, policy: OperationPolicy, forced: boolean): ChangeVerdict {
  const hash = identityHash(change.identity);
  const rejected = change.after.images.filter((image) => image.rejection !== undefined);
  if (rejected.length > 0) {
    return { kind: 'failed', hash, rows: rejected.map((image) => rejectedRow(image)), duplicate: null };
  }
  const unknown = change.before.images.some((image) => image.rejection !== undefined);
  const decision = decideOperation(change, policy, forced || unknown);
  switch (decision.kind) {
    case 'none':
      return { kind: 'none', hash };
    case 'held':
      return { kind: 'undecided', hash };
    case 'duplicates':
      return {
        kind: 'failed',
        hash,
        rows: decision.positions.map((position) => duplicateRow(change, decision.count, position)),
        duplicate: change.identity,
      };
    case 'operation':
    case 'merge': {
      const fresh = change.before.known && change.before.count === 0 && policy.stateKnown && !forced;
      const position = change.after.images[0]?.position ?? change.before.images[0]?.position ?? null;
      return { kind: 'write', hash, placed: { decision, row: { version: change.version, position }, fresh } };
    }
  }
}

/** The change of a row that is simply there: the after side is known, the before side is not. */
export function presentRow(image: Image): Change {
  return {
    identity: image.identity,
    version: image.version,
    before: { known: false, images: [], count: 0 },
    after: { images: [image], count: 1 },
  };
}

/** The dead letter of a row that has an identity but no document. */
export function rejectedRow(image: Image): FailedRow {
  const { rejection, version, position, identity } = image;
  return {
    code: rejection?.code ?? 'rejected',
    reason: rejection?.reason ?? '',
    version,
    position,
    identity,
    ...(rejection?.column === undefined ? {} : { column: rejection.column }),
  };
}

/** The dead letter of one of several rows that claim the same document. */
export function duplicateRow(
  change: Pick<Change, 'identity' | 'version'>,
  count: number,
  position: FailedRow['position'],
): FailedRow {
  return {
    code: 'duplicateKey',
    reason: `${count} rows have the same document id and partition key.`,
    version: change.version,
    position,
    identity: change.identity,
  };
}
