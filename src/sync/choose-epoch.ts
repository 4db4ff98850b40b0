/** Which epoch a target needs next: a pure decision over what is known before anything is read but the log's listing. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import { SyncError } from '../shared/errors.ts';
import type { HoldCode } from './hold.ts';
import type { EpochKind, SyncState } from './state.ts';

export interface EpochFacts {
  readonly state: SyncState;
  /** Newest version of the table. */
  readonly head: number;
  /** The container as it is now. */
  readonly containerRid: string;
  /** Whether it holds any document; only known (and only matters) before the first load. */
  readonly containerEmpty: boolean | null;
  /** The checkpoint's commit file is not the one that was read then. */
  readonly recreated: boolean;
  /** Whether all commits after the starting version can still be listed. */
  readonly commitsAvailable: boolean;
  /** The mapping, compiled for the head's schema, gives other documents than the checkpoint's. */
  readonly mappingChange: 'none' | 'configuration' | 'schemaAccepted' | 'schemaPaused';
  /**
   * The rows that the documents were made from: `needed` where neither changes nor a comparison with the head alone tell
   * which documents were this table's, and `lost` where they would be, but cannot be read any more.
   */
  readonly former: 'needed' | 'lost' | null;
  readonly table: Pick<TableConfiguration, 'start' | 'existing' | 'mode'>;
  /** Version that `start` names, when it names one. */
  readonly startVersion: number | null;
}

export interface EpochDecision {
  readonly kind: EpochKind | 'none';
  /** Version before the first commit to read; null for a snapshot. */
  readonly from: number | null;
  readonly why: string;
  /** The container's state is not known: touched identities are written whatever their images say. */
  readonly unconditional: boolean;
  /** Only the forced identities are looked at. */
  readonly scope: 'all' | 'forced';
  /** The epoch leaves documents behind that only a comparison of both sides corrects: it is asked for at the end. */
  readonly thenReconcile: boolean;
  /** Documents are made anew rather than brought up to date: a published table is loaded beside what readers see. */
  readonly rewrite: boolean;
  /** The rows at `from` are read, too: documents of those that are gone are this table's to delete. */
  readonly former: boolean;
  readonly hold: { readonly code: HoldCode; readonly reason: string; readonly remedy: string } | null;
}

/** Throws `targetUnsafe` where the configuration refuses a container that is not empty. */
export function chooseEpoch(facts: EpochFacts): EpochDecision {
  const { state, head } = facts;
  const checkpoint = state.checkpoint;
  if (checkpoint === null) return firstEpoch(facts);
  const from = checkpoint.version;
  if (facts.containerRid !== checkpoint.containerRid) {
    return held(reconcile(from, 'the container was replaced'), {
      code: 'containerReplaced',
      reason: 'The container was dropped and created again since the last epoch.',
      remedy: 'Approve the plan to load it again.',
    });
  }
  if (facts.recreated) {
    const hidden = facts.table.mode === 'patch' || facts.former === 'lost';
    const left = hidden
      ? ' Documents of rows that the new table does not have cannot be told from others: those stay.'
      : '';
    return held(rewrite(from, 'the table was created again'), {
      code: 'tableRecreated',
      reason: `The log no longer holds the commit of version ${from} that the container was made from.${left}`,
      remedy: 'Approve the plan if the new table is the one to publish.',
    });
  }
  // In mode patch only the changes tell which documents lost their row: they come first, whatever else is to be done.
  const first = facts.table.mode === 'patch' && facts.commitsAvailable ? untoldChanges(facts, from) : null;
  const former = facts.former === 'needed';
  if (state.request?.kind === 'reconcile' && (first === null || former) && facts.former !== 'lost')
    return { ...rewrite(from, `asked for by ${state.request.by}`), former };
  if (facts.mappingChange === 'configuration')
    return held({ ...rewrite(from, 'the mapping changed'), former }, mappingChanged(facts, from));
  if (facts.mappingChange === 'schemaPaused') {
    const left = facts.former === 'lost' ? ` ${unread(from)}` : '';
    return held(schemaChange(facts, first), {
      code: 'schemaDrift',
      reason: `The table schema changed in a way that the configuration says to pause at.${left}`,
      remedy: 'Approve the plan to go on with the new schema, or change schemaDrift.',
    });
  }
  if (facts.mappingChange === 'schemaAccepted') return schemaChange(facts, first);
  if (state.dirty !== null) {
    if (state.dirty.from === null || !facts.commitsAvailable)
      return instead(facts, reconcile(from, 'an epoch was given up'));
    return { ...changes(state.dirty.from, 'an epoch was given up'), unconditional: true };
  }
  if (head > from) {
    return facts.commitsAvailable
      ? changes(from, `version ${head} was committed`)
      : instead(facts, reconcile(from, 'the log was cleaned up'));
  }
  if (state.forced?.due === true) return { ...reconcile(from, 'documents need to be looked up'), scope: 'forced' };
  if (state.replay !== null)
    return { ...reconcile(from, `dead letters are tried again, asked for by ${state.replay.by}`), scope: 'forced' };
  if (state.request?.kind === 'verify') {
    return { ...reconcile(from, `asked for by ${state.request.by}`), kind: 'verify' };
  }
  return { ...changes(from, 'nothing is new'), kind: 'none' };
}

/** What the changes do not touch is rewritten afterwards. */
function schemaChange(facts: EpochFacts, first: EpochDecision | null): EpochDecision {
  const why = 'the schema changed';
  const from = facts.state.checkpoint?.version ?? 0;
  return first === null ? instead(facts, rewrite(from, why)) : { ...first, why, thenReconcile: true };
}

/** A comparison where changes cannot be read: what only they or the rows from before tell must not be passed over. */
function instead({ former, state }: EpochFacts, decision: EpochDecision): EpochDecision {
  if (former !== 'lost') return { ...decision, former: former === 'needed' };
  return held(decision, {
    code: 'deletesUnread',
    reason: unread(state.checkpoint?.version ?? 0),
    remedy:
      'Approve the plan to bring all other documents up to date, then delete those yourself, or set "onDelete" to keep.',
  });
}

function unread(from: number): string {
  return `Which documents are those of rows that are gone since version ${from} cannot be read any more: those stay.`;
}

function mappingChanged({ former }: EpochFacts, from: number): NonNullable<EpochDecision['hold']> {
  const reason = 'The mapping configuration gives other documents than those in the container.';
  const remedy = 'Approve the plan to rewrite what differs, or restore the configuration.';
  if (former !== 'lost') return { code: 'mappingChanged', reason, remedy };
  return {
    code: 'mappingChanged',
    reason: `${reason} Which of them were made from rows that are gone since version ${from}, or that have another id or partition key now, cannot be read any more: those stay.`,
    remedy:
      'Approve the plan to rewrite what differs, then delete those documents yourself, or restore the configuration.',
  };
}

/** What is not in the container yet, or maybe not; null when there is nothing, or changes cannot tell. */
function untoldChanges({ state, head }: EpochFacts, from: number): EpochDecision | null {
  if (state.dirty === null) return head > from ? changes(from, `version ${head} was committed`) : null;
  if (state.dirty.from === null) return null;
  return { ...changes(state.dirty.from, 'an epoch was given up'), unconditional: true };
}

function firstEpoch(facts: EpochFacts): EpochDecision {
  const { state } = facts;
  if (facts.startVersion !== null) {
    const first = changes(facts.startVersion - 1, `the configuration starts at version ${facts.startVersion}`);
    return { ...first, unconditional: true };
  }
  // What an unfinished first load wrote is equal to the table or is corrected: reconcile reads before it writes.
  if (state.dirty !== null) return reconcile(null, 'the first load was given up');
  if (facts.containerEmpty !== false)
    return { ...reconcile(null, 'first load'), kind: 'snapshot', unconditional: true };
  const adopt = reconcile(null, 'first load into a container that is not empty');
  if (facts.table.existing === 'adopt') return adopt;
  if (facts.table.existing === 'replace') return { ...adopt, unconditional: true };
  if (facts.table.existing === 'refuse') {
    throw new SyncError('targetUnsafe', {
      problem: 'The container holds documents that this sync did not write.',
      reason: 'The table is configured to refuse such a container ("existing": "refuse").',
      remedy: 'Name an empty container, or set "existing" to "adopt".',
    });
  }
  return held(adopt, {
    code: 'containerNotEmpty',
    reason: 'The container holds documents that this sync did not write.',
    remedy: 'Approve the plan to make the container equal to the table, or set "existing", or name an empty container.',
  });
}

function reconcile(from: number | null, why: string): EpochDecision {
  return decision('reconcile', from, why);
}

function rewrite(from: number, why: string): EpochDecision {
  return { ...reconcile(from, why), rewrite: true };
}

function changes(from: number, why: string): EpochDecision {
  return decision('changes', from, why);
}

function decision(kind: EpochKind, from: number | null, why: string): EpochDecision {
  return {
    kind,
    from,
    why,
    unconditional: false,
    scope: 'all',
    thenReconcile: false,
    rewrite: false,
    former: false,
    hold: null,
  };
}

function held(decision: EpochDecision, hold: NonNullable<EpochDecision['hold']>): EpochDecision {
  return { ...decision, hold };
}
