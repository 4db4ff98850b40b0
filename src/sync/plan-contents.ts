/** Contents of a plan, sized by statistics: parts, estimate and stages. Pure apart from streaming a snapshot's files. */
import { splitHashRanges } from '../changes/hash-ranges.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { AddFile } from '../delta/actions.ts';
import type { Snapshot } from '../delta/snapshot.ts';
import type { EpochDecision } from './choose-epoch.ts';
import type { TargetInfo } from './document-writer.ts';
import { decidesDeletes } from './epoch-refusal.ts';
import { deleteLimit } from './guards.ts';
import type { CountedSource } from './plan-head.ts';
import { changeParts, liveRows, rangeCount, snapshotParts } from './plan-sources.ts';
import type { WorkSizes } from './work-sizes.ts';
import type { PlanEstimate, PlanHeader, PlanSource, PlanStage } from './plan.ts';

export interface Contents {
  readonly parts: readonly (readonly PlanSource[])[];
  readonly estimate: PlanEstimate;
  readonly small: boolean;
  /** Whether the table has no file at all; null when that was not looked at. */
  readonly tableEmpty: boolean | null;
}

/** Bytes of Parquet per row of a change file, for upper bounds without statistics. */
const GUESSED_ROW_BYTES = 32;

export function changeContents(sources: readonly CountedSource[], sizes: WorkSizes): Contents {
  let [rows, bytes, deletes] = [0, 0, 0];
  let known = true;
  for (const { source, rows: counted } of sources) {
    bytes += source.file.size ?? 0;
    rows += counted ?? Math.ceil((source.file.size ?? 0) / GUESSED_ROW_BYTES);
    if (source.kind === 'insert') continue;
    if (source.kind === 'cdc' || counted === null) known = false;
    else deletes += counted;
  }
  const small = isSmall(rows, bytes, sizes);
  const plain = sources.map(({ source }) => source);
  return {
    parts: changeParts(plain, small, sizes),
    estimate: { rows, bytes, deletes: known ? deletes : null },
    small,
    tableEmpty: null,
  };
}

/** What a comparison reads besides the table: the rows that it had when the documents were made. */
export async function withFormer(
  contents: Contents,
  former: Snapshot,
  sizes: WorkSizes,
  signal: AbortSignal,
): Promise<Contents> {
  const { estimate, parts, small } = await snapshotContents(former, sizes, signal, null, 'former');
  const rows = contents.estimate.rows + estimate.rows;
  const bytes = contents.estimate.bytes + estimate.bytes;
  return {
    ...contents,
    parts: [...contents.parts, ...parts],
    estimate: { rows, bytes, deletes: null },
    small: contents.small && small && isSmall(rows, bytes, sizes),
  };
}

/** All files of a snapshot, or those of `paths`. */
export async function snapshotContents(
  snapshot: Snapshot,
  sizes: WorkSizes,
  signal: AbortSignal,
  paths: ReadonlySet<string> | null = null,
  kind: 'file' | 'former' = 'file',
): Promise<Contents> {
  const files: AddFile[] = [];
  let [rows, bytes] = [0, 0];
  for await (const file of snapshot.files(signal)) {
    if (paths !== null && !paths.has(file.path)) continue;
    files.push(file);
    rows += liveRows(file);
    bytes += file.size;
  }
  // Log replay promises no order; the same snapshot must give the same plan.
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    parts: snapshotParts(files, snapshot.version, sizes, kind),
    estimate: { rows, bytes, deletes: null },
    small: isSmall(rows, bytes, sizes),
    tableEmpty: files.length === 0,
  };
}

function isSmall(rows: number, bytes: number, sizes: WorkSizes): boolean {
  return rows <= sizes.smallRows && bytes <= sizes.smallBytes;
}

export interface StageFacts {
  readonly decision: EpochDecision;
  readonly contents: Contents;
  readonly info: TargetInfo;
  readonly table: TableConfiguration;
  /** Documents at the checkpoint. */
  readonly documents: number;
  readonly sizes: WorkSizes;
  /** Whether what the epoch deletes is seen by readers. */
  readonly guarded: boolean;
  /** Whether identities are known that no change may decide alone. */
  readonly forced: boolean;
}

/** The stages an epoch needs: only `apply` when it is small, exact counting only where statistics leave a guard in doubt. */
export function stagesOf(facts: StageFacts): Pick<PlanHeader, 'stages' | 'chunking'> {
  const { contents, decision, info, table } = facts;
  if (contents.small) return { stages: [{ name: 'apply', chunks: 1 }], chunking: 'single' };
  const parts = contents.parts.length;
  if (decision.kind === 'snapshot') {
    const apply: PlanStage = { name: 'apply', chunks: parts };
    const passes = Math.max(1, Math.ceil(contents.estimate.rows / facts.sizes.keysPerPass));
    const stages: readonly PlanStage[] =
      table.uniqueKey === 'checked' ? [{ name: 'uniqueKeys', chunks: passes }, apply] : [apply];
    return { stages, chunking: 'sources' };
  }
  const wanted = rangeCount(contents.estimate.rows, info, facts.sizes);
  const ranges = splitHashRanges(info.partitions, wanted, info.partitionKeyVersion).length;
  const limit = deleteLimit(table.guards, facts.documents);
  const inDoubt = contents.estimate.deletes === null || contents.estimate.deletes > limit;
  const compared = decision.former || facts.forced || table.discriminator !== undefined;
  const undecided = !decidesDeletes(table) && (decision.kind === 'changes' || compared);
  const stages: PlanStage[] = [{ name: 'shuffle', chunks: parts }];
  if (facts.guarded && (undecided || (inDoubt && Number.isFinite(limit))))
    stages.push({ name: 'count', chunks: ranges });
  stages.push({ name: 'apply', chunks: ranges });
  return { stages, chunking: 'ranges' };
}
