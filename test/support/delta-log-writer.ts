/** Files of a log that are derived from others: checkpoints of every kind, and compacted logs. */
import { randomUUID } from 'node:crypto';
import type { DataType, Row, StructField, Value } from '../../src/delta/schema.ts';
import { parquetBytes } from './parquet-rows.ts';

/** An action: an object with one key. */
export type Action = Readonly<Record<string, unknown>>;

export type CheckpointKind =
  | { readonly kind: 'classic' }
  | { readonly kind: 'multiPart'; readonly parts: number }
  /** `sidecars: 0` puts the file actions inline. `name`: classic-named V2 checkpoints exist, too. */
  | {
      readonly kind: 'v2';
      readonly format: 'json' | 'parquet';
      readonly sidecars: number;
      readonly name?: 'uuid' | 'classic';
    };

const text: DataType = { kind: 'primitive', name: 'string' };
const long: DataType = { kind: 'primitive', name: 'long' };
const integer: DataType = { kind: 'primitive', name: 'integer' };
const flag: DataType = { kind: 'primitive', name: 'boolean' };
const texts: DataType = { kind: 'array', element: text, containsNull: true };
const map: DataType = { kind: 'map', key: text, value: text, valueContainsNull: true };

function field(name: string, type: DataType): StructField {
  return { name, type, nullable: true, metadata: {} };
}

function struct(fields: Readonly<Record<string, DataType>>): DataType {
  return { kind: 'struct', fields: Object.entries(fields).map(([name, type]) => field(name, type)) };
}

const VECTOR = struct({
  storageType: text,
  pathOrInlineDv: text,
  offset: integer,
  sizeInBytes: integer,
  cardinality: long,
});

/** Columns of a classic checkpoint. */
export const CHECKPOINT_COLUMNS: readonly StructField[] = [
  field('txn', struct({ appId: text, version: long, lastUpdated: long })),
  field(
    'add',
    struct({
      path: text,
      partitionValues: map,
      size: long,
      modificationTime: long,
      dataChange: flag,
      tags: map,
      deletionVector: VECTOR,
      stats: text,
    }),
  ),
  field(
    'remove',
    struct({
      path: text,
      deletionTimestamp: long,
      dataChange: flag,
      extendedFileMetadata: flag,
      partitionValues: map,
      size: long,
      deletionVector: VECTOR,
    }),
  ),
  field(
    'metaData',
    struct({
      id: text,
      name: text,
      description: text,
      format: struct({ provider: text, options: map }),
      schemaString: text,
      partitionColumns: texts,
      configuration: map,
      createdTime: long,
    }),
  ),
  field(
    'protocol',
    struct({ minReaderVersion: integer, minWriterVersion: integer, readerFeatures: texts, writerFeatures: texts }),
  ),
  field('domainMetadata', struct({ domain: text, configuration: text, removed: flag })),
];

const V2_COLUMNS: readonly StructField[] = [
  ...CHECKPOINT_COLUMNS,
  field('checkpointMetadata', struct({ version: long })),
  field('sidecar', struct({ path: text, sizeInBytes: long, modificationTime: long })),
];

/** JSON values of an action in the conventions of rows: maps as pairs, missing fields null. */
function rowValue(value: unknown, type: DataType): Value {
  if (value === null || value === undefined) return null;
  switch (type.kind) {
    case 'struct': {
      const source = value as Readonly<Record<string, unknown>>;
      return Object.fromEntries(type.fields.map((item) => [item.name, rowValue(source[item.name], item.type)]));
    }
    case 'map':
      return Object.entries(value as Readonly<Record<string, string | null>>);
    case 'array':
      return value as readonly Value[];
    case 'primitive':
    case 'decimal':
      return value as Value;
  }
}

/** An action as a row of a checkpoint. */
export function actionRow(columns: readonly StructField[], action: Action): Row {
  return Object.fromEntries(columns.map((column) => [column.name, rowValue(action[column.name], column.type)]));
}

function actionBytes(columns: readonly StructField[], actions: readonly Action[]): Uint8Array {
  return parquetBytes(
    columns,
    actions.map((action) => actionRow(columns, action)),
  );
}

function jsonBytes(actions: readonly Action[]): Uint8Array {
  return new TextEncoder().encode(actions.map((action) => `${JSON.stringify(action)}\n`).join(''));
}

function deal<T>(items: readonly T[], hands: number): T[][] {
  return Array.from({ length: hands }, (_none, hand) => items.filter((_item, i) => i % hands === hand));
}

/** The files of a checkpoint, by path relative to the table. The order of actions in it means nothing. */
export function checkpointFiles(
  version: number,
  kind: CheckpointKind,
  actions: readonly Action[],
): ReadonlyMap<string, Uint8Array> {
  const base = `_delta_log/${String(version).padStart(20, '0')}.checkpoint`;
  const files = new Map<string, Uint8Array>();
  if (kind.kind === 'classic') return files.set(`${base}.parquet`, actionBytes(CHECKPOINT_COLUMNS, actions));
  if (kind.kind === 'multiPart') {
    const number = (value: number): string => String(value).padStart(10, '0');
    for (const [i, part] of deal(actions, kind.parts).entries()) {
      files.set(`${base}.${number(i + 1)}.${number(kind.parts)}.parquet`, actionBytes(CHECKPOINT_COLUMNS, part));
    }
    return files;
  }
  const isFile = (action: Action): boolean => 'add' in action || 'remove' in action;
  const inline = kind.sidecars === 0;
  const top: Action[] = [{ checkpointMetadata: { version } }, ...actions.filter((action) => inline || !isFile(action))];
  for (const part of deal(inline ? [] : actions.filter(isFile), kind.sidecars)) {
    const name = `${randomUUID()}.parquet`;
    const bytes = actionBytes(CHECKPOINT_COLUMNS, part);
    files.set(`_delta_log/_sidecars/${name}`, bytes);
    top.push({ sidecar: { path: name, sizeInBytes: bytes.length, modificationTime: 0 } });
  }
  const uuid = kind.name === 'classic' ? '' : `.${randomUUID()}`;
  const bytes = kind.format === 'json' ? jsonBytes(top) : actionBytes(V2_COLUMNS, top);
  return files.set(`${base}${uuid}.${kind.format}`, bytes);
}

interface FileAction {
  readonly path: string;
  readonly deletionVector?: { readonly storageType: string; readonly pathOrInlineDv: string; readonly offset?: number };
}

function keyOf({ path, deletionVector: dv }: FileAction): string {
  return dv === undefined ? path : `${path}|${dv.storageType}${dv.pathOrInlineDv}@${dv.offset ?? ''}`;
}

/** The reconciled actions of commits in ascending order, as a compacted log holds them. */
export function compactedActions(commits: readonly (readonly Action[])[]): readonly Action[] {
  const files = new Map<string, Action>();
  const others = new Map<string, Action>();
  for (const commit of commits) {
    for (const action of commit) if ('remove' in action) files.set(keyOf(action['remove'] as FileAction), action);
    for (const action of commit) {
      if ('add' in action) files.set(keyOf(action['add'] as FileAction), action);
      if ('txn' in action) others.set(`txn ${(action['txn'] as { appId: string }).appId}`, action);
      if ('domainMetadata' in action)
        others.set(`domain ${(action['domainMetadata'] as { domain: string }).domain}`, action);
      if ('metaData' in action) others.set('metaData', action);
      if ('protocol' in action) others.set('protocol', action);
    }
  }
  return [...others.values(), ...files.values()];
}

/** What a checkpoint holds besides live files: protocol, metadata, transactions, domains and tombstones. */
export class CheckpointState {
  readonly #tombstones = new Map<string, Action>();
  readonly #others = new Map<string, Action>();

  /** Takes note of a commit. */
  remember(actions: readonly Action[]): void {
    for (const action of actions) {
      for (const kind of ['protocol', 'metaData']) if (kind in action) this.#others.set(kind, action);
      if ('txn' in action) this.#others.set(`txn ${(action['txn'] as { appId: string }).appId}`, action);
      if ('domainMetadata' in action) {
        const { domain, removed } = action['domainMetadata'] as { domain: string; removed: boolean };
        if (removed) this.#others.delete(`domain ${domain}`);
        else this.#others.set(`domain ${domain}`, action);
      }
      if ('remove' in action) this.#tombstones.set(keyOf(action['remove'] as FileAction), action);
    }
    for (const action of actions) if ('add' in action) this.#tombstones.delete(keyOf(action['add'] as FileAction));
  }

  actions(): readonly Action[] {
    return [...this.#others.values(), ...this.#tombstones.values()];
  }
}
