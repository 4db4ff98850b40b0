/** The epoch that deletes what is in a slot that readers have left: every document of it is one too many. */
import { splitHashRanges } from '../changes/hash-ranges.ts';
import { SyncError } from '../shared/errors.ts';
import type { DraftResult } from './epoch-draft.ts';
import { rangeCount } from './plan-sources.ts';
import { PLAN_FORMAT, planIdOf, type PlanDraft } from './plan.ts';
import { slotName, type RetiredSlot } from './publication-state.ts';
import type { Checkpoint, SyncState } from './state.ts';
import { atSlot, type SyncDependencies, type SyncTarget } from './sync-target.ts';

/** Drafts the clean-up of a slot. Its checkpoint is the one there is: nothing that is read changes. */
export async function draftCleanup(
  deps: SyncDependencies,
  target: SyncTarget,
  state: SyncState,
  checkpoint: Checkpoint,
  { slot, context }: RetiredSlot,
  signal: AbortSignal,
): Promise<DraftResult> {
  const info = await atSlot(target, slot)
    .writer.describe(signal)
    .catch((error: unknown) => {
      if (error instanceof SyncError && error.code === 'targetMissing') return null;
      throw error;
    });
  if (info === null) return { kind: 'slotGone', slot };
  const cuts = rangeCount(checkpoint.documents, info, deps.sizes);
  const ranges = splitHashRanges(info.partitions, cuts, info.partitionKeyVersion);
  const { version, commitEtag, commitHash, commitTimestamp, tableId } = checkpoint;
  const { configurationHash, mappingFingerprint, containerRid } = checkpoint;
  const draft: PlanDraft = {
    tableId: target.tableId,
    target: target.id,
    epoch: state.epoch + 1,
    kind: 'cleanup',
    from: version,
    to: version,
    why: `${slotName(slot)} is no longer read`,
    // No row is spread over the ranges, so every document in them is extra.
    stages: [
      { name: 'shuffle', chunks: 0 },
      { name: 'apply', chunks: ranges.length },
    ],
    chunking: 'ranges',
    slot,
    load: false,
    context,
    unconditional: true,
    scope: 'all',
    thenReconcile: false,
    forced: null,
    estimate: { rows: 0, bytes: 0, deletes: checkpoint.documents },
    result: {
      version,
      commitEtag,
      commitHash,
      commitTimestamp,
      tableId,
      configurationHash,
      mappingFingerprint,
      containerRid,
    },
  };
  const header = { ...draft, format: PLAN_FORMAT, planId: planIdOf(draft, [], ranges) };
  return { kind: 'draft', header, parts: [], ranges, hold: null, sourceEmpty: false };
}
