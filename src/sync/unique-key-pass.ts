/** One pass over the key columns of a snapshot: which documents more than one row claims. */
import type { RowPosition } from '../changes/image.ts';
import type { PlanStore } from '../changes/plan-store.ts';
import { UniqueKeys } from '../changes/unique-keys.ts';
import type { Identity } from '../documents/document.ts';
import type { OutcomeAccount } from './outcome-account.ts';
import { readPart } from './plan.ts';
import { readImages } from './row-images.ts';
import type { SlicePlan } from './slice-plan.ts';

/** A document that several rows claim; `last` is the row that wins with `duplicates: last`. */
export interface DuplicateKey {
  readonly identity: Identity;
  readonly count: number;
  readonly last: RowPosition;
}

/** A pass names no more than this many: a load cannot go on when one is full, for the others would be taken for unique. */
export const MOST_DUPLICATES = 10_000;

/** Looks at the identities of bucket `pass`; other passes look at the others. */
export async function findDuplicateKeys(
  plans: PlanStore,
  plan: SlicePlan,
  pass: number,
  account: OutcomeAccount,
  signal: AbortSignal,
): Promise<readonly DuplicateKey[]> {
  const { stages, estimate } = plan.header;
  const passes = stages.find((stage) => stage.name === 'uniqueKeys')?.chunks ?? 1;
  const parts = stages.find((stage) => stage.name === 'apply')?.chunks ?? 0;
  const bucket = { index: pass, of: passes };
  const expectedKeys = Math.ceil(estimate.rows / passes);
  const keys = new UniqueKeys({ bucket, maxDuplicates: MOST_DUPLICATES, expectedKeys });
  for (let part = 0; part < parts; part++) {
    const sources = await readPart(plans, plan.header, part, signal);
    for await (const batch of readImages(plan, sources, { keysOnly: true }, signal)) {
      account.read(batch.rows);
      for (const image of batch.images) keys.add(image);
    }
  }
  return keys.duplicates.map(({ identity, count, last }) => ({ identity, count, last: last.position }));
}
