/** sealStage: closes a stage before the next one begins; the last chance to hold before anything is written. */
import { toSyncError } from '../shared/errors.ts';
import { deadLetterHold } from './epoch-refusal.ts';
import { guardDeletes } from './guards.ts';
import type { SealInput, SealResult } from './activity-messages.ts';
import { planFolder, readJson, readPlan, writeJson, type PlanHeader } from './plan.ts';
import { transition } from './state-store.ts';
import { holdEpoch } from './hold-epoch.ts';
import type { Hold } from './hold.ts';
import { reportProgress } from './state.ts';
import type { SyncDependencies, SyncTarget } from './sync-target.ts';
import { MOST_DUPLICATES, type DuplicateKey } from './unique-key-pass.ts';

export async function sealStage(deps: SyncDependencies, input: SealInput, signal: AbortSignal): Promise<SealResult> {
  try {
    const target = await deps.target(input.tableId);
    const header = await readPlan(deps.plans, target.id, input.planId, signal);
    const { hold: reason, final } = await closeStage(deps, target, header, input, signal);
    const { state } = await deps.states.read(target.id, signal);
    if (reason === null || (!final && state.current?.approval !== undefined)) {
      await transition(deps.states, target.id, (latest) =>
        latest.current?.planId === header.planId ? reportProgress(latest, header.planId, 0, deps.clock.now()) : latest,
      );
      return { kind: 'ok' };
    }
    await holdEpoch(deps, target, header.planId, reason, signal);
    return { kind: 'held', code: reason.code, reason: reason.reason };
  } catch (thrown) {
    const error = toSyncError(thrown);
    return { kind: 'failed', code: error.code, message: error.message, retryable: error.retryable };
  }
}

/** What closing a stage calls for. */
export interface StageVerdict {
  readonly hold: Hold | null;
  /** No approval lets the plan go on. */
  readonly final: boolean;
}

/** Writes what later stages need of this one, and says what it calls for. Changes no state: a dry run closes its stages, too. */
export async function closeStage(
  deps: SyncDependencies,
  target: SyncTarget,
  header: PlanHeader,
  input: SealInput,
  signal: AbortSignal,
): Promise<StageVerdict> {
  const folder = planFolder(header.target, header.planId);
  const now = deps.clock.now();
  switch (input.stage) {
    case 'shuffle': {
      await writeJson(deps.plans, `${folder}/accepted.json`, input.outputs, signal);
      // A verification writes nothing that they could be missing from.
      if (header.kind === 'verify') return PASSED;
      const totals = { failed: input.counts.deadLettered, duplicates: 0 };
      const hold = deadLetterHold(totals, target.configuration, now, 'They have no document id or partition key.');
      return { hold, final: false };
    }
    case 'count': {
      const { state } = await deps.states.read(target.id, signal);
      const hold = guardDeletes({ state, guards: target.configuration.guards, deletes: input.counts.deletes, now });
      return { hold, final: false };
    }
    case 'uniqueKeys': {
      const chunks = header.stages.find((stage) => stage.name === 'uniqueKeys')?.chunks ?? 0;
      const keys: DuplicateKey[] = [];
      let full = false;
      for (let chunk = 0; chunk < chunks; chunk++) {
        const name = `${folder}/duplicates-${chunk}.json`;
        const named = (await readJson(deps.plans, name, signal)) as readonly DuplicateKey[];
        full ||= named.length >= MOST_DUPLICATES;
        for (const key of named) keys.push(key);
      }
      if (full) return { hold: tooManyKeys(keys.length, now), final: true };
      // Written in any case: once the plan is approved, the load goes on with them.
      await writeJson(deps.plans, `${folder}/duplicates.json`, keys, signal);
      const identities = keys.map((key) => key.identity);
      if (identities.length > 0) await writeJson(deps.plans, `${folder}/forced-known-keys.json`, identities, signal);
      // Each of their rows becomes a dead letter, however few documents they claim.
      const rows = target.configuration.duplicates === 'error' ? keys.reduce((sum, { count }) => sum + count, 0) : 0;
      const example = `They claim ${keys.length} documents, each more than once.`;
      const totals = { failed: rows, duplicates: rows };
      return { hold: deadLetterHold(totals, target.configuration, now, example), final: false };
    }
    case 'apply':
      return PASSED;
  }
}

const PASSED: StageVerdict = { hold: null, final: false };

/** Whatever becomes of duplicates: which rows they are is not known any more. */
function tooManyKeys(keys: number, now: number): Hold {
  return {
    code: 'keyNotUnique',
    reason: `${keys} documents or more would be made from more than one row, too many for a first load to tell which row wins.`,
    remedy: 'Choose an id and partition key that are unique together, or remove the duplicates from the table.',
    since: now,
  };
}
