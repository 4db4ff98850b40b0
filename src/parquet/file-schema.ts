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

function annotationOf(element: SchemaElement): Annotation {
  const logical = element.logical_type;
  switch (logical?.type) {
    case 'STRING':
      return { kind: 'string' };
    case 'ENUM':
      return { kind: 'enum' };
    case 'JSON':
      return { kind: 'json' };
    case 'BSON':
      return { kind: 'bson' };
    case 'UUID':
      return { kind: 'uuid' };
    case 'DATE':
      return { kind: 'date' };
    case 'FLOAT16':
      return { kind: 'float16' };
    case 'INTERVAL':
      return { kind: 'interval' };
    case 'NULL':
      return { kind: 'null' };
    case 'LIST':
      return { kind: 'list' };
    case 'MAP':
      return { kind: 'map' };
    case 'VARIANT':
      return { kind: 'variant' };
    case 'GEOMETRY':
    case 'GEOGRAPHY':
      return { kind: 'geometry' };
    case 'DECIMAL':
      return { kind: 'decimal', precision: logical.precision, scale: logical.scale ?? 0 };
    case 'INTEGER':
      return { kind: 'integer', bitWidth: logical.bitWidth, signed: logical.isSigned };
    case 'TIME':
      return { kind: 'time', unit: logical.unit, utc: logical.isAdjustedToUTC };
    case 'TIMESTAMP':
      return { kind: 'timestamp', unit: logical.unit, utc: logical.isAdjustedToUTC };
    default:
      return convertedAnnotation(element);
  }
}

function convertedAnnotation(element: SchemaElement): Annotation {
  switch (element.converted_type) {
    case 'UTF8':
      return { kind: 'string' };
    case 'ENUM':
      return { kind: 'enum' };
    case 'JSON':
      return { kind: 'json' };
    case 'BSON':
      return { kind: 'bson' };
    case 'DATE':
      return { kind: 'date' };
    case 'INTERVAL':
      return { kind: 'interval' };
    case 'LIST':
      return { kind: 'list' };
    case 'MAP':
    case 'MAP_KEY_VALUE':
      return { kind: 'map' };
    case 'DECIMAL':
      return { kind: 'decimal', precision: element.precision ?? 0, scale: element.scale ?? 0 };
    case 'TIME_MILLIS':
      return { kind: 'time', unit: 'MILLIS', utc: true };
    case 'TIME_MICROS':
      return { kind: 'time', unit: 'MICROS', utc: true };
    case 'TIMESTAMP_MILLIS':
      return { kind: 'timestamp', unit: 'MILLIS', utc: true };
    case 'TIMESTAMP_MICROS':
      return { kind: 'timestamp', unit: 'MICROS', utc: true };
    case 'INT_8':
    case 'INT_16':
    case 'INT_32':
    case 'INT_64':
      return { kind: 'integer', bitWidth: Number(element.converted_type.slice(4)), signed: true };
    case 'UINT_8':
    case 'UINT_16':
    case 'UINT_32':
    case 'UINT_64':
      return { kind: 'integer', bitWidth: Number(element.converted_type.slice(5)), signed: false };
    default:
      return { kind: 'none' };
  }
}
