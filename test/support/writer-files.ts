/** Files of the test writer's tables: data files, change files, deletion vectors. */
import { createHash } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodePath } from '../../src/delta/file-path.ts';
import { encodeZ85 } from '../../src/delta/z85.ts';
import type { Row, StructField } from '../../src/delta/schema.ts';
import { deletionVectorBytes, deletionVectorFile } from './deletion-vectors.ts';
import type { Action } from './delta-log-writer.ts';
import { parquetBytes } from './parquet-rows.ts';
import { idOf, partitionFolder, partitionText, physicalOf } from './writer-columns.ts';

/** A deletion vector descriptor. */
export interface Vector {
  readonly storageType: 'u' | 'i';
  readonly pathOrInlineDv: string;
  readonly offset?: number;
  readonly sizeInBytes: number;
  readonly cardinality: number;
}

/** A data file; `rows` by physical names, in physical order. */
export interface DataFileOnDisk {
  readonly path: string;
  readonly partitionValues: Readonly<Record<string, string | null>>;
  readonly size: number;
  readonly rows: readonly Row[];
}

/** A data file with the rows that are deleted from it. */
export interface LiveFile {
  readonly file: DataFileOnDisk;
  readonly deleted: ReadonlySet<number>;
  readonly vector: Vector | undefined;
}

/** A changed row, by physical names. */
export interface Change {
  readonly row: Row;
  readonly type: 'insert' | 'update_preimage' | 'update_postimage' | 'delete';
}

/** What of a table its files depend on. */
export interface TableShape {
  readonly fields: readonly StructField[];
  /** Logical names. */
  readonly partitionBy: readonly string[];
}

export interface FileOptions {
  readonly rowsPerFile?: number;
  readonly rowGroupRows?: number;
}

/** Writes files into one table folder. Names follow from the calls, so that the same calls make the same table. */
export class WriterFiles {
  readonly #folder: string;
  readonly #generation: number;
  readonly #options: FileOptions;
  readonly #vectorPaths = new Map<string, string>();
  #counter = 0;
  #pendingVectors: Uint8Array[] = [];

  constructor(folder: string, generation: number, options: FileOptions) {
    this.#folder = folder;
    this.#generation = generation;
    this.#options = options;
  }

  /** Path of the file that a descriptor of storage type `u` names. */
  vectorPath(vector: Vector): string | undefined {
    return this.#vectorPaths.get(vector.pathOrInlineDv);
  }

  /** Small vectors are stored inline every other time, the others together in one file. */
  vector(deleted: ReadonlySet<number>, version: number): Vector {
    const rows = [...deleted].toSorted((a, b) => a - b);
    const bytes = deletionVectorBytes(rows, this.#counter % 3 === 0 ? 'runs' : 'standard');
    const sizeInBytes = bytes.length;
    if (this.#counter++ % 2 === 0 && bytes.length < 200) {
      return { storageType: 'i', pathOrInlineDv: encodeZ85(bytes), sizeInBytes, cardinality: rows.length };
    }
    const { path, name } = this.#vectorFile(version);
    const offset = deletionVectorFile([...this.#pendingVectors, bytes]).offsets.at(-1);
    this.#pendingVectors.push(bytes);
    this.#vectorPaths.set(name, path);
    return { storageType: 'u', pathOrInlineDv: name, offset: offset ?? 1, sizeInBytes, cardinality: rows.length };
  }

  #vectorFile(version: number): { readonly path: string; readonly name: string } {
    const uuid = this.#hash(`vector ${version}`).slice(0, 32);
    const text = [uuid.slice(0, 8), uuid.slice(8, 12), uuid.slice(12, 16), uuid.slice(16, 20), uuid.slice(20)].join(
      '-',
    );
    const prefix = version % 2 === 1 ? '' : 'ab';
    const folder = prefix === '' ? '' : `${prefix}/`;
    return { path: `${folder}deletion_vector_${text}.bin`, name: `${prefix}${encodeZ85(Buffer.from(uuid, 'hex'))}` };
  }

  /** Writes the file of the vectors that `vector` gave out for a version. */
  async flushVectors(version: number): Promise<void> {
    if (this.#pendingVectors.length === 0) return;
    const { bytes } = deletionVectorFile(this.#pendingVectors);
    await this.write(this.#vectorFile(version).path, bytes);
    this.#pendingVectors = [];
  }

  /** Rows by physical names to data files, by partition. */
  async writeRows(
    rows: readonly Row[],
    table: TableShape,
    perFile = this.#options.rowsPerFile ?? Infinity,
  ): Promise<LiveFile[]> {
    const files: LiveFile[] = [];
    for (const { values, part } of partitions(rows, table)) {
      for (let at = 0; at < part.length; at += perFile) {
        const chunk = part.slice(at, at + Math.min(perFile, part.length));
        const path = `${partitionFolder(values)}part-${this.#hash(`data ${this.#counter++}`).slice(0, 24)}.c000.snappy.parquet`;
        const size = await this.write(path, this.#parquet(chunk, table, []));
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

  /** Change files of a commit, as cdc actions. */
  async changeFiles(changes: readonly Change[], table: TableShape): Promise<Action[]> {
    const actions: Action[] = [];
    const types = new Map(changes.map(({ row, type }) => [row, type]));
    for (const { values, part } of partitions(
      changes.map(({ row }) => row),
      table,
    )) {
      const path = `_change_data/${partitionFolder(values)}cdc-${this.#hash(`cdc ${this.#counter++}`).slice(0, 24)}.parquet`;
      const rows = part.map((row) => ({ ...row, _change_type: types.get(row) ?? null }));
      const size = await this.write(path, this.#parquet(rows, table, ['_change_type']));
      actions.push({ cdc: { path: encodePath(path), partitionValues: values, size, dataChange: false } });
    }
    return actions;
  }

  #parquet(rows: readonly Row[], table: TableShape, extra: readonly string[]): Uint8Array {
    const stored = table.fields.filter((field) => !table.partitionBy.includes(field.name));
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

  /** Writes text; `time` is the file's modification time in milliseconds. */
  async writeText(path: string, text: string, time?: number): Promise<void> {
    await this.write(path, new TextEncoder().encode(text));
    if (time !== undefined) await utimes(join(this.#folder, path), time / 1000, time / 1000);
  }

  /** Writes bytes; gives their number. */
  async write(path: string, bytes: Uint8Array): Promise<number> {
    const target = join(this.#folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
    return bytes.length;
  }

  #hash(text: string): string {
    return createHash('sha256').update(`${this.#generation} ${text}`).digest('hex');
  }
}

function partitions(rows: readonly Row[], { fields, partitionBy }: TableShape) {
  const columns = fields.filter((field) => partitionBy.includes(field.name));
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
