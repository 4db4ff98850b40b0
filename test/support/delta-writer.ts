/**
 * A Delta writer for tests: real tables in a folder, with every kind of commit that engines make, and the rows that a
 * correct reader must find at every version. One writer, in memory state; not for production.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodePath } from '../../src/delta/file-path.ts';
import { encodeZ85 } from '../../src/delta/z85.ts';
import type { DataType, Row, StructField } from '../../src/delta/schema.ts';
import { stringifyJson } from '../../src/shared/json.ts';
import { deletionVectorBytes, deletionVectorFile } from './deletion-vectors.ts';
import { checkpointFiles, compactedActions, type Action, type CheckpointKind } from './delta-log-writer.ts';
import { parquetBytes } from './parquet-rows.ts';
import {
  idOf,
  mapField,
  partitionFolder,
  partitionText,
  physicalOf,
  schemaString,
  toLogical,
  toPhysical,
  type MappingMode,
  type NewColumn,
} from './writer-columns.ts';

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

interface Vector {
  readonly storageType: 'u' | 'i';
  readonly pathOrInlineDv: string;
  readonly offset?: number;
  readonly sizeInBytes: number;
  readonly cardinality: number;
}

/** A data file; `rows` by physical names, in physical order. */
interface DataFileOnDisk {
  readonly path: string;
  readonly partitionValues: Readonly<Record<string, string | null>>;
  readonly size: number;
  readonly rows: readonly Row[];
}

interface LiveFile {
  readonly file: DataFileOnDisk;
  readonly deleted: ReadonlySet<number>;
  readonly vector: Vector | undefined;
}

interface State {
  readonly live: readonly LiveFile[];
  readonly fields: readonly StructField[];
  readonly partitionBy: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
}

interface Change {
  readonly row: Row;
  readonly type: 'insert' | 'update_preimage' | 'update_postimage' | 'delete';
}

/** What `merge` does with rows of the source. */
export interface MergeRules {
  /** Columns that match rows of source and target. */
  readonly on: readonly string[];
  readonly matched?: 'update' | 'delete' | 'ignore';
  readonly notMatched?: 'insert' | 'ignore';
}

const FEED = 'delta.enableChangeDataFeed';
const MAPPING = 'delta.columnMapping.mode';
const MINUTE = 60_000;

/** A table that tests write. All rows are by logical column names; missing columns are null. */
export class DeltaWriter {
  readonly folder: string;
  #options: DeltaWriterOptions;
  #version = -1;
  #generation = 0;
  #counter = 0;
  #lastId = 0;
  #state: State = { live: [], fields: [], partitionBy: [], properties: {} };
  #states: State[] = [];
  #tombstones = new Map<string, Action>();
  #others = new Map<string, Action>();
  #pendingVectors: { readonly bytes: Uint8Array; readonly rows: readonly number[] }[] = [];

  private constructor(folder: string, options: DeltaWriterOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** Creates the table: version 0, empty. */
  static async create(folder: string, options: DeltaWriterOptions): Promise<DeltaWriter> {
    const writer = new DeltaWriter(folder, options);
    await writer.#createTable();
    return writer;
  }

  /** Version of the last commit. */
  get version(): number {
    return this.#version;
  }

  get columns(): readonly StructField[] {
    return this.#state.fields;
  }

  get hasV2Checkpoints(): boolean {
    return this.#options.v2Checkpoints === true;
  }

  /** Rows at a version, by default the last. */
  rows(version = this.#version): readonly Row[] {
    const state = this.#states[version];
    if (state === undefined) throw new Error(`no version ${version}`);
    return state.live.flatMap(({ file, deleted }) =>
      file.rows.filter((_row, i) => !deleted.has(i)).map((row) => toLogical(row, state.fields)),
    );
  }

  /** Commit timestamp of a version in milliseconds. */
  commitTime(version: number): number {
    return (this.#options.startTime ?? Date.UTC(2026, 0, 1)) + this.#generation * 100 * MINUTE + version * MINUTE;
  }

  async insert(rows: readonly Row[], txn?: { readonly appId: string; readonly version: number }): Promise<void> {
    const added = await this.#writeRows(rows.map((row) => toPhysical(row, this.#state.fields)));
    const txns: Action[] = txn === undefined ? [] : [{ txn: { ...txn, lastUpdated: 0 } }];
    await this.#commit('WRITE', [...added.map((live) => this.#add(live)), ...txns], [...this.#state.live, ...added]);
  }

  async update(where: (row: Row) => boolean, set: (row: Row) => Row): Promise<void> {
    await this.#rewrite('UPDATE', (row) => (where(row) ? { ...row, ...set(row) } : row));
  }

  async delete(where: (row: Row) => boolean): Promise<void> {
    await this.#rewrite('DELETE', (row) => (where(row) ? null : row));
  }

  async merge(source: readonly Row[], rules: MergeRules): Promise<void> {
    const keyOf = (row: Row): string => stringifyJson(rules.on.map((column) => row[column]));
    const incoming = new Map(source.map((row) => [keyOf(row), row]));
    const matched = new Set<string>();
    const { matched: action = 'update', notMatched = 'insert' } = rules;
    const existing = new Set(this.rows().map(keyOf));
    const inserts = notMatched === 'insert' ? source.filter((row) => !existing.has(keyOf(row))) : [];
    await this.#rewrite(
      'MERGE',
      (row) => {
        const next = incoming.get(keyOf(row));
        if (next === undefined || action === 'ignore') return row;
        matched.add(keyOf(row));
        return action === 'delete' ? null : { ...row, ...next };
      },
      inserts,
    );
  }

  /** Replaces all rows, or those of partitions for which `where` holds. New columns replace the schema. */
  async overwrite(rows: readonly Row[], where?: (row: Row) => boolean, columns?: readonly NewColumn[]): Promise<void> {
    const before = this.#state;
    if (columns !== undefined) this.#state = { ...before, fields: this.#newFields(columns) };
    const replaced = (live: LiveFile): boolean =>
      where === undefined || live.file.rows.some((row) => where(toLogical(row, before.fields)));
    const gone = before.live.filter(replaced);
    const kept = before.live.filter((live) => !replaced(live));
    const added = await this.#writeRows(rows.map((row) => toPhysical(row, this.#state.fields)));
    const actions = [...gone.map((live) => this.#remove(live)), ...added.map((live) => this.#add(live))];
    if (columns !== undefined) actions.unshift(this.#metaData());
    await this.#commit('WRITE', actions, [...kept, ...added]);
  }

  /** Rewrites all live rows into as few files as possible, without changing data. */
  async optimize(): Promise<void> {
    const rows = this.#state.live.flatMap(({ file, deleted }) => file.rows.filter((_row, i) => !deleted.has(i)));
    const added = await this.#writeRows(rows, Infinity);
    const actions = [
      ...this.#state.live.map((live) => this.#remove(live, false)),
      ...added.map((live) => this.#add(live, false)),
    ];
    await this.#commit('OPTIMIZE', actions, added);
  }

  /** Makes the table what it was at a version. */
  async restore(version: number): Promise<void> {
    const target = this.#states[version];
    if (target === undefined) throw new Error(`no version ${version}`);
    const key = (live: LiveFile): string =>
      `${live.file.path}|${live.vector?.pathOrInlineDv ?? ''}@${live.vector?.offset ?? ''}`;
    const now = new Set(this.#state.live.map(key));
    const then = new Set(target.live.map(key));
    const actions = [
      ...target.live.filter((live) => !now.has(key(live))).map((live) => this.#add(live)),
      ...this.#state.live.filter((live) => !then.has(key(live))).map((live) => this.#remove(live)),
    ];
    this.#state = { ...target, live: this.#state.live };
    await this.#commit('RESTORE', [this.#metaData(), ...actions], target.live);
  }

  async addColumn(column: NewColumn): Promise<void> {
    await this.#changeSchema([...this.#state.fields, ...this.#newFields([column])]);
  }

  /** Needs column mapping. */
  async renameColumn(from: string, to: string): Promise<void> {
    this.#needMapping();
    const partitionBy = this.#state.partitionBy.map((name) => (name === from ? to : name));
    const fields = this.#state.fields.map((field) => (field.name === from ? { ...field, name: to } : field));
    this.#state = { ...this.#state, partitionBy };
    await this.#changeSchema(fields);
  }

  /** Needs column mapping. */
  async dropColumn(name: string): Promise<void> {
    this.#needMapping();
    await this.#changeSchema(this.#state.fields.filter((field) => field.name !== name));
  }

  /** Type widening: older files keep the narrower type. */
  async widenColumn(name: string, type: DataType): Promise<void> {
    const fields = this.#state.fields.map((field) => {
      if (field.name !== name) return field;
      const changes = (field.metadata['delta.typeChanges'] as unknown[] | undefined) ?? [];
      const change = { fromType: typeName(field.type), toType: typeName(type) };
      return { ...field, type, metadata: { ...field.metadata, 'delta.typeChanges': [...changes, change] } };
    });
    this.#state = { ...this.#state, properties: { ...this.#state.properties, 'delta.enableTypeWidening': 'true' } };
    await this.#changeSchema(fields);
  }

  /** Turns name mapping on for a table that has none: physical names are the names that columns have now. */
  async enableColumnMapping(): Promise<void> {
    const fields = this.#state.fields.map((field) => mapField(field, () => ++this.#lastId, false));
    this.#state = { ...this.#state, properties: { ...this.#state.properties, [MAPPING]: 'name' } };
    await this.#changeSchema(fields);
  }

  async setProperties(properties: Readonly<Record<string, string>>): Promise<void> {
    this.#state = { ...this.#state, properties: { ...this.#state.properties, ...properties } };
    await this.#commit('SET TBLPROPERTIES', [this.#protocol(), this.#metaData()], this.#state.live);
  }

  async setChangeFeed(on: boolean): Promise<void> {
    await this.setProperties({ [FEED]: String(on) });
  }

  async setDomain(domain: string, configuration: string, removed = false): Promise<void> {
    await this.#commit('DOMAIN', [{ domainMetadata: { domain, configuration, removed } }], this.#state.live);
  }

  /** Writes a checkpoint of the last version; `hint: false` leaves `_last_checkpoint` as it is. */
  async checkpoint(kind: CheckpointKind = { kind: 'classic' }, hint = true): Promise<void> {
    if (kind.kind === 'v2' && this.#options.v2Checkpoints !== true) throw new Error('create with v2Checkpoints');
    const actions = [
      ...this.#others.values(),
      ...this.#tombstones.values(),
      ...this.#state.live.map((live) => this.#add(live, false)),
    ];
    // Protocol and metadata may be anywhere.
    for (const [path, bytes] of checkpointFiles(this.#version, kind, actions)) await this.#write(path, bytes);
    if (!hint) return;
    const parts = kind.kind === 'multiPart' ? { parts: kind.parts } : {};
    await this.#writeText(
      '_delta_log/_last_checkpoint',
      JSON.stringify({ version: this.#version, size: actions.length, ...parts }),
    );
  }

  /** Writes the compacted log of the commits `from` to `to`. */
  async compactLog(from: number, to: number): Promise<void> {
    const commits: Action[][] = [];
    for (let version = from; version <= to; version++) {
      const text = await readFile(join(this.folder, logName(version)), 'utf8');
      commits.push(
        text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Action),
      );
    }
    const digits = (version: number): string => String(version).padStart(20, '0');
    const lines = compactedActions(commits).map((action) => `${JSON.stringify(action)}\n`);
    await this.#writeText(`_delta_log/${digits(from)}.${digits(to)}.compacted.json`, lines.join(''));
  }

  /** Deletes every file that the last version does not need, change files included. */
  async vacuum(): Promise<void> {
    const needed = new Set<string>();
    for (const { file, vector } of this.#state.live) {
      needed.add(file.path);
      if (vector?.storageType === 'u') needed.add(this.#vectorPaths.get(vector.pathOrInlineDv) ?? '');
    }
    for (const entry of await readdir(this.folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name).slice(this.folder.length + 1);
      if (entry.isFile() && !path.startsWith('_delta_log') && !needed.has(path)) await rm(join(this.folder, path));
    }
  }

  /** Deletes commits and checkpoints below `version`, as log retention does. There must be a checkpoint at or above it. */
  async cleanLog(version: number): Promise<void> {
    for (const name of await readdir(join(this.folder, '_delta_log'))) {
      if (/^\d{20}\./.test(name) && Number(name.slice(0, 20)) < version)
        await rm(join(this.folder, '_delta_log', name));
    }
  }

  /** Drops the table and makes a new one in the same folder. */
  async recreate(options: DeltaWriterOptions = this.#options): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    this.#options = options;
    this.#version = -1;
    this.#generation++;
    this.#states = [];
    this.#tombstones = new Map();
    this.#others = new Map();
    await this.#createTable();
  }

  readonly #vectorPaths = new Map<string, string>();

  async #createTable(): Promise<void> {
    const { changeFeed, columnMapping, deletionVectors, inCommitTimestamps, properties } = this.#options;
    this.#state = { live: [], fields: [], partitionBy: this.#options.partitionBy ?? [], properties: {} };
    this.#state = {
      ...this.#state,
      properties: {
        ...properties,
        ...(changeFeed === true ? { [FEED]: 'true' } : {}),
        ...(deletionVectors === true ? { 'delta.enableDeletionVectors': 'true' } : {}),
        ...(inCommitTimestamps === true ? { 'delta.enableInCommitTimestamps': 'true' } : {}),
        ...(columnMapping === undefined || columnMapping === 'none' ? {} : { [MAPPING]: columnMapping }),
      },
    };
    this.#state = { ...this.#state, fields: this.#newFields(this.#options.columns) };
    await this.#commit('CREATE TABLE', [this.#protocol(), this.#metaData()], []);
  }

  get #isMapped(): boolean {
    return (this.#state.properties[MAPPING] ?? 'none') !== 'none';
  }

  #needMapping(): void {
    if (!this.#isMapped) throw new Error('only tables with column mapping rename and drop columns');
  }

  #newFields(columns: readonly NewColumn[]): readonly StructField[] {
    return columns.map(({ name, type, nullable = true }) => {
      const field: StructField = { name, type, nullable, metadata: {} };
      return this.#isMapped ? mapField(field, () => ++this.#lastId, true) : field;
    });
  }

  async #changeSchema(fields: readonly StructField[]): Promise<void> {
    this.#state = { ...this.#state, fields };
    await this.#commit('ALTER TABLE', [this.#protocol(), this.#metaData()], this.#state.live);
  }

  /** `change` gives null for a deleted row, the same object for an unchanged one. */
  async #rewrite(operation: string, change: (row: Row) => Row | null, inserts: readonly Row[] = []): Promise<void> {
    const { fields } = this.#state;
    const actions: Action[] = [];
    const changes: Change[] = inserts.map((row) => ({ row: toPhysical(row, fields), type: 'insert' }));
    const written: Row[] = changes.map(({ row }) => row);
    const live: LiveFile[] = [];
    const marked: { readonly from: LiveFile; readonly deleted: ReadonlySet<number> }[] = [];
    let onlyWholeFiles = true;
    for (const from of this.#state.live) {
      const deleted = new Set(from.deleted);
      const kept: Row[] = [];
      for (const [i, row] of from.file.rows.entries()) {
        if (from.deleted.has(i)) continue;
        const logical = toLogical(row, fields);
        const next = change(logical);
        if (next === logical) {
          kept.push(row);
          continue;
        }
        deleted.add(i);
        changes.push({ row, type: next === null ? 'delete' : 'update_preimage' });
        if (next === null) continue;
        const after = toPhysical(next, fields);
        changes.push({ row: after, type: 'update_postimage' });
        written.push(after);
      }
      if (deleted.size === from.deleted.size) live.push(from);
      else if (kept.length === 0) actions.push(this.#remove(from));
      else if (this.#options.deletionVectors === true) marked.push({ from, deleted });
      else {
        onlyWholeFiles = false;
        actions.push(this.#remove(from));
        written.push(...kept);
      }
    }
    for (const { from, deleted } of marked) {
      const after = { file: from.file, deleted, vector: this.#vector(deleted) };
      // The order of the two means nothing; engines write either.
      const pair = [this.#add(after), this.#remove(from)];
      actions.push(...(this.#version % 2 === 0 ? pair : pair.toReversed()));
      live.push(after);
    }
    await this.#flushVectors();
    const added = await this.#writeRows(written);
    actions.push(...added.map((file) => this.#add(file)));
    const plainDeletes = changes.every(({ type }) => type === 'delete') && onlyWholeFiles;
    const plainInserts = changes.every(({ type }) => type === 'insert');
    if (this.#state.properties[FEED] === 'true' && !plainDeletes && !plainInserts) {
      actions.push(...(await this.#changeFiles(changes)));
    }
    await this.#commit(operation, actions, [...live, ...added]);
  }

  /** Small vectors are stored inline every other time, the others together in one file. */
  #vector(deleted: ReadonlySet<number>): Vector {
    const rows = [...deleted].toSorted((a, b) => a - b);
    const bytes = deletionVectorBytes(rows, this.#counter % 3 === 0 ? 'runs' : 'standard');
    const sizeInBytes = bytes.length;
    if (this.#counter++ % 2 === 0 && bytes.length < 200) {
      return { storageType: 'i', pathOrInlineDv: encodeZ85(bytes), sizeInBytes, cardinality: rows.length };
    }
    const { path, name } = this.#vectorFile();
    const offset = deletionVectorFile(this.#pendingVectors.map((pending) => pending.bytes).concat(bytes)).offsets.at(
      -1,
    );
    this.#pendingVectors.push({ bytes, rows });
    this.#vectorPaths.set(name, path);
    return { storageType: 'u', pathOrInlineDv: name, offset: offset ?? 1, sizeInBytes, cardinality: rows.length };
  }

  #vectorFile(): { readonly path: string; readonly name: string } {
    const uuid = this.#hash(`vector ${this.#version + 1}`).slice(0, 32);
    const text = [uuid.slice(0, 8), uuid.slice(8, 12), uuid.slice(12, 16), uuid.slice(16, 20), uuid.slice(20)].join(
      '-',
    );
    const prefix = this.#version % 2 === 0 ? '' : 'ab';
    const folder = prefix === '' ? '' : `${prefix}/`;
    return { path: `${folder}deletion_vector_${text}.bin`, name: `${prefix}${encodeZ85(Buffer.from(uuid, 'hex'))}` };
  }

  async #flushVectors(): Promise<void> {
    if (this.#pendingVectors.length === 0) return;
    const { bytes } = deletionVectorFile(this.#pendingVectors.map((pending) => pending.bytes));
    await this.#write(this.#vectorFile().path, bytes);
    this.#pendingVectors = [];
  }

  /** Rows by physical names to data files, by partition. */
  async #writeRows(rows: readonly Row[], perFile = this.#options.rowsPerFile ?? Infinity): Promise<LiveFile[]> {
    const files: LiveFile[] = [];
    for (const { values, part } of this.#partitions(rows)) {
      for (let at = 0; at < part.length; at += perFile) {
        const chunk = part.slice(at, at + Math.min(perFile, part.length));
        const path = `${partitionFolder(values)}part-${this.#hash(`data ${this.#counter++}`).slice(0, 24)}.c000.snappy.parquet`;
        const size = await this.#write(path, this.#parquet(chunk, []));
        files.push({
          file: { path, partitionValues: values, size, rows: chunk },
          deleted: new Set(),
          vector: undefined,
        });
        if (perFile === Infinity) break;
      }
    }
    return files;
  }

  async #changeFiles(changes: readonly Change[]): Promise<Action[]> {
    const actions: Action[] = [];
    const types = new Map(changes.map(({ row, type }) => [row, type]));
    for (const { values, part } of this.#partitions(changes.map(({ row }) => row))) {
      const path = `_change_data/${partitionFolder(values)}cdc-${this.#hash(`cdc ${this.#counter++}`).slice(0, 24)}.parquet`;
      const rows = part.map((row) => ({ ...row, _change_type: types.get(row) ?? null }));
      const size = await this.#write(path, this.#parquet(rows, ['_change_type']));
      actions.push({ cdc: { path: encodePath(path), partitionValues: values, size, dataChange: false } });
    }
    return actions;
  }

  #partitions(rows: readonly Row[]) {
    const columns = this.#state.fields.filter((field) => this.#state.partitionBy.includes(field.name));
    const parts = new Map<string, { readonly values: Record<string, string | null>; readonly part: Row[] }>();
    for (const row of rows) {
      const values = Object.fromEntries(
        columns.map((field) => [physicalOf(field), partitionText(row[physicalOf(field)], field.type)] as const),
      );
      const key = JSON.stringify(values);
      const group = parts.get(key) ?? { values, part: [] };
      group.part.push(row);
      parts.set(key, group);
    }
    return parts.values();
  }

  #parquet(rows: readonly Row[], extra: readonly string[]): Uint8Array {
    const stored = this.#state.fields.filter((field) => !this.#state.partitionBy.includes(field.name));
    const fields = [
      ...stored.map((field) => ({ ...field, name: physicalOf(field) })),
      ...extra.map((name): StructField => ({
        name,
        type: { kind: 'primitive', name: 'string' },
        nullable: true,
        metadata: {},
      })),
    ];
    const naming = { name: physicalOf, id: idOf };
    const { rowGroupRows } = this.#options;
    return parquetBytes(fields, rows, { naming, ...(rowGroupRows === undefined ? {} : { rowGroupRows }) });
  }

  #add({ file, deleted, vector }: LiveFile, dataChange = true): Action {
    const stats = JSON.stringify({
      numRecords: file.rows.length,
      ...(deleted.size === 0 ? {} : { tightBounds: false }),
    });
    return {
      add: {
        path: encodePath(file.path),
        partitionValues: file.partitionValues,
        size: file.size,
        modificationTime: this.commitTime(this.#version + 1),
        dataChange,
        stats,
        ...(vector === undefined ? {} : { deletionVector: vector }),
      },
    };
  }

  #remove({ file, vector }: LiveFile, dataChange = true): Action {
    const extended = this.#options.extendedFileMetadata ?? true;
    return {
      remove: {
        path: encodePath(file.path),
        deletionTimestamp: this.commitTime(this.#version + 1),
        dataChange,
        ...(extended ? { extendedFileMetadata: true, partitionValues: file.partitionValues, size: file.size } : {}),
        ...(vector === undefined ? {} : { deletionVector: vector }),
      },
    };
  }

  #protocol(): Action {
    const { deletionVectors, inCommitTimestamps, v2Checkpoints } = this.#options;
    const reader = [
      ...(deletionVectors === true ? ['deletionVectors'] : []),
      ...(v2Checkpoints === true ? ['v2Checkpoint'] : []),
      ...(this.#state.properties['delta.enableTypeWidening'] === 'true' ? ['typeWidening'] : []),
      ...(this.#state.fields.some((field) => typeName(field.type) === 'timestamp_ntz') ? ['timestampNtz'] : []),
    ];
    const writer = [
      ...(this.#state.properties[FEED] === 'true' ? ['changeDataFeed'] : []),
      ...(inCommitTimestamps === true ? ['inCommitTimestamp'] : []),
    ];
    if (reader.length === 0 && inCommitTimestamps !== true) {
      const versions = this.#isMapped ? [2, 5] : this.#state.properties[FEED] === 'true' ? [1, 4] : [1, 2];
      return { protocol: { minReaderVersion: versions[0], minWriterVersion: versions[1] } };
    }
    if (this.#isMapped) reader.push('columnMapping');
    return {
      protocol: {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: reader,
        writerFeatures: [...reader, ...writer],
      },
    };
  }

  #metaData(): Action {
    return {
      metaData: {
        id: `table-${this.#generation}`,
        name: 'test',
        format: { provider: 'parquet', options: {} },
        schemaString: schemaString(this.#state.fields),
        partitionColumns: this.#state.partitionBy,
        configuration: this.#state.properties,
        createdTime: this.commitTime(0),
      },
    };
  }

  async #commit(operation: string, actions: readonly Action[], live: readonly LiveFile[]): Promise<void> {
    const version = this.#version + 1;
    const time = this.commitTime(version);
    const ict = this.#options.inCommitTimestamps === true ? { inCommitTimestamp: time } : {};
    const info: Action = { commitInfo: { ...ict, timestamp: time, operation, operationParameters: {} } };
    const lines = [info, ...actions].map((action) => `${JSON.stringify(action)}\n`);
    await this.#writeText(logName(version), lines.join(''), time);
    this.#version = version;
    this.#state = { ...this.#state, live };
    this.#states.push(this.#state);
    this.#remember(actions);
  }

  /** Keeps what a checkpoint needs besides live files. */
  #remember(actions: readonly Action[]): void {
    for (const action of actions) {
      for (const kind of ['protocol', 'metaData']) if (kind in action) this.#others.set(kind, action);
      if ('txn' in action) this.#others.set(`txn ${(action['txn'] as { appId: string }).appId}`, action);
      if ('domainMetadata' in action) {
        const { domain, removed } = action['domainMetadata'] as { domain: string; removed: boolean };
        if (removed) this.#others.delete(`domain ${domain}`);
        else this.#others.set(`domain ${domain}`, action);
      }
      if ('remove' in action) this.#tombstones.set(tombstoneKey(action['remove']), action);
    }
    for (const action of actions) if ('add' in action) this.#tombstones.delete(tombstoneKey(action['add']));
  }

  async #writeText(path: string, text: string, time?: number): Promise<void> {
    await this.#write(path, new TextEncoder().encode(text));
    if (time !== undefined) await utimes(join(this.folder, path), time / 1000, time / 1000);
  }

  async #write(path: string, bytes: Uint8Array): Promise<number> {
    const target = join(this.folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
    return bytes.length;
  }

  #hash(text: string): string {
    return createHash('sha256').update(`${this.#generation} ${text}`).digest('hex');
  }
}

function logName(version: number): string {
  return `_delta_log/${String(version).padStart(20, '0')}.json`;
}

function tombstoneKey(action: unknown): string {
  const { path, deletionVector: dv } = action as { path: string; deletionVector?: Vector };
  return `${path}|${dv?.pathOrInlineDv ?? ''}@${dv?.offset ?? ''}`;
}

function typeName(type: DataType): string {
  if (type.kind === 'decimal') return `decimal(${type.precision},${type.scale})`;
  return type.kind === 'primitive' ? type.name : type.kind;
}
