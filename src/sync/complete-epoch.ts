/** completeEpoch: makes the version of a finished plan the target's checkpoint, once, and writes the ledger. */
import { identityHash, type Identity } from '../documents/document.ts';
import { SyncError, toSyncError } from '../shared/errors.ts';
import type { CompleteInput, CompleteResult } from './activity-messages.ts';
import { mayPublish, replaceable } from './choose-load.ts';
import {
  NOT_PUBLISHED,
  awaitsSwitch,
  finishLoad,
  removed,
  slotName,
  switchLive,
  workingSlot,
} from './publication-state.ts';
import { tellFreshness } from './freshness.ts';
import { publish } from './publication.ts';
import { answersLetters, removeOlderLetters } from './replay.ts';
import { planFolder, readJson, readPlan, writeJson, type PlanHeader } from './plan.ts';
import { transition, type LedgerEntry, type OperationCounts, type VerifyReport } from './state-store.ts';
import { hold, type Hold } from './hold.ts';
import { complete, request, type Checkpoint, type CurrentEpoch, type Forced, type SyncState } from './state.ts';
import { publicationsOf, type SyncDependencies, type SyncTarget } from './sync-target.ts';

/** Succeeds when it finds itself already done. */
export async function completeEpoch(
  deps: SyncDependencies,
  input: CompleteInput,
  signal: AbortSignal,
): Promise<CompleteResult> {
  try {
    const target = await deps.target(input.tableId);
    const header = await readPlan(deps.plans, target.id, input.planId, signal);
    const now = deps.clock.now();
    const before = (await deps.states.read(target.id, signal)).state;
    if (isDone(before, header)) return { kind: 'ok', version: header.result.version };
    if (before.current?.planId !== header.planId) throw stale(header);
    const forced = await forcedAfter(deps, header, before.forced, signal);
    // The ledger line first: a repeat before the transition writes the same line again, one after it finds the epoch done.
    const report = header.kind === 'verify' ? await verifyReport(deps, header, input.counts, signal) : null;
    const entry = ledgerEntry(header, before.current, input.counts, report, now);
    await deps.states.record(entry, signal);
    // Before the epoch is over: its own letters are written, and nobody would come back for the others.
    const replayed = answersLetters(header);
    if (replayed) await removeOlderLetters(deps.plans, target.id, header.epoch, signal);
    const switches = header.kind === 'verify' && awaitsSwitch(before);
    const refusal = switches && report !== null ? refuseSwitch(target, before, report, now) : null;
    if (refusal !== null) {
      await transition(deps.states, target.id, (latest) => hold(latest, header.planId, refusal), signal);
      const { code, reason, remedy } = refusal;
      deps.log.event('epochHeld', { table: target.tableId, planId: header.planId, code, reason, remedy });
      return { kind: 'ok', version: header.result.version };
    }
    // The pointer first: a repeat finds it where it belongs.
    if (switches) await switchPointer(deps, target, before, signal);
    const finish = (latest: SyncState): SyncState => {
      if (isDone(latest, header)) return latest;
      const checkpoint = checkpointOf(header, latest, input.counts, now);
      // Readers saw nothing of what a load or a clean-up deletes.
      const deletes = header.load || header.kind === 'cleanup' ? 0 : input.counts.deletes;
      const done = complete(latest, header.planId, checkpoint, { deletes, forced, replayed, now });
      if (header.thenReconcile) return request(done, 'reconcile', 'a change of schema', now);
      return switches ? switchLive(done, now) : publicationAfter(latest, done, header, target, now);
    };
    // Told before it is remembered as told: whoever repeats this tells it again.
    const changed = header.kind !== 'verify' && header.kind !== 'cleanup';
    const due = changed && !(await tellFreshness(deps, target, finish(before), signal));
    await transition(
      deps.states,
      target.id,
      (latest) => {
        const done = finish(latest);
        return done === latest || !(changed || switches) ? done : { ...done, freshnessDue: due };
      },
      signal,
    );
    logCompleted(deps, header, entry);
    await removeOlderPlans(deps, header, signal);
    return { kind: 'ok', version: header.result.version };
  } catch (thrown) {
    const error = toSyncError(thrown);
    return { kind: 'failed', code: error.code, message: error.message, retryable: error.retryable };
  }
}

/** A late repeat of an epoch that was given up must not switch readers to what another one is loading. */
function stale({ planId, target }: PlanHeader): SyncError {
  return new SyncError('epochStale', { problem: `The plan ${planId} of ${target} is no longer current.` });
}

function isDone(state: SyncState, header: PlanHeader): boolean {
  return (
    state.current?.planId !== header.planId &&
    (state.checkpoint === null
      ? state.removal !== null && state.epoch >= header.epoch
      : state.checkpoint.epoch === header.epoch && state.checkpoint.version === header.result.version)
  );
}

/**
 * The forced identities after this epoch: duplicates it found, and those known before unless every row was looked at
 * again. They fall due when a change touched one.
 */
async function forcedAfter(
  deps: SyncDependencies,
  header: PlanHeader,
  before: Forced | null,
  signal: AbortSignal,
): Promise<Forced | null> {
  if (header.kind === 'verify' || header.kind === 'cleanup') return before;
  const identities = new Map<string, Identity>();
  const remember = (found: unknown): void => {
    for (const identity of found as readonly Identity[]) identities.set(identityHash(identity), identity);
  };
  let touched = false;
  for await (const name of deps.plans.list(`${planFolder(header.target, header.planId)}/forced-`, signal)) {
    if (name.includes('/forced-touched-')) touched = true;
    else remember(await readJson(deps.plans, name, signal));
  }
  if (header.kind === 'changes' && before !== null) {
    if (identities.size === 0) return touched ? { ...before, due: true } : before;
    remember(await readJson(deps.plans, before.blob, signal));
  }
  if (identities.size === 0) return null;
  const blob = `forced/${header.target}/${header.planId}.json`;
  await writeJson(deps.plans, blob, [...identities.values()], signal);
  return { blob, count: identities.size, due: touched };
}

/** Identities named in a ledger line at most. */
const SAMPLES = 20;

/** What the chunks of a verification left behind, as one report. */
async function verifyReport(
  deps: SyncDependencies,
  header: PlanHeader,
  counts: OperationCounts,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const samples: VerifyReport['samples'][number][] = [];
  for await (const name of deps.plans.list(`${planFolder(header.target, header.planId)}/differences-`, signal)) {
    if (samples.length >= SAMPLES) break;
    samples.push(
      ...((await readJson(deps.plans, name, signal)) as VerifyReport['samples']).slice(0, SAMPLES - samples.length),
    );
  }
  return { equal: counts.skipped, missing: counts.creates, different: counts.upserts, extra: counts.deletes, samples };
}

function checkpointOf(header: PlanHeader, state: SyncState, counts: OperationCounts, now: number): Checkpoint | null {
  const before = state.checkpoint;
  // A removed table has none any more.
  if (header.kind === 'verify' || header.kind === 'cleanup')
    return before === null ? null : { ...before, epoch: header.epoch };
  return {
    ...header.result,
    context: header.context,
    epoch: header.epoch,
    documents: documentsAfter(header, before, counts),
    syncedAt: now,
  };
}

function documentsAfter(header: PlanHeader, before: Checkpoint | null, counts: OperationCounts): number {
  if (!header.load) return Math.max(0, (before?.documents ?? 0) + counts.documentsDelta);
  // A slot that held something before was compared document by document.
  if (header.kind === 'reconcile') return counts.skipped + counts.upserts + counts.creates + counts.patches;
  return Math.max(0, counts.documentsDelta);
}

/** What a finished epoch changes in the slots of a table. */
function publicationAfter(
  before: SyncState,
  done: SyncState,
  header: PlanHeader,
  target: SyncTarget,
  now: number,
): SyncState {
  const { slot } = header;
  if (slot === null) {
    // Published until the configuration was changed: the container is one table's again.
    const { working, live } = before.publication;
    return working === null && live === null ? done : { ...done, publication: NOT_PUBLISHED };
  }
  if (header.kind === 'cleanup') return removed(done, slot);
  if (!header.load) return done;
  const left = workingSlot(before, target.configuration);
  return request(finishLoad(before, done, slot, left, now), 'verify', 'publish', now);
}

/** A load that does not equal the table is not shown to readers unless somebody says so. */
function refuseSwitch(target: SyncTarget, state: SyncState, report: VerifyReport, now: number): Hold | null {
  if (state.current?.approval !== undefined || mayPublish(target.configuration.publish, report)) return null;
  const { missing, different, extra } = report;
  return {
    code: 'publishUnverified',
    reason: `What was loaded differs from the table: ${missing} missing, ${different} different, ${extra} extra.`,
    remedy: 'Run resync to load it again, or approve the plan to publish it as it is.',
    since: now,
  };
}

async function switchPointer(
  deps: SyncDependencies,
  target: SyncTarget,
  state: SyncState,
  signal: AbortSignal,
): Promise<void> {
  const { checkpoint, publication } = state;
  if (checkpoint === null || publication.working === null) return;
  const live = slotName(publication.working);
  const allowed = replaceable(state, target.configuration, live);
  await publish(publicationsOf(deps), target.tableId, checkpoint, live, allowed, signal);
  deps.log.event('liveSwitched', { table: target.tableId, live, version: checkpoint.version });
}

function ledgerEntry(
  header: PlanHeader,
  finished: CurrentEpoch | null,
  counts: OperationCounts,
  report: VerifyReport | null,
  now: number,
): LedgerEntry {
  return {
    target: header.target,
    epoch: header.epoch,
    planId: header.planId,
    kind: header.kind,
    why: header.why,
    from: header.from,
    to: header.to,
    startedAt: finished?.startedAt ?? now,
    endedAt: now,
    counts,
    ...(finished?.approval === undefined ? {} : { approvedBy: finished.approval.by }),
    ...(report === null ? {} : { report }),
  };
}

function logCompleted(deps: SyncDependencies, header: PlanHeader, entry: LedgerEntry): void {
  const { requestUnits, rows, upserts, creates, patches, deletes, skipped, deadLettered } = entry.counts;
  deps.log.event('epochCompleted', {
    table: header.tableId,
    epoch: header.epoch,
    kind: header.kind,
    from: header.from,
    to: header.to,
    rows,
    upserts,
    creates,
    patches,
    deletes,
    skipped,
    deadLettered,
    ru: Math.round(requestUnits * 100) / 100,
    ms: entry.endedAt - entry.startedAt,
    commitTimestamp: header.result.commitTimestamp,
  });
}

/** Plans of earlier epochs are garbage, their shuffle files included; contexts and dead letters stay, and this plan for inspection. */
async function removeOlderPlans(deps: SyncDependencies, header: PlanHeader, signal: AbortSignal): Promise<void> {
  const older = new Set<string>();
  for await (const name of deps.plans.list(`plans/${header.target}/`, signal)) {
    const planId = name.split('/')[2];
    if (planId !== undefined && planId !== header.planId) older.add(planId);
  }
  for (const planId of older) await deps.plans.remove(`${planFolder(header.target, planId)}/`, signal);
}
