/**
 * Rows from JSON, in the lossless conventions in which the command line prints them: longs beyond 2^53 and decimals as
 * text, binary as base64, NaN and infinities as text, maps as arrays of pairs.
 */
import { type DataType, type Row, type StructType, type Value, Variant, type VariantJson } from '../delta/schema.ts';
import { SyncError } from '../shared/errors.ts';
import { columnType } from './key-template.ts';

/** The row that `json` stands for; absent columns are null. Throws `columnUnknown`, and `configInvalid` for a value that is none of its type. */
export function rowFromJson(json: unknown, schema: StructType, where: string): Row {
  const object = objectOf(json, where);
  for (const name of Object.keys(object)) columnType(schema, name, where);
  return Object.fromEntries(
    schema.fields.map((field) => [field.name, valueOf(object[field.name], field.type, `${where}.${field.name}`)]),
  );
}

function valueOf(json: unknown, type: DataType, where: string): Value {
  if (json === null || json === undefined) return null;
  switch (type.kind) {
    case 'decimal':
      return decimalOf(json, type.scale) ?? unfit(where, `text such as "0.${'0'.repeat(type.scale)}"`);
    case 'struct':
      return rowFromJson(json, type, where);
    case 'array':
      return listOf(json, where).map((item, index) => valueOf(item, type.element, `${where}[${index}]`));
    case 'map':
      return listOf(json, where).map((pair, index) => {
        const [key, value, ...rest] = listOf(pair, `${where}[${index}]`);
        if (rest.length > 0) unfit(`${where}[${index}]`, 'a pair');
        return [valueOf(key, type.key, `${where}[${index}][0]`), valueOf(value, type.value, `${where}[${index}][1]`)];
      });
    case 'primitive':
      return primitiveOf(json, type.name) ?? unfit(where, `a ${type.name}`);
  }
}

function primitiveOf(json: unknown, name: Extract<DataType, { kind: 'primitive' }>['name']): Value | undefined {
  switch (name) {
    case 'string':
      return typeof json === 'string' ? json : undefined;
    case 'boolean':
      return typeof json === 'boolean' ? json : undefined;
    case 'byte':
    case 'short':
    case 'integer':
      return Number.isSafeInteger(json) ? (json as number) : undefined;
    case 'long': {
      if (Number.isSafeInteger(json)) return json as number;
      if (typeof json !== 'string' || !/^-?\d{1,19}$/.test(json)) return undefined;
      return Number.isSafeInteger(Number(json)) ? Number(json) : BigInt(json);
    }
    case 'float':
    case 'double':
      if (typeof json === 'number') return json;
      return json === 'NaN' || json === 'Infinity' || json === '-Infinity' ? Number(json) : undefined;
    case 'binary':
      return typeof json === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(json)
        ? new Uint8Array(Buffer.from(json, 'base64'))
        : undefined;
    case 'date':
      return matching(json, /^(?:\d{4}|[+-]\d{6})-\d\d-\d\d$/);
    case 'timestamp':
      return matching(json, /^(?:\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    case 'timestamp_ntz':
      return matching(json, /^(?:\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    case 'variant':
      return new Variant(json as VariantJson);
    case 'void':
      return undefined;
  }
}

function matching(json: unknown, pattern: RegExp): string | undefined {
  return typeof json === 'string' && pattern.test(json) ? json : undefined;
}

function decimalOf(json: unknown, scale: number): string | undefined {
  const [text, fraction = ''] = (typeof json === 'string' && /^-?\d+(?:\.(\d+))?$/.exec(json)) || [];
  if (text === undefined || fraction.length > scale) return undefined;
  if (scale === 0) return text;
  return `${fraction === '' ? `${text}.` : text}${'0'.repeat(scale - fraction.length)}`;
}

function objectOf(json: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  return unfit(where, 'an object');
}

function listOf(json: unknown, where: string): readonly unknown[] {
  return Array.isArray(json) ? (json as readonly unknown[]) : unfit(where, 'an array');
}

function unfit(where: string, wanted: string): never {
  throw new SyncError('configInvalid', { problem: `${where} is not ${wanted}.`, remedy: 'Correct the fixture.' });
}
