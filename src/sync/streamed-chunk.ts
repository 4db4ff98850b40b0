/** A chunk of a large snapshot: rows stream from files to the container, nothing is collected. */
import type { PlanStore } from '../changes/plan-store.ts';
import { identityHash } from '../documents/document.ts';
import { duplicateRow, judgeChange, policyOf, presentRow, rejectedRow } from './decide-changes.ts';
import type { FailedRow } from './dead-letters.ts';
import type { SliceInput } from './activity-messages.ts';
import type { OutcomeAccount } from './outcome-account.ts';
import { planFolder, readJson, readPart } from './plan.ts';
import { readImages, type RowCursor } from './row-images.ts';
import type { SlicePlan } from './slice-plan.ts';
import type { DuplicateKey } from './unique-key-pass.ts';
import type { DecisionBatch, PlacedDecision } from './write-stream.ts';

export interface StreamedChunk {
  readonly batches: AsyncIterable<DecisionBatch>;
  /** Whether the last row was handed out. */
  done(): boolean;
}

/** `mayHand` is asked before every batch; when it says no, the stream ends early and `done` stays false. */
export function streamSnapshot(
  plans: PlanStore,
  plan: SlicePlan,
  input: Pick<SliceInput, 'chunk' | 'cursor'>,
  account: OutcomeAccount,
  mayHand: () => boolean,
  signal: AbortSignal,
): StreamedChunk {
  let done = false;
  async function* batches(): AsyncGenerator<DecisionBatch> {
    const policy = policyOf(plan);
    const sources = await readPart(plans, plan.header, input.chunk, signal);
    const duplicates = await knownDuplicates(plans, plan, signal);
    const start = input.cursor === null ? {} : { start: JSON.parse(input.cursor) as RowCursor };
    for await (const batch of readImages(plan, sources, start, signal)) {
      if (!mayHand()) return;
      account.read(batch.rows);
      const failed: FailedRow[] = [...batch.failed];
      const decisions: PlacedDecision[] = [];
      for (const image of batch.images) {
        if (image.rejection !== undefined) {
          failed.push(rejectedRow(image));
          continue;
        }
        const duplicate = duplicates.get(identityHash(image.identity));
        if (duplicate !== undefined && policy.duplicates === 'error') {
          failed.push(
            duplicateRow({ identity: image.identity, version: image.version }, duplicate.count, image.position),
          );
          continue;
        }
        if (
          duplicate !== undefined &&
          (duplicate.last.path !== image.position.path || duplicate.last.row !== image.position.row)
        )
          continue;
        const verdict = judgeChange(presentRow(image), policy, false);
        if (verdict.kind === 'write') decisions.push(verdict.placed);
        else account.skip(1);
      }
      yield { decisions, failed, cursor: JSON.stringify(batch.next) };
    }
    done = true;
  }
  return { batches: batches(), done: () => done };
}

async function knownDuplicates(
  plans: PlanStore,
  plan: SlicePlan,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, DuplicateKey>> {
  if (!plan.header.stages.some((stage) => stage.name === 'uniqueKeys')) return new Map();
  const folder = planFolder(plan.header.target, plan.header.planId);
  const keys = (await readJson(plans, `${folder}/duplicates.json`, signal)) as readonly DuplicateKey[];
  return new Map(keys.map((key) => [identityHash(key.identity), key]));
}
