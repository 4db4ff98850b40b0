/** The protocol's schema JSON (PROTOCOL.md, "Schema Serialization Format") to a StructType. */
import { SyncError } from '../shared/errors.ts';
import { isRecord, logDamaged, type LogRecord } from './action-record.ts';
import type { DataType, PrimitiveName, StructField, StructType } from './schema.ts';

const PRIMITIVES: ReadonlyMap<string, PrimitiveName> = new Map(
  [
    'string',
    'long',
    'integer',
    'short',
    'byte',
    'float',
    'double',
    'boolean',
    'binary',
    'date',
    'timestamp',
    'timestamp_ntz',
    'void',
    'variant',
  ].map((name) => [name, name as PrimitiveName]),
);
/** Other spellings that engines have written. */
const ALIASES: ReadonlyMap<string, PrimitiveName> = new Map([
  ['null', 'void'],
  ['unknown', 'void'],
  ['int', 'integer'],
  ['bigint', 'long'],
  ['smallint', 'short'],
  ['tinyint', 'byte'],
]);
const DECIMAL = /^decimal\(\s*(\d{1,2})\s*,\s*(-?\d{1,2})\s*\)$/;
const CHARACTER = /^(?:var)?char\(\s*\d+\s*\)$/;
const MAX_DEPTH = 100;

function unsupportedType(name: string): SyncError {
  return new SyncError('unsupportedFeature', {
    problem: `The data type ${JSON.stringify(name.slice(0, 100))} is not supported.`,
    remedy: 'Drop or convert the column with the engine that writes the table.',
  });
}

/** Parses the name of a primitive type. Throws `unsupportedFeature` for names the protocol does not know. */
export function parsePrimitive(name: string): DataType {
  const primitive = PRIMITIVES.get(name) ?? ALIASES.get(name);
  if (primitive !== undefined) return { kind: 'primitive', name: primitive };
  if (CHARACTER.test(name)) return { kind: 'primitive', name: 'string' };
  if (name === 'decimal') return { kind: 'decimal', precision: 10, scale: 0 };
  const decimal = DECIMAL.exec(name);
  if (decimal === null) throw unsupportedType(name);
  const precision = Number(decimal[1]);
  const scale = Number(decimal[2]);
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) throw unsupportedType(name);
  return { kind: 'decimal', precision, scale };
}

function parseType(value: unknown, depth: number): DataType {
  if (typeof value === 'string') return parsePrimitive(value);
  if (!isRecord(value)) throw logDamaged('The table schema has a field without a type.');
  if (depth > MAX_DEPTH) throw logDamaged(`The table schema is nested more than ${MAX_DEPTH} deep.`);
  switch (value['type']) {
    case 'struct':
      return parseStruct(value, depth);
    case 'array':
      return {
        kind: 'array',
        element: parseType(value['elementType'], depth + 1),
        containsNull: value['containsNull'] !== false,
      };
    case 'map':
      return {
        kind: 'map',
        key: parseType(value['keyType'], depth + 1),
        value: parseType(value['valueType'], depth + 1),
        valueContainsNull: value['valueContainsNull'] !== false,
      };
    case 'udt':
      return parseType(value['sqlType'], depth + 1);
    // PROTOCOL.md, "Variant Type", shows an object for what else is a name.
    case 'variant':
      return parsePrimitive('variant');
    default:
      throw unsupportedType(String(value['type']));
  }
}

/** Column names are case-preserving and case-insensitively unique. Two that differ only in case are refused. */
function assertUniqueNames(fields: readonly StructField[]): void {
  const seen = new Set<string>();
  for (const { name } of fields) {
    const folded = name.toLowerCase();
    if (seen.has(folded)) throw logDamaged(`The table schema has the column ${JSON.stringify(name)} twice.`);
    seen.add(folded);
  }
}

function parseStruct(value: LogRecord, depth: number): StructType {
  const list = value['fields'];
  if (!Array.isArray(list)) throw logDamaged('The table schema has a struct without fields.');
  const fields = list.map((item: unknown): StructField => {
    if (!isRecord(item) || typeof item['name'] !== 'string') {
      throw logDamaged('The table schema has a field without a name.');
    }
    const metadata = item['metadata'];
    return {
      name: item['name'],
      type: parseType(item['type'], depth + 1),
      nullable: item['nullable'] !== false,
      metadata: isRecord(metadata) ? metadata : {},
    };
  });
  assertUniqueNames(fields);
  return { kind: 'struct', fields };
}

/** Parses a schema string. Throws `logDamaged` when it is no schema, `unsupportedFeature` for an unknown data type. */
export function parseSchema(text: string): StructType {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw logDamaged('The table schema is not valid JSON.', undefined, error);
  }
  if (!isRecord(json) || json['type'] !== 'struct') throw logDamaged('The table schema is not a struct.');
  return parseStruct(json, 0);
}

/** The protocol's name of a type for people: `decimal(10,2)`, `array<string>`, `struct<a: long>`. */
export function typeText(type: DataType): string {
  switch (type.kind) {
    case 'primitive':
      return type.name;
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`;
    case 'array':
      return `array<${typeText(type.element)}>`;
    case 'map':
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`;
    case 'struct':
      return `struct<${type.fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(', ')}>`;
  }
}
