/** A rewrite of a published table becomes a load beside the slot that readers see, and what readers left is deleted. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { EpochDecision } from './choose-epoch.ts';
import type { DocumentWriter } from './document-writer.ts';
import { isOwn, nextSlot, sameSlot, slotName, standbyUntil, type Slot } from './publication-state.ts';
import { WHOLE } from './plan-sources.ts';
import type { SyncState } from './state.ts';

export interface LoadFacts {
  readonly state: SyncState;
  readonly table: TableConfiguration;
  readonly slot: Slot;
  /** Whether the slot holds any document. */
  readonly empty: boolean;
  readonly now: number;
}

/** Whether the documents a decision is about are made anew in another slot, and in which. */
export function slotToLoad(state: SyncState, table: TableConfiguration, decision: EpochDecision): Slot | null {
  return decision.rewrite || state.checkpoint === null ? nextSlot(state, table) : null;
}

/** The decision to load a slot instead of rewriting what readers see. Only what the slot holds from before is compared. */
export function loadDecision(decision: EpochDecision, facts: LoadFacts): EpochDecision {
  const { slot, empty } = facts;
  const why = `${decision.why}; loads ${slotName(slot)} beside what is read`;
  const kind = empty ? 'snapshot' : 'reconcile';
  const load: EpochDecision = { ...decision, why, from: null, kind, unconditional: empty, former: false };
  const concern = concernOf(facts);
  if (concern === null) return load;
  const hold =
    decision.hold === null ? concern : { ...decision.hold, reason: `${decision.hold.reason} ${concern.reason}` };
  // A plan without the concern is another one: it is not held by what held this one.
  return { ...load, why: `${why} (${concern.code})`, hold };
}

/** What in the slot must not be overwritten without asking. */
function concernOf({ state, table, slot, empty, now }: LoadFacts): EpochDecision['hold'] {
  const until = standbyUntil(state, table);
  if (sameSlot(state.publication.standby?.slot ?? null, slot) && now < until) {
    const time = new Date(until).toISOString();
    return {
      code: 'standbyInUse',
      reason: `Readers that have not looked at the pointer again may still read ${slot.container} until ${time}.`,
      remedy: 'Wait until then, or approve the plan to load it now.',
    };
  }
  const asked = table.existing === 'adopt' || table.existing === 'replace';
  if (empty || asked || isOwn(state, slot)) return null;
  return {
    code: 'containerNotEmpty',
    reason: `${slot.container} holds documents that this sync did not write.`,
    remedy: 'Approve the plan to make the container equal to the table, or name an empty container.',
  };
}

/** Whether a slot holds no document; those of other generations and other tables in its container do not count. */
export async function isSlotEmpty(
  writer: DocumentWriter,
  slot: Slot | null,
  { discriminator }: Pick<TableConfiguration, 'discriminator'>,
  signal: AbortSignal,
): Promise<boolean> {
  const marks = [slot?.generation, discriminator].filter((mark) => mark !== null && mark !== undefined);
  let cursor: string | null = null;
  do {
    const page = await writer.scan(WHOLE, cursor, signal);
    if (page.documents.some(({ document }) => marks.every(({ field, value }) => document[field] === value)))
      return false;
    ({ cursor } = page);
  } while (cursor !== null);
  return true;
}

/** What a verification must find before readers are told to read a slot. */
export function mayPublish(
  publish: TableConfiguration['publish'],
  report: { readonly missing: number; readonly different: number; readonly extra: number },
): boolean {
  // As many documents as rows; the other settings also compare what is in them.
  if (publish.kind !== 'inPlace' && publish.verify === 'counts') return report.missing === report.extra;
  return report.missing + report.different + report.extra === 0;
}

/** What a switch may find in the pointer document: what the state says was live, or the switch already done. */
export function replaceable(
  state: SyncState,
  table: TableConfiguration,
  to: TargetName,
): readonly (TargetName | null)[] {
  const { live } = state.publication;
  // Before the first switch: nothing, or what a table that was written in place left there.
  return live === null ? [null, table.target.container, to] : [slotName(live), to];
}

/** What the pointer document calls a slot. */
export type TargetName = ReturnType<typeof slotName>;
