/** Columns of the test writer: a Delta schema with column mapping, and partition values as text. */
import type { DataType, Row, StructField, Value } from '../../src/delta/schema.ts';

export type MappingMode = 'none' | 'name' | 'id';

/** A column as tests describe it. */
export interface NewColumn {
  readonly name: string;
  readonly type: DataType;
  readonly nullable?: boolean;
}

/** Short form of primitive columns: `{ id: 'long', name: 'string' }`. */
export function primitives(columns: Readonly<Record<string, string>>): readonly NewColumn[] {
  return Object.entries(columns).map(([name, type]) => {
    const decimal = /^decimal\((\d+),(\d+)\)$/.exec(type);
    if (decimal !== null) {
      return { name, type: { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) } };
    }
    return { name, type: { kind: 'primitive', name: type } as DataType };
  });
}

const PHYSICAL = 'delta.columnMapping.physicalName';
const ID = 'delta.columnMapping.id';

/** Physical name of a mapped field, else its name. */
export function physicalOf(field: StructField): string {
  const name = field.metadata[PHYSICAL];
  return typeof name === 'string' ? name : field.name;
}

/** Column mapping id of a mapped field. */
export function idOf(field: StructField): number | undefined {
  const id = field.metadata[ID];
  return typeof id === 'number' ? id : undefined;
}

/** Gives out ids and physical names at every depth. `fresh`: new physical names; otherwise the names they have. */
export function mapField(field: StructField, nextId: () => number, fresh: boolean): StructField {
  const id = nextId();
  const physicalName = fresh ? `col-${id}-${field.name.length}` : field.name;
  return {
    ...field,
    type: mapType(field.type, nextId, fresh),
    metadata: { ...field.metadata, [ID]: id, [PHYSICAL]: physicalName },
  };
}

function mapType(type: DataType, nextId: () => number, fresh: boolean): DataType {
  switch (type.kind) {
    case 'struct':
      return { kind: 'struct', fields: type.fields.map((field) => mapField(field, nextId, fresh)) };
    case 'array':
      return { ...type, element: mapType(type.element, nextId, fresh) };
    case 'map':
      return { ...type, key: mapType(type.key, nextId, fresh), value: mapType(type.value, nextId, fresh) };
    case 'primitive':
    case 'decimal':
      return type;
  }
}

function typeJson(type: DataType): unknown {
  switch (type.kind) {
    case 'primitive':
      return type.name;
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`;
    case 'struct':
      return { type: 'struct', fields: type.fields.map((field) => ({ ...field, type: typeJson(field.type) })) };
    case 'array':
      return { type: 'array', elementType: typeJson(type.element), containsNull: type.containsNull };
    case 'map':
      return {
        type: 'map',
        keyType: typeJson(type.key),
        valueType: typeJson(type.value),
        valueContainsNull: type.valueContainsNull,
      };
  }
}

/** The protocol's schema string. */
export function schemaString(fields: readonly StructField[]): string {
  return JSON.stringify(typeJson({ kind: 'struct', fields }));
}

/** Text of a partition value as Spark writes it. */
export function partitionText(value: Value | undefined, type: DataType): string | null {
  if (value === null || value === undefined || value === '') return null;
  // Bytes that are no UTF-8 are lost, as with Spark.
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (typeof value === 'object') throw new Error('nested values are no partition values');
  const text = String(value);
  const isTime = type.kind === 'primitive' && type.name.startsWith('timestamp');
  return isTime ? text.replace('T', ' ').replace('Z', '') : text;
}

/** Characters that Hive escapes in folder names. */
// oxlint-disable-next-line no-control-regex -- control characters are what is to be escaped
const HIVE = /[\u0000-\u001f"#%'*/:=?\\\u007f{[\]^]/g;

/** Folder of a partition, decoded. */
export function partitionFolder(values: Readonly<Record<string, string | null>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${hive(name)}=${value === null ? '__HIVE_DEFAULT_PARTITION__' : hive(value)}/`)
    .join('');
}

function hive(text: string): string {
  return text.replace(HIVE, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** A row by physical names to one by logical names, in schema order. */
export function toLogical(row: Row, fields: readonly StructField[]): Row {
  return Object.fromEntries(fields.map((field) => [field.name, row[physicalOf(field)] ?? null]));
}

/** The inverse. */
export function toPhysical(row: Row, fields: readonly StructField[]): Row {
  return Object.fromEntries(fields.map((field) => [physicalOf(field), row[field.name] ?? null]));
}

/** Name of a type as the log has it, for types that have no parts. */
export function typeName(type: DataType): string {
  if (type.kind === 'decimal') return `decimal(${type.precision},${type.scale})`;
  return type.kind === 'primitive' ? type.name : type.kind;
}
