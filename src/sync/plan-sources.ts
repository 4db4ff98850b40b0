/** Cuts what an epoch reads into parts: pure functions from files and change sources to chunks. */
import type { AddFile } from '../delta/actions.ts';
import type { ChangeSource } from '../delta/change-source.ts';
import type { EpkRange, TargetInfo } from './document-writer.ts';
import type { PlanSource } from './plan.ts';

/** An epoch with at most this much to read is one chunk, netted in memory. */
export const SMALL_EPOCH = { rows: 50_000, bytes: 16 * 2 ** 20 } as const;

/** What one chunk of a larger epoch reads: about a slice's work, and small enough to read its part list alone. */
const CHUNK = { bytes: 32 * 2 ** 20, sources: 2_000 } as const;

/** Rows netted in memory by one chunk of the identity hash. */
const ROWS_PER_RANGE = 50_000;
const MOST_RANGES = 4_096;

/** Bytes of Parquet per row, for files whose statistics are missing. */
const GUESSED_ROW_BYTES = 64;

/** A file's live rows: physical rows less the deletion vector; guessed from its size without statistics. */
export function liveRows(file: Pick<AddFile, 'numRecords' | 'size' | 'deletionVector'>): number {
  const rows = file.numRecords ?? Math.ceil(file.size / GUESSED_ROW_BYTES);
  return Math.max(0, rows - (file.deletionVector?.cardinality ?? 0));
}

/** Parts of a snapshot: whole files grouped, large ones cut into byte ranges. */
export function snapshotParts(files: readonly AddFile[], version: number): readonly (readonly PlanSource[])[] {
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
    if (add.size <= CHUNK.bytes) {
      if (bytes + add.size > CHUNK.bytes || part.length >= CHUNK.sources) close();
      part.push({ kind: 'file', file, version, byteRange: null });
      bytes += add.size;
      continue;
    }
    close();
    for (let start = 0; start < add.size; start += CHUNK.bytes) {
      // The log's size may be smaller than the file: the last range is open.
      const end = start + CHUNK.bytes >= add.size ? Number.MAX_SAFE_INTEGER : start + CHUNK.bytes;
      part.push({ kind: 'file', file, version, byteRange: { start, end } });
      close();
    }
  }
  close();
  return parts;
}

/** Parts of a range of commits, in commit order. */
export function changeParts(sources: readonly ChangeSource[], small: boolean): readonly (readonly PlanSource[])[] {
  const all: PlanSource[] = sources.map((source) => ({ kind: 'change', source }));
  if (small) return [all];
  const parts: PlanSource[][] = [];
  let part: PlanSource[] = [];
  let bytes = 0;
  for (const source of all) {
    const size = source.kind === 'change' ? (source.source.file.size ?? CHUNK.bytes) : 0;
    if (part.length > 0 && (bytes + size > CHUNK.bytes || part.length >= CHUNK.sources)) {
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

/** How many ranges of the identity hash hold about ROWS_PER_RANGE rows each; at least one for each physical partition. */
export function rangeCount(rows: number, target: TargetInfo): number {
  return Math.min(MOST_RANGES, Math.max(target.partitions.length, Math.ceil(rows / ROWS_PER_RANGE)));
}

/** The whole container as one range. */
export const WHOLE: EpkRange = { start: '', end: 'FF' };
