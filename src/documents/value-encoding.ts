/**
 * Delta values as JSON: exact, or by a policy the configuration names, or a noted fault. An encoder is compiled once for
 * each column; encoding looks at no type or policy again.
 */
import type { TypePolicy } from '../config/sync-configuration.ts';
import { type DataType, type StructType, type Value, Variant } from '../delta/schema.ts';
import { SyncError } from '../shared/errors.ts';
import type { JsonValue } from './document.ts';
import { type Encode, encodeText, isUnicode, MAX_DEPTH, setField, unexpected, type ValueEncoding } from './encoding.ts';
import { decimalEncoding, floatEncoding, longEncoding } from './number-encoding.ts';
import type { RowFaults } from './rejection.ts';
import { dateEncoding, timestampEncoding, timestampNtzEncoding } from './time-encoding.ts';
import { variantEncoding } from './variant-encoding.ts';

/** The encoder of a type under a policy. `where` names the column for errors (`mappingInvalid`). */
export function compileValueEncoding(type: DataType, policy: TypePolicy, where: string, depth = 0): ValueEncoding {
  if (depth > MAX_DEPTH)
    throw new SyncError('mappingInvalid', { problem: `${where} is nested too deeply for Cosmos DB.` });
  switch (type.kind) {
    case 'decimal':
      return decimalEncoding(type.precision, type.scale, policy);
    case 'struct':
      return structEncoding(type, policy, where, depth);
    case 'array': {
      const element = compileValueEncoding(type.element, policy, where, depth + 1);
      const encode: Encode = (value, faults) => {
        if (!Array.isArray(value)) return unexpected(faults);
        return (value as readonly Value[]).map((item) => encodeNullable(element.encode, item, faults));
      };
      return { encode, form: `[${element.form}]` };
    }
    case 'map':
      return mapEncoding(type.key, type.value, policy, where, depth);
    case 'primitive':
      return primitiveEncoding(type.name, policy);
  }
}

/** True for types whose values stand in a partition key as they are. */
export function isScalar(type: DataType): boolean {
  return type.kind === 'decimal' || (type.kind === 'primitive' && type.name !== 'variant' && type.name !== 'void');
}

function encodeNullable(encode: Encode, value: Value | undefined, faults: RowFaults): JsonValue {
  if (value === null || value === undefined) return null;
  return encode(value, faults) ?? null;
}

type PrimitiveName = Extract<DataType, { kind: 'primitive' }>['name'];

function primitiveEncoding(name: PrimitiveName, policy: TypePolicy): ValueEncoding {
  switch (name) {
    case 'string':
      return { encode: encodeText, form: 'text' };
    case 'boolean':
      return { encode: (value, faults) => (typeof value === 'boolean' ? value : unexpected(faults)), form: 'boolean' };
    case 'byte':
    case 'short':
    case 'integer':
      // One form for all integers that are numbers: widening them changes no document.
      return { encode: encodeInteger, form: 'number' };
    case 'long':
      return longEncoding(policy.long ?? 'number');
    case 'float':
    case 'double':
      return floatEncoding(policy.nonFinite ?? 'error');
    case 'binary':
      return binaryEncoding(policy.binary ?? 'base64');
    case 'date':
      return dateEncoding(policy.date ?? 'iso');
    case 'timestamp':
      return timestampEncoding(policy.timestamp ?? 'iso7');
    case 'timestamp_ntz':
      return timestampNtzEncoding(policy.timestampNtz ?? 'iso7');
    case 'void':
      return { encode: (_value, faults) => unexpected(faults), form: 'null' };
    case 'variant':
      return variantEncoding(policy);
  }
}

const encodeInteger: Encode = (value, faults) =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : unexpected(faults);

function binaryEncoding(policy: NonNullable<TypePolicy['binary']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (!(value instanceof Uint8Array)) return unexpected(faults);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString(policy);
  };
  return { encode, form: policy };
}

function structEncoding(type: StructType, policy: TypePolicy, where: string, depth: number): ValueEncoding {
  const omit = policy.nulls === 'omit';
  const fields = type.fields.map((field) => {
    if (field.name === '__proto__') {
      throw new SyncError('mappingInvalid', {
        problem: `${where} has a field named __proto__.`,
        remedy: 'Exclude the column.',
      });
    }
    return { name: field.name, ...compileValueEncoding(field.type, policy, `${where}.${field.name}`, depth + 1) };
  });
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array || value instanceof Variant) {
      return unexpected(faults);
    }
    const object: Record<string, JsonValue> = {};
    const row = value as Readonly<Record<string, Value>>;
    for (const field of fields) {
      const inner = row[field.name];
      const encoded = inner === null || inner === undefined ? undefined : field.encode(inner, faults);
      if (encoded !== undefined) object[field.name] = encoded;
      else if (!omit) object[field.name] = null;
    }
    return object;
  };
  const form = fields.map((field) => `${JSON.stringify(field.name)}:${field.form}`).join(',');
  return { encode, form: `{${form}}${omit ? ' no nulls' : ''}` };
}

function mapEncoding(
  keyType: DataType,
  valueType: DataType,
  policy: TypePolicy,
  where: string,
  depth: number,
): ValueEncoding {
  const textKeys = keyType.kind === 'primitive' && keyType.name === 'string';
  const choice = policy.map ?? 'auto';
  if (choice === 'object' && !textKeys) {
    throw new SyncError('mappingInvalid', {
      problem: `${where} is a map whose keys are not strings.`,
      reason: 'Names in JSON objects are strings.',
      remedy: 'Set types.map to "pairs" or "auto".',
    });
  }
  const value = compileValueEncoding(valueType, policy, where, depth + 1);
  if (choice === 'pairs' || !textKeys) {
    const key = compileValueEncoding(keyType, policy, where, depth + 1);
    const encode: Encode = (map, faults) =>
      pairsOf(map, faults).map(([name, item]) => [
        encodeNullable(key.encode, name, faults),
        encodeNullable(value.encode, item, faults),
      ]);
    return { encode, form: `[[${key.form},${value.form}]]` };
  }
  const encode: Encode = (map, faults) => {
    const object: Record<string, JsonValue> = {};
    for (const [name, item] of pairsOf(map, faults)) {
      if (name === null) faults.note('mapKeyNull');
      else if (typeof name !== 'string') unexpected(faults);
      else {
        if (!isUnicode(name)) faults.note('textMalformed');
        if (Object.hasOwn(object, name)) faults.note('mapKeyDuplicate');
        setField(object, name, encodeNullable(value.encode, item, faults));
      }
    }
    return object;
  };
  return { encode, form: `{*:${value.form}}` };
}

function pairsOf(value: Value, faults: RowFaults): readonly (readonly [Value, Value])[] {
  if (Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2)) {
    return value as readonly (readonly [Value, Value])[];
  }
  unexpected(faults);
  return [];
}
