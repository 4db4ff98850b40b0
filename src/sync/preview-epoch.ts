/**
 * A dry run: what the next epoch would be, and on request exactly what it would do, found by carrying out every stage but
 * the writing. Nothing is claimed; plan files go to the store of the caller.
 */
import type { PlanStore } from '../changes/plan-store.ts';
import { identityHash } from '../documents/document.ts';
import { SyncError } from '../shared/errors.ts';
import { dryRun, type DryRun } from './dry-run.ts';
import { draftEpoch } from './epoch-draft.ts';
import { refusalOf } from './epoch-refusal.ts';
import type { Hold } from './hold.ts';
import { observeLog } from './log-observation.ts';
import { COST_EPOCHS, measuredCost, writesOf } from './measured-cost.ts';
import type { PartitionKeyLoad } from './partition-key-load.ts';
import { writePlan, type PlanHeader } from './plan.ts';
import type { OperationCounts } from './state-store.ts';
import { dirtyStart, isHeld } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

export interface EpochPreview {
  readonly table: string;
  readonly plan: Pick<PlanHeader, 'planId' | 'kind' | 'from' | 'to' | 'why' | 'estimate' | 'stages'> | null;
  readonly hold: Pick<Hold, 'code' | 'reason' | 'remedy'> | null;
  /** Only with `exact`: creates are documents that are missing or new, upserts those that differ. */
  readonly counts: OperationCounts | null;
  /** Some documents that would change; `before` as the container has it now. */
  readonly samples: readonly {
    readonly operation: string;
    readonly id: string;
    readonly before?: unknown;
    readonly after?: unknown;
  }[];
  /** RU of writing what was counted, and seconds, from what the last epochs cost; null before there were any. */
  readonly estimatedRu: number | null;
  readonly estimatedSeconds: number | null;
  /** Only with `exact`: logical partition keys with much of the writing, the heaviest first. */
  readonly partitionKeys: readonly PartitionKeyLoad[];
}

/** `deps.plans` is read for what earlier epochs left; `scratch` takes what this dry run writes. */
export async function previewEpoch(
  deps: SyncDependencies,
  scratch: PlanStore,
  tableId: string,
  options: { readonly exact: boolean },
  signal: AbortSignal,
): Promise<EpochPreview> {
  const dry: SyncDependencies = { ...deps, plans: overlay(deps.plans, scratch) };
  const target = await dry.target(tableId);
  const now = deps.clock.now();
  const { state } = await deps.states.read(target.id, signal);
  const log = await observeLog(target.source, dirtyStart(state) ?? 0, now, signal);
  if (log.head === undefined) {
    throw new SyncError('notADeltaTable', { problem: `${target.source.location} is not a Delta table.` });
  }
  const request = { deps: dry, target, state, log, newest: log.head, now };
  const drafted = await draftEpoch(request, signal);
  const nothing: EpochPreview = {
    table: tableId,
    plan: null,
    hold: null,
    counts: null,
    samples: [],
    estimatedRu: null,
    estimatedSeconds: null,
    partitionKeys: [],
  };
  if (drafted.kind !== 'draft') return nothing;
  const { header } = drafted;
  const held = state.current !== null && isHeld(state.current) ? state.current.hold : undefined;
  const hold = drafted.hold ?? (state.current?.planId === header.planId ? (held ?? null) : null);
  const { planId, kind, from, to, why, estimate, stages } = header;
  const preview = { ...nothing, plan: { planId, kind, from, to, why, estimate, stages }, hold };
  if (!options.exact) return preview;
  await writePlan(dry.plans, header, drafted.parts, drafted.ranges, signal);
  const run = await dryRun(dry, header, signal);
  const { samples, requestUnits } = await withBefore(run, signal);
  const cost = measuredCost(await deps.states.history(target.id, COST_EPOCHS, signal));
  const estimatedRu = cost.measured ? Math.round(cost.ruPerWrite * writesOf(run.counts)) : null;
  const facts = { estimatedRu, physicalPartitions: run.plan.info.partitions.length };
  const { configuration: table } = target;
  const refusal = refusalOf({ totals: run.totals, table, state, load: header.load, now });
  return {
    ...preview,
    hold: hold ?? run.hold ?? refusal,
    counts: { ...run.counts, requestUnits: run.counts.requestUnits + requestUnits },
    samples,
    estimatedRu,
    estimatedSeconds: cost.rowsPerSecond === null ? null : Math.ceil(run.counts.rows / cost.rowsPerSecond),
    partitionKeys: run.loads.heaviest(facts),
  };
}

/** Samples with the documents as they are now. */
async function withBefore(
  { plan, samples }: DryRun,
  signal: AbortSignal,
): Promise<{ readonly samples: EpochPreview['samples']; readonly requestUnits: number }> {
  if (samples.length === 0) return { samples: [], requestUnits: 0 };
  const read = await plan.target.writer.read(
    samples.map((sample) => sample.target),
    signal,
  );
  const stored = new Map(read.documents.map(({ identity, document }) => [identityHash(identity), document]));
  const complete = samples.map(({ operation, target, after }) => {
    const before = stored.get(identityHash(target));
    return {
      operation,
      id: target.id,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    };
  });
  return { samples: complete, requestUnits: read.requestUnits };
}

/** Reads what `scratch` does not have from `base`; writes go to `scratch` only. */
function overlay(base: PlanStore, scratch: PlanStore): PlanStore {
  return {
    write: (name, bytes, signal) => scratch.write(name, bytes, signal),
    read: async (name, range, signal) => {
      try {
        return await scratch.read(name, range, signal);
      } catch (error) {
        if (error instanceof SyncError && error.code === 'storageNotFound') return base.read(name, range, signal);
        throw error;
      }
    },
    list: (prefix, signal) => scratch.list(prefix, signal),
    remove: (prefix, signal) => scratch.remove(prefix, signal),
  };
}
