/**
 * Where a slice goes on in a chunk that is decided in memory. Such a chunk is taken in passes, each over one bucket of
 * its ids, as many as memory asks for; a comparison of more than one pass first spills what the container holds, so that
 * the container is read once.
 */
import { EVERY_ID, type IdBucket } from '../changes/hash-ranges.ts';
import { SyncError } from '../shared/errors.ts';

/** A pass, and how far its writes have come. */
export interface PassCursor {
  readonly kind: 'pass';
  readonly bucket: IdBucket;
  /** Identity hash behind which everything is settled; empty at the beginning of the pass. */
  readonly after: string;
  /** Names of the blobs with the documents of the range; null when the container itself is read. */
  readonly stored: readonly string[] | null;
}

/** Documents of the range are being spilled. */
export interface SpillCursor {
  readonly kind: 'spill';
  /** Cursor of the scan; null at its beginning. */
  readonly scan: string | null;
  readonly stored: readonly string[];
}

export type ChunkCursor = PassCursor | SpillCursor;

/** Throws `planDamaged` for a text that `chunkCursorText` did not make. */
export function parseChunkCursor(text: string | null): ChunkCursor {
  if (text === null) return { kind: 'pass', bucket: EVERY_ID, after: '', stored: null };
  try {
    const cursor = JSON.parse(text) as ChunkCursor;
    if (cursor.kind === 'spill' || cursor.bucket.index < cursor.bucket.of) return cursor;
  } catch {
    // Said below.
  }
  throw new SyncError('planDamaged', { problem: 'A slice was given a cursor that no slice made.' });
}

export function chunkCursorText(cursor: ChunkCursor): string {
  return JSON.stringify(cursor);
}

/** The same place in a pass over half as many ids. */
export function halved(cursor: PassCursor): PassCursor {
  const { index, of } = cursor.bucket;
  return { ...cursor, bucket: { index: 2 * index, of: 2 * of } };
}

/** The pass after this one; null when it was the last. */
export function nextPass(cursor: PassCursor): PassCursor | null {
  const { index, of } = cursor.bucket;
  return index + 1 < of ? { ...cursor, bucket: { index: index + 1, of }, after: '' } : null;
}
