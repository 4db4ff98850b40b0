/** What a commit changed, row by row (PROTOCOL.md, "Add CDC File", "Reader Requirements for AddCDCFile"). */
import { SyncError } from '../shared/errors.ts';
import { deletionVectorId, type AddFile, type Commit, type DataFile, type RemoveFile } from './actions.ts';
import type { ChangeSource } from './change-source.ts';
import { columnsOf, readColumns, type FileReadOptions, type FileRowBatch, type TableLayout } from './file-rows.ts';
import type { LogStore } from './log-store.ts';
import type { Row, StructField } from './schema.ts';

const CHANGE_TYPE = '_change_type';

type Place = Pick<ChangeSource, 'version' | 'timestamp'>;

/**
 * Where the changed rows of a commit lie: its cdc files if it has any; otherwise the rows of added and removed files with
 * `dataChange`, and for a file whose deletion vector was replaced the difference of the two. Throws
 * `changeFeedUnavailable` when the actions of one file contradict each other.
 */
export function changeSources(commit: Commit): readonly ChangeSource[] {
  const place: Place = { version: commit.version, timestamp: commit.timestamp };
  if (commit.cdc.length > 0) {
    return commit.cdc.map((file) => ({ ...place, kind: 'cdc', file: dataFile(file), select: { kind: 'live' } }));
  }
  const removes = new Map<string, RemoveFile>();
  for (const remove of commit.removes) {
    if (removes.has(remove.path)) throw ambiguous(commit.version, remove.path);
    removes.set(remove.path, remove);
  }
  const sources: ChangeSource[] = [];
  const added = new Set<string>();
  for (const add of commit.adds) {
    if (added.has(add.path)) throw ambiguous(commit.version, add.path);
    added.add(add.path);
    const remove = removes.get(add.path);
    removes.delete(add.path);
    if (!add.dataChange && remove?.dataChange !== true) continue;
    if (remove !== undefined) sources.push(...vectorChanges(place, add, remove));
    else sources.push({ ...place, kind: 'insert', file: dataFile(add), select: { kind: 'live' } });
  }
  for (const remove of removes.values()) {
    if (remove.dataChange) {
      sources.push({ ...place, kind: 'delete', file: dataFile(remove), select: { kind: 'live' } });
    }
  }
  return sources;
}

function ambiguous(version: number, path: string): SyncError {
  return new SyncError('changeFeedUnavailable', {
    problem: `Commit ${version} names the file ${JSON.stringify(path)} more than once.`,
    reason: 'Which rows it changed cannot be told from the commit alone.',
    remedy: 'Compare snapshots instead.',
  });
}

/** Only what a data file is, without what is particular to its action. */
export function dataFile({ path, partitionValues, size, deletionVector }: DataFile): DataFile {
  return { path, partitionValues, size, deletionVector };
}

/**
 * The rows that differ between two states of one file: newly deleted ones and ones that came back. `before` may lack
 * partition values; those of `after` are the same.
 */
export function vectorChanges(place: Place, after: AddFile, before: DataFile): readonly ChangeSource[] {
  if (deletionVectorId(after.deletionVector) === deletionVectorId(before.deletionVector)) return [];
  const file = dataFile(after);
  const sources: ChangeSource[] = [];
  if (after.deletionVector !== null) {
    const select = { kind: 'masked', except: before.deletionVector } as const;
    sources.push({ ...place, kind: 'delete', file, select });
  }
  if (before.deletionVector !== null) {
    const select = { kind: 'masked', except: after.deletionVector } as const;
    sources.push({ ...place, kind: 'insert', file: { ...file, deletionVector: before.deletionVector }, select });
  }
  return sources;
}

/**
 * Fills in partition values that remove actions left out, from the files of the snapshot before the commit. Streams that
 * snapshot only when something is missing. Throws `logDamaged` when it does not know a file either.
 */
export async function withPartitionValues(
  sources: readonly ChangeSource[],
  layout: Pick<TableLayout, 'partitionColumns'>,
  previousFiles: () => AsyncIterable<readonly AddFile[]>,
): Promise<readonly ChangeSource[]> {
  const missing = new Set(
    sources.filter(({ file }) => file.partitionValues === undefined).map(({ file }) => file.path),
  );
  if (missing.size === 0) return sources;
  const known = new Map<string, AddFile['partitionValues']>();
  if (layout.partitionColumns.length > 0) {
    for await (const batch of previousFiles()) {
      for (const add of batch) if (missing.has(add.path)) known.set(add.path, add.partitionValues);
      if (known.size === missing.size) break;
    }
  }
  return sources.map((source) => {
    if (source.file.partitionValues !== undefined) return source;
    const partitionValues = layout.partitionColumns.length === 0 ? {} : known.get(source.file.path);
    if (partitionValues !== undefined) return { ...source, file: { ...source.file, partitionValues } };
    throw new SyncError('logDamaged', {
      problem: `Commit ${source.version} removes ${JSON.stringify(source.file.path)} without its partition values.`,
      reason: 'The snapshot before it does not hold the file.',
    });
  });
}

/** Changed rows of one file. */
export interface ChangeRowBatch extends FileRowBatch {
  /** `_change_type` of each row: one of ChangeType, or what a cdc file had that is none of them. */
  readonly changeTypes: readonly string[];
}

const changeTypeField: StructField = {
  name: CHANGE_TYPE,
  type: { kind: 'primitive', name: 'string' },
  nullable: true,
  metadata: {},
};

/** Reads the changed rows of a source. Throws as `readFileRows` does, and `dataFileDamaged` for a row without a type. */
export async function* readChangeRows(
  store: LogStore,
  source: ChangeSource,
  layout: TableLayout,
  options: FileReadOptions = {},
  signal?: AbortSignal,
): AsyncGenerator<ChangeRowBatch> {
  const columns = columnsOf(layout.schema, options.columns);
  if (source.kind !== 'cdc') {
    const { kind } = source;
    for await (const batch of readColumns(store, source, layout, { columns }, options, signal)) {
      yield { ...batch, changeTypes: batch.rows.map(() => kind) };
    }
    return;
  }
  const selection = { columns: columns.filter((field) => field.name !== CHANGE_TYPE), extra: changeTypeField };
  for await (const batch of readColumns(store, source, layout, selection, options, signal)) {
    const changeTypes: string[] = [];
    const rows = batch.rows.map((row): Row => {
      const { [CHANGE_TYPE]: type, ...rest } = row;
      if (typeof type !== 'string') throw untyped(source.file.path);
      changeTypes.push(type);
      return rest;
    });
    yield { ...batch, rows, changeTypes };
  }
}

function untyped(path: string): SyncError {
  return new SyncError('dataFileDamaged', {
    problem: `The change file ${JSON.stringify(path)} has a row without ${CHANGE_TYPE}.`,
  });
}
