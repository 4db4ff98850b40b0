import type { SchemaElement } from './hyparquet-internals.ts';
import { damaged, unsupported, type FilePlace } from './file-fault.ts';

export type PhysicalType =
  | 'BOOLEAN'
  | 'INT32'
  | 'INT64'
  | 'INT96'
  | 'FLOAT'
  | 'DOUBLE'
  | 'BYTE_ARRAY'
  | 'FIXED_LEN_BYTE_ARRAY';

/** What a field means beyond its physical type, from the logical type or else the converted type. */
export type Annotation =
  | {
      readonly kind:
        | 'none'
        | 'string'
        | 'enum'
        | 'json'
        | 'bson'
        | 'uuid'
        | 'date'
        | 'float16'
        | 'interval'
        | 'null'
        | 'list'
        | 'map'
        | 'variant'
        | 'geometry';
    }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'integer'; readonly bitWidth: number; readonly signed: boolean }
  | { readonly kind: 'time' | 'timestamp'; readonly unit: 'MILLIS' | 'MICROS' | 'NANOS'; readonly utc: boolean };

/** A field of a file's schema. Names are never joined: a dot is an ordinary character. */
export interface FileField {
  readonly name: string;
  readonly path: readonly string[];
  readonly fieldId: number | undefined;
  readonly repetition: 'REQUIRED' | 'OPTIONAL' | 'REPEATED';
  readonly annotation: Annotation;
  /** Undefined for groups. */
  readonly physical: PhysicalType | undefined;
  /** Bytes of a FIXED_LEN_BYTE_ARRAY value, else 0. */
  readonly typeLength: number;
  /** Position of the column chunk in every row group; -1 for groups. */
  readonly leafIndex: number;
  /** Definition level at which this field is present, and its repetition level. */
  readonly definitionLevel: number;
  readonly repetitionLevel: number;
  readonly children: readonly FileField[];
}

const MAX_DEPTH = 64;
const MAX_TYPE_LENGTH = 1 << 20;

/** Builds the schema tree from the footer's flat list; returns the root group and its leaves in chunk order. */
export function fileSchema(
  place: FilePlace,
  elements: readonly SchemaElement[],
): { readonly root: FileField; readonly leaves: readonly FileField[] } {
  const leaves: FileField[] = [];
  let next = 0;
  const build = (path: readonly string[], parentDefinition: number, parentRepetition: number): FileField => {
    const element = elements[next++];
    if (element === undefined) throw damaged(place, 'the schema ends early');
    if (path.length > MAX_DEPTH) throw unsupported(place, `a schema nested more than ${MAX_DEPTH} levels deep`);
    const isRoot = next === 1;
    const repetition = isRoot ? 'REQUIRED' : (element.repetition_type ?? 'REQUIRED');
    const definitionLevel = parentDefinition + (repetition === 'REQUIRED' ? 0 : 1);
    const repetitionLevel = parentRepetition + (repetition === 'REPEATED' ? 1 : 0);
    const isGroup = element.type === undefined;
    checkTypes(place, element);
    const count = isGroup ? (element.num_children ?? 0) : 0;
    if (count < 0 || count > elements.length - next) throw damaged(place, 'the schema counts fields it does not have');
    const own = isRoot ? [] : [...path, element.name];
    const typeLength = element.type === 'FIXED_LEN_BYTE_ARRAY' ? (element.type_length ?? 0) : 0;
    if (element.type === 'FIXED_LEN_BYTE_ARRAY' && (typeLength <= 0 || typeLength > MAX_TYPE_LENGTH)) {
      throw damaged({ ...place, column: own.join('.') }, `its fixed length is ${typeLength}`);
    }
    const children: FileField[] = [];
    const field: FileField = {
      name: element.name,
      path: own,
      fieldId: element.field_id,
      repetition,
      annotation: annotationOf(element),
      physical: element.type,
      typeLength,
      leafIndex: isGroup ? -1 : leaves.length,
      definitionLevel,
      repetitionLevel,
      children,
    };
    if (!isGroup) leaves.push(field);
    for (let i = 0; i < count; i++) children.push(build(own, definitionLevel, repetitionLevel));
    return field;
  };
  const root = build([], 0, 0);
  if (next !== elements.length) throw damaged(place, 'the schema has fields outside its root');
  if (root.physical !== undefined) throw damaged(place, 'the root of the schema is not a group');
  return { root, leaves };
}

/** hyparquet hands on a field as whatever Thrift type the file gives it. */
function checkTypes(place: FilePlace, element: SchemaElement): void {
  const logical = element.logical_type;
  const decimal = logical?.type === 'DECIMAL' ? [logical.precision, logical.scale] : [];
  const integer = logical?.type === 'INTEGER' ? [logical.bitWidth] : [];
  const { type_length, num_children, scale, precision, field_id } = element;
  for (const number of [type_length, num_children, scale, precision, field_id, ...decimal, ...integer]) {
    if (number !== undefined && typeof number !== 'number') throw damaged(place, 'a schema element has a bad number');
  }
  if (typeof element.name !== 'string') throw damaged(place, 'a schema element has no name');
}

/** Logical types without parameters, by their name in the format. */
const PLAIN_LOGICAL = {
  STRING: 'string',
  ENUM: 'enum',
  JSON: 'json',
  BSON: 'bson',
  UUID: 'uuid',
  DATE: 'date',
  FLOAT16: 'float16',
  INTERVAL: 'interval',
  NULL: 'null',
  LIST: 'list',
  MAP: 'map',
  VARIANT: 'variant',
  GEOMETRY: 'geometry',
  GEOGRAPHY: 'geometry',
} as const;

/** Converted types, which older writers use instead. */
const CONVERTED: Readonly<Record<string, Annotation>> = {
  UTF8: { kind: 'string' },
  ENUM: { kind: 'enum' },
  JSON: { kind: 'json' },
  BSON: { kind: 'bson' },
  DATE: { kind: 'date' },
  INTERVAL: { kind: 'interval' },
  LIST: { kind: 'list' },
  MAP: { kind: 'map' },
  MAP_KEY_VALUE: { kind: 'map' },
  TIME_MILLIS: { kind: 'time', unit: 'MILLIS', utc: true },
  TIME_MICROS: { kind: 'time', unit: 'MICROS', utc: true },
  TIMESTAMP_MILLIS: { kind: 'timestamp', unit: 'MILLIS', utc: true },
  TIMESTAMP_MICROS: { kind: 'timestamp', unit: 'MICROS', utc: true },
  INT_8: { kind: 'integer', bitWidth: 8, signed: true },
  INT_16: { kind: 'integer', bitWidth: 16, signed: true },
  INT_32: { kind: 'integer', bitWidth: 32, signed: true },
  INT_64: { kind: 'integer', bitWidth: 64, signed: true },
  UINT_8: { kind: 'integer', bitWidth: 8, signed: false },
  UINT_16: { kind: 'integer', bitWidth: 16, signed: false },
  UINT_32: { kind: 'integer', bitWidth: 32, signed: false },
  UINT_64: { kind: 'integer', bitWidth: 64, signed: false },
};

function annotationOf(element: SchemaElement): Annotation {
  const logical = element.logical_type;
  // hyparquet hands on a logical type that it does not know as it found it.
  if (logical?.type === undefined) return convertedAnnotation(element);
  if (logical.type === 'DECIMAL') {
    return { kind: 'decimal', precision: logical.precision, scale: logical.scale ?? 0 };
  }
  if (logical.type === 'INTEGER') return { kind: 'integer', bitWidth: logical.bitWidth, signed: logical.isSigned };
  if (logical.type === 'TIME') return { kind: 'time', unit: logical.unit, utc: logical.isAdjustedToUTC };
  if (logical.type === 'TIMESTAMP') return { kind: 'timestamp', unit: logical.unit, utc: logical.isAdjustedToUTC };
  return { kind: PLAIN_LOGICAL[logical.type] };
}

function convertedAnnotation(element: SchemaElement): Annotation {
  const converted = element.converted_type;
  if (converted === undefined) return { kind: 'none' };
  if (converted === 'DECIMAL') {
    return { kind: 'decimal', precision: element.precision ?? 0, scale: element.scale ?? 0 };
  }
  return CONVERTED[converted] ?? { kind: 'none' };
}
