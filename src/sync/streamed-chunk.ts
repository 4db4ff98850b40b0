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
import { batchSizes, type DecisionBatch, type PlacedDecision } from './write-stream.ts';

export interface StreamedChunk {
  readonly batches: AsyncIterable<DecisionBatch>;
  /** Whether the last row was handed out. */
  done(): boolean;
}

/** How a stream is handed out. */
export interface StreamPace {
  /** Asked before every batch but the first; when it says no, the stream ends early and `done` stays false. */
  mayHand(): boolean;
  readonly batchDecisions: number;
}

export function streamSnapshot(
  plans: PlanStore,
  plan: SlicePlan,
  input: Pick<SliceInput, 'chunk' | 'cursor'>,
  account: OutcomeAccount,
  pace: StreamPace,
  signal: AbortSignal,
): StreamedChunk {
  let done = false;
  async function* batches(): AsyncGenerator<DecisionBatch> {
    try {
      yield* whole();
    } catch (error) {
      // The time of the slice is over in the middle of reading: what was handed out before counts.
      if (!signal.aborted) throw error;
    }
  }
  async function* whole(): AsyncGenerator<DecisionBatch> {
    const policy = policyOf(plan);
    const sources = await readPart(plans, plan.header, input.chunk, signal);
    const duplicates = await knownDuplicates(plans, plan, signal);
    const start = input.cursor === null ? {} : { start: JSON.parse(input.cursor) as RowCursor };
    const sizes = batchSizes(pace.batchDecisions);
    let handed = false;
    for await (const batch of readImages(plan, sources, start, signal)) {
      if (handed && !pace.mayHand()) return;
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
      for (const piece of pieces(decisions, failed, batch.next, sizes)) {
        if (handed && !pace.mayHand()) return;
        handed = true;
        yield piece;
      }
    }
    done = true;
  }
  return { batches: batches(), done: () => done };
}

/** A batch of rows in pieces with a cursor behind each: rows that failed go with the piece that comes behind them. */
function* pieces(
  decisions: readonly PlacedDecision[],
  failed: readonly FailedRow[],
  next: RowCursor,
  sizes: Iterator<number, never>,
): Generator<DecisionBatch> {
  let waiting = failed;
  let start = 0;
  for (;;) {
    const end = start + sizes.next().value;
    const row = decisions[end - 1]?.row.position?.row;
    if (end >= decisions.length || row === undefined) break;
    const before = (letter: FailedRow): boolean => letter.position !== null && letter.position.row <= row;
    const cursor = JSON.stringify({ source: next.source, row: row + 1 });
    yield { decisions: decisions.slice(start, end), failed: waiting.filter(before), cursor };
    waiting = waiting.filter((letter) => !before(letter));
    start = end;
  }
  yield { decisions: decisions.slice(start), failed: waiting, cursor: JSON.stringify(next) };
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
