import type { FileField } from '../../src/parquet/file-schema.ts';
import type { DataType, PrimitiveName } from '../../src/parquet/value-type.ts';
import { field } from './field.ts';

/** The type a file's field has by itself, without a table that says more. */
export function ownType(one: FileField): DataType {
  if (one.repetition === 'REPEATED') return array(ownType({ ...one, repetition: 'REQUIRED' }));
  return one.physical === undefined ? groupType(one) : leafType(one);
}

function groupType(one: FileField): DataType {
  const [repeated] = one.children;
  const { kind } = one.annotation;
  if (kind === 'variant') return { kind: 'primitive', name: 'variant' };
  if (kind === 'map' && repeated !== undefined) {
    const [key, value] = repeated.children;
    return { kind: 'map', key: ownType(key!), value: ownType(value!), valueContainsNull: true };
  }
  if (kind === 'list' && repeated !== undefined) {
    const twoLevels = repeated.physical !== undefined || repeated.children.length !== 1 || repeated.name === 'array';
    return array(ownType(twoLevels ? { ...repeated, repetition: 'REQUIRED' } : repeated.children[0]!));
  }
  return { kind: 'struct', fields: one.children.map((child) => field(child.name, ownType(child))) };
}

function leafType({ annotation, physical }: FileField): DataType {
  if (annotation.kind === 'decimal')
    return { kind: 'decimal', precision: annotation.precision, scale: annotation.scale };
  const name = ((): PrimitiveName => {
    if (annotation.kind === 'timestamp') return annotation.utc ? 'timestamp' : 'timestamp_ntz';
    if (annotation.kind === 'date') return 'date';
    if (annotation.kind === 'integer' && !annotation.signed) return 'long';
    if (annotation.kind === 'string' || annotation.kind === 'enum' || annotation.kind === 'json') return 'string';
    if (annotation.kind === 'float16') return 'float';
    return OWN[physical!];
  })();
  return { kind: 'primitive', name };
}

const OWN: Readonly<Record<NonNullable<FileField['physical']>, PrimitiveName>> = {
  BOOLEAN: 'boolean',
  INT32: 'integer',
  INT64: 'long',
  INT96: 'timestamp',
  FLOAT: 'float',
  DOUBLE: 'double',
  BYTE_ARRAY: 'binary',
  FIXED_LEN_BYTE_ARRAY: 'binary',
};

function array(element: DataType): DataType {
  return { kind: 'array', element, containsNull: true };
}
