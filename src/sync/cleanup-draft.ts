/** Epochs that delete what is in a slot nobody is to read: every document of it is one too many. */
import { splitHashRanges } from '../changes/hash-ranges.ts';
import { SyncError } from '../shared/errors.ts';
import type { EpkRange, TargetInfo } from './document-writer.ts';
import { rangeCount } from './plan-sources.ts';
import { PLAN_FORMAT, planIdOf, type PlanDraft, type PlanHeader } from './plan.ts';
import { slotName, type RetiredSlot, type Slot } from './publication-state.ts';
import type { Checkpoint, SyncState } from './state.ts';
import { atSlot, type SyncDependencies, type SyncTarget } from './sync-target.ts';
import { readContext, writeContext } from './table-context.ts';

/** A drafted clean-up, or the news that the container is gone, and the documents with it. */
export type CleanupDraft =
  | { readonly kind: 'draft'; readonly header: PlanHeader; readonly ranges: readonly EpkRange[] }
  | { readonly kind: 'slotGone'; readonly slot: Slot };

/** What a clean-up takes over from the state: nothing that is read changes. */
interface Basis {
  readonly why: string;
  readonly result: PlanHeader['result'];
  /** Documents there are about. */
  readonly documents: number;
}

/** Drafts the clean-up of a slot that readers have left. */
export function draftCleanup(
  deps: SyncDependencies,
  target: SyncTarget,
  state: SyncState,
  checkpoint: Checkpoint,
  retired: RetiredSlot,
  signal: AbortSignal,
): Promise<CleanupDraft> {
  const { version, commitEtag, commitHash, commitTimestamp, tableId, documents } = checkpoint;
  const { configurationHash, mappingFingerprint, containerRid } = checkpoint;
  const log = { version, commitEtag, commitHash, commitTimestamp, tableId };
  const basis = {
    why: `${slotName(retired.slot)} is no longer read`,
    result: { ...log, configurationHash, mappingFingerprint, containerRid },
    documents,
  };
  return draftDeletes(deps, target, state, retired, basis, signal);
}

/** Drafts deleting what a removed table has in a slot, whatever its mode was. `documents`: how many there are about. */
export async function draftRemoval(
  deps: SyncDependencies,
  target: SyncTarget,
  state: SyncState,
  retired: RetiredSlot,
  { version, documents }: { readonly version: number; readonly documents: number },
  signal: AbortSignal,
): Promise<CleanupDraft> {
  const written = await readContext(deps.plans, retired.context, signal);
  // Other modes would flag documents, or leave those alone that never were rows of theirs.
  const mirrored = { ...written, table: { ...written.table, mode: 'mirror' as const } };
  const context = await writeContext(deps.plans, target.id, mirrored, signal);
  const none = {
    commitEtag: null,
    commitHash: null,
    commitTimestamp: 0,
    configurationHash: '',
    mappingFingerprint: '',
  };
  const basis = {
    why: `the table was removed; deletes ${slotName(retired.slot)}`,
    result: { ...none, version, tableId: written.metadata.id, containerRid: retired.rid ?? '' },
    documents,
  };
  return draftDeletes(deps, target, state, { ...retired, context }, basis, signal);
}

async function draftDeletes(
  deps: SyncDependencies,
  target: SyncTarget,
  state: SyncState,
  { slot, context, rid }: RetiredSlot,
  { why, result, documents }: Basis,
  signal: AbortSignal,
): Promise<CleanupDraft> {
  const info = await describe(target, slot, signal);
  if (info === null || (rid !== undefined && rid !== info.rid)) return { kind: 'slotGone', slot };
  const cuts = rangeCount(documents, info, deps.sizes);
  const ranges = splitHashRanges(info.partitions, cuts, info.partitionKeyVersion);
  const draft: PlanDraft = {
    tableId: target.tableId,
    target: target.id,
    epoch: state.epoch + 1,
    kind: 'cleanup',
    from: result.version,
    to: result.version,
    why,
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
    estimate: { rows: 0, bytes: 0, deletes: documents },
    result,
  };
  return { kind: 'draft', header: { ...draft, format: PLAN_FORMAT, planId: planIdOf(draft, [], ranges) }, ranges };
}

/** Null when the container is gone. */
async function describe(target: SyncTarget, slot: Slot, signal: AbortSignal): Promise<TargetInfo | null> {
  try {
    return await atSlot(target, slot).writer.describe(signal);
  } catch (error) {
    if (error instanceof SyncError && error.code === 'targetMissing') return null;
    throw error;
  }
}
