/**
 * A dry run: what the next epoch would be, and on request exactly what it would do, found by carrying out every stage but
 * the writing. Nothing is claimed; plan files go to the store of the caller.
 */
import type { PlanStore } from '../changes/plan-store.ts';
import { SyncError } from '../shared/errors.ts';
import { collectChanges, collectDifferences } from './collected-chunk.ts';
import type { ChangeVerdict } from './decide-changes.ts';
import { draftEpoch } from './epoch-draft.ts';
import { guardDeletes } from './guards.ts';
import { observeLog } from './log-observation.ts';
import type { SliceInput } from './activity-messages.ts';
import { OutcomeAccount } from './outcome-account.ts';
import { planFolder, writeJson, writePlan, type PlanHeader } from './plan.ts';
import { runSlice } from './run-slice.ts';
import { loadSlicePlan, type SlicePlan } from './slice-plan.ts';
import { addCounts, NO_COUNTS, type OperationCounts } from './state-store.ts';
import type { Hold } from './hold.ts';
import { isHeld, dirtyStart } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

export interface EpochPreview {
  readonly table: string;
  readonly plan: Pick<PlanHeader, 'planId' | 'kind' | 'from' | 'to' | 'why' | 'estimate' | 'stages'> | null;
  readonly hold: Pick<Hold, 'code' | 'reason' | 'remedy'> | null;
  /** Only with `exact`: creates are documents that are missing or new, upserts those that differ. */
  readonly counts: OperationCounts | null;
  /** Identities of some documents that would change. */
  readonly samples: readonly {
    readonly operation: string;
    readonly id: string;
    readonly before?: unknown;
    readonly after?: unknown;
  }[];
  /** RU of writing what was counted, from the costs of the last epoch; null before there was one. */
  readonly estimatedRu: number | null;
}

const SAMPLES = 5;

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
  };
  if (drafted.kind !== 'draft') return nothing;
  const { header } = drafted;
  const held = state.current !== null && isHeld(state.current) ? state.current.hold : undefined;
  const hold = drafted.hold ?? (state.current?.planId === header.planId ? (held ?? null) : null);
  const { planId, kind, from, to, why, estimate, stages } = header;
  const preview = { ...nothing, plan: { planId, kind, from, to, why, estimate, stages }, hold };
  if (!options.exact) return preview;
  await writePlan(dry.plans, header, drafted.parts, drafted.ranges, signal);
  const exact = await carryOut(dry, header, signal);
  const guard = guardDeletes({ state, guards: target.configuration.guards, deletes: exact.counts.deletes, now });
  const [last] = await deps.states.history(target.id, 1, signal);
  const writes = exact.counts.creates + exact.counts.upserts + exact.counts.patches + exact.counts.deletes;
  const spent =
    last === undefined ? 0 : last.counts.creates + last.counts.upserts + last.counts.patches + last.counts.deletes;
  const estimatedRu =
    last === undefined || spent === 0 ? null : Math.round((last.counts.requestUnits / spent) * writes);
  return { ...preview, ...exact, hold: hold ?? guard, estimatedRu };
}

/** Every stage up to the writing. */
async function carryOut(
  deps: SyncDependencies,
  header: PlanHeader,
  signal: AbortSignal,
): Promise<Pick<EpochPreview, 'counts' | 'samples'> & { readonly counts: OperationCounts }> {
  const folder = planFolder(header.target, header.planId);
  const shuffled: string[] = [];
  for (const stage of header.stages) {
    if (stage.name !== 'shuffle') continue;
    for (let chunk = 0; chunk < stage.chunks; chunk++) {
      let cursor: string | null = null;
      for (let slice = 0; slice === 0 || cursor !== null; slice++) {
        const input: SliceInput = {
          tableId: header.tableId,
          planId: header.planId,
          stage: 'shuffle',
          chunk,
          cursor,
          attempt: `${chunk}.${slice}`,
        };
        const result = await runSlice(deps, input, signal);
        if (result.kind !== 'ok') throw failureOf(result);
        shuffled.push(input.attempt);
        ({ cursor } = result);
      }
    }
    await writeJson(deps.plans, `${folder}/accepted.json`, shuffled, signal);
  }
  const plan = await loadSlicePlan(deps, header.tableId, header.planId, signal);
  let counts = NO_COUNTS;
  const samples: EpochPreview['samples'][number][] = [];
  const chunks = header.chunking === 'sources' ? 1 : (header.stages.at(-1)?.chunks ?? 0);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const account = new OutcomeAccount();
    const collected = await collect(deps, plan, chunk, account, signal);
    for (const verdict of collected) {
      const { operation, sample } = described(verdict);
      counts = addCounts(counts, { ...NO_COUNTS, [operation]: 1 });
      if (sample !== null && samples.length < SAMPLES) samples.push(sample);
    }
    counts = addCounts(counts, account.total());
  }
  return { counts, samples };
}

async function collect(
  deps: SyncDependencies,
  plan: SlicePlan,
  chunk: number,
  account: OutcomeAccount,
  signal: AbortSignal,
): Promise<readonly ChangeVerdict[]> {
  const compare = ['reconcile', 'verify', 'cleanup'].includes(plan.header.kind);
  // A large first load is not collected when it is carried out; a dry run of it reads every part at once.
  const request = { plan, plans: deps.plans, chunk, account };
  const collected = await (compare ? collectDifferences(request, signal) : collectChanges(request, signal));
  for (let row = 0; row < collected.failed.length; row++) account.deadLetter();
  return collected.verdicts;
}

function described(verdict: ChangeVerdict): {
  readonly operation: keyof OperationCounts;
  readonly sample: EpochPreview['samples'][number] | null;
} {
  if (verdict.kind !== 'write')
    return { operation: verdict.kind === 'failed' ? 'deadLettered' : 'skipped', sample: null };
  const { decision, fresh } = verdict.placed;
  if (decision.kind === 'merge')
    return { operation: 'patches', sample: { operation: 'merge', id: decision.merge.identity.id } };
  const { operation } = decision;
  const kind = operation.kind === 'upsert' && fresh ? 'create' : operation.kind;
  const after = 'document' in operation ? { after: operation.document } : {};
  const names = {
    upsert: 'upserts',
    replace: 'upserts',
    create: 'creates',
    delete: 'deletes',
    patch: 'patches',
  } as const;
  return { operation: names[kind], sample: { operation: kind, id: operation.identity.id, ...after } };
}

function failureOf(result: { readonly kind: string; readonly code?: string; readonly message?: string }): SyncError {
  return new SyncError('planDamaged', {
    problem: `The dry run could not read the table: ${result.message ?? result.kind}.`,
  });
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
