/**
 * Actions as the log stores them, from JSON lines or from checkpoint rows, to typed actions. Unknown fields are ignored,
 * null is absent; what a reader needs and does not find makes the log damaged.
 */
import { SyncError } from '../shared/errors.ts';
import { stringifyJson } from '../shared/json.ts';
import type { AddFile, CdcFile, DataFile, DeletionVectorDescriptor, Protocol, RemoveFile } from './actions.ts';
import { normalizeActionPath } from './file-path.ts';

/** An object of the log: an action, or a struct in one. Maps are objects (JSON) or arrays of pairs (Parquet). */
export type LogRecord = Readonly<Record<string, unknown>>;

/** True for a plain object. */
export function isRecord(value: unknown): value is LogRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** The error for a part of the log that cannot be what it should be. */
export function logDamaged(problem: string, reason?: string, cause?: unknown): SyncError {
  return new SyncError('logDamaged', { problem, ...(reason === undefined ? {} : { reason }), cause });
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function integer(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

function wide(value: unknown): number | bigint | undefined {
  return typeof value === 'bigint' ? value : integer(value);
}

const NO_VALUES: Readonly<Record<string, string | null>> = Object.freeze({});

/** A string map with null values allowed; undefined when absent. Keys never reach a prototype. */
export function stringMap(value: unknown): Readonly<Record<string, string | null>> | undefined {
  if (value === null || value === undefined) return undefined;
  const pairs: readonly unknown[] = Array.isArray(value) ? value : Object.entries(value);
  if (pairs.length === 0) return NO_VALUES;
  const texts: (readonly [string, string | null])[] = [];
  for (const pair of pairs) {
    const [key, item] = pair as readonly [unknown, unknown];
    if (typeof key === 'string') texts.push([key, item === null || item === undefined ? null : plainText(item)]);
  }
  return sharedMap(texts);
}

/** Maps by their content: a million files have few different partition values, and a map of each would be most of them. */
const sharedMaps = new Map<string, Readonly<Record<string, string | null>>>();
const MAX_SHARED_MAPS = 4096;
/** Longer content is not worth keeping. */
const MAX_SHARED_TEXT = 1024;

function sharedMap(pairs: readonly (readonly [string, string | null])[]): Readonly<Record<string, string | null>> {
  const content = JSON.stringify(pairs);
  const known = sharedMaps.get(content);
  if (known !== undefined) return known;
  const map = Object.create(null) as Record<string, string | null>;
  for (const [key, item] of pairs) map[key] = item;
  Object.freeze(map);
  if (content.length > MAX_SHARED_TEXT) return map;
  if (sharedMaps.size >= MAX_SHARED_MAPS) sharedMaps.clear();
  sharedMaps.set(content, map);
  return map;
}

/** Values in maps of text are text; a number or boolean from a careless writer has an obvious one. */
function plainText(value: unknown): string {
  return typeof value === 'string' ? value : stringifyJson(value);
}

function stringList(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined;
}

function filePath(record: LogRecord, action: string): string {
  const raw = text(record['path']);
  if (raw === undefined || raw === '') throw logDamaged(`A file action (${action}) has no path.`);
  // Whether it lies inside the table is for the store to say, when somebody reads it.
  return normalizeActionPath(raw);
}

/** Some writers store "no deletion vector" in checkpoints as a struct of nulls or empty text. */
function deletionVector(value: unknown): DeletionVectorDescriptor | null {
  if (!isRecord(value)) return null;
  const storageType = value['storageType'];
  if (storageType === null || storageType === undefined || storageType === '') return null;
  const pathOrInlineDv = text(value['pathOrInlineDv']);
  const sizeInBytes = integer(value['sizeInBytes']);
  const cardinality = integer(value['cardinality']);
  const offset = value['offset'] ?? undefined;
  if (storageType !== 'u' && storageType !== 'p' && storageType !== 'i') {
    throw new SyncError('unsupportedFeature', {
      problem: `Deletion vector storage type ${plainText(storageType).slice(0, 20)} is not supported.`,
    });
  }
  if (pathOrInlineDv === undefined || sizeInBytes === undefined || sizeInBytes < 0 || cardinality === undefined) {
    throw logDamaged('A deletion vector descriptor is incomplete.');
  }
  if (offset === undefined) return { storageType, pathOrInlineDv, sizeInBytes, cardinality };
  const position = integer(offset);
  if (position === undefined || position < 0) throw logDamaged('A deletion vector descriptor has an unusable offset.');
  return { storageType, pathOrInlineDv, offset: position, sizeInBytes, cardinality };
}

/** Spark writes numRecords first; anything else takes the slow way, since a column may have the same name. */
const LEADING_NUM_RECORDS = /^\{"numRecords":(\d{1,15})[,}]/;

function numRecords(record: LogRecord): number | undefined {
  const stats = record['stats'];
  if (typeof stats === 'string') {
    const leading = LEADING_NUM_RECORDS.exec(stats)?.[1];
    if (leading !== undefined) return Number(leading);
    try {
      const parsed: unknown = JSON.parse(stats);
      const count = isRecord(parsed) ? integer(parsed['numRecords']) : undefined;
      if (count !== undefined) return count;
    } catch {
      // Statistics are optional: unreadable ones are as good as none.
    }
  }
  const parsed = record['stats_parsed'];
  return isRecord(parsed) ? integer(parsed['numRecords']) : undefined;
}

/** Only what makes a file of an `add`: for sums over many. */
export function dataFileFromRecord(record: LogRecord): DataFile {
  return {
    path: filePath(record, 'add'),
    partitionValues: undefined,
    size: integer(record['size']),
    deletionVector: deletionVector(record['deletionVector']),
  };
}

/** An `add` action. Throws `logDamaged`, `unsafePath`, `unsupportedFeature`. */
export function addFromRecord(record: LogRecord): AddFile {
  return {
    kind: 'add',
    path: filePath(record, 'add'),
    partitionValues: stringMap(record['partitionValues']) ?? NO_VALUES,
    size: integer(record['size']) ?? 0,
    deletionVector: deletionVector(record['deletionVector']),
    modificationTime: integer(record['modificationTime']) ?? 0,
    dataChange: record['dataChange'] !== false,
    numRecords: numRecords(record),
    baseRowId: wide(record['baseRowId']),
    defaultRowCommitVersion: integer(record['defaultRowCommitVersion']),
  };
}

/** A `remove` action. */
export function removeFromRecord(record: LogRecord): RemoveFile {
  return {
    kind: 'remove',
    path: filePath(record, 'remove'),
    partitionValues: stringMap(record['partitionValues']),
    size: integer(record['size']),
    deletionVector: deletionVector(record['deletionVector']),
    deletionTimestamp: integer(record['deletionTimestamp']),
    dataChange: record['dataChange'] !== false,
    numRecords: numRecords(record),
  };
}

/** A `cdc` action. */
export function cdcFromRecord(record: LogRecord): CdcFile {
  return {
    kind: 'cdc',
    path: filePath(record, 'cdc'),
    partitionValues: stringMap(record['partitionValues']) ?? NO_VALUES,
    size: integer(record['size']) ?? 0,
    deletionVector: null,
  };
}

/** A `protocol` action. Feature lists that are absent are empty. */
export function protocolFromRecord(record: LogRecord): Protocol {
  const minReaderVersion = integer(record['minReaderVersion']);
  const minWriterVersion = integer(record['minWriterVersion']);
  if (minReaderVersion === undefined || minWriterVersion === undefined) {
    throw logDamaged('A protocol action has no versions.');
  }
  const readerFeatures = stringList(record['readerFeatures']);
  const listed = record['readerFeatures'];
  // A feature that is no name would be dropped, and so pass unseen.
  if (Array.isArray(listed) && readerFeatures?.length !== listed.length) {
    throw logDamaged('A protocol action has reader features that are no names.');
  }
  if (minReaderVersion === 3 && readerFeatures === undefined) {
    throw logDamaged(
      'A protocol action has no readerFeatures.',
      'minReaderVersion 3 says that they list what a reader must know.',
    );
  }
  return {
    minReaderVersion,
    minWriterVersion,
    readerFeatures: readerFeatures ?? [],
    writerFeatures: stringList(record['writerFeatures']) ?? [],
  };
}

/** Latest version an application has committed (`txn`). */
export interface Transaction {
  readonly appId: string;
  readonly version: number | bigint;
}

/** A `txn` action; undefined when it says nothing. */
export function txnFromRecord(record: LogRecord): Transaction | undefined {
  const appId = text(record['appId']);
  const version = wide(record['version']);
  return appId === undefined || version === undefined ? undefined : { appId, version };
}

/** Configuration of a metadata domain; `removed` hides it. */
export interface DomainMetadata {
  readonly domain: string;
  readonly configuration: string;
  readonly removed: boolean;
}

/** A `domainMetadata` action; undefined when it says nothing. */
export function domainFromRecord(record: LogRecord): DomainMetadata | undefined {
  const domain = text(record['domain']);
  if (domain === undefined) return undefined;
  return { domain, configuration: text(record['configuration']) ?? '', removed: record['removed'] === true };
}
