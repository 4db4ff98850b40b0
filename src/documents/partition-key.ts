/** The partition key values of a row: what its document will have at the key paths of the container. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { Row, StructType } from '../delta/schema.ts';
import { SyncError } from '../shared/errors.ts';
import type { JsonValue, PartitionKeyValue } from './document.ts';
import { ILLEGAL_ID_CHARACTERS } from './document-id.ts';
import { columnPolicy, type LaidOutField } from './field-layout.ts';
import { type FieldPath, fieldPathText, parsePartitionKeyPath } from './field-path.ts';
import { columnType, compileKeyText, type KeyTemplate, parseKeyTemplate } from './key-template.ts';
import type { RowFaults } from './rejection.ts';
import { compileValueEncoding, isScalar } from './value-encoding.ts';

/** The key definition of the target container, as its description says. */
export interface KeyDefinition {
  readonly partitionKeyPaths: readonly string[];
  readonly kind: 'Hash' | 'MultiHash';
  readonly version: 1 | 2;
}

/** One level of the key. */
export interface KeyLevel {
  readonly path: FieldPath;
  /** Columns it is made of. */
  readonly columns: readonly string[];
  /** The value for a row; `id` is the row's id. Notes faults. */
  readonly valueOf: (row: Row, id: string, faults: RowFaults) => PartitionKeyValue;
  /** True when the mapped columns do not hold this value, so that it is added to the document. */
  readonly added: boolean;
  /** Changes exactly when rows of the same content get another key. */
  readonly form: string;
}

/** Limits of the service in bytes: large keys (version 2), and version 1. */
const MAX_KEY_BYTES = { 1: 101, 2: 2048 };

/**
 * Compiles the key levels of a table. Throws `mappingInvalid` when documents would have nothing at a key path, or
 * something that cannot be a key.
 */
export function compileKeyLevels(
  table: TableConfiguration,
  schema: StructType,
  fields: readonly LaidOutField[],
  id: KeyTemplate,
  target: KeyDefinition,
): KeyLevel[] {
  const configured = typeof table.partitionKey === 'string' ? [table.partitionKey] : table.partitionKey;
  if (configured !== undefined && configured.length !== target.partitionKeyPaths.length) {
    throw new SyncError('mappingInvalid', {
      problem: `partitionKey has ${configured.length} levels and the container has ${target.partitionKeyPaths.length}.`,
      remedy: `Give one template for each of ${target.partitionKeyPaths.join(', ')}.`,
    });
  }
  return target.partitionKeyPaths.map((text, index) => {
    const path = parsePartitionKeyPath(text);
    const setting = configured?.[index];
    const level =
      setting === undefined ? fromDocument(path, fields, id) : fromTemplate(path, setting, table, schema, fields, id);
    return { path, ...level, valueOf: checked(level.valueOf, MAX_KEY_BYTES[target.version]) };
  });
}

type Level = Omit<KeyLevel, 'path'>;

const ID_LEVEL: Level = { columns: [], valueOf: (_row, id) => id, added: false, form: 'id' };

function fromDocument(path: FieldPath, fields: readonly LaidOutField[], id: KeyTemplate): Level {
  if (path.length === 1 && path[0] === 'id') return { ...ID_LEVEL, columns: id.columns };
  const field = fields.find((candidate) => isPrefix(candidate.path, path));
  if (field === undefined) {
    throw new SyncError('mappingInvalid', {
      problem: `Documents would have nothing at ${fieldPathText(path)}, the partition key of the container.`,
      remedy: 'Map a column there with columns.rename, or set partitionKey.',
    });
  }
  return fromField(field, path.slice(field.path.length));
}

/** The value that a field of the document has at `rest` within it. */
function fromField(field: LaidOutField, rest: FieldPath): Level {
  const { source } = field;
  if (source.kind === 'constant') {
    const value = within(source.value, rest);
    if (typeof value === 'object' && value !== null) throw notScalar(field, rest);
    return { columns: [], valueOf: () => value, added: false, form: JSON.stringify(value) ?? 'none' };
  }
  const { column, type, policy } = source;
  let leaf = type;
  for (const name of rest) {
    const next = leaf.kind === 'struct' ? leaf.fields.find((candidate) => candidate.name === name) : undefined;
    if (next === undefined) throw notScalar(field, rest);
    leaf = next.type;
  }
  if (!isScalar(leaf)) throw notScalar(field, rest);
  // Only the value at the path: a fault elsewhere in the struct costs the document, but not the identity.
  const { encode, form } = compileValueEncoding(leaf, policy, column);
  const absent = policy.nulls === 'omit' ? undefined : null;
  const valueOf: KeyLevel['valueOf'] = (row, _id, faults) => {
    let value = row[column];
    faults.column = column;
    for (const name of rest) {
      if (value === null || value === undefined) return undefined;
      value = (value as Row)[name];
    }
    if (value === null || value === undefined) return absent;
    const encoded = encode(value, faults) ?? absent;
    if (typeof encoded !== 'object' || encoded === null) return encoded;
    faults.note('partitionKeyNotScalar');
    return null;
  };
  return { columns: [column], valueOf, added: false, form };
}

function notScalar(field: LaidOutField, rest: FieldPath): SyncError {
  return new SyncError('mappingInvalid', {
    problem: `${field.setting} stands at the partition key ${fieldPathText([...field.path, ...rest])}, but is no single value.`,
    reason: 'Partition keys are text, numbers, booleans or null.',
    remedy: 'Map another column there, or set partitionKey.',
  });
}

function fromTemplate(
  path: FieldPath,
  text: string,
  table: TableConfiguration,
  schema: StructType,
  fields: readonly LaidOutField[],
  id: KeyTemplate,
): Level {
  const template = parseKeyTemplate(text, 'partitionKey');
  if (path.length === 1 && path[0] === 'id') {
    if (template.text === id.text) return { ...ID_LEVEL, columns: id.columns };
    throw new SyncError('mappingInvalid', {
      problem: 'The container is partitioned by /id, and partitionKey differs from id.',
      remedy: 'Remove partitionKey.',
    });
  }
  const [column = ''] = template.columns;
  const single = template.columns.length === 1 && template.texts.every((part) => part === '') ? column : undefined;
  const mapped = fields.find((field) => isPrefix(field.path, path) || isPrefix(path, field.path));
  if (mapped !== undefined) {
    const same =
      mapped.source.kind === 'column' && mapped.source.column === single && mapped.path.length === path.length;
    if (same) return fromField(mapped, []);
    throw new SyncError('mappingInvalid', {
      problem: `partitionKey and ${mapped.setting} both write ${fieldPathText(path)}.`,
      remedy: 'Rename or exclude the column, or remove partitionKey.',
    });
  }
  if (single === undefined) {
    const keyText = compileKeyText(template, schema, 'partitionKey', '');
    const types = template.columns.map((name) => columnType(schema, name, 'partitionKey'));
    return {
      columns: template.columns,
      valueOf: (row, _id, faults) => keyText(row, faults),
      added: true,
      form: keyForm(template, types),
    };
  }
  // A column alone keeps its type: the number 5 and the text "5" are different keys.
  const type = columnType(schema, single, 'partitionKey');
  const source = { kind: 'column', column: single, type, policy: columnPolicy(table, single) } as const;
  return { ...fromField({ path, source, setting: 'partitionKey' }, []), added: true };
}

/** Describes the text that a template makes of columns of these types: the scale of a decimal is part of it. */
export function keyForm(
  template: KeyTemplate,
  types: readonly { readonly kind: string; readonly scale?: number }[],
): string {
  return `${template.text} ${types.map((type) => (type.kind === 'decimal' ? `scale ${type.scale ?? 0}` : '')).join(' ')}`.trimEnd();
}

/** Characters to escape in every part of an id. */
export function idEscapes(table: TableConfiguration): string {
  return table.idEscaping === 'escape' ? `%${ILLEGAL_ID_CHARACTERS}` : '';
}

function checked(valueOf: KeyLevel['valueOf'], maxBytes: number): KeyLevel['valueOf'] {
  return (row, id, faults) => {
    const value = valueOf(row, id, faults);
    if (typeof value === 'string' && value.length > maxBytes / 3 && Buffer.byteLength(value) > maxBytes) {
      faults.note('partitionKeyTooLong');
    }
    return value;
  };
}

function isPrefix(prefix: FieldPath, path: FieldPath): boolean {
  return prefix.length <= path.length && prefix.every((name, index) => name === path[index]);
}

function within(value: JsonValue | undefined, path: FieldPath): JsonValue | undefined {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, JsonValue>>)[name];
  }
  return at;
}
