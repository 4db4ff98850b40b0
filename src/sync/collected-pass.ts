/** What one pass over a chunk comes to, decided before anything is written. */
import type { PlanStore } from '../changes/plan-store.ts';
import type { IdBucket } from '../changes/hash-ranges.ts';
import type { Identity } from '../documents/document.ts';
import type { ChangeVerdict } from './decide-changes.ts';
import type { FailedRow } from './dead-letters.ts';
import type { OutcomeAccount } from './outcome-account.ts';
import type { SlicePlan } from './slice-plan.ts';
import { SLICES_SIDE_BY_SIDE, type WorkSizes } from './work-sizes.ts';

/** A difference that a verification reports. */
export interface ReportedDifference {
  readonly kind: 'missing' | 'different' | 'extra';
  readonly id: string;
  readonly fields?: readonly string[];
}

export interface CollectedPass {
  /** In no order. */
  readonly verdicts: readonly ChangeVerdict[];
  /** Rows without identity; those of a chunk come with its first pass. */
  readonly failed: readonly FailedRow[];
  /** Forced identities that the changes touched: they are looked up in an epoch of their own. */
  readonly touchedForced: number;
  /** Where the sides differ, by kind; `samples` are the first of them. */
  readonly differences: {
    readonly missing: number;
    readonly different: number;
    readonly extra: number;
    readonly samples: readonly ReportedDifference[];
  };
  /** Identities that more than one row claims, whichever of them wins. */
  readonly duplicates: readonly Identity[];
  /** Rows or images read, and changes or documents that call for nothing. */
  readonly rows: number;
  readonly skipped: number;
}

export const NO_DIFFERENCES: CollectedPass['differences'] = { missing: 0, different: 0, extra: 0, samples: [] };

export interface PassRequest {
  readonly plan: SlicePlan;
  readonly plans: PlanStore;
  readonly sizes: Pick<WorkSizes, 'passRows' | 'passBytes'>;
  readonly chunk: number;
  readonly bucket: IdBucket;
  /** What was spilled of the container; null to read the container itself. */
  readonly stored: readonly string[] | null;
  /** Gets the RU that reading the container costs. */
  readonly account: OutcomeAccount;
  /** Asked while the container is read: whether this slice may go on. */
  mayGoOn(): boolean;
}

/** So small a share of the ids holds too much only if two documents do: halving it again would not help. */
const MOST_BUCKETS = 2 ** 20;

/** Whether a pass holds more than it may and half of its ids would hold less. */
export function isTooMuch(request: PassRequest, held: { readonly rows: number; readonly bytes: number }): boolean {
  const { sizes, bucket, plan } = request;
  // A chunk that is the only one has the room for itself.
  const share = plan.header.chunking === 'single' ? 1 : SLICES_SIDE_BY_SIDE;
  const full = held.rows * share > sizes.passRows || held.bytes * share > sizes.passBytes;
  return full && bucket.of < MOST_BUCKETS;
}

/** Documents that writing the pass would delete. */
export function deletesOf({ verdicts }: CollectedPass): number {
  let deletes = 0;
  for (const verdict of verdicts) {
    if (verdict.kind !== 'write') continue;
    const { decision } = verdict.placed;
    if (decision.kind === 'operation' && decision.operation.kind === 'delete') deletes++;
  }
  return deletes;
}

/** The verdicts of a pass behind an identity hash, ordered by it, so that a hash is a cursor. */
export function verdictsAfter({ verdicts }: CollectedPass, hash: string): readonly ChangeVerdict[] {
  return inOrder(hash === '' ? verdicts : verdicts.filter((verdict) => verdict.hash > hash));
}

/** By identity hash. */
function inOrder(verdicts: readonly ChangeVerdict[]): readonly ChangeVerdict[] {
  return verdicts.toSorted((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
}
