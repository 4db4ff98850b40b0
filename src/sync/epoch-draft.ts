/** A drafted epoch: what the target needs next, from the log and the container, with nothing claimed or held yet. */
import { createHash } from 'node:crypto';
import { splitHashRanges } from '../changes/hash-ranges.ts';
import { commitPath } from '../delta/log-path.ts';
import { loadSnapshot, type Snapshot } from '../delta/snapshot.ts';
import { SyncError } from '../shared/errors.ts';
import { draftCleanup } from './cleanup-draft.ts';
import { chooseEpoch, type EpochDecision, type EpochFacts } from './choose-epoch.ts';
import type { EpkRange, TargetInfo } from './document-writer.ts';
import { formerRows, NO_FORMER_ROWS } from './former-rows.ts';
import { judgeMapping, type JudgedMapping } from './judge-mapping.ts';
import { isSlotEmpty, loadDecision, slotToLoad } from './choose-load.ts';
import { guardCost, guardEmptySource } from './guards.ts';
import { compareWithCheckpoint, hasCommits, type LogObservation } from './log-observation.ts';
import { changeContents, snapshotContents, stagesOf, withFormer, type Contents } from './plan-contents.ts';
import { COST_EPOCHS, measuredCost, type MeasuredCost } from './measured-cost.ts';
import { readRangeHead, readSnapshotHead, type Head } from './plan-head.ts';
import { WHOLE } from './plan-sources.ts';
import { PLAN_FORMAT, planIdOf, type PlanDraft, type PlanHeader, type PlanSource, type PlanStage } from './plan.ts';
import { dueForRemoval, isOwn, nextSlot, workingSlot, type Slot } from './publication-state.ts';
import { draftReplay, type DraftedReplay } from './replay.ts';
import { compileContext } from './slice-plan.ts';
import type { Hold } from './hold.ts';
import { dirtyStart, type SyncState } from './state.ts';
import { startVersion } from './start-version.ts';
import { sourceIsGone } from './source-failure.ts';
import { atSlot, type SyncDependencies, type SyncTarget } from './sync-target.ts';
import { configurationHash, contextName, readContext, writeContext, type TableContext } from './table-context.ts';

export interface DraftedEpoch {
  readonly kind: 'draft';
  readonly header: PlanHeader;
  readonly parts: readonly (readonly PlanSource[])[];
  readonly ranges: readonly EpkRange[];
  /** What must hold the epoch before anything is read; exact counts of deletes come later, still before the first write. */
  readonly hold: Hold | null;
  /** The table has files. */
  readonly sourceEmpty: boolean;
}

export type DraftResult =
  | DraftedEpoch
  /** The documents are as the head wants them. */
  | { readonly kind: 'nothing' }
  /** The container of documents that were to be deleted is gone itself. */
  | { readonly kind: 'slotGone'; readonly slot: Slot }
  /** The table is empty, and not yet for long enough to be believed. */
  | { readonly kind: 'settling'; readonly ms: number; readonly since: number };

export interface DraftRequest {
  readonly deps: SyncDependencies;
  readonly target: SyncTarget;
  readonly state: SyncState;
  readonly log: LogObservation;
  /** Newest version of the table. */
  readonly newest: number;
  readonly now: number;
}

/** Drafts the next epoch. Throws what reading the log and compiling the mapping throw; writes nothing but the context blob. */
export function draftEpoch(request: DraftRequest, signal: AbortSignal): Promise<DraftResult> {
  return new EpochDrafter(request, signal).draft();
}

/** Where the documents of an epoch lie. */
interface Place {
  readonly slot: Slot | null;
  readonly info: TargetInfo;
  readonly decision: EpochDecision;
  /** Readers do not see the slot yet. */
  readonly load: boolean;
}

class EpochDrafter {
  readonly #deps: SyncDependencies;
  readonly #target: SyncTarget;
  readonly #state: SyncState;
  readonly #log: LogObservation;
  readonly #newest: number;
  readonly #now: number;
  readonly #signal: AbortSignal;
  #measured: Promise<MeasuredCost> | undefined;

  constructor(request: DraftRequest, signal: AbortSignal) {
    this.#deps = request.deps;
    this.#target = request.target;
    this.#state = request.state;
    this.#log = request.log;
    this.#newest = request.newest;
    this.#now = request.now;
    this.#signal = signal;
  }

  async draft(): Promise<DraftResult> {
    const state = this.#state;
    const newest = this.#newest;
    const table = this.#target.configuration;
    const first = state.checkpoint === null ? nextSlot(state, table) : null;
    const working = first ?? workingSlot(state, table);
    const { writer } = atSlot(this.#target, working);
    const info = await writer.describe(this.#signal);
    const recreated = await this.#isRecreated();
    const start =
      state.checkpoint === null ? await startVersion(this.#target.source, table.start, newest, this.#signal) : null;
    const from = dirtyStart(state) ?? (start === null ? null : start - 1);
    const commitsAvailable = from !== null && hasCommits(this.#log, from, newest);
    const readable = commitsAvailable && !recreated && info.rid === (state.checkpoint?.containerRid ?? info.rid);
    const range = readable && from !== null ? await this.#readRange(from) : null;
    const head = range ?? (await this.#readSnapshot(newest));

    const context: TableContext = {
      metadata: head.metadata,
      protocol: head.protocol,
      table: this.#target.configuration,
    };
    const mapped = await this.#judgeMapping(context, info);
    const changesRead = range !== null && state.dirty?.from !== null;
    const log = recreated ? ('recreated' as const) : changesRead ? ('read' as const) : ('unread' as const);
    const asked = { deps: this.#deps, target: this.#target, state, remapped: mapped.change === 'configuration', log };
    const former = state.checkpoint?.containerRid === info.rid ? await formerRows(asked, this.#signal) : NO_FORMER_ROWS;
    const facts: EpochFacts = {
      state,
      head: head.version,
      containerRid: info.rid,
      containerEmpty: state.checkpoint === null ? await isSlotEmpty(writer, first, table, this.#signal) : null,
      recreated,
      commitsAvailable: range !== null,
      mappingChange: mapped.change,
      former: former.need,
      table: first !== null && isOwn(state, first) ? { ...table, existing: 'adopt' } : table,
      startVersion: start,
    };
    const chosen = chooseEpoch(facts);
    const idle = chosen.kind === 'none';
    const retired = chosen.hold === null ? dueForRemoval(state, table, this.#now, idle) : null;
    if (retired !== null && state.checkpoint !== null) {
      const cleanup = await draftCleanup(this.#deps, this.#target, state, state.checkpoint, retired, this.#signal);
      return cleanup.kind === 'draft' ? { ...cleanup, parts: [], hold: null, sourceEmpty: false } : cleanup;
    }
    if (idle) return { kind: 'nothing' };
    const place = await this.#placeOf(chosen, { slot: working, info });
    return this.#draftAt(head, mapped.context, place, place.decision.former ? former.snapshots : []);
  }

  /** Where the documents go: a rewrite of a published table goes beside what readers see. */
  async #placeOf(decision: EpochDecision, working: Omit<Place, 'decision' | 'load'>): Promise<Place> {
    const state = this.#state;
    const slot = slotToLoad(state, this.#target.configuration, decision);
    if (slot === null) return { ...working, decision, load: false };
    if (state.checkpoint === null) return { ...working, decision, load: true };
    const { writer } = atSlot(this.#target, slot);
    const info = await writer.describe(this.#signal);
    const empty = await isSlotEmpty(writer, slot, this.#target.configuration, this.#signal);
    const facts = { state, table: this.#target.configuration, slot, empty, now: this.#now };
    return { slot, info, decision: loadDecision(decision, facts), load: true };
  }

  async #draftAt(head: Head, context: TableContext, place: Place, former: readonly Snapshot[]): Promise<DraftResult> {
    const state = this.#state;
    const { decision, info, slot, load } = place;
    if (decision.kind === 'none') return { kind: 'nothing' };
    const whole = decision.kind !== 'changes' && head.snapshot === null ? await this.#readSnapshot(head.version) : head;
    const replay = whole.snapshot === null ? null : await this.#draftReplay(decision, whole.snapshot);
    let contents =
      decision.kind === 'changes' || whole.snapshot === null
        ? changeContents(head.sources, this.#deps.sizes)
        : await snapshotContents(whole.snapshot, this.#deps.sizes, this.#signal, replay?.paths);
    for (const snapshot of former) contents = await withFormer(contents, snapshot, this.#deps.sizes, this.#signal);
    const empty = await this.#emptySource(decision, head, contents);
    if (empty.kind === 'settling') return empty;

    const documents = state.checkpoint?.documents ?? 0;
    const stages = stagesOf({
      decision,
      contents,
      info,
      table: this.#target.configuration,
      documents,
      sizes: this.#deps.sizes,
      guarded: decision.kind !== 'verify' && !load,
      forced: state.forced !== null,
    });
    const contextName = await writeContext(this.#deps.plans, this.#target.id, context, this.#signal);
    const byEnds = decision.kind === 'changes' && head.byEnds;
    const why =
      decision.kind === 'verify' ? `${decision.why}; ${await this.#costOfComparing(documents)}` : decision.why;
    const draft: PlanDraft = {
      tableId: this.#target.tableId,
      target: this.#target.id,
      epoch: state.epoch + 1,
      kind: decision.kind,
      from: decision.from,
      to: head.version,
      why: byEnds ? `${why}; read from the files that differ, which is less than every commit's` : why,
      ...stages,
      slot,
      load,
      context: contextName,
      ...(former.length === 0 || state.checkpoint === null ? {} : { former: state.checkpoint.context }),
      unconditional: decision.unconditional,
      scope: replay?.scope ?? decision.scope,
      ...(byEnds ? { byEnds } : {}),
      thenReconcile: decision.thenReconcile,
      ...(replay === null ? {} : { replay: replay.blob }),
      forced: load ? null : (state.forced?.blob ?? null),
      estimate: contents.estimate,
      result: {
        version: head.version,
        commitEtag: head.commitEtag,
        commitHash: head.commitHash,
        commitTimestamp: head.timestamp,
        tableId: head.metadata.id,
        configurationHash: configurationHash(this.#target.configuration),
        // Of the settings as they are configured, whatever columns are ignored.
        mappingFingerprint: compileContext({ ...context, table: this.#target.configuration }, info).fingerprint,
        containerRid: info.rid,
      },
    };
    const cuts = applyChunks(stages.stages);
    const ranges =
      draft.chunking === 'ranges' ? splitHashRanges(info.partitions, cuts, info.partitionKeyVersion) : [WHOLE];
    const parts = draft.chunking === 'single' ? [contents.parts.flat()] : contents.parts;
    const header: PlanHeader = { ...draft, format: PLAN_FORMAT, planId: planIdOf(draft, parts, ranges) };
    const hold = empty.hold ?? (await this.#holdOf(decision, contents));
    return { kind: 'draft', header, parts, ranges, hold, sourceEmpty: empty.hold !== null };
  }

  /** The letters that an epoch of single documents tries again; null when nobody asked for that. */
  async #draftReplay({ scope }: EpochDecision, snapshot: Snapshot): Promise<DraftedReplay | null> {
    const { replay, forced, epoch } = this.#state;
    if (scope !== 'forced' || replay === null) return null;
    return draftReplay(this.#deps.plans, this.#target.id, epoch, snapshot, forced === null, this.#signal);
  }

  /** ETags change when a log is copied; only another content makes it another table. */
  async #isRecreated(): Promise<boolean> {
    const { checkpoint } = this.#state;
    if (checkpoint === null) return false;
    const verdict = compareWithCheckpoint(this.#log, checkpoint);
    if (verdict !== 'unsure') return verdict === 'recreated';
    const { bytes } = await this.#target.source.read(commitPath(checkpoint.version), this.#signal);
    return createHash('sha256').update(bytes).digest('hex') !== checkpoint.commitHash;
  }

  #readSnapshot(version: number): Promise<Head> {
    return readSnapshotHead(this.#target.source, version, this.#now, this.#signal);
  }

  /** Null when what the range is made of is gone or contradicts itself: then only both sides can be compared. */
  async #readRange(from: number): Promise<Head | null> {
    const { source, configuration } = this.#target;
    const request = {
      source,
      plans: this.#deps.plans,
      checkpoint: this.#state.checkpoint,
      from,
      newest: this.#newest,
      limits: configuration.limits,
      ...(configuration.limits.ru === undefined ? {} : { ruPerChangedRow: (await this.#cost()).ruPerChangedRow }),
      bytesByCommit: this.#state.checkpoint === null || this.#state.dirty !== null ? null : this.#deps.sizes.smallBytes,
      now: this.#now,
    };
    try {
      return await readRangeHead(request, this.#signal);
    } catch (error) {
      if (this.#state.checkpoint !== null && error instanceof SyncError && sourceIsGone(error.code)) return null;
      throw error;
    }
  }

  async #isTableEmpty(version: number): Promise<boolean> {
    const snapshot = await loadSnapshot(this.#target.source, { kind: 'version', version }, this.#signal);
    return (await snapshot.totals(this.#signal)).numFiles === 0;
  }

  async #judgeMapping(context: TableContext, info: TargetInfo): Promise<JudgedMapping> {
    const { checkpoint } = this.#state;
    const { fingerprint } = compileContext(context, info);
    if (checkpoint === null) return { change: 'none', context };
    if (checkpoint.mappingFingerprint !== fingerprint) return { change: 'configuration', context };
    if (checkpoint.context === contextName(this.#target.id, context)) return { change: 'none', context };
    const before = await readContext(this.#deps.plans, checkpoint.context, this.#signal);
    return judgeMapping(before, context, info);
  }

  /** An empty source is believed after its settle time, and even then held unless configured otherwise. */
  async #emptySource(
    decision: EpochDecision,
    head: Head,
    contents: Contents,
  ): Promise<{ readonly kind: 'go'; readonly hold: Hold | null } | Extract<DraftResult, { kind: 'settling' }>> {
    const documents = this.#state.checkpoint?.documents ?? 0;
    const { emptySource, emptySourceSettleSeconds } = this.#target.configuration.guards;
    const suspicious =
      documents > 0 && emptySource === 'hold' && decision.kind !== 'verify' && decision.scope === 'all';
    const deletes = contents.estimate.deletes ?? contents.estimate.rows;
    if (!suspicious || !(contents.tableEmpty ?? deletes >= documents)) return { kind: 'go', hold: null };
    if (!(contents.tableEmpty ?? (await this.#isTableEmpty(head.version)))) return { kind: 'go', hold: null };
    const since = this.#state.emptySince ?? this.#now;
    const settled = since + emptySourceSettleSeconds * 1_000;
    if (this.#now < settled) return { kind: 'settling', ms: Math.min(10_000, settled - this.#now), since };
    return { kind: 'go', hold: guardEmptySource(documents, this.#now) };
  }

  /** Holds that are known before anything is read; exact delete counts come later, still before the first write. */
  async #holdOf(decision: EpochDecision, contents: Contents): Promise<Hold | null> {
    if (decision.hold !== null) return { ...decision.hold, since: this.#now };
    const { guards } = this.#target.configuration;
    if (guards.maxRu === undefined && guards.maxSeconds === undefined) return null;
    const { rows } = contents.estimate;
    const { ruPerWrite, rowsPerSecond } = await this.#cost();
    const seconds = rowsPerSecond === null ? null : rows / rowsPerSecond;
    return guardCost(guards, { ru: rows * ruPerWrite, seconds }, this.#now);
  }

  /** A verification reads every document of the container. */
  async #costOfComparing(documents: number): Promise<string> {
    const ru = Math.ceil(documents * (await this.#cost()).ruPerComparison);
    return `reads ${documents} documents, about ${ru} RU`;
  }

  /** What the last epochs cost; the ledger is read once, and only when something asks. */
  #cost(): Promise<MeasuredCost> {
    this.#measured ??= this.#deps.states.history(this.#target.id, COST_EPOCHS, this.#signal).then(measuredCost);
    return this.#measured;
  }
}

function applyChunks(stages: readonly PlanStage[]): number {
  return stages.find((stage) => stage.name === 'apply')?.chunks ?? 1;
}
