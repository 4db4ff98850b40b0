/** Tables written by hand, action by action: shapes of the log that no writer of ours makes. */
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Row } from '../../src/delta/schema.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import type { Action } from './delta-log-writer.ts';
import { parquetBytes, type ParquetOptions } from './parquet-rows.ts';
import { primitives, schemaString, type NewColumn } from './writer-columns.ts';

/** Short form of columns: types by name, or whole columns. */
export type Columns = Readonly<Record<string, string>> | readonly NewColumn[];

function columnsOf(columns: Columns) {
  const list = Array.isArray(columns)
    ? (columns as readonly NewColumn[])
    : primitives(columns as Record<string, string>);
  return list.map((column) => ({ nullable: true, metadata: {}, ...column }));
}

/** A `protocol` action; `features` are those of readers and, with version 7, of writers. */
export function protocol(reader = 1, features?: readonly string[]): Action {
  const lists = features === undefined ? {} : { readerFeatures: features, writerFeatures: features };
  return { protocol: { minReaderVersion: reader, minWriterVersion: reader === 3 ? 7 : 2, ...lists } };
}

/** A `metaData` action; `rest` replaces or adds fields. */
export function metaData(columns: Columns, rest: Readonly<Record<string, unknown>> = {}): Action {
  return {
    metaData: {
      id: 'handmade',
      format: { provider: 'parquet', options: {} },
      schemaString: schemaString(columnsOf(columns)),
      partitionColumns: [],
      configuration: {},
      ...rest,
    },
  };
}

/** Configuration that switches the change data feed on. */
export const FEED_ON = { configuration: { 'delta.enableChangeDataFeed': 'true' } } as const;

/** An `add` action. */
export function add(path: string, rest: Readonly<Record<string, unknown>> = {}): Action {
  return { add: { path, partitionValues: {}, size: 1, modificationTime: 1, dataChange: true, ...rest } };
}

/** A `remove` action without extended metadata. */
export function remove(path: string, rest: Readonly<Record<string, unknown>> = {}): Action {
  return { remove: { path, deletionTimestamp: 1, dataChange: true, ...rest } };
}

/** A `cdc` action. */
export function cdc(path: string, rest: Readonly<Record<string, unknown>> = {}): Action {
  return { cdc: { path, partitionValues: {}, size: 1, dataChange: false, ...rest } };
}

/** Actions of a commit, or its text. */
export type CommitContent = readonly Action[] | string;

/** Actions as a commit file has them. */
export function actionLines(actions: readonly Action[]): string {
  return actions.map((action) => `${JSON.stringify(action)}\n`).join('');
}

/** A table in a folder. */
export class HandmadeTable {
  readonly folder: string;
  readonly store: FolderLogStore;

  constructor(folder: string) {
    this.folder = folder;
    this.store = new FolderLogStore(folder);
  }

  /** Path of a file of the log, relative to the table: a version means its commit. */
  logPath(name: string | number): string {
    return `_delta_log/${typeof name === 'number' ? `${String(name).padStart(20, '0')}.json` : name}`;
  }

  /** Writes a file of the log: actions as lines, or what it holds. `time`: its modification time in milliseconds. */
  async log(name: string | number, content: readonly Action[] | string | Uint8Array, time?: number): Promise<void> {
    const isRaw = typeof content === 'string' || content instanceof Uint8Array;
    await this.write(this.logPath(name), isRaw ? content : actionLines(content));
    if (time !== undefined) await utimes(join(this.folder, this.logPath(name)), time / 1000, time / 1000);
  }

  /** Writes the commits 0, 1, … in order. */
  async commits(...commits: readonly CommitContent[]): Promise<void> {
    for (const [version, actions] of commits.entries()) await this.log(version, actions);
  }

  /** Writes a Parquet file. */
  async data(path: string, columns: Columns, rows: readonly Row[], options: ParquetOptions = {}): Promise<void> {
    await this.write(path, parquetBytes(columnsOf(columns), rows, options));
  }

  async write(path: string, content: string | Uint8Array): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), content);
  }
}
