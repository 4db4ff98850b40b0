/** planEpoch: looks at the log once, decides what the target needs next, writes the plan and claims the epoch. */
import { createHash } from 'node:crypto';
import { splitHashRanges } from '../changes/hash-ranges.ts';
import { commitPath } from '../delta/log-path.ts';
import { loadSnapshot } from '../delta/snapshot.ts';
import { compileMapping, keepsExistingDocuments, type Mapping } from '../documents/mapping.ts';
import { SyncError, toSyncError } from '../shared/errors.ts';
import { chooseEpoch, type EpochDecision, type EpochFacts } from './choose-epoch.ts';
import type { TargetInfo } from './document-writer.ts';
import { guardCost, guardEmptySource } from './guards.ts';
import { compareWithCheckpoint, hasCommits, observeLog, type LogObservation } from './log-observation.ts';
import type { PlanInput, PlanResult, PlanSummary } from './next-step.ts';
import { changeContents, snapshotContents, stagesOf, type Contents } from './plan-contents.ts';
import { readRangeHead, readSnapshotHead, type Head } from './plan-head.ts';
import { WHOLE } from './plan-sources.ts';
import { PLAN_FORMAT, planIdOf, readPlan, writePlan, type PlanDraft, type PlanHeader, type PlanStage } from './plan.ts';
import { judgeDrift, schemaDrift } from './schema-drift.ts';
import { transition } from './state-store.ts';
import {
  abandon,
  claim,
  hold,
  isBusy,
  isHeld,
  takeOver,
  type CurrentEpoch,
  type Hold,
  type SyncState,
} from './state.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';
import { configurationHash, contextName, readContext, writeContext, type TableContext } from './table-context.ts';

/** RU of one write of a document of a kilobyte, for estimates before anything was measured. */
const GUESSED_RU_PER_ROW = 10;

/** Failures of a source that reading it otherwise, or from the head, can cure. */
const SOURCE_GONE = new Set([
  'dataFileMissing',
  'deletionVectorDamaged',
  'storageNotFound',
  'versionNotFound',
  'planDamaged',
  'storageChanged',
  'changeFeedUnavailable',
  'changeTypeUnknown',
]);

/** Plans the next epoch of a table. Expected failures are results, not exceptions. */
export async function planEpoch(deps: SyncDependencies, input: PlanInput, signal: AbortSignal): Promise<PlanResult> {
  try {
    const target = await deps.target(input.tableId);
    return await new EpochPlanner(deps, target, input, signal).plan();
  } catch (thrown) {
    const error = toSyncError(thrown);
    if (error.code === 'commitPending') return { kind: 'retryAfter', ms: 1_000 };
    deps.log.event('epochFailed', { table: input.tableId, code: error.code, message: error.message });
    return { kind: 'failed', code: error.code, message: error.message, retryable: error.retryable };
  }
}

/** Whether a table has anything to do: one read of its state and one list call. Throws what reading them throws. */
export async function hasNews(deps: SyncDependencies, tableId: string): Promise<boolean> {
  const target = await deps.target(tableId);
  const { state } = await deps.states.read(target.id);
  if (state.pause !== null) return false;
  if (state.checkpoint === null) return true;
  const log = await observeLog(target.source, state.checkpoint.version, deps.clock.now());
  return !nothingNew(state, log, target);
}

function nothingNew(state: SyncState, log: LogObservation, target: SyncTarget): boolean {
  const { checkpoint } = state;
  return (
    checkpoint !== null &&
    checkpoint.version === log.head &&
    checkpoint.configurationHash === configurationHash(target.configuration) &&
    state.current === null &&
    state.request === null &&
    state.dirty === null &&
    state.forced?.due !== true &&
    compareWithCheckpoint(log, checkpoint) === 'same'
  );
}

class EpochPlanner {
  readonly #deps: SyncDependencies;
  readonly #target: SyncTarget;
  readonly #input: PlanInput;
  readonly #signal: AbortSignal;
  readonly #now: number;
  /** The epoch that this very call gave up because its files are gone. */
  #givenUp: CurrentEpoch | null = null;

  constructor(deps: SyncDependencies, target: SyncTarget, input: PlanInput, signal: AbortSignal) {
    this.#deps = deps;
    this.#target = target;
    this.#input = input;
    this.#signal = signal;
    this.#now = deps.clock.now();
  }

  async plan(): Promise<PlanResult> {
    const state = await this.#settleFailure();
    if (state.pause !== null) return { kind: 'paused' };
    if (isBusy(state, this.#input.driver, this.#now)) return { kind: 'busy' };
    if (state.current?.phase === 'applying') return this.#resume(state);
    const since = this.#since(state);
    const log = await observeLog(this.#target.source, since ?? 0, this.#now, this.#signal);
    if (log.head === undefined) return this.#noLog(state);
    if (nothingNew(state, log, this.#target)) return { kind: 'idle', version: log.head };
    return this.#planAt(state, log, log.head);
  }

  /** Gives up an epoch whose files are gone, or holds it where only a person can help. */
  async #settleFailure(): Promise<SyncState> {
    const { failure } = this.#input;
    const { states } = this.#deps;
    if (failure === null) return (await states.read(this.#target.id, this.#signal)).state;
    const next = await transition(states, this.#target.id, (state) => {
      if (state.current?.planId !== failure.planId) return state;
      if (!SOURCE_GONE.has(failure.code)) return hold(state, failure.planId, this.#failed(failure.message));
      this.#givenUp = state.current;
      return giveUp(state);
    });
    const fields = { table: this.#target.tableId, planId: failure.planId, code: failure.code };
    this.#deps.log.event('epochAbandoned', fields);
    return next ?? (await states.read(this.#target.id, this.#signal)).state;
  }

  #failed(message: string): Hold {
    return {
      code: 'chunkFailed',
      reason: message,
      remedy: 'Repair the cause, then approve the plan to go on.',
      since: this.#now,
    };
  }

  /** The first version of the log that matters. */
  #since(state: SyncState): number | undefined {
    return state.dirty?.from ?? state.checkpoint?.version;
  }

  #noLog(state: SyncState): PlanResult {
    const location = this.#target.source.location;
    if (state.checkpoint === null) {
      throw new SyncError('notADeltaTable', {
        problem: `${location} is not a Delta table.`,
        reason: 'It has no _delta_log with a commit or checkpoint.',
      });
    }
    const reason = `The log of ${location} holds nothing at or after version ${state.checkpoint.version}.`;
    this.#logHold('tableVanished', reason, 'Restore the table, or remove it from the configuration.');
    return { kind: 'held', planId: '', code: 'tableVanished', reason };
  }

  /** A started epoch is finished with its own plan. */
  async #resume(state: SyncState): Promise<PlanResult> {
    const current = state.current;
    if (current === null) return { kind: 'busy' };
    if (isHeld(current)) return heldResult(current.planId, current.hold);
    const header = await readPlan(this.#deps.plans, this.#target.id, current.planId, this.#signal);
    const taken = await transition(this.#deps.states, this.#target.id, (latest) =>
      latest.current?.planId === current.planId && !isBusy(latest, this.#input.driver, this.#now)
        ? takeOver(latest, this.#input.driver, this.#now)
        : null,
    );
    if (taken === null) return { kind: 'busy' };
    // What came before `apply` is sealed in blobs; only the writes are repeated.
    return {
      kind: 'epoch',
      plan: summaryOf(
        header,
        header.stages.filter((stage) => stage.name === 'apply'),
      ),
    };
  }

  async #planAt(state: SyncState, log: LogObservation, newest: number): Promise<PlanResult> {
    const info = await this.#target.writer.describe(this.#signal);
    const recreated = await this.#isRecreated(state, log);
    const start = state.checkpoint === null ? await this.#startVersion() : null;
    const from = this.#since(state) ?? (start === null ? null : start - 1);
    const commitsAvailable = from !== null && hasCommits(log, from, newest);
    const readable = commitsAvailable && !recreated && info.rid === (state.checkpoint?.containerRid ?? info.rid);
    const range = readable && from !== null ? await this.#readRange(state, from, newest) : null;
    const head = range ?? (await this.#readSnapshot(newest));

    const context: TableContext = {
      metadata: head.metadata,
      protocol: head.protocol,
      table: this.#target.configuration,
    };
    const mapped = await this.#judgeMapping(state, context, info);
    const facts: EpochFacts = {
      state,
      head: head.version,
      containerRid: info.rid,
      containerEmpty: state.checkpoint === null ? await this.#isContainerEmpty() : null,
      recreated,
      commitsAvailable: range !== null,
      mappingChange: mapped.change,
      table: this.#target.configuration,
      startVersion: start,
    };
    const decision = chooseEpoch(facts);
    if (decision.kind === 'none') return this.#acknowledge(state, newest);
    const whole = decision.kind !== 'changes' && head.snapshot === null ? await this.#readSnapshot(head.version) : head;
    const contents =
      decision.kind === 'changes' || whole.snapshot === null
        ? changeContents(head.sources, this.#deps.sizes)
        : await snapshotContents(whole.snapshot, this.#deps.sizes, this.#signal);
    const empty = await this.#emptySource(state, decision, head, contents);
    if (empty.kind === 'wait') return { kind: 'retryAfter', ms: empty.ms };

    const documents = state.checkpoint?.documents ?? 0;
    const stages = stagesOf({
      decision,
      contents,
      info,
      table: this.#target.configuration,
      documents,
      sizes: this.#deps.sizes,
    });
    const contextName = await writeContext(this.#deps.plans, this.#target.id, mapped.context, this.#signal);
    const draft: PlanDraft = {
      tableId: this.#target.tableId,
      target: this.#target.id,
      epoch: state.epoch + 1,
      kind: decision.kind,
      from: decision.from,
      to: head.version,
      why: decision.why,
      ...stages,
      context: contextName,
      unconditional: decision.unconditional,
      scope: decision.scope,
      thenReconcile: decision.thenReconcile,
      forced: state.forced?.blob ?? null,
      estimate: contents.estimate,
      result: {
        version: head.version,
        commitEtag: head.commitEtag,
        commitHash: head.commitHash,
        commitTimestamp: head.timestamp,
        tableId: head.metadata.id,
        configurationHash: configurationHash(this.#target.configuration),
        mappingFingerprint: mapped.mapping.fingerprint,
        containerRid: info.rid,
      },
    };
    const ranges = draft.chunking === 'ranges' ? splitHashRanges(info.partitions, applyChunks(stages.stages)) : [WHOLE];
    const parts = draft.chunking === 'single' ? [contents.parts.flat()] : contents.parts;
    const header: PlanHeader = { ...draft, format: PLAN_FORMAT, planId: planIdOf(draft, parts, ranges) };
    if (state.rejected?.planId === header.planId) {
      return {
        kind: 'held',
        planId: header.planId,
        code: 'rejected',
        reason: `The plan was rejected by ${state.rejected.by}.`,
      };
    }
    await writePlan(this.#deps.plans, header, parts, ranges, this.#signal);
    return this.#claim(state, header, empty.hold ?? (await this.#holdOf(state, decision, contents, head.version)));
  }

  /** ETags change when a log is copied; only another content makes it another table. */
  async #isRecreated(state: SyncState, log: LogObservation): Promise<boolean> {
    const checkpoint = state.checkpoint;
    if (checkpoint === null) return false;
    const verdict = compareWithCheckpoint(log, checkpoint);
    if (verdict !== 'unsure') return verdict === 'recreated';
    const { bytes } = await this.#target.source.read(commitPath(checkpoint.version), this.#signal);
    return createHash('sha256').update(bytes).digest('hex') !== checkpoint.commitHash;
  }

  async #startVersion(): Promise<number | null> {
    const { start } = this.#target.configuration;
    if (start === 'snapshot') return null;
    if ('version' in start) return start.version;
    const at = await loadSnapshot(
      this.#target.source,
      { kind: 'timestamp', timestamp: Date.parse(start.timestamp) },
      this.#signal,
    );
    // Inclusive, as Spark's startingTimestamp: the first commit at or after the time.
    return at.timestamp === Date.parse(start.timestamp) ? at.version : at.version + 1;
  }

  async #isContainerEmpty(): Promise<boolean> {
    let cursor: string | null = null;
    do {
      const page = await this.#target.writer.scan(WHOLE, cursor, this.#signal);
      if (page.documents.length > 0) return false;
      ({ cursor } = page);
    } while (cursor !== null);
    return true;
  }

  #readSnapshot(version: number): Promise<Head> {
    return readSnapshotHead(this.#target.source, version, this.#now, this.#signal);
  }

  /** Null when what the range is made of is gone or contradicts itself: then only both sides can be compared. */
  async #readRange(state: SyncState, from: number, newest: number): Promise<Head | null> {
    const { source, configuration } = this.#target;
    const request = {
      source,
      plans: this.#deps.plans,
      checkpoint: state.checkpoint,
      from,
      newest,
      limits: configuration.limits,
      now: this.#now,
    };
    try {
      return await readRangeHead(request, this.#signal);
    } catch (error) {
      if (state.checkpoint !== null && error instanceof SyncError && SOURCE_GONE.has(error.code)) return null;
      throw error;
    }
  }

  async #isTableEmpty(version: number): Promise<boolean> {
    const snapshot = await loadSnapshot(this.#target.source, { kind: 'version', version }, this.#signal);
    return (await snapshot.totals(this.#signal)).numFiles === 0;
  }

  async #judgeMapping(
    state: SyncState,
    context: TableContext,
    info: TargetInfo,
  ): Promise<{
    readonly change: EpochFacts['mappingChange'];
    readonly mapping: Mapping;
    readonly context: TableContext;
  }> {
    const mapping = compileFor(context, info);
    const checkpoint = state.checkpoint;
    if (checkpoint === null) return { change: 'none', mapping, context };
    if (checkpoint.mappingFingerprint !== mapping.fingerprint) return { change: 'configuration', mapping, context };
    if (checkpoint.context === contextName(this.#target.id, context)) return { change: 'none', mapping, context };
    const old = await readContext(this.#deps.plans, checkpoint.context, this.#signal);
    if (keepsExistingDocuments(compileFor(old, info).form, mapping.form)) return { change: 'none', mapping, context };
    const drift = schemaDrift(old.metadata, context.metadata);
    const verdict = judgeDrift(drift, context.table.schemaDrift);
    if (verdict === 'pause') return { change: 'schemaPaused', mapping, context };
    if (verdict === 'accept') return { change: 'schemaAccepted', mapping, context };
    const { include, exclude, ...columns } = context.table.columns;
    const ignored = [...(exclude ?? []), ...(context.table.schemaDrift.added === 'ignore' ? drift.added : [])];
    const table = {
      ...context.table,
      columns:
        include === undefined
          ? { ...columns, ...(ignored.length > 0 ? { exclude: ignored } : {}) }
          : context.table.columns,
    };
    const kept = { ...context, table };
    return { change: 'none', mapping: compileFor(kept, info), context: kept };
  }

  /** Nothing to do for the documents; a configuration that only reads differently is remembered. */
  async #acknowledge(state: SyncState, version: number): Promise<PlanResult> {
    const hash = configurationHash(this.#target.configuration);
    if (state.checkpoint !== null && state.checkpoint.configurationHash !== hash) {
      await transition(this.#deps.states, this.#target.id, (latest) =>
        latest.checkpoint === null
          ? null
          : { ...latest, current: null, checkpoint: { ...latest.checkpoint, configurationHash: hash } },
      );
    } else if (state.current !== null) {
      await transition(this.#deps.states, this.#target.id, (latest) =>
        latest.current?.planId === state.current?.planId ? { ...latest, current: null } : null,
      );
    }
    return { kind: 'idle', version };
  }

  /** An empty source is believed after its settle time, and even then held unless configured otherwise. */
  async #emptySource(
    state: SyncState,
    decision: EpochDecision,
    head: Head,
    contents: Contents,
  ): Promise<{ readonly kind: 'go'; readonly hold: Hold | null } | { readonly kind: 'wait'; readonly ms: number }> {
    const documents = state.checkpoint?.documents ?? 0;
    const { emptySource, emptySourceSettleSeconds } = this.#target.configuration.guards;
    const suspicious =
      documents > 0 && emptySource === 'hold' && decision.kind !== 'verify' && decision.scope === 'all';
    const mayBeEmpty =
      contents.tableEmpty ??
      (contents.estimate.deletes === null
        ? contents.estimate.rows >= documents
        : contents.estimate.deletes >= documents);
    if (!suspicious || !mayBeEmpty) return { kind: 'go', hold: null };
    const empty = contents.tableEmpty ?? (await this.#isTableEmpty(head.version));
    if (!empty) {
      if (state.emptySince !== null)
        await transition(this.#deps.states, this.#target.id, (latest) => ({ ...latest, emptySince: null }));
      return { kind: 'go', hold: null };
    }
    const since = state.emptySince ?? this.#now;
    if (state.emptySince === null)
      await transition(this.#deps.states, this.#target.id, (latest) => ({ ...latest, emptySince: since }));
    const settled = since + emptySourceSettleSeconds * 1_000;
    if (this.#now < settled) return { kind: 'wait', ms: Math.min(10_000, settled - this.#now) };
    return { kind: 'go', hold: guardEmptySource(documents, this.#now) };
  }

  /** Holds that are known before anything is read; exact delete counts come later, still before the first write. */
  async #holdOf(state: SyncState, decision: EpochDecision, contents: Contents, version: number): Promise<Hold | null> {
    if (decision.hold !== null) return { ...decision.hold, since: this.#now };
    // The same live files would be missing again: the table is damaged, not merely ahead of us.
    const gone = this.#givenUp;
    const again = gone !== null && gone.kind !== 'changes' && decision.kind !== 'changes' && gone.to === version;
    if (again) return this.#failed(this.#input.failure?.message ?? '');
    const { guards } = this.#target.configuration;
    if (guards.maxRu === undefined && guards.maxSeconds === undefined) return null;
    const [last] = await this.#deps.states.history(this.#target.id, 1, this.#signal);
    const writes =
      last === undefined ? 0 : last.counts.upserts + last.counts.creates + last.counts.patches + last.counts.deletes;
    const perRow = last !== undefined && writes > 100 ? last.counts.requestUnits / writes : GUESSED_RU_PER_ROW;
    const seconds =
      last !== undefined && last.counts.rows > 1_000
        ? (contents.estimate.rows / last.counts.rows) * ((last.endedAt - last.startedAt) / 1_000)
        : null;
    return guardCost(guards, { ru: contents.estimate.rows * perRow, seconds }, this.#now);
  }

  async #claim(planned: SyncState, header: PlanHeader, holdReason: Hold | null): Promise<PlanResult> {
    const first = header.stages[0] ?? { name: 'apply' as const, chunks: 0 };
    const plan = {
      planId: header.planId,
      kind: header.kind,
      from: header.from,
      to: header.to,
      why: header.why,
      firstStage: first.name,
      chunks: first.chunks,
      ...(holdReason === null ? {} : { hold: holdReason }),
    };
    const claimed = await transition(this.#deps.states, this.#target.id, (latest) => {
      const moved = latest.epoch !== planned.epoch || latest.pause !== null || latest.current?.phase === 'applying';
      return moved || isBusy(latest, this.#input.driver, this.#now)
        ? null
        : claim(latest, plan, this.#input.driver, this.#now);
    });
    const current = claimed?.current;
    if (current === null || current === undefined) return { kind: 'busy' };
    const { table, ...described } = {
      table: header.tableId,
      planId: header.planId,
      kind: header.kind,
      from: header.from,
      to: header.to,
      why: header.why,
    };
    this.#deps.log.event('epochPlanned', { table, ...described, rows: header.estimate.rows });
    if (isHeld(current)) {
      if (current.hold !== undefined)
        this.#logHold(current.hold.code, current.hold.reason, current.hold.remedy, header.planId);
      return heldResult(header.planId, current.hold);
    }
    return { kind: 'epoch', plan: summaryOf(header, header.stages) };
  }

  #logHold(code: string, reason: string, remedy: string, planId?: string): void {
    this.#deps.log.event('epochHeld', { table: this.#target.tableId, code, reason, remedy, planId });
  }
}

/** Slices side by side: enough to hide latencies, never so many that small tables starve. */
const WIDTH = 3;

function compileFor(context: TableContext, info: TargetInfo): Mapping {
  return compileMapping({
    table: context.table,
    schema: context.metadata.schema,
    target: {
      partitionKeyPaths: info.partitionKeyPaths,
      kind: info.partitionKeyKind,
      version: info.partitionKeyVersion,
    },
  });
}

function summaryOf(header: PlanHeader, stages: readonly PlanStage[]): PlanSummary {
  const width = Math.min(WIDTH, Math.max(...stages.map((stage) => stage.chunks), 1));
  return { planId: header.planId, epoch: header.epoch, kind: header.kind, to: header.to, stages, width };
}

function applyChunks(stages: readonly PlanStage[]): number {
  return stages.find((stage) => stage.name === 'apply')?.chunks ?? 1;
}

function heldResult(planId: string, reason: Hold | undefined): PlanResult {
  return { kind: 'held', planId, code: reason?.code ?? 'held', reason: reason?.reason ?? '' };
}

/** Abandons the epoch; a range whose files are gone can only be healed by comparing both sides. */
function giveUp(state: SyncState): SyncState {
  const next = abandon(state);
  return { ...next, dirty: { from: null, to: next.dirty?.to ?? state.current?.to ?? 0 } };
}
