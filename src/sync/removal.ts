/**
 * What becomes of a table that was taken out of the configuration and is named in `removedTables`. Transitions are pure;
 * README.md states the policy.
 */
import type { PlanStore } from '../changes/plan-store.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { separated, targetsOf } from '../config/cross-checks.ts';
import { SyncError } from '../shared/errors.ts';
import { deadLetterFolder } from './dead-letters.ts';
import { deleteLimit } from './guards.ts';
import type { Hold } from './hold.ts';
import { readPlan } from './plan.ts';
import { NOT_PUBLISHED, sameSlot, type Publication, type RetiredSlot, type Slot } from './publication-state.ts';
import type { StateStore } from './state-store.ts';
import type { SyncState } from './state.ts';
import { readContext } from './table-context.ts';

/** What the configuration says of a removed table. */
export interface RemovedTable {
  readonly documents: 'keep' | 'delete';
  /** Tables that are configured: what they write to is not deleted. */
  readonly configured: readonly TableConfiguration[];
}

/** How far the removal of a table is, in its state document. */
export interface Removal {
  readonly documents: 'keep' | 'delete';
  /** `begun`: the checkpoint is given up and documents may be gone already. `done`: nothing is left to do. */
  readonly phase: 'begun' | 'done';
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The version that the documents showed; null when the first load never ended. */
  readonly version: number | null;
  /** Documents there were, as far as known. */
  readonly count: number;
}

/** How many documents are assumed where nobody has counted: decides how finely a clean-up is cut. */
const UNKNOWN_COUNT = 1_000_000;

/** True when nothing of the table is left to look after. */
export function isRemoved(state: SyncState): boolean {
  return state.removal?.phase === 'done';
}

/** Whether there may be documents to delete. */
export function mayHaveDocuments(state: SyncState): boolean {
  const { checkpoint, dirty, current, publication } = state;
  if (state.removal !== null) return publication.retired.length > 0;
  const slots = publication.retired.length + (publication.working === null ? 0 : 1);
  return checkpoint !== null || dirty !== null || slots > 0 || current?.phase === 'applying';
}

/** How many documents there are about, for a plan; and the version they show. */
export function extentOf(state: SyncState): { readonly version: number; readonly documents: number } {
  const { removal, checkpoint } = state;
  if (removal !== null) return { version: removal.version ?? 0, documents: removal.count };
  return { version: checkpoint?.version ?? 0, documents: countOf(state) ?? UNKNOWN_COUNT };
}

/** Every place where the table may have documents; `context` is what they were written under where the state does not say. */
export function slotsOf(state: SyncState, table: TableConfiguration, context: string): readonly RetiredSlot[] {
  const { checkpoint, publication, dirty } = state;
  const slots: RetiredSlot[] = [...publication.retired];
  const add = (slot: Slot | null, written: typeof checkpoint): void => {
    if (slot === null || slots.some((known) => sameSlot(known.slot, slot))) return;
    const rid = written === null ? {} : { rid: written.containerRid };
    slots.push({ slot, context: written?.context ?? context, at: 0, ...rid });
  };
  const inPlace =
    checkpoint === null && dirty === null ? null : { container: table.target.container, generation: null };
  add(publication.working ?? inPlace, checkpoint);
  if (publication.standby !== null) add(publication.standby.slot, publication.standby.checkpoint);
  return slots;
}

/** Throws `removalRefused` when a configured table writes where documents would be deleted. */
export function refuseShared(
  table: TableConfiguration,
  slots: readonly RetiredSlot[],
  configured: readonly TableConfiguration[],
): void {
  const places = new Set(slots.map(({ slot }) => `${table.target.database}/${slot.container}`));
  for (const other of configured) {
    const shared = targetsOf(other).find((target) => places.has(target));
    if (shared === undefined || separated(table, other)) continue;
    throw new SyncError('removalRefused', {
      problem: 'The documents of a removed table are not deleted.',
      reason: `A table of the configuration writes to ${shared} too.`,
    });
  }
}

/** What forbids the deletes of a removal until somebody agrees, or null. */
export function guardRemoval(state: SyncState, table: TableConfiguration, now: number): Hold | null {
  const remedy = 'Approve the plan to delete them, or say "keep" in removedTables.';
  const owned = table.discriminator !== undefined || table.mode === 'mirror' || table.mode === 'softDelete';
  if (!owned) {
    const reason = `In mode ${table.mode} the container may hold documents of others, and nothing tells them apart.`;
    return { code: 'removalUnclear', reason, remedy: `${remedy} Approval deletes every document.`, since: now };
  }
  const count = countOf(state);
  const limit = deleteLimit(table.guards, count ?? 0);
  if (!Number.isFinite(limit) || (count !== null && count <= limit)) return null;
  const about = count === null ? 'An unknown number of' : `About ${count}`;
  const reason = `${about} documents of the removed table would be deleted; the limit is ${limit}.`;
  return { code: 'tooManyDeletes', reason, remedy, since: now };
}

/** The table's checkpoint is given up, and what is left is to be deleted. Nothing of this can be undone but by a new load. */
export function beginRemoval(
  state: SyncState,
  documents: 'keep' | 'delete',
  slots: readonly RetiredSlot[],
  now: number,
): SyncState {
  return {
    ...state,
    checkpoint: null,
    dirty: null,
    forced: null,
    request: null,
    replay: null,
    freshnessDue: false,
    emptySince: null,
    concern: null,
    publication: { ...remaining(state, documents), retired: slots },
    removal: state.removal ?? {
      documents,
      phase: 'begun',
      at: now,
      version: state.checkpoint?.version ?? null,
      count: countOf(state) ?? UNKNOWN_COUNT,
    },
  };
}

/** Nothing is left but the memory that it was so, and numbers that must not be given again. */
export function endRemoval(state: SyncState, documents: 'keep' | 'delete', now: number): SyncState {
  if (state.removal === null || state.removal.phase === 'done') return state;
  const removal = { ...state.removal, documents, phase: 'done' as const, at: now };
  return { ...state, current: null, rejected: null, concern: null, removal, publication: remaining(state, documents) };
}

/** The table is configured again: whatever is in its container, it begins with a first load. */
export function readmit(state: SyncState): SyncState {
  const documents = state.removal?.documents ?? 'keep';
  return { ...state, current: null, removal: null, publication: remaining(state, documents) };
}

/** Readers may go on reading what is kept: a later load goes beside it. */
function remaining({ publication }: SyncState, documents: 'keep' | 'delete'): Publication {
  const { live, lastGeneration } = publication;
  return { ...NOT_PUBLISHED, live: documents === 'keep' ? live : null, lastGeneration };
}

/** The context that a removed table's documents were last written under; null when nothing is known of it. */
export async function lastContext(plans: PlanStore, state: SyncState, signal?: AbortSignal): Promise<string | null> {
  const known = state.checkpoint?.context ?? state.publication.retired[0]?.context;
  if (known !== undefined) return known;
  if (state.current !== null) return (await readPlan(plans, state.target, state.current.planId, signal)).context;
  for await (const name of plans.list(`contexts/${state.target}/`, signal)) return name;
  return null;
}

/** The settings that a removed table's documents were last written under; null when nothing is left of it. */
export async function lastConfiguration(
  { plans, states }: { readonly plans: PlanStore; readonly states: StateStore },
  tableId: string,
): Promise<TableConfiguration | null> {
  const context = await lastContext(plans, (await states.read(tableId)).state);
  return context === null ? null : (await readContext(plans, context)).table;
}

/** Plans, contexts and dead letters of a removed table. */
export async function removeBlobs(plans: PlanStore, target: string, signal?: AbortSignal): Promise<void> {
  for (const folder of [`plans/${target}/`, `forced/${target}/`, deadLetterFolder(target), `contexts/${target}/`])
    await plans.remove(folder, signal);
}

function countOf(state: SyncState): number | null {
  if (state.checkpoint === null) return state.dirty === null ? 0 : null;
  return state.checkpoint.documents + (state.publication.standby?.checkpoint.documents ?? 0);
}
