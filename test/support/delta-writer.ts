/**
 * A Delta writer for tests: real tables in a folder, with every kind of commit that engines make, and the rows that a
 * correct reader must find at every version. One writer, in memory state; not for production.
 */
import { rm } from 'node:fs/promises';
import type { DataType, Row, StructField } from '../../src/delta/schema.ts';
import { stringifyJson } from '../../src/shared/json.ts';
import { checkpointFiles, CheckpointState, type Action, type CheckpointKind } from './delta-log-writer.ts';
import {
  addAction,
  FEED,
  MAPPING,
  metaDataAction,
  protocolAction,
  removeAction,
  type TableDescription,
} from './writer-actions.ts';
import { mapField, toLogical, toPhysical, typeName, type NewColumn } from './writer-columns.ts';
import type { DeltaWriterOptions, MergeRules } from './writer-options.ts';
import { WriterFiles, type LiveFile } from './writer-files.ts';
import {
  compactedPath,
  compactedText,
  logName,
  readCommits,
  removeOldLog,
  removeUnneeded,
} from './writer-log-files.ts';
import { planRewrite } from './writer-rewrite.ts';

export type { DeltaWriterOptions, MergeRules } from './writer-options.ts';

interface State extends TableDescription {
  readonly live: readonly LiveFile[];
}

const MINUTE = 60_000;

/** A table that tests write. All rows are by logical column names; missing columns are null. */
export class DeltaWriter {
  readonly folder: string;
  #options: DeltaWriterOptions;
  #version = -1;
  #generation = 0;
  #lastId = 0;
  #state: State = { live: [], fields: [], partitionBy: [], properties: {} };
  #states: State[] = [];
  #checkpointState = new CheckpointState();
  #files: WriterFiles;

  private constructor(folder: string, options: DeltaWriterOptions) {
    this.folder = folder;
    this.#options = options;
    this.#files = new WriterFiles(folder, 0, options);
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

  get isMapped(): boolean {
    return this.#isMapped;
  }

  get hasV2Checkpoints(): boolean {
    return this.#options.v2Checkpoints === true;
  }

  /** Rows at a version, by default the last; with the columns of version `columnsOf`, by default the same. */
  rows(version = this.#version, columnsOf = version): readonly Row[] {
    const state = this.#states[version];
    const fields = this.#states[columnsOf]?.fields;
    if (state === undefined || fields === undefined) throw new Error(`no version ${version} or ${columnsOf}`);
    return state.live.flatMap(({ file, deleted }) =>
      file.rows.filter((_row, i) => !deleted.has(i)).map((row) => toLogical(row, fields)),
    );
  }

  /** Commit timestamp of a version in milliseconds. */
  commitTime(version: number): number {
    return (this.#options.startTime ?? Date.UTC(2026, 0, 1)) + this.#generation * 100 * MINUTE + version * MINUTE;
  }

  async insert(rows: readonly Row[], txn?: { readonly appId: string; readonly version: number }): Promise<void> {
    const added = await this.#writeRows(rows);
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
    const added = await this.#writeRows(rows);
    const actions = [...gone.map((live) => this.#remove(live)), ...added.map((live) => this.#add(live))];
    if (columns !== undefined) actions.unshift(this.#metaData());
    await this.#commit('WRITE', actions, [...kept, ...added]);
  }

  /** Rewrites all live rows into as few files as possible, without changing data. */
  async optimize(): Promise<void> {
    const rows = this.#state.live.flatMap(({ file, deleted }) => file.rows.filter((_row, i) => !deleted.has(i)));
    const added = await this.#files.writeRows(rows, this.#state, Infinity);
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
    const actions = [...this.#checkpointState.actions(), ...this.#state.live.map((live) => this.#add(live, false))];
    // Protocol and metadata may be anywhere.
    for (const [path, bytes] of checkpointFiles(this.#version, kind, actions)) await this.#files.write(path, bytes);
    if (!hint) return;
    const parts = kind.kind === 'multiPart' ? { parts: kind.parts } : {};
    await this.#files.writeText(
      '_delta_log/_last_checkpoint',
      JSON.stringify({ version: this.#version, size: actions.length, ...parts }),
    );
  }

  /** Writes the compacted log of the commits `from` to `to`. */
  async compactLog(from: number, to: number): Promise<void> {
    const text = compactedText(await readCommits(this.folder, from, to));
    await this.#files.writeText(compactedPath(from, to), text);
  }

  /** Deletes every file that the last version does not need, change files included. */
  async vacuum(): Promise<void> {
    const needed = new Set<string>();
    for (const { file, vector } of this.#state.live) {
      needed.add(file.path);
      if (vector?.storageType === 'u') needed.add(this.#files.vectorPath(vector) ?? '');
    }
    await removeUnneeded(this.folder, needed);
  }

  /** Deletes commits and checkpoints below `version`, as log retention does. There must be a checkpoint at or above it. */
  async cleanLog(version: number): Promise<void> {
    await removeOldLog(this.folder, version);
  }

  /** Drops the table and makes a new one in the same folder. */
  async recreate(options: DeltaWriterOptions = this.#options): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    this.#options = options;
    this.#version = -1;
    this.#generation++;
    this.#states = [];
    this.#checkpointState = new CheckpointState();
    this.#files = new WriterFiles(this.folder, this.#generation, options);
    await this.#createTable();
  }

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
    const rewrite = planRewrite(this.#state, change, inserts, this.#options.deletionVectors === true);
    const actions = rewrite.removed.map((live) => this.#remove(live));
    const live = [...rewrite.untouched];
    for (const { from, deleted } of rewrite.marked) {
      const after = { file: from.file, deleted, vector: this.#files.vector(deleted, this.#version + 1) };
      // The order of the two means nothing; engines write either.
      const pair = [this.#add(after), this.#remove(from)];
      actions.push(...(this.#version % 2 === 0 ? pair : pair.toReversed()));
      live.push(after);
    }
    await this.#files.flushVectors(this.#version + 1);
    const added = await this.#files.writeRows(rewrite.written, this.#state);
    actions.push(...added.map((file) => this.#add(file)));
    if (this.#state.properties[FEED] === 'true' && rewrite.needsChangeFiles) {
      actions.push(...(await this.#files.changeFiles(rewrite.changes, this.#state)));
    }
    await this.#commit(operation, actions, [...live, ...added]);
  }

  #writeRows(rows: readonly Row[]): Promise<LiveFile[]> {
    const { fields } = this.#state;
    return this.#files.writeRows(
      rows.map((row) => toPhysical(row, fields)),
      this.#state,
    );
  }

  #add(live: LiveFile, dataChange = true): Action {
    return addAction(live, this.commitTime(this.#version + 1), dataChange);
  }

  #remove(live: LiveFile, dataChange = true): Action {
    return removeAction(
      live,
      this.commitTime(this.#version + 1),
      this.#options.extendedFileMetadata ?? true,
      dataChange,
    );
  }

  #protocol(): Action {
    return protocolAction(this.#state, this.#options);
  }

  #metaData(): Action {
    return metaDataAction(this.#state, `table-${this.#generation}`, this.commitTime(0));
  }

  async #commit(operation: string, actions: readonly Action[], live: readonly LiveFile[]): Promise<void> {
    const version = this.#version + 1;
    const time = this.commitTime(version);
    const ict = this.#options.inCommitTimestamps === true ? { inCommitTimestamp: time } : {};
    const info: Action = { commitInfo: { ...ict, timestamp: time, operation, operationParameters: {} } };
    const lines = [info, ...actions].map((action) => `${JSON.stringify(action)}\n`);
    await this.#files.writeText(logName(version), lines.join(''), time);
    this.#version = version;
    this.#state = { ...this.#state, live };
    this.#states.push(this.#state);
    this.#checkpointState.remember(actions);
  }
}
