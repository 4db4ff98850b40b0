/**
 * Where the documents of a published table lie, and which of them readers are told to read. Kept in the table's one state
 * document, so that a compare-and-swap decides between a load, an increment, a switch, a rollback and a clean-up.
 */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { SyncError } from '../shared/errors.ts';
import type { Checkpoint, DirtyRange, Forced, SyncState } from './state.ts';

/** A place for a whole copy of the table: a container (blueGreen), or a generation in one (versionFlag). */
export interface Slot {
  readonly container: string;
  /** The field of every document that holds the generation, and its value. */
  readonly generation: { readonly field: string; readonly value: number } | null;
}

/** A slot that can be gone back to, with what the state said of it. */
export interface SlotRecord {
  readonly slot: Slot;
  readonly checkpoint: Checkpoint;
  readonly forced: Forced | null;
  readonly dirty: DirtyRange | null;
}

/** A slot whose documents are to be deleted. */
export interface RetiredSlot {
  readonly slot: Slot;
  /** Context its documents were written under. */
  readonly context: string;
  /** When readers were told to leave it, milliseconds since 1970. */
  readonly at: number;
  /** Cosmos' id of the container, where it is known: in one that was created again nothing is left to delete. */
  readonly rid?: string;
}

export interface Publication {
  /** What the checkpoint describes and epochs write to; null where the table's container is written in place. */
  readonly working: Slot | null;
  /** What the pointer document names; null before the first switch. */
  readonly live: Slot | null;
  /** Until the switch the live slot's record, after it that of the slot before. */
  readonly standby: SlotRecord | null;
  /** When the last switch was, milliseconds since 1970. */
  readonly since: number;
  readonly retired: readonly RetiredSlot[];
  /** The highest generation that was ever written to. */
  readonly lastGeneration: number;
}

export const NOT_PUBLISHED: Publication = {
  working: null,
  live: null,
  standby: null,
  since: 0,
  retired: [],
  lastGeneration: 0,
};

/** What the pointer document calls a slot: the number of the generation, or the name of the container. */
export function slotName(slot: Slot): string | number {
  return slot.generation?.value ?? slot.container;
}

export function sameSlot(a: Slot | null, b: Slot | null): boolean {
  return a?.container === b?.container && a?.generation?.value === b?.generation?.value;
}

/** True between the load of a slot and the switch to it. */
export function awaitsSwitch({ publication }: SyncState): boolean {
  return publication.working !== null && !sameSlot(publication.working, publication.live);
}

/** The slot that increments go to; null for a table that is, or was so far, written in place. */
export function workingSlot(state: SyncState, table: TableConfiguration): Slot | null {
  if (table.publish.kind === 'inPlace') return null;
  if (state.publication.working !== null) return state.publication.working;
  // A table that was written in place until now: its container is one of the pair already.
  const converted = table.publish.kind === 'blueGreen' && state.checkpoint !== null;
  return converted ? { container: table.target.container, generation: null } : null;
}

/** The slot that the next load goes to; null for a table that is written in place. */
export function nextSlot(state: SyncState, table: TableConfiguration): Slot | null {
  const { publish, target } = table;
  if (publish.kind === 'inPlace') return null;
  if (publish.kind === 'versionFlag') {
    const value = state.publication.lastGeneration + 1;
    return { container: target.container, generation: { field: publish.field, value } };
  }
  const inUse = state.publication.live ?? workingSlot(state, table);
  return { container: inUse?.container === target.container ? publish.other : target.container, generation: null };
}

/** Whether the documents in a slot were written by this sync. */
export function isOwn({ publication }: SyncState, slot: Slot): boolean {
  return [publication.working, publication.standby?.slot, ...publication.retired.map((each) => each.slot)].some(
    (each) => each !== undefined && each !== null && sameSlot(each, slot),
  );
}

/** The first write of a load: what was in the slot can no longer be gone back to. */
export function beginLoad(state: SyncState, slot: Slot): SyncState {
  const { publication } = state;
  const standby = sameSlot(publication.standby?.slot ?? null, slot) ? null : publication.standby;
  const lastGeneration = Math.max(publication.lastGeneration, slot.generation?.value ?? 0);
  return { ...state, publication: { ...publication, standby, lastGeneration } };
}

/** `before` is the state that the load found, `done` the state with its checkpoint. The switch is still to come. */
export function finishLoad(before: SyncState, done: SyncState, slot: Slot, left: Slot | null, now: number): SyncState {
  const { publication, checkpoint, forced, dirty } = before;
  const record = left === null || checkpoint === null ? null : { slot: left, checkpoint, forced, dirty };
  // Before the first switch, readers of a table that was written in place read its container.
  const inPlace = publication.live === null && publication.working === null;
  const wasLive = record !== null && (inPlace || sameSlot(record.slot, publication.live));
  const displaced = wasLive ? publication.standby : record;
  const retired = [...publication.retired, ...(displaced === null ? [] : [retiredSlot(displaced, now)])].filter(
    (each) => !sameSlot(each.slot, slot),
  );
  const standby = wasLive ? record : publication.standby;
  return { ...done, publication: { ...publication, working: slot, standby, retired } };
}

/** Readers are told to read the working slot from now on. */
export function switchLive(state: SyncState, now: number): SyncState {
  const { publication } = state;
  const retired = publication.retired.map((each) => ({ ...each, at: now }));
  return { ...state, publication: { ...publication, live: publication.working, since: now, retired } };
}

/** A load that was given up leaves documents that nobody will read. */
export function retire(state: SyncState, slot: Slot, context: string, now: number): SyncState {
  const { publication } = state;
  return { ...state, publication: { ...publication, retired: [...publication.retired, { slot, context, at: now }] } };
}

/** True when the slot before the last switch has been kept for long enough. */
export function standbyExpired(state: SyncState, table: TableConfiguration, now: number): boolean {
  const { standby, since } = state.publication;
  return standby !== null && !awaitsSwitch(state) && now >= since + graceMs(table);
}

/** The slot before the last switch can no longer be gone back to; it is deleted by a later epoch. */
export function expireStandby(state: SyncState): SyncState {
  const { standby, since } = state.publication;
  if (standby === null) return state;
  const retired = [...state.publication.retired, retiredSlot(standby, since)];
  return { ...state, publication: { ...state.publication, retired, standby: null } };
}

/**
 * A slot to delete now, or null. Increments go first, but for no longer than a second time of grace. Never while a switch
 * is to come: until then readers may be where the pointer document never sent them.
 */
export function dueForRemoval(
  state: SyncState,
  table: TableConfiguration,
  now: number,
  idle: boolean,
): RetiredSlot | null {
  const { retired, live, working, standby } = state.publication;
  if (awaitsSwitch(state) || table.publish.kind === 'inPlace') return null;
  const waitMs = graceMs(table) * (idle ? 1 : 2);
  const inUse = [live, working, standby?.slot ?? null];
  return retired.find((each) => now >= each.at + waitMs && !inUse.some((slot) => sameSlot(slot, each.slot))) ?? null;
}

export function removed(state: SyncState, slot: Slot): SyncState {
  const retired = state.publication.retired.filter((each) => !sameSlot(each.slot, slot));
  return { ...state, publication: { ...state.publication, retired } };
}

/** The record that a rollback goes back to. Throws `nothingToRollBack`. */
export function rollbackTarget(state: SyncState): SlotRecord {
  const { standby } = state.publication;
  if (standby !== null && !awaitsSwitch(state)) return standby;
  throw new SyncError('nothingToRollBack', {
    problem: `${state.target} has nothing to go back to.`,
    reason: awaitsSwitch(state)
      ? 'The last load was not published yet: readers still read what was there before.'
      : 'Only the slot before the last switch can be gone back to, as long as it is kept (publish.graceSeconds).',
  });
}

/** Goes back to the standby with its own checkpoint; what was live until now becomes the standby. */
export function rollBack(state: SyncState, now: number): SyncState {
  const back = rollbackTarget(state);
  const { publication, checkpoint, forced, dirty } = state;
  const left = publication.working === null || checkpoint === null ? null : publication.working;
  return {
    ...state,
    // Epoch numbers only grow: the slot's checkpoint keeps everything else.
    checkpoint: back.checkpoint,
    forced: back.forced,
    dirty: back.dirty,
    request: null,
    publication: {
      ...publication,
      working: back.slot,
      live: back.slot,
      standby: left === null || checkpoint === null ? null : { slot: left, checkpoint, forced, dirty },
      since: now,
    },
  };
}

/** Until when readers that have not looked at the pointer again may still be in the standby, milliseconds since 1970. */
export function standbyUntil(state: SyncState, table: TableConfiguration): number {
  return state.publication.since + graceMs(table);
}

function retiredSlot({ slot, checkpoint }: SlotRecord, at: number): RetiredSlot {
  return { slot, context: checkpoint.context, at, rid: checkpoint.containerRid };
}

function graceMs({ publish }: TableConfiguration): number {
  return publish.kind === 'inPlace' ? 0 : publish.graceSeconds * 1_000;
}
