/** What tests ask of the Delta writer. */
import type { MappingMode, NewColumn } from './writer-columns.ts';

/** How a table is made. */
export interface DeltaWriterOptions {
  readonly columns: readonly NewColumn[];
  readonly partitionBy?: readonly string[];
  readonly columnMapping?: MappingMode;
  /** Deletes, updates and merges mark rows instead of rewriting files. */
  readonly deletionVectors?: boolean;
  readonly changeFeed?: boolean;
  readonly inCommitTimestamps?: boolean;
  readonly v2Checkpoints?: boolean;
  readonly properties?: Readonly<Record<string, string>>;
  /** Most rows a file; default unlimited. */
  readonly rowsPerFile?: number;
  readonly rowGroupRows?: number;
  /** Remove actions carry partition values and size; default true. */
  readonly extendedFileMetadata?: boolean;
  /** Time of version 0 in milliseconds; every commit is a minute later. */
  readonly startTime?: number;
}

/** What `merge` does with rows of the source. */
export interface MergeRules {
  /** Columns that match rows of source and target. */
  readonly on: readonly string[];
  readonly matched?: 'update' | 'delete' | 'ignore';
  readonly notMatched?: 'insert' | 'ignore';
}
