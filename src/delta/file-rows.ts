/** Rows of one data file or change file as the table sees them: logical columns, deletion vectors applied, partition values filled in. */
import { openParquet, type ParquetFile, type RowGroup } from '../parquet/parquet-file.ts';
import { readRowBatches } from '../parquet/row-reader.ts';
import type { FieldSource, SourceOf } from '../parquet/row-request.ts';
import { SyncError } from '../shared/errors.ts';
import type { DataFile, Metadata, Protocol } from './actions.ts';
import type { ChangeSource } from './change-source.ts';
import { columnMappingMode, fieldId, physicalName, type ColumnMappingMode } from './column-mapping.ts';
import { readDeletionVector } from './deletion-vector.ts';
import type { LogStore } from './log-store.ts';
import { parsePartitionValue } from './partition-value.ts';
import type { RowSet } from './roaring-bitmap.ts';
import type { Row, StructField, StructType, Value } from './schema.ts';

/** What of a table version a file is read with. Plain data. */
export interface TableLayout {
  readonly schema: StructType;
  /** Logical names. */
  readonly partitionColumns: readonly string[];
  readonly columnMapping: ColumnMappingMode;
}

/** The layout of a table version. */
export function tableLayout(metadata: Metadata, protocol: Protocol): TableLayout {
  return {
    schema: metadata.schema,
    partitionColumns: metadata.partitionColumns,
    columnMapping: columnMappingMode(metadata, protocol),
  };
}

/** Which rows of which file. */
export type FileSelection = Pick<ChangeSource, 'file' | 'select'>;

/** How to read a file. */
export interface FileReadOptions {
  /** Logical names of the columns to read, in the order of the rows' keys; default all of the schema. */
  readonly columns?: readonly string[];
  /** Physical row to start at: a `nextRow` of an earlier read. */
  readonly startRow?: number;
  /** Only row groups whose first byte lies in [start, end). */
  readonly byteRange?: { readonly start: number; readonly end: number };
  /** At most this many rows a batch. */
  readonly batchRows?: number;
}

/** Selected rows of a file in physical order; never empty. */
export interface FileRowBatch {
  readonly rows: readonly Row[];
  /** Physical 0-based index in the file of each row. */
  readonly rowIndexes: readonly number[];
  /** Where to start to get what comes after this batch. */
  readonly nextRow: number;
}

/** The fields of these logical names, in any case as everywhere in Delta; all by default. Throws `columnUnknown`. */
export function columnsOf(schema: StructType, names: readonly string[] | undefined): readonly StructField[] {
  if (names === undefined) return schema.fields;
  return names.map((name) => {
    const folded = name.toLowerCase();
    const field = schema.fields.find((candidate) => candidate.name.toLowerCase() === folded);
    if (field === undefined) {
      throw new SyncError('columnUnknown', { problem: `The table has no column ${JSON.stringify(name)}.` });
    }
    return field;
  });
}

/**
 * Columns whose value a file has for all its rows. What the action names is one, whether or not the table is partitioned
 * by it now: a removed file may be from before a change of partitioning. For the same reason a partition column that the
 * action does not name comes from the file, where it is null if the file lacks it, too.
 */
function partitionConstants(file: DataFile, layout: TableLayout): ReadonlyMap<StructField, Value> {
  const constants = new Map<StructField, Value>();
  const values = file.partitionValues;
  if (values === undefined) {
    if (layout.partitionColumns.length === 0) return constants;
    throw new SyncError('logDamaged', {
      problem: `The file action of ${JSON.stringify(file.path)} has no partition values.`,
      reason: 'The table is partitioned, so its rows are not complete without them.',
    });
  }
  const keys = Object.keys(values);
  if (keys.length === 0) return constants;
  // Column names differ in more than case, so a key that differs in case only is the column's.
  const folded = new Map(keys.map((key) => [key.toLowerCase(), key]));
  for (const field of layout.schema.fields) {
    const column = physicalName(field, layout.columnMapping);
    const key = Object.hasOwn(values, column) ? column : folded.get(column.toLowerCase());
    if (key !== undefined) constants.set(field, parsePartitionValue(values[key], field.type, field.name));
  }
  return constants;
}

function fieldSources(file: DataFile, layout: TableLayout, extra: StructField | undefined): SourceOf {
  const constants = partitionConstants(file, layout);
  const mode = layout.columnMapping;
  return (field): FieldSource => {
    if (field === extra) return { kind: 'name', name: field.name };
    const constant = constants.get(field);
    if (constant !== undefined) return { kind: 'constant', value: constant };
    if (field.type.kind === 'primitive' && field.type.name === 'void') return { kind: 'constant', value: null };
    const id = fieldId(field, mode);
    return id === undefined ? { kind: 'name', name: physicalName(field, mode) } : { kind: 'id', id };
  };
}

/** Tells for consecutive rows which are selected: 1 in the flags. Undefined when all rows of the file are. */
type Selector = ((firstRow: number, flags: Uint8Array) => void) | undefined;

interface Selection {
  readonly selector: Selector;
  /** Rows outside of this set are not selected; undefined when that says nothing. */
  readonly within: RowSet | undefined;
}

async function selectionOf(
  store: LogStore,
  { file, select }: FileSelection,
  signal: AbortSignal | undefined,
): Promise<Selection | 'none'> {
  const vector = file.deletionVector;
  if (select.kind === 'live') {
    if (vector === null) return { selector: undefined, within: undefined };
    const deleted = await readDeletionVector(store, vector, signal);
    const selector = (firstRow: number, flags: Uint8Array): void => {
      flags.fill(1);
      deleted.mark(firstRow, flags, 0);
    };
    return { selector, within: undefined };
  }
  if (vector === null) return 'none';
  const masked = await readDeletionVector(store, vector, signal);
  const except = select.except === null ? undefined : await readDeletionVector(store, select.except, signal);
  const selector = (firstRow: number, flags: Uint8Array): void => {
    flags.fill(0);
    masked.mark(firstRow, flags, 1);
    except?.mark(firstRow, flags, 0);
  };
  return { selector, within: masked };
}

function selectRows(firstRow: number, rows: readonly Row[], selector: Selector): FileRowBatch {
  const nextRow = firstRow + rows.length;
  if (selector === undefined) return { rows, rowIndexes: rows.map((_row, i) => firstRow + i), nextRow };
  const flags = new Uint8Array(rows.length);
  selector(firstRow, flags);
  const rowIndexes: number[] = [];
  const kept = rows.filter((_row, i) => {
    if (flags[i] !== 1) return false;
    rowIndexes.push(firstRow + i);
    return true;
  });
  return { rows: kept, rowIndexes, nextRow };
}

/**
 * Reads the selected rows of a file. Throws `dataFileMissing`, `dataFileDamaged`, `deletionVectorDamaged`, `unsafePath`,
 * `columnUnknown`, `logDamaged` (partition values) and what the store throws.
 */
export async function* readFileRows(
  store: LogStore,
  selection: FileSelection,
  layout: TableLayout,
  options: FileReadOptions = {},
  signal?: AbortSignal,
): AsyncGenerator<FileRowBatch> {
  const columns = columnsOf(layout.schema, options.columns);
  yield* readColumns(store, selection, layout, { columns }, options, signal);
}

/** Columns of the schema, and one after them that is not in it and has no column mapping. */
export interface ColumnSelection {
  readonly columns: readonly StructField[];
  readonly extra?: StructField;
}

/** As `readFileRows`, for given fields. */
export async function* readColumns(
  store: LogStore,
  selection: FileSelection,
  layout: TableLayout,
  { columns, extra }: ColumnSelection,
  options: FileReadOptions,
  signal?: AbortSignal,
): AsyncGenerator<FileRowBatch> {
  const { path } = selection.file;
  const sourceOf = fieldSources(selection.file, layout, extra);
  const chosen = await selectionOf(store, selection, signal);
  if (chosen === 'none') return;
  const file = await openDataFile(store, path, signal);
  if (layout.columnMapping === 'id') assertFieldIds(file, path);
  const startRow = options.startRow ?? 0;
  const rowGroups = file.rowGroups
    .map((group, index) => ({ group, index }))
    .filter(({ group }) => isWanted(group, startRow, options.byteRange, chosen.within))
    .map(({ index }) => index);
  if (rowGroups.length === 0) return;
  const batches = readRowBatches(
    file,
    {
      columns: extra === undefined ? columns : [...columns, extra],
      sourceOf,
      rowGroups,
      rowRange: { start: startRow, end: file.numRows },
      ...(options.batchRows === undefined ? {} : { batchRows: options.batchRows }),
    },
    signal,
  );
  for await (const { firstRow, rows } of batches) {
    const batch = selectRows(firstRow, rows, chosen.selector);
    if (batch.rows.length > 0) yield batch;
  }
}

async function openDataFile(store: LogStore, path: string, signal: AbortSignal | undefined): Promise<ParquetFile> {
  try {
    return await openParquet(await store.open(path, signal), signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'storageNotFound') throw error;
    throw new SyncError('dataFileMissing', {
      problem: `The data file ${JSON.stringify(path)} is missing.`,
      reason: 'The log says that the table needs it.',
      cause: error,
    });
  }
}

/** Without ids no column would be found, and every value would be null. */
function assertFieldIds(file: ParquetFile, path: string): void {
  const { children } = file.schema;
  if (children.length === 0 || children.some((field) => field.fieldId !== undefined)) return;
  throw new SyncError('dataFileDamaged', {
    problem: `The data file ${JSON.stringify(path)} has no Parquet field ids.`,
    reason: 'Column mapping is by id, so its columns cannot be told apart.',
    remedy: 'Rewrite the file with the engine that writes the table.',
  });
}

function isWanted(
  group: RowGroup,
  startRow: number,
  byteRange: FileReadOptions['byteRange'],
  within: RowSet | undefined,
): boolean {
  if (group.firstRow + group.numRows <= startRow) return false;
  if (byteRange !== undefined && (group.startByte < byteRange.start || group.startByte >= byteRange.end)) return false;
  return within === undefined || within.intersects(group.firstRow, group.firstRow + group.numRows);
}
