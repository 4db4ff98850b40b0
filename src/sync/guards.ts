/** Guards against destructive epochs: pure comparisons of counts with the configured limits. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { Hold, HoldCode } from './hold.ts';
import { deletesOfTheDay, type SyncState } from './state.ts';

export interface GuardFacts {
  readonly state: SyncState;
  readonly guards: TableConfiguration['guards'];
  /** Deletes the epoch would apply; an upper bound or the exact number. */
  readonly deletes: number;
  readonly now: number;
}

/** The hold that the deletes of an epoch call for, or null. Percentages are of the documents at the checkpoint. */
export function guardDeletes(facts: GuardFacts): Hold | null {
  const { guards, deletes, state, now } = facts;
  if (deletes === 0) return null;
  const documents = state.checkpoint?.documents ?? 0;
  const limit = limitOf(guards.maxDeletes, documents);
  if (deletes > limit)
    return tooMany(`The epoch would delete ${deletes} documents; the limit is ${limit} of ${documents}.`, now);
  const perDay = guards.maxDeletes.perDay;
  if (perDay !== undefined) {
    const sum = deletes + deletesOfTheDay(state, now);
    const dayLimit = limitOf(perDay, documents);
    if (sum > dayLimit)
      return tooMany(`The deletes of a day would be ${sum}; the limit is ${dayLimit} of ${documents}.`, now);
  }
  return null;
}

/** The most deletes that pass without approval, whatever the day's sum; to decide whether an exact count is worth its cost. */
export function deleteLimit(guards: TableConfiguration['guards'], documents: number): number {
  const limit = limitOf(guards.maxDeletes, documents);
  return guards.maxDeletes.perDay === undefined ? limit : Math.min(limit, limitOf(guards.maxDeletes.perDay, documents));
}

/** RU and duration ceilings against what the plan estimates. */
export function guardCost(
  guards: TableConfiguration['guards'],
  estimate: { readonly ru: number; readonly seconds: number | null },
  now: number,
): Hold | null {
  if (guards.maxRu !== undefined && estimate.ru > guards.maxRu) {
    return hold(
      'ruCeiling',
      `The epoch is estimated at ${Math.round(estimate.ru)} RU; the limit is ${guards.maxRu}.`,
      now,
    );
  }
  if (guards.maxSeconds !== undefined && estimate.seconds !== null && estimate.seconds > guards.maxSeconds) {
    return hold(
      'durationCeiling',
      `The epoch is estimated at ${Math.round(estimate.seconds)} s; the limit is ${guards.maxSeconds} s.`,
      now,
    );
  }
  return null;
}

/** A table that became empty while the container is not. */
export function guardEmptySource(documents: number, now: number): Hold {
  return hold('emptySource', `The table is empty, the container holds about ${documents} documents.`, now);
}

/** A share of a small table is a handful of rows: a percentage never limits below this many deletes. */
const PERCENT_FLOOR = 10;

function limitOf(limit: { readonly count?: number; readonly percent?: number }, documents: number): number {
  // All of them is no limit: the number of documents is an estimate.
  if (limit.percent === 100) return limit.count ?? Number.POSITIVE_INFINITY;
  const percent =
    limit.percent === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(PERCENT_FLOOR, Math.ceil((documents * limit.percent) / 100));
  return Math.min(limit.count ?? Number.POSITIVE_INFINITY, percent);
}

function tooMany(reason: string, now: number): Hold {
  return hold('tooManyDeletes', reason, now);
}

function hold(code: HoldCode, reason: string, now: number): Hold {
  return {
    code,
    reason,
    remedy: 'Approve the plan if this is meant, otherwise repair the table or reject the plan.',
    since: now,
  };
}
