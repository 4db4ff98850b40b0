/** One pass over the key columns of a snapshot: which documents more than one row claims. */
import type { Image, RowPosition } from '../changes/image.ts';
import { inIdBucket } from '../changes/hash-ranges.ts';
import type { PlanStore } from '../changes/plan-store.ts';
import { identityHash, type Identity } from '../documents/document.ts';
import type { OutcomeAccount } from './outcome-account.ts';
import { readPart } from './plan.ts';
import { readImages } from './row-images.ts';
import type { SlicePlan } from './slice-plan.ts';

export interface DuplicateKey {
  readonly identity: Identity;
  readonly count: number;
  /** The greatest position: the row that wins with `duplicates: last`. */
  readonly last: RowPosition;
}

/** More than this many are certainly too many; counting on would only fill memory. */
const MOST_DUPLICATES = 10_000;

/** Looks at the identities of bucket `pass`; other passes look at the others. */
export async function findDuplicateKeys(
  plans: PlanStore,
  plan: SlicePlan,
  pass: number,
  account: OutcomeAccount,
  signal: AbortSignal,
): Promise<readonly DuplicateKey[]> {
  const stages = plan.header.stages;
  const bucket = { index: pass, of: stages.find((stage) => stage.name === 'uniqueKeys')?.chunks ?? 1 };
  const parts = stages.find((stage) => stage.name === 'apply')?.chunks ?? 0;
  const seen = new Map<string, RowPosition>();
  const duplicates = new Map<string, DuplicateKey>();
  const look = (image: Image): void => {
    if (!inIdBucket(bucket, image.identity)) return;
    const hash = identityHash(image.identity);
    const first = seen.get(hash);
    if (first === undefined) {
      seen.set(hash, image.position);
      return;
    }
    const known = duplicates.get(hash) ?? { identity: image.identity, count: 1, last: first };
    if (known.count === 1 && duplicates.size >= MOST_DUPLICATES) return;
    const last = isAfter(image.position, known.last) ? image.position : known.last;
    duplicates.set(hash, { ...known, count: known.count + 1, last });
  };
  for (let part = 0; part < parts; part++) {
    for await (const batch of readImages(
      plan,
      await readPart(plans, plan.header, part, signal),
      { keysOnly: true },
      signal,
    )) {
      account.read(batch.rows);
      batch.images.forEach(look);
    }
  }
  return [...duplicates.values()];
}

function isAfter(a: RowPosition, b: RowPosition): boolean {
  return a.path === b.path ? a.row > b.row : a.path > b.path;
}
