/**
 * Checkpoints (PROTOCOL.md, "Checkpoints", "V2 Spec"): classic, multi-part and UUID-named, as Parquet or JSON, with or
 * without sidecars. File actions are streamed, with the columns that are asked for and no others.
 */
import type { AddFile, DataFile } from './actions.ts';
import { emptyActions, addAction, parseActionLines, type LogActions } from './action-lines.ts';
import { addFromRecord, dataFileFromRecord, isRecord, logDamaged, type LogRecord } from './action-record.ts';
import { sidecarPath } from './log-path.ts';
import type { CheckpointFiles } from './log-segment.ts';
import type { LogStore } from './log-store.ts';
import type { DataType, StructField, StructType } from './schema.ts';
import { openParquet, type ParquetFile } from '../parquet/parquet-file.ts';
import { readRowBatches } from '../parquet/row-reader.ts';
import { SyncError } from '../shared/errors.ts';

const text: DataType = { kind: 'primitive', name: 'string' };
/** For every whole number: writers differ in whether they store 32 bits or 64. */
const long: DataType = { kind: 'primitive', name: 'long' };
const flag: DataType = { kind: 'primitive', name: 'boolean' };
const texts: DataType = { kind: 'array', element: text, containsNull: true };
const textMap: DataType = { kind: 'map', key: text, value: text, valueContainsNull: true };

function field(name: string, type: DataType): StructField {
  return { name, type, nullable: true, metadata: {} };
}

function struct(fields: Readonly<Record<string, DataType>>): StructType {
  return { kind: 'struct', fields: Object.entries(fields).map(([name, type]) => field(name, type)) };
}

const PARALLEL_OPENS = 8;

/** Columns of the actions that are not files. */
const STATE_COLUMNS: readonly StructField[] = [
  field(
    'protocol',
    struct({ minReaderVersion: long, minWriterVersion: long, readerFeatures: texts, writerFeatures: texts }),
  ),
  field(
    'metaData',
    struct({ id: text, name: text, schemaString: text, partitionColumns: texts, configuration: textMap }),
  ),
  field('txn', struct({ appId: text, version: long })),
  field('domainMetadata', struct({ domain: text, configuration: text, removed: flag })),
  field('sidecar', struct({ path: text })),
];

const VECTOR = struct({
  storageType: text,
  pathOrInlineDv: text,
  offset: long,
  sizeInBytes: long,
  cardinality: long,
});

/** What sums over the files need of an add. */
const SIZE_COLUMN = field('add', struct({ path: text, size: long, deletionVector: VECTOR }));

/** Everything an AddFile has. */
const ADD_COLUMN = field(
  'add',
  struct({
    path: text,
    partitionValues: textMap,
    size: long,
    modificationTime: long,
    dataChange: flag,
    stats: text,
    stats_parsed: struct({ numRecords: long }),
    deletionVector: VECTOR,
    baseRowId: long,
    defaultRowCommitVersion: long,
  }),
);

/** A checkpoint whose state has been read and whose files can be streamed any number of times. */
export interface Checkpoint {
  /** Everything but file actions; adds only of a JSON checkpoint that holds them inline. */
  readonly state: LogActions;
  /** Every live file of the checkpoint, in batches. */
  adds(signal?: AbortSignal): AsyncIterable<readonly AddFile[]>;
  /** As `adds`, with path, size and deletion vector only. */
  dataFiles(signal?: AbortSignal): AsyncIterable<readonly DataFile[]>;
}

/** Whatever makes a checkpoint unreadable makes it damaged; what may pass (storage, abort) stays as it is. */
function checkpointDamaged(error: unknown, path: string): unknown {
  if (!(error instanceof SyncError)) return error;
  if (error.code !== 'dataFileDamaged' && error.code !== 'unsupportedFeature') return error;
  return logDamaged(`The checkpoint file ${JSON.stringify(path)} cannot be read.`, error.problem, error);
}

async function openFile(store: LogStore, path: string, signal: AbortSignal | undefined): Promise<ParquetFile> {
  try {
    return await openParquet(await store.open(path, signal), signal);
  } catch (error) {
    throw checkpointDamaged(error, path);
  }
}

/** A checkpoint without one of its sidecars is damaged; listed files that vanish were cleaned up meanwhile. */
async function openSidecar(store: LogStore, path: string, signal: AbortSignal | undefined): Promise<ParquetFile> {
  try {
    return await openFile(store, path, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'storageNotFound') throw error;
    throw logDamaged(`The sidecar ${JSON.stringify(path)} is missing.`, 'The checkpoint names it.', error);
  }
}

async function* rowsOf(
  file: ParquetFile,
  path: string,
  columns: readonly StructField[],
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly Readonly<Record<string, unknown>>[]> {
  try {
    for await (const batch of readRowBatches(file, { columns }, signal)) yield batch.rows;
  } catch (error) {
    throw checkpointDamaged(error, path);
  }
}

async function readState(
  file: ParquetFile,
  path: string,
  state: LogActions,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const rows of rowsOf(file, path, STATE_COLUMNS, signal)) {
    for (const row of rows) if (holdsState(row)) addAction(state, withoutBlanks(row));
  }
}

/** A Parquet file of a checkpoint. */
interface Part {
  readonly path: string;
  readonly file: ParquetFile;
}

/** Opens files a few at a time: big checkpoints have dozens, and each takes two requests. */
async function openAll(paths: readonly string[], open: (path: string) => Promise<ParquetFile>): Promise<Part[]> {
  const parts: Part[] = [];
  for (let at = 0; at < paths.length; at += PARALLEL_OPENS) {
    const some = paths.slice(at, at + PARALLEL_OPENS);
    parts.push(...(await Promise.all(some.map(async (path) => ({ path, file: await open(path) })))));
  }
  return parts;
}

/** Nearly every row is a file action: here all null. */
function holdsState(row: LogRecord): boolean {
  return (
    row['protocol'] !== null ||
    row['metaData'] !== null ||
    row['txn'] !== null ||
    row['domainMetadata'] !== null ||
    row['sidecar'] !== null
  );
}

/** Some writers store an action that a row does not have as a struct of nulls. */
function isBlank(action: LogRecord): boolean {
  for (const value of Object.values(action)) if (value !== null && !(isRecord(value) && isBlank(value))) return false;
  return true;
}

function withoutBlanks(row: LogRecord): LogRecord {
  return Object.fromEntries(Object.entries(row).filter(([, action]) => !isRecord(action) || !isBlank(action)));
}

/** Opens a checkpoint and reads its state. Throws `logDamaged` when a file of it is missing or unreadable. */
export async function openCheckpoint(
  store: LogStore,
  checkpoint: CheckpointFiles,
  signal?: AbortSignal,
): Promise<Checkpoint> {
  const parts: Part[] = [];
  let state = emptyActions();
  if (checkpoint.kind === 'json') {
    for (const { path } of checkpoint.files) {
      const { pieces } = await store.stream(path, signal);
      state = await parseActionLines(pieces, `The checkpoint ${JSON.stringify(path)}`);
    }
  } else {
    const paths = checkpoint.files.map(({ path }) => path);
    parts.push(...(await openAll(paths, (path) => openFile(store, path, signal))));
    for (const { path, file } of parts) await readState(file, path, state, signal);
  }
  const sidecars = [...new Set(state.sidecars.map(sidecarPath))];
  parts.push(...(await openAll(sidecars, (path) => openSidecar(store, path, signal))));
  async function* files<T extends DataFile>(
    column: StructField,
    toFile: (record: LogRecord) => T,
    readSignal: AbortSignal | undefined,
  ): AsyncGenerator<readonly T[]> {
    for (const { path, file } of parts) {
      for await (const rows of rowsOf(file, path, [column], readSignal)) {
        const batch: T[] = [];
        for (const { add } of rows)
          if (isRecord(add) && (add['path'] !== null || !isBlank(add))) batch.push(toFile(add));
        yield batch;
      }
    }
  }
  return {
    state,
    async *adds(readSignal) {
      if (state.adds.length > 0) yield state.adds;
      yield* files(ADD_COLUMN, addFromRecord, readSignal);
    },
    async *dataFiles(readSignal) {
      if (state.adds.length > 0) yield state.adds;
      yield* files(SIZE_COLUMN, dataFileFromRecord, readSignal);
    },
  };
}
