/** planEpoch: looks at the log once, decides what the target needs next, writes the plan and claims the epoch. */
import { createHash } from 'node:crypto';
import type { AddFile, Metadata, Protocol } from '../delta/actions.ts';
import type { ChangeSource } from '../delta/change-source.ts';
import { changeSources } from '../delta/commit-changes.ts';
import { commitPath } from '../delta/log-path.ts';
import { readCommit } from '../delta/log.ts';
import { assertReadable } from '../delta/protocol-gate.ts';
import { loadSnapshot, type Snapshot } from '../delta/snapshot.ts';
import { compileMapping, type Mapping } from '../documents/mapping.ts';
import { splitHashRanges } from '../changes/hash-ranges.ts';
import { SyncError, toSyncError } from '../shared/errors.ts';
import { chooseEpoch, type EpochDecision, type EpochFacts } from './choose-epoch.ts';
import type { TargetInfo } from './document-writer.ts';
import { deleteLimit, guardCost, guardDeletes, guardEmptySource } from './guards.ts';
import { compareWithCheckpoint, hasCommits, observeLog, type LogObservation } from './log-observation.ts';
import type { PlanInput, PlanResult, PlanSummary } from './next-step.ts';
import { changeParts, liveRows, rangeCount, SMALL_EPOCH, snapshotParts, WHOLE } from './plan-sources.ts';
import {
  PLAN_FORMAT,
  planIdOf,
  readPlan,
  writePlan,
  type PlanDraft,
  type PlanEstimate,
  type PlanHeader,
  type PlanSource,
  type PlanStage,
} from './plan.ts';
import { judgeDrift, schemaDrift } from './schema-drift.ts';
import { transition } from './state-store.ts';
import { abandon, claim, hold, isBusy, isHeld, takeOver, type Hold, type SyncState } from './state.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';
import { configurationHash, readContext, writeContext, type TableContext } from './table-context.ts';

/** Where catching up is cut into several epochs unless the configuration says otherwise. */
const MOST_COMMITS = 2_000;
const MOST_ROWS = 5_000_000;
const MOST_BYTES = 8 * 2 ** 30;

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

/** What lies behind a decision once sources are known. */
interface Contents {
  readonly parts: readonly (readonly PlanSource[])[];
  readonly estimate: PlanEstimate;
  readonly small: boolean;
  /** False when the table has no file at `to`; null when it was not looked at. */
  readonly tableEmpty: boolean | null;
}

interface Head {
  readonly version: number;
  readonly metadata: Metadata;
  readonly protocol: Protocol;
  readonly commitEtag: string | null;
  readonly commitHash: string | null;
  readonly timestamp: number;
  /** Change sources after the checkpoint, when they were read. */
  readonly sources: readonly ChangeSource[];
  readonly snapshot: Snapshot | null;
}

class EpochPlanner {
  readonly #deps: SyncDependencies;
  readonly #target: SyncTarget;
  readonly #input: PlanInput;
  readonly #signal: AbortSignal;
  readonly #now: number;

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
    if (this.#nothingNew(state, log)) return { kind: 'idle', version: log.head };
    return this.#planAt(state, log, log.head);
  }

  /** Gives up an epoch that its run reports as impossible, or holds it where only a person can help. */
  async #settleFailure(): Promise<SyncState> {
    const failure = this.#input.failure;
    const { states } = this.#deps;
    if (failure !== null) {
      const next = await transition(states, this.#target.id, (state) => {
        if (state.current?.planId !== failure.planId) return state;
        if (SOURCE_GONE.has(failure.code)) return giveUp(state);
        const reason = {
          code: 'chunkFailed' as const,
          reason: failure.message,
          remedy: 'Repair the cause, then approve the plan to go on.',
          since: this.#now,
        };
        return hold(state, failure.planId, reason);
      });
      this.#deps.log.event('epochAbandoned', {
        table: this.#target.tableId,
        planId: failure.planId,
        code: failure.code,
      });
      if (next !== null) return next;
    }
    return (await states.read(this.#target.id, this.#signal)).state;
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

  #nothingNew(state: SyncState, log: LogObservation): boolean {
    const { checkpoint } = state;
    return (
      checkpoint !== null &&
      checkpoint.version === log.head &&
      checkpoint.configurationHash === configurationHash(this.#target.configuration) &&
      state.current === null &&
      state.request === null &&
      state.dirty === null &&
      state.forced?.due !== true &&
      compareWithCheckpoint(log, checkpoint) === 'same'
    );
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
    const incremental = commitsAvailable && !recreated && info.rid === (state.checkpoint?.containerRid ?? info.rid);
    const head = incremental ? await this.#readRange(state, from, newest) : await this.#readSnapshot(newest);
    assertReadable(head.protocol, head.metadata);

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
      commitsAvailable: incremental,
      mappingChange: mapped.change,
      table: this.#target.configuration,
      startVersion: start,
    };
    const decision = chooseEpoch(facts);
    if (decision.kind === 'none') return this.#acknowledge(state, newest);
    const whole = decision.kind !== 'changes' && head.snapshot === null ? await this.#readSnapshot(head.version) : head;
    const contents =
      decision.kind === 'changes' ? this.#changeContents(head.sources) : await this.#snapshotContents(whole);
    const empty = await this.#emptySource(state, decision, head, contents);
    if (empty.kind === 'wait') return { kind: 'retryAfter', ms: empty.ms };

    const stages = this.#stagesOf(state, decision, contents, info);
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
    return this.#claim(state, header, empty.hold ?? (await this.#holdOf(state, decision, contents)));
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
    const page = await this.#target.writer.scan(WHOLE, null, this.#signal);
    return page.documents.length === 0 && page.cursor === null;
  }

  async #readSnapshot(version: number): Promise<Head> {
    const snapshot = await loadSnapshot(this.#target.source, { kind: 'version', version }, this.#signal);
    const commit = await readCommit(this.#target.source, version, this.#signal, this.#now).catch((error: unknown) => {
      if (error instanceof SyncError && error.code === 'versionNotFound') return null;
      throw error;
    });
    return {
      version,
      metadata: snapshot.metadata,
      protocol: snapshot.protocol,
      commitEtag: commit?.etag ?? null,
      commitHash: commit?.contentHash ?? null,
      timestamp: snapshot.timestamp,
      sources: [],
      snapshot,
    };
  }

  /** Reads the commits after `from`, as many as one epoch takes. */
  async #readRange(state: SyncState, from: number, newest: number): Promise<Head> {
    const limits = this.#target.configuration.limits;
    let { metadata, protocol } = await this.#contextAt(state, from);
    const sources: ChangeSource[] = [];
    let [rows, bytes] = [0, 0];
    let last: { version: number; etag: string | null; hash: string | null; timestamp: number } | null = null;
    let before: Snapshot | null = null;
    for (let version = from + 1; version <= newest; version++) {
      const commit = await readCommit(this.#target.source, version, this.#signal, this.#now);
      const size =
        commit.adds.reduce((sum, add) => sum + add.size, 0) + commit.cdc.reduce((sum, cdc) => sum + cdc.size, 0);
      const count = commit.adds.reduce((sum, add) => sum + liveRows(add), 0);
      const full =
        version - from > MOST_COMMITS ||
        rows + count > (limits.rows ?? MOST_ROWS) ||
        bytes + size > (limits.bytes ?? MOST_BYTES);
      if (last !== null && full) break;
      if (commit.protocol !== null) protocol = commit.protocol;
      if (commit.metadata !== null) metadata = commit.metadata;
      assertReadable(protocol, metadata);
      if (
        before === null &&
        commit.cdc.length === 0 &&
        commit.removes.some((remove) => remove.partitionValues === undefined)
      ) {
        before = await loadSnapshot(this.#target.source, { kind: 'version', version: version - 1 }, this.#signal);
      }
      sources.push(...(await changeSources(commit, metadata, before, this.#signal)));
      rows += count;
      bytes += size;
      last = { version, etag: commit.etag, hash: commit.contentHash, timestamp: commit.timestamp };
    }
    if (last === null) {
      const checkpoint = state.checkpoint;
      last = {
        version: from,
        etag: checkpoint?.commitEtag ?? null,
        hash: checkpoint?.commitHash ?? null,
        timestamp: checkpoint?.commitTimestamp ?? 0,
      };
    }
    return {
      version: last.version,
      metadata,
      protocol,
      commitEtag: last.etag,
      commitHash: last.hash,
      timestamp: last.timestamp,
      sources,
      snapshot: null,
    };
  }

  /** Metadata and protocol at a version: from the checkpoint's context where it is that version. */
  async #contextAt(state: SyncState, version: number): Promise<{ metadata: Metadata; protocol: Protocol }> {
    if (state.checkpoint !== null && state.checkpoint.version === version) {
      return readContext(this.#deps.plans, state.checkpoint.context, this.#signal);
    }
    // Starting at version 0 there is nothing before it: version 0 itself brings both.
    return loadSnapshot(this.#target.source, { kind: 'version', version: Math.max(0, version) }, this.#signal);
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
    if (checkpoint === null || checkpoint.mappingFingerprint === mapping.fingerprint)
      return { change: 'none', mapping, context };
    if (checkpoint.configurationHash !== configurationHash(context.table))
      return { change: 'configuration', mapping, context };
    const old = await readContext(this.#deps.plans, checkpoint.context, this.#signal);
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

  #changeContents(sources: readonly ChangeSource[]): Contents {
    let [rows, bytes, deletes] = [0, 0, 0];
    let known = true;
    for (const source of sources) {
      const size = source.file.size ?? 0;
      bytes += size;
      if (source.select.kind === 'masked') {
        const count = source.file.deletionVector?.cardinality ?? 0;
        rows += count;
        if (source.kind === 'delete') deletes += count;
        continue;
      }
      const count = source.rows ?? null;
      rows += count ?? Math.ceil(size / 32);
      if (source.kind === 'delete' && count !== null) deletes += count;
      if (source.kind === 'cdc' || (source.kind === 'delete' && count === null)) known = false;
    }
    const small = rows <= SMALL_EPOCH.rows && bytes <= SMALL_EPOCH.bytes;
    return {
      parts: changeParts(sources, small),
      estimate: { rows, bytes, deletes: known ? deletes : null },
      small,
      tableEmpty: null,
    };
  }

  async #snapshotContents(head: Head): Promise<Contents> {
    const files: AddFile[] = [];
    let [rows, bytes] = [0, 0];
    if (head.snapshot !== null) {
      for await (const file of head.snapshot.files()) {
        files.push(file);
        rows += liveRows(file);
        bytes += file.size;
      }
    }
    const small = rows <= SMALL_EPOCH.rows && bytes <= SMALL_EPOCH.bytes;
    return {
      parts: snapshotParts(files, head.version),
      estimate: { rows, bytes, deletes: null },
      small,
      tableEmpty: files.length === 0,
    };
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
    const empty =
      contents.tableEmpty ?? (await this.#snapshotContents(await this.#readSnapshot(head.version))).tableEmpty ?? false;
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

  #stagesOf(
    state: SyncState,
    decision: EpochDecision,
    contents: Contents,
    info: TargetInfo,
  ): { readonly stages: readonly PlanStage[]; readonly chunking: PlanHeader['chunking'] } {
    if (contents.small) return { stages: [{ name: 'apply', chunks: 1 }], chunking: 'single' };
    const parts = contents.parts.length;
    if (decision.kind === 'snapshot') {
      const apply: PlanStage = { name: 'apply', chunks: parts };
      const checked = this.#target.configuration.uniqueKey === 'checked';
      const passes = Math.max(1, Math.ceil(contents.estimate.rows / KEYS_PER_PASS));
      return { stages: checked ? [{ name: 'uniqueKeys', chunks: passes }, apply] : [apply], chunking: 'sources' };
    }
    const ranges = splitHashRanges(info.partitions, rangeCount(contents.estimate.rows, info)).length;
    const limit = deleteLimit(this.#target.configuration.guards, state.checkpoint?.documents ?? 0);
    const mayExceed = contents.estimate.deletes === null || contents.estimate.deletes > limit;
    const counted = mayExceed && Number.isFinite(limit) && decision.kind !== 'verify';
    const stages: PlanStage[] = [{ name: 'shuffle', chunks: parts }];
    if (counted) stages.push({ name: 'count', chunks: ranges });
    stages.push({ name: 'apply', chunks: ranges });
    return { stages, chunking: 'ranges' };
  }

  /** Holds that are known before anything is read; exact delete counts come later, still before the first write. */
  async #holdOf(state: SyncState, decision: EpochDecision, contents: Contents): Promise<Hold | null> {
    if (decision.hold !== null) return { ...decision.hold, since: this.#now };
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

/** Identities checked for uniqueness in memory by one pass over the key columns. */
const KEYS_PER_PASS = 2_000_000;

/** Slices side by side: enough to hide latencies, never so many that small tables starve. */
const WIDTH = 3;

function compileFor(context: TableContext, info: TargetInfo): Mapping {
  return compileMapping({
    table: context.table,
    schema: context.metadata.schema,
    partitionColumns: context.metadata.partitionColumns,
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
