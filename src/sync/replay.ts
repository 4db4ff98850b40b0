/**
 * Another try at dead letters: their rows are looked up in the table at the checkpoint, and only their documents in the
 * container. Letters name a row by an opaque key, and by file and position where it has no identity.
 */
import { createHash } from 'node:crypto';
import type { PlanStore } from '../changes/plan-store.ts';
import type { Snapshot } from '../delta/snapshot.ts';
import { deadLetterFolder, readDeadLetters } from './dead-letters.ts';
import { readJson, writeJson, type PlanHeader } from './plan.ts';

/** What a plan says of the letters it tries again. */
export interface ReplayedLetters {
  /** Keys of the documents that rows are looked up for. */
  readonly keys: readonly string[];
  /** Letters of epochs up to this one are answered by the plan's own. */
  readonly upTo: number;
}

export interface DraftedReplay {
  readonly blob: string;
  /** `all`: letters that only a comparison of both sides finds again. */
  readonly scope: 'all' | 'forced';
  /** The only files that hold the rows; null when the whole table has to be read. */
  readonly paths: ReadonlySet<string> | null;
}

/**
 * Finds out where the rows of all letters are. `narrow` is false when other identities are looked up as well: their rows
 * may be in any file.
 */
export async function draftReplay(
  plans: PlanStore,
  target: string,
  epoch: number,
  snapshot: Snapshot,
  narrow: boolean,
  signal: AbortSignal,
): Promise<DraftedReplay> {
  const keys = new Set<string>();
  const paths = new Set<string>();
  const keyless = new Set<string>();
  let everywhere = !narrow;
  for await (const letter of readDeadLetters(plans, target, signal)) {
    if (letter.path !== null) paths.add(letter.path);
    else everywhere = true;
    if (letter.key !== undefined) keys.add(letter.key);
    else keyless.add(letter.path ?? '');
    // Several rows claim one document, each in a file of its own.
    if (letter.code === 'duplicateKey') everywhere = true;
  }
  const live = new Set<string>();
  for await (const { path } of snapshot.files(signal)) if (paths.has(path)) live.add(path);
  const lost = [...keyless].some((path) => !live.has(path));
  const letters: ReplayedLetters = { keys: [...keys].toSorted(), upTo: epoch };
  const text = JSON.stringify(letters);
  const blob = `forced/${target}/replay-${createHash('sha256').update(text).digest('hex').slice(0, 12)}.json`;
  await writeJson(plans, blob, letters, signal);
  return { blob, scope: lost ? 'all' : 'forced', paths: everywhere || lost || live.size < paths.size ? null : live };
}

/** Null for a plan that does not try letters again. */
export async function replayedLetters(
  plans: PlanStore,
  { replay }: Pick<PlanHeader, 'replay'>,
  signal?: AbortSignal,
): Promise<ReplayedLetters | null> {
  return replay === undefined ? null : ((await readJson(plans, replay, signal)) as ReplayedLetters);
}

/** Whether an epoch has looked at every row that there is a letter for: those of earlier epochs are answered. */
export function answersLetters({ kind, scope, replay }: Pick<PlanHeader, 'kind' | 'scope' | 'replay'>): boolean {
  return replay !== undefined || ((kind === 'reconcile' || kind === 'snapshot') && scope === 'all');
}

/** Removes the letters of epochs before `epoch`. */
export async function removeOlderLetters(
  plans: PlanStore,
  target: string,
  epoch: number,
  signal?: AbortSignal,
): Promise<void> {
  const folder = deadLetterFolder(target);
  const older = new Set<string>();
  for await (const name of plans.list(folder, signal)) {
    const [written = ''] = name.slice(folder.length).split('/');
    if (Number(written) < epoch) older.add(written);
  }
  for (const written of older) await plans.remove(`${folder}${written}/`, signal);
}
