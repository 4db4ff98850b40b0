/** Rows to documents: the configuration of a table compiled against a schema and a target container. */
import { createHash } from 'node:crypto';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { Row, StructType } from '../delta/schema.ts';
import { parsePlainJson } from '../shared/json.ts';
import { documentText } from './document-text.ts';
import type { Identity, JsonObject, JsonValue } from './document.ts';
import { documentId } from './document-id.ts';
import { effectivePartitionKey } from './effective-partition-key.ts';
import { checkFields, layOutFields, type LaidOutField } from './field-layout.ts';
import { fieldPathText } from './field-path.ts';
import { columnType, compileKeyText, parseKeyTemplate } from './key-template.ts';
import { compileKeyLevels, idEscapes, type KeyDefinition, type KeyLevel, keyForm } from './partition-key.ts';
import { type Rejection, RowFaults } from './rejection.ts';
import { shapingSettings } from './shaping-settings.ts';
import { compileValueEncoding } from './value-encoding.ts';
import type { Encode } from './encoding.ts';
import { compileWhere } from './where.ts';

export interface MappingInput {
  readonly table: TableConfiguration;
  readonly schema: StructType;
  readonly target: KeyDefinition;
  /** The generation that documents belong to, with publish `versionFlag`; part of the identity. */
  readonly generation?: number;
}

/** One field of every document, or one part of its key (`(id)`, `(partition key)`), and the form of what is written. */
export interface FieldForm {
  readonly path: string;
  readonly form: string;
  /** True when rows in which the column is null have no such field. */
  readonly absentWhenNull: boolean;
}

/** A compiled mapping. It never throws for a row, and is not to be used from two rows at once. */
export interface Mapping {
  /** The document of a row, or why there is none. Does not look at `where`. */
  mapRow(
    row: Row,
  ): { readonly kind: 'document'; readonly identity: Identity; readonly document: JsonObject } | Rejection;
  /** The identity alone; of the row, only `keyColumns` are needed. */
  identityOf(row: Row): { readonly kind: 'identity'; readonly identity: Identity } | Rejection;
  /** Whether the row belongs to the table's documents at all (`where`). */
  includes(row: Row): boolean;
  /** Logical names of the columns that documents, keys and the filter need, in schema order. */
  readonly columns: readonly string[];
  /** Those that `identityOf` and `includes` need. */
  readonly keyColumns: readonly string[];
  /** Top-level fields that the mapping writes, `id` included: the rest of a document belongs to others. */
  readonly fields: readonly string[];
  /** Changes with every setting or target key that changes documents or identities; not with the table's schema. */
  readonly fingerprint: string;
  /** What the schema makes of the settings; see `keepsExistingDocuments`. */
  readonly form: readonly FieldForm[];
}

/** Compiles the mapping of a table. Throws SyncError `columnUnknown` or `mappingInvalid` before any row is read. */
export function compileMapping(input: MappingInput): Mapping {
  const { table, schema, target, generation } = input;
  const id = parseKeyTemplate(table.id, 'id');
  const idText = compileKeyText(id, schema, 'id', idEscapes(table));
  const fields = layOutFields(table, schema, id.columns);
  checkFields(fields, table);
  const levels = compileKeyLevels(table, schema, fields, id, target);
  const where = table.where === undefined ? undefined : compileWhere(table.where, schema);

  const escape = table.idEscaping === 'escape';
  const prefix = generation === undefined ? '' : `${generation}|`;
  const faults = new RowFaults();
  const hashing = { kind: target.kind, version: target.version };
  const identify = (row: Row): Identity => {
    const text = documentId(`${prefix}${idText(row, faults)}`, escape, faults);
    const partitionKey = levels.map((level) => level.valueOf(row, text, faults));
    faults.column = undefined;
    return { id: text, partitionKey, epk: effectivePartitionKey(partitionKey, hashing) };
  };
  const write = compileWriter(fields, levels);
  const flag = table.publish.kind === 'versionFlag' ? table.publish.field : undefined;

  const keyColumns = new Set([...id.columns, ...levels.flatMap((level) => level.columns), ...(where?.columns ?? [])]);
  const columns = new Set([
    ...keyColumns,
    ...fields.flatMap(({ source }) => (source.kind === 'column' ? [source.column] : [])),
  ]);
  const inOrder = (names: ReadonlySet<string>): string[] =>
    schema.fields.map((field) => field.name).filter((name) => names.has(name));
  const added = levels.filter((level) => level.added).map((level) => level.path[0] ?? '');
  const idTypes = id.columns.map((name) => columnType(schema, name, 'id'));

  return {
    mapRow(row) {
      const identity = identify(row);
      const document: Record<string, JsonValue> = { id: identity.id };
      if (flag !== undefined && generation !== undefined) document[flag] = generation;
      write(document, row, identity, faults);
      return faults.take() ?? { kind: 'document', identity, document };
    },
    identityOf(row) {
      const identity = identify(row);
      return faults.take() ?? { kind: 'identity', identity };
    },
    includes: (row) => where === undefined || where.holds(row),
    columns: inOrder(columns),
    keyColumns: inOrder(keyColumns),
    fields: [
      ...new Set(['id', ...(flag === undefined ? [] : [flag]), ...fields.map(({ path }) => path[0] ?? ''), ...added]),
    ],
    fingerprint: fingerprintOf(table, target),
    form: [
      { path: '(id)', form: keyForm(id, idTypes), absentWhenNull: false },
      ...levels.map((level) => ({ path: '(partition key)', form: level.form, absentWhenNull: false })),
      ...fields.map(formOf),
    ],
  };
}

/**
 * Whether documents written under `before` are exactly those that `after` would write for the same rows (columns added
 * since count as null), so that a change of schema needs no pass over the container.
 */
export function keepsExistingDocuments(before: readonly FieldForm[], after: readonly FieldForm[]): boolean {
  const key = (field: FieldForm): string => JSON.stringify([field.path, field.form, field.absentWhenNull]);
  const kept = new Set(after.map(key));
  if (!before.every((field) => kept.has(key(field)))) return false;
  const known = new Set(before.map((field) => field.path));
  return after.every((field) => known.has(field.path) || field.absentWhenNull);
}

type Write = (document: Record<string, JsonValue>, row: Row, identity: Identity, faults: RowFaults) => void;

/** Compiles what is written besides `id`; fields that share a path prefix go into one nested object. */
function compileWriter(fields: readonly LaidOutField[], levels: readonly KeyLevel[]): Write {
  const leaves = fields.map((field) => ({ path: field.path, write: fieldWriter(field) }));
  levels.forEach((level, index) => {
    if (level.added) leaves.push({ path: level.path, write: levelWriter(index) });
  });
  return nest(leaves);
}

interface Leaf {
  readonly path: readonly string[];
  readonly write: (name: string) => Write;
}

function nest(leaves: readonly Leaf[]): Write {
  const writers: Write[] = [];
  const branches = new Map<string, Leaf[]>();
  for (const leaf of leaves) {
    const [name = '', ...rest] = leaf.path;
    if (rest.length === 0) {
      writers.push(leaf.write(name));
      continue;
    }
    const known = branches.get(name);
    if (known !== undefined) {
      known.push({ path: rest, write: leaf.write });
      continue;
    }
    const inner = [{ path: rest, write: leaf.write }];
    branches.set(name, inner);
    let compiled: Write | undefined;
    writers.push((document, row, identity, faults) => {
      compiled ??= nest(inner);
      const object: Record<string, JsonValue> = {};
      compiled(object, row, identity, faults);
      // An object of which nothing is left would only say that its fields are null.
      if (Object.keys(object).length > 0) document[name] = object;
    });
  }
  return (document, row, identity, faults) => {
    for (const write of writers) write(document, row, identity, faults);
  };
}

function fieldWriter({ source }: LaidOutField): Leaf['write'] {
  if (source.kind === 'constant') {
    const { value } = source;
    return (name) => (document) => {
      document[name] = value;
    };
  }
  const { column } = source;
  const omit = source.policy.nulls === 'omit';
  const encode: Encode = compileValueEncoding(source.type, source.policy, column).encode;
  return (name) => (document, row, _identity, faults) => {
    const value = row[column];
    faults.column = column;
    const encoded = value === null || value === undefined ? undefined : encode(value, faults);
    if (encoded !== undefined) document[name] = encoded;
    else if (!omit) document[name] = null;
  };
}

function levelWriter(index: number): Leaf['write'] {
  return (name) => (document, _row, identity) => {
    const value = identity.partitionKey[index];
    if (value !== undefined) document[name] = value;
  };
}

function formOf({ path, source }: LaidOutField): FieldForm {
  if (source.kind === 'constant') {
    return { path: fieldPathText(path), form: `constant ${documentText(source.value)}`, absentWhenNull: false };
  }
  const { form } = compileValueEncoding(source.type, source.policy, source.column);
  return { path: fieldPathText(path), form, absentWhenNull: source.policy.nulls === 'omit' };
}

function fingerprintOf(table: TableConfiguration, target: KeyDefinition): string {
  // Through JSON text, so that absent settings and undefined ones are the same.
  const text = documentText(parsePlainJson(JSON.stringify(shapingSettings(table, target))) as JsonValue);
  return createHash('sha256').update(text).digest('hex');
}
