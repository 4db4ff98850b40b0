/** Cuts what an epoch reads into parts: pure functions from files and change sources to chunks. */
import type { AddFile } from '../delta/actions.ts';
import type { ChangeSource } from '../delta/change-source.ts';
import type { EpkRange, TargetInfo } from './document-writer.ts';
import type { PlanSource } from './plan.ts';
import type { WorkSizes } from './work-sizes.ts';

const MOST_RANGES = 4_096;

/** Bytes of Parquet per row, for files whose statistics are missing. */
const GUESSED_ROW_BYTES = 64;

/** A file's live rows: physical rows less the deletion vector; guessed from its size without statistics. */
export function liveRows(file: Pick<AddFile, 'numRecords' | 'size' | 'deletionVector'>): number {
  const rows = file.numRecords ?? Math.ceil(file.size / GUESSED_ROW_BYTES);
  return Math.max(0, rows - (file.deletionVector?.cardinality ?? 0));
}

/** Parts of a snapshot: whole files grouped, large ones cut into byte ranges. */
export function snapshotParts(
  files: readonly AddFile[],
  version: number,
  sizes: WorkSizes,
  kind: 'file' | 'former' = 'file',
): readonly (readonly PlanSource[])[] {
  const parts: PlanSource[][] = [];
  let part: PlanSource[] = [];
  let bytes = 0;
  const close = (): void => {
    if (part.length > 0) parts.push(part);
    part = [];
    bytes = 0;
  };
  for (const add of files) {
    const file = {
      path: add.path,
      partitionValues: add.partitionValues,
      size: add.size,
      deletionVector: add.deletionVector,
    };
    if (add.size <= sizes.chunkBytes) {
      if (bytes + add.size > sizes.chunkBytes || part.length >= sizes.chunkSources) close();
      part.push({ kind, file, version, byteRange: null });
      bytes += add.size;
      continue;
    }
    close();
    for (let start = 0; start < add.size; start += sizes.chunkBytes) {
      // The log's size may be smaller than the file: the last range is open.
      const end = start + sizes.chunkBytes >= add.size ? Number.MAX_SAFE_INTEGER : start + sizes.chunkBytes;
      part.push({ kind, file, version, byteRange: { start, end } });
      close();
    }
  }
  close();
  return parts;
}

/** Parts of a range of commits, in commit order. */
export function changeParts(
  sources: readonly ChangeSource[],
  small: boolean,
  sizes: WorkSizes,
): readonly (readonly PlanSource[])[] {
  const all: PlanSource[] = sources.map((source) => ({ kind: 'change', source }));
  if (small) return [all];
  const parts: PlanSource[][] = [];
  let part: PlanSource[] = [];
  let bytes = 0;
  for (const source of all) {
    const size = source.kind === 'change' ? (source.source.file.size ?? sizes.chunkBytes) : 0;
    if (part.length > 0 && (bytes + size > sizes.chunkBytes || part.length >= sizes.chunkSources)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(source);
    bytes += size;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/** How many ranges of the identity hash hold about `rangeRows` rows each; at least one for each physical partition. */
export function rangeCount(rows: number, target: TargetInfo, sizes: WorkSizes): number {
  return Math.min(MOST_RANGES, Math.max(target.partitions.length, Math.ceil(rows / sizes.rangeRows)));
}

/** The whole container as one range. */
export const WHOLE: EpkRange = { start: '', end: 'FF' };
