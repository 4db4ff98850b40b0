/**
 * The plan of an epoch: immutable blobs, a header and parts that a chunk reads alone. Written before the epoch is
 * claimed; whoever loses the claim leaves garbage that the next completed epoch removes.
 */
import { createHash } from 'node:crypto';
import { SyncError } from '../shared/errors.ts';
import { parsePlainJson } from '../shared/json.ts';
import type { DataFile } from '../delta/actions.ts';
import type { ChangeSource } from '../delta/change-source.ts';
import type { PlanStore } from '../changes/plan-store.ts';
import type { EpkRange } from './document-writer.ts';
import type { Slot } from './publication-state.ts';
import type { EpochKind, StageName } from './state.ts';

/** Bumped when an older app could misread a plan. */
export const PLAN_FORMAT = 1;

export interface PlanStage {
  readonly name: StageName;
  readonly chunks: number;
}

/** What guards compare: an upper bound from statistics, later exact counts. */
export interface PlanEstimate {
  /** Rows that will be read at most. */
  readonly rows: number;
  readonly bytes: number;
  /** Deletes at most; null when statistics cannot say. */
  readonly deletes: number | null;
}

export interface PlanHeader {
  readonly format: number;
  readonly planId: string;
  readonly tableId: string;
  readonly target: string;
  readonly epoch: number;
  readonly kind: EpochKind;
  /** Version the container has; null before the first load. */
  readonly from: number | null;
  readonly to: number;
  readonly why: string;
  readonly stages: readonly PlanStage[];
  /**
   * `single`: one chunk reads part 0, which is everything. `sources`: apply chunk i reads part i. `ranges`: shuffle chunk
   * i reads part i, and apply chunk i covers range i of the identity hash.
   */
  readonly chunking: 'single' | 'sources' | 'ranges';
  /** Where the documents lie; null where the table's container is written in place. */
  readonly slot: Slot | null;
  /** The slot is loaded beside the one that readers see. */
  readonly load: boolean;
  /** Blob with schema and mapping configuration to read and write with. */
  readonly context: string;
  /** The context of `former` sources; absent where there are none. */
  readonly former?: string;
  /** Every touched identity gets an unconditional operation: the container's state is not known. */
  readonly unconditional: boolean;
  /** Whether only the forced identities are looked at. */
  readonly scope: 'all' | 'forced';
  /** True when the sources of a `changes` epoch stand for the two ends of its range rather than for single commits. */
  readonly byEnds?: boolean;
  /** A reconcile is asked for when the epoch is done. */
  readonly thenReconcile: boolean;
  /** Blob with the keys of dead letters whose rows are looked at again, beside the forced ones. */
  readonly replay?: string;
  /** Blob of the forced identities; null when there are none. */
  readonly forced: string | null;
  readonly estimate: PlanEstimate;
  /** What the checkpoint becomes when the epoch is done, apart from counts and time. */
  readonly result: {
    readonly version: number;
    readonly commitEtag: string | null;
    readonly commitHash: string | null;
    readonly commitTimestamp: number;
    readonly tableId: string;
    readonly configurationHash: string;
    readonly mappingFingerprint: string;
    readonly containerRid: string;
  };
}

/** Files, or pieces of files, that one chunk reads. `former`: its rows only say which documents were this table's. */
export type PlanSource =
  | {
      readonly kind: 'file' | 'former';
      readonly file: DataFile;
      readonly version: number;
      readonly byteRange: { readonly start: number; readonly end: number } | null;
    }
  | { readonly kind: 'change'; readonly source: ChangeSource };

/** A header before it has an id: the id is its hash, so the same plan at the same head has the same id. */
export type PlanDraft = Omit<PlanHeader, 'planId' | 'format'>;

/** Folder of everything that belongs to one plan. */
export function planFolder(target: string, planId: string): string {
  return `plans/${target}/${planId}`;
}

/** Deterministic: epoch, version and a hash over the draft and its parts. */
export function planIdOf(
  draft: PlanDraft,
  parts: readonly (readonly PlanSource[])[],
  ranges: readonly EpkRange[],
): string {
  const hash = createHash('sha256').update(JSON.stringify([draft, ranges]));
  for (const part of parts) hash.update(JSON.stringify(part));
  return `e${draft.epoch}-v${draft.to}-${hash.digest('hex').slice(0, 12)}`;
}

/** Writes parts first, the header last: a header that exists is whole. */
export async function writePlan(
  store: PlanStore,
  header: PlanHeader,
  parts: readonly (readonly PlanSource[])[],
  ranges: readonly EpkRange[],
  signal?: AbortSignal,
): Promise<void> {
  const folder = planFolder(header.target, header.planId);
  for (const [index, part] of parts.entries()) await writeJson(store, `${folder}/part-${index}.json`, part, signal);
  if (ranges.length > 0) await writeJson(store, `${folder}/ranges.json`, ranges, signal);
  await writeJson(store, `${folder}/header.json`, header, signal);
}

/** Throws `planDamaged` when the header is absent or of another format. */
export async function readPlan(
  store: PlanStore,
  target: string,
  planId: string,
  signal?: AbortSignal,
): Promise<PlanHeader> {
  const header = (await readJson(store, `${planFolder(target, planId)}/header.json`, signal)) as PlanHeader;
  if (header.format !== PLAN_FORMAT || header.planId !== planId) {
    throw new SyncError('planDamaged', {
      problem: `The plan ${planId} cannot be used.`,
      reason: `Its format is ${String(header.format)}, this version of the app understands ${PLAN_FORMAT}.`,
    });
  }
  return header;
}

export async function readPart(
  store: PlanStore,
  header: PlanHeader,
  part: number,
  signal?: AbortSignal,
): Promise<readonly PlanSource[]> {
  return (await readJson(
    store,
    `${planFolder(header.target, header.planId)}/part-${part}.json`,
    signal,
  )) as readonly PlanSource[];
}

export async function readRanges(
  store: PlanStore,
  header: PlanHeader,
  signal?: AbortSignal,
): Promise<readonly EpkRange[]> {
  return (await readJson(
    store,
    `${planFolder(header.target, header.planId)}/ranges.json`,
    signal,
  )) as readonly EpkRange[];
}

/** JSON blobs that stages leave for later ones: accepted attempts, known duplicates. */
export async function writeJson(store: PlanStore, name: string, value: unknown, signal?: AbortSignal): Promise<void> {
  await store.write(name, new TextEncoder().encode(JSON.stringify(value)), signal);
}

/** Throws `planDamaged` when the blob is absent or not JSON. */
export async function readJson(store: PlanStore, name: string, signal?: AbortSignal): Promise<unknown> {
  try {
    return parsePlainJson(new TextDecoder().decode(await store.read(name, undefined, signal)));
  } catch (cause) {
    if (cause instanceof SyncError && cause.code !== 'storageNotFound') throw cause;
    throw new SyncError('planDamaged', { problem: `The plan file ${name} is missing or damaged.`, cause });
  }
}
