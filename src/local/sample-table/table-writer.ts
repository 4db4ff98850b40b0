/**
 * A small Delta writer: copy-on-write commits of inserts, updates and deletes, with change data feed files once the feed
 * is on. It exists to make something happen on a machine without Spark, and follows PROTOCOL.md in what it writes.
 * Everything it writes follows from the calls made, file names included, so that repeating them repeats the table.
 */
import { createHash } from 'node:crypto';
import { parquetFile, schemaString } from './table-rows.ts';
import type { Column, TableRow } from './table-rows.ts';

/** Where the table lies. Paths are relative to the table folder. */
export interface TableFiles {
  /** Writes a file, replacing what a run that was cut off left. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Writes a commit file; false when that version exists already (nothing is written then). */
  commit(path: string, bytes: Uint8Array): Promise<boolean>;
}

/** What a commit wrote. */
export interface WrittenCommit {
  readonly version: number;
  /** Relative to the table folder. */
  readonly path: string;
  readonly operation: string;
  /** False: an earlier run had written this version already. */
  readonly written: boolean;
}

export interface TableWriterOptions {
  /** The table's id, a UUID. */
  readonly tableId: string;
  readonly name: string;
  readonly columns: readonly Column[];
  /** Milliseconds since 1970, for timestamps in the log. */
  readonly now: () => number;
  /** @default unlimited */
  readonly rowsPerFile?: number;
}

/** A live data file with its rows. */
interface LiveFile {
  readonly path: string;
  readonly size: number;
  readonly rows: readonly TableRow[];
}

type Action = Readonly<Record<string, unknown>>;

const FEED_PROPERTY = 'delta.enableChangeDataFeed';

/** One table, written by one writer. */
export class TableWriter {
  readonly #files: TableFiles;
  readonly #options: TableWriterOptions;
  #version = -1;
  #live: readonly LiveFile[] = [];
  #feed = false;

  constructor(files: TableFiles, options: TableWriterOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** Version of the last commit; -1 before the first. */
  get version(): number {
    return this.#version;
  }

  /** The rows of the table now. */
  rows(): TableRow[] {
    return this.#live.flatMap((file) => file.rows);
  }

  /** Version 0: the table with its first rows. */
  async create(rows: readonly TableRow[]): Promise<WrittenCommit> {
    const protocol = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } };
    const added = await this.#writeFiles(rows);
    this.#live = added;
    return this.#commit('CREATE TABLE AS SELECT', [
      protocol,
      this.#metaData(),
      ...added.map((file) => this.#add(file)),
    ]);
  }

  /** Turns the change data feed on: later updates and deletes write `_change_data` files. */
  async enableChangeFeed(): Promise<WrittenCommit> {
    this.#feed = true;
    const protocol = { protocol: { minReaderVersion: 1, minWriterVersion: 4 } };
    return this.#commit('SET TBLPROPERTIES', [protocol, this.#metaData()]);
  }

  async insert(rows: readonly TableRow[]): Promise<WrittenCommit> {
    const added = await this.#writeFiles(rows);
    this.#live = [...this.#live, ...added];
    // Inserts need no cdc file: the feed reads them from the added files.
    return this.#commit(
      'WRITE',
      added.map((file) => this.#add(file)),
    );
  }

  /** Replaces each row by what `change` gives for it; the same object means unchanged, null means deleted. */
  async rewrite(operation: string, change: (row: TableRow) => TableRow | null): Promise<WrittenCommit> {
    const actions: Action[] = [];
    const feed: TableRow[] = [];
    const kept: TableRow[] = [];
    const live: LiveFile[] = [];
    for (const file of this.#live) {
      const results = file.rows.map((row) => ({ row, next: change(row) }));
      if (results.every(({ row, next }) => row === next)) {
        live.push(file);
        continue;
      }
      actions.push(this.#remove(file));
      for (const { row, next } of results) {
        if (next !== null) kept.push(next);
        if (next === row) continue;
        if (next === null) feed.push({ ...row, _change_type: 'delete' });
        else feed.push({ ...row, _change_type: 'update_preimage' }, { ...next, _change_type: 'update_postimage' });
      }
    }
    const added = await this.#writeFiles(kept);
    this.#live = [...live, ...added];
    actions.push(...added.map((file) => this.#add(file)));
    if (this.#feed && feed.length > 0) actions.push(await this.#changeFile(feed));
    return this.#commit(operation, actions);
  }

  async #writeFiles(rows: readonly TableRow[]): Promise<LiveFile[]> {
    const perFile = this.#options.rowsPerFile ?? Math.max(1, rows.length);
    const files: LiveFile[] = [];
    for (let start = 0; start < rows.length; start += perFile) {
      const part = rows.slice(start, start + perFile);
      const path = this.#fileName('part', files.length);
      const bytes = parquetFile(this.#options.columns, part);
      await this.#files.write(path, bytes);
      files.push({ path, size: bytes.length, rows: part });
    }
    return files;
  }

  async #changeFile(rows: readonly TableRow[]): Promise<Action> {
    const path = `_change_data/${this.#fileName('cdc', 0)}`;
    const bytes = parquetFile([...this.#options.columns, { name: '_change_type', type: 'string' }], rows);
    await this.#files.write(path, bytes);
    return { cdc: { path, partitionValues: {}, size: bytes.length, dataChange: false } };
  }

  #fileName(prefix: string, index: number): string {
    const digest = createHash('sha256').update(`${this.#options.tableId}/${this.#version + 1}/${prefix}/${index}`);
    const hex = digest.digest('hex');
    const uuid = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
    return `${prefix}-${String(index).padStart(5, '0')}-${uuid.join('-')}-${hex.slice(20, 32)}.c000.snappy.parquet`;
  }

  #metaData(): Action {
    return {
      metaData: {
        id: this.#options.tableId,
        name: this.#options.name,
        format: { provider: 'parquet', options: {} },
        schemaString: schemaString(this.#options.columns),
        partitionColumns: [],
        configuration: this.#feed ? { [FEED_PROPERTY]: 'true' } : {},
        createdTime: this.#options.now(),
      },
    };
  }

  #add(file: LiveFile): Action {
    return {
      add: {
        path: file.path,
        partitionValues: {},
        size: file.size,
        modificationTime: this.#options.now(),
        dataChange: true,
        stats: JSON.stringify({ numRecords: file.rows.length }),
      },
    };
  }

  #remove(file: LiveFile): Action {
    return {
      remove: {
        path: file.path,
        deletionTimestamp: this.#options.now(),
        dataChange: true,
        extendedFileMetadata: true,
        partitionValues: {},
        size: file.size,
      },
    };
  }

  async #commit(operation: string, actions: readonly Action[]): Promise<WrittenCommit> {
    const version = this.#version + 1;
    const path = `_delta_log/${String(version).padStart(20, '0')}.json`;
    const commitInfo = { timestamp: this.#options.now(), operation, operationParameters: {} };
    const lines = [{ commitInfo }, ...actions].map((action) => `${JSON.stringify(action)}\n`);
    const written = await this.#files.commit(path, new TextEncoder().encode(lines.join('')));
    this.#version = version;
    return { version, path, operation, written };
  }
}
