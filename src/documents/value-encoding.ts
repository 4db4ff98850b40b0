/**
 * Delta values as JSON: exact, or by a policy the configuration names, or a noted fault. An encoder is compiled once for
 * each column; encoding looks at no type or policy again.
 */
import type { TypePolicy } from '../config/sync-configuration.ts';
import type { DataType, StructType, Value, VariantJson } from '../delta/schema.ts';
import { Variant } from '../delta/schema.ts';
import { SyncError } from '../shared/errors.ts';
import type { JsonValue } from './document.ts';
import type { RowFaults } from './rejection.ts';

/** Encodes a value that is not null. Undefined means "as SQL null". After a fault was noted the result is meaningless. */
export type Encode = (value: NonNullable<Value>, faults: RowFaults) => JsonValue | undefined;

/** An encoder and the form of what it writes: while the form stays, existing documents stay as they are. */
export interface ValueEncoding {
  readonly encode: Encode;
  readonly form: string;
}

/** Cosmos DB allows 128 levels; the document itself and nested paths take some. */
const MAX_DEPTH = 120;
const SURROGATE_ALONE = /\p{Surrogate}/u;

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

function unexpected(faults: RowFaults): undefined {
  faults.note('valueUnexpected');
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
      return { encode: unexpected2, form: 'null' };
    case 'variant':
      return variantEncoding(policy);
  }
}

const unexpected2: Encode = (_value, faults) => unexpected(faults);

const encodeText: Encode = (value, faults) => {
  if (typeof value !== 'string') return unexpected(faults);
  if (SURROGATE_ALONE.test(value)) faults.note('textMalformed');
  return value;
};

const encodeInteger: Encode = (value, faults) =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : unexpected(faults);

function longEncoding(policy: NonNullable<TypePolicy['long']>): ValueEncoding {
  const isLong = (value: Value): value is number | bigint =>
    typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
  if (policy === 'string') {
    return { encode: (value, faults) => (isLong(value) ? String(value) : unexpected(faults)), form: 'long as text' };
  }
  const encode: Encode = (value, faults) => {
    if (!isLong(value)) return unexpected(faults);
    if (typeof value === 'number') return value;
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
    if (policy === 'auto') return String(value);
    faults.note('longTooLarge');
    return undefined;
  };
  return { encode, form: 'number' };
}

function floatEncoding(policy: NonNullable<TypePolicy['nonFinite']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'number') return unexpected(faults);
    // Adding zero turns minus zero, which JSON text does not keep, into the zero it equals.
    if (Number.isFinite(value)) return value + 0;
    if (policy === 'string') return String(value);
    if (policy === 'error') faults.note('notFinite');
    return undefined;
  };
  return { encode, form: 'number' };
}

const DECIMAL = /^-?\d+(?:\.\d+)?$/;

function decimalEncoding(precision: number, scale: number, policy: TypePolicy): ValueEncoding {
  const choice = policy.decimal ?? 'auto';
  // Every decimal of up to 15 digits survives the way to a double and back (IEEE 754).
  const always = precision <= 15;
  if (choice === 'string' || (choice === 'auto' && !always)) {
    const encode: Encode = (value, faults) =>
      typeof value === 'string' && DECIMAL.test(value) ? value : unexpected(faults);
    return { encode, form: `decimal text of scale ${scale}` };
  }
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'string' || !DECIMAL.test(value)) return unexpected(faults);
    const number = Number(value) + 0;
    if (!always && !denotes(number, value)) faults.note('decimalInexact');
    return number;
  };
  return { encode, form: 'number' };
}

/** Whether the shortest text of the double is the same decimal number. */
function denotes(number: number, text: string): boolean {
  const [digits, exponent] = significant(text);
  const [otherDigits, otherExponent] = significant(String(number));
  return digits === otherDigits && exponent === otherExponent;
}

/** Sign and digits without zeros at either end, and the power of ten of the last digit. */
function significant(text: string): [string, number] {
  const [mantissa = '', power = '0'] = text.split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const trimmed = digits.replace(/0+$/, '');
  if (trimmed === '') return ['0', 0];
  const exponent = Number(power) - fraction.length + (digits.length - trimmed.length);
  return [`${mantissa.startsWith('-') ? '-' : ''}${trimmed}`, exponent];
}

function binaryEncoding(policy: NonNullable<TypePolicy['binary']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (!(value instanceof Uint8Array)) return unexpected(faults);
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString(policy);
  };
  return { encode, form: policy };
}

const DATE = /^(?:\d{4}|[+-]\d{6,})-\d\d-\d\d$/;

function dateEncoding(policy: NonNullable<TypePolicy['date']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'string' || !DATE.test(value)) return unexpected(faults);
    if (policy === 'iso') return value;
    const days = Date.parse(value) / 86_400_000;
    if (!Number.isSafeInteger(days)) faults.note('timestampInexact');
    return days;
  };
  return { encode, form: policy === 'iso' ? 'date' : 'days' };
}

function timestampEncoding(policy: NonNullable<TypePolicy['timestamp']>): ValueEncoding {
  const isTimestamp = (value: Value): value is string => typeof value === 'string' && value.endsWith('Z');
  const form = `timestamp ${policy}`;
  if (policy === 'iso') return { encode: (value, faults) => (isTimestamp(value) ? value : unexpected(faults)), form };
  if (policy === 'iso7') {
    return { encode: (value, faults) => (isTimestamp(value) ? sevenDigits(value) : unexpected(faults)), form };
  }
  const unit = { epochMicros: 1, epochMillis: 1000, epochSeconds: 1_000_000 }[policy];
  const encode: Encode = (value, faults) => {
    if (!isTimestamp(value)) return unexpected(faults);
    // The last three of six digits are beyond what Date keeps.
    const micros = Date.parse(`${value.slice(0, -4)}Z`) * 1000 + Number(value.slice(-4, -1));
    if (!Number.isSafeInteger(micros) || micros % unit !== 0) faults.note('timestampInexact');
    return micros / unit + 0;
  };
  return { encode, form };
}

function timestampNtzEncoding(policy: NonNullable<TypePolicy['timestampNtz']>): ValueEncoding {
  const encode: Encode = (value, faults) => {
    if (typeof value !== 'string') return unexpected(faults);
    return policy === 'iso' ? value : sevenDigits(value);
  };
  return { encode, form: `timestamp_ntz ${policy}` };
}

/**
 * The form that Cosmos DB recommends for timestamps has seven digits after the second; Delta has six. With or without Z.
 */
export function sevenDigits(timestamp: string): string {
  return timestamp.endsWith('Z') ? `${timestamp.slice(0, -1)}0Z` : `${timestamp}0`;
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
      const encoded = encodeNullable(field.encode, row[field.name], faults);
      if (encoded !== null || !omit) object[field.name] = encoded;
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
        if (SURROGATE_ALONE.test(name)) faults.note('textMalformed');
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

/** Assigning `__proto__` would change the prototype instead of adding a field. */
function setField(object: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else object[name] = value;
}

function variantEncoding(policy: TypePolicy): ValueEncoding {
  const asText = policy.variant === 'string';
  const number = floatEncoding(policy.nonFinite ?? 'error').encode;
  const integer = longEncoding(policy.long === 'string' ? 'auto' : (policy.long ?? 'number')).encode;
  const walk = (json: VariantJson, faults: RowFaults, depth: number): JsonValue => {
    if (depth > MAX_DEPTH) {
      faults.note('nestedTooDeep');
      return null;
    }
    if (json === null || json === undefined || typeof json === 'boolean') return json ?? null;
    if (typeof json === 'number') return number(json, faults) ?? null;
    if (typeof json === 'bigint') return integer(json, faults) ?? null;
    if (typeof json === 'string') return encodeText(json, faults) ?? null;
    if (Array.isArray(json)) return (json as readonly VariantJson[]).map((item) => walk(item, faults, depth + 1));
    const object: Record<string, JsonValue> = {};
    for (const [name, item] of Object.entries(json as Readonly<Record<string, VariantJson>>)) {
      setField(object, name, walk(item, faults, depth + 1));
    }
    return object;
  };
  const encode: Encode = (value, faults) => {
    if (!(value instanceof Variant)) return unexpected(faults);
    const json = walk(value.json, faults, 0);
    return asText ? JSON.stringify(json) : json;
  };
  return { encode, form: asText ? 'variant text' : 'variant' };
}
