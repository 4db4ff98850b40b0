/** Actions of the transaction log (PROTOCOL.md, "Actions"), parsed and with paths decoded once. */
import type { StructType } from './schema.ts';

export interface DeletionVectorDescriptor {
  readonly storageType: 'u' | 'p' | 'i';
  readonly pathOrInlineDv: string;
  /** Absent for inline vectors and when the writer left it out. */
  readonly offset?: number;
  readonly sizeInBytes: number;
  readonly cardinality: number;
}

/** What add, remove and cdc have in common: a Parquet file of this table. Plain data, may be stored as JSON. */
export interface DataFile {
  /** Decoded; relative to the table folder, or absolute as the log had it. */
  readonly path: string;
  /** By physical column name; null for SQL null. Absent (undefined) in a remove without extended metadata. */
  readonly partitionValues: Readonly<Record<string, string | null>> | undefined;
  /** Bytes as the log says; may be wrong after copy tools, so readers ask the store. */
  readonly size: number | undefined;
  readonly deletionVector: DeletionVectorDescriptor | null;
}

export interface AddFile extends DataFile {
  readonly kind: 'add';
  readonly partitionValues: Readonly<Record<string, string | null>>;
  readonly size: number;
  readonly modificationTime: number;
  readonly dataChange: boolean;
  /** Physical rows in the file from the statistics; undefined when the writer kept none. */
  readonly numRecords: number | undefined;
  readonly baseRowId: number | bigint | undefined;
  readonly defaultRowCommitVersion: number | undefined;
}

export interface RemoveFile extends DataFile {
  readonly kind: 'remove';
  readonly deletionTimestamp: number | undefined;
  readonly dataChange: boolean;
  readonly numRecords: number | undefined;
}

export interface CdcFile extends DataFile {
  readonly kind: 'cdc';
  readonly partitionValues: Readonly<Record<string, string | null>>;
  readonly size: number;
}

export interface Metadata {
  readonly id: string;
  readonly name: string | undefined;
  readonly schema: StructType;
  /** Logical names, in order. */
  readonly partitionColumns: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
}

export interface Protocol {
  readonly minReaderVersion: number;
  readonly minWriterVersion: number;
  readonly readerFeatures: readonly string[];
  readonly writerFeatures: readonly string[];
}

/** One commit file, all of it. */
export interface Commit {
  readonly version: number;
  /** ETag and SHA-256 (hex) of the commit file: together they recognise a re-created table. */
  readonly etag: string;
  readonly contentHash: string;
  /** Milliseconds since 1970: in-commit timestamp where the table has it, else the file's modification time. */
  readonly timestamp: number;
  readonly metadata: Metadata | null;
  readonly protocol: Protocol | null;
  readonly adds: readonly AddFile[];
  readonly removes: readonly RemoveFile[];
  readonly cdc: readonly CdcFile[];
  /** commitInfo.operation, for messages and the ledger. */
  readonly operation: string | undefined;
}

const NO_VECTOR = '';

/**
 * Identity of a deletion vector (PROTOCOL.md, "Derived Fields"): storage type and path, and the offset where there is
 * one; empty text for none.
 */
export function deletionVectorId(vector: DeletionVectorDescriptor | null): string {
  if (vector === null) return NO_VECTOR;
  const at = vector.offset === undefined ? '' : `@${vector.offset}`;
  return `${vector.storageType}${vector.pathOrInlineDv}${at}`;
}

/** Identity of a file action, (path, dvId): the newest action of a key says whether the file is in the table. */
export function fileKey(file: DataFile): string {
  return file.deletionVector === null ? file.path : `${file.path}\0${deletionVectorId(file.deletionVector)}`;
}
