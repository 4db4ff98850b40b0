/** How epochs are cut: what is netted in memory, what one chunk reads, how long a slice works. */
import { KEYS_PER_PASS } from '../changes/unique-keys.ts';

export interface WorkSizes {
  /** An epoch with at most this much to read is one chunk, netted in memory. */
  readonly smallRows: number;
  readonly smallBytes: number;
  /** What one chunk of a larger epoch reads: about a slice's work, and few enough files to read its part list alone. */
  readonly chunkBytes: number;
  readonly chunkSources: number;
  /** Rows netted in memory by one chunk of the identity hash. */
  readonly rangeRows: number;
  /**
   * What passes over chunks hold at most: identities, and roughly bytes on the heap. Slices that run side by side share
   * it.
   */
  readonly passRows: number;
  readonly passBytes: number;
  /** Identities checked for uniqueness in memory by one pass over the key columns. */
  readonly keysPerPass: number;
  /** How long a slice works, in milliseconds; it stops handing out work a quarter earlier. */
  readonly sliceMs: number;
  /** Decisions per batch: a cursor stands behind every batch. */
  readonly batchDecisions: number;
}

/** Slices side by side: enough to hide latencies, never so many that small tables starve. */
export const SLICES_SIDE_BY_SIDE = 3;

export const WORK_SIZES: WorkSizes = {
  smallRows: 50_000,
  smallBytes: 16 * 2 ** 20,
  chunkBytes: 32 * 2 ** 20,
  chunkSources: 2_000,
  rangeRows: 12_500,
  passRows: 60_000,
  passBytes: 48 * 2 ** 20,
  keysPerPass: KEYS_PER_PASS,
  sliceMs: 60_000,
  batchDecisions: 250,
};
