/**
 * Rows as JSON text, lossless: long beyond ±2^53 and decimals as text, binary as base64, NaN and infinities as text, maps as
 * arrays of pairs, timestamps in microseconds. One compiled encoder per schema.
 */
import { stringifyJson } from '../shared/json.ts';
import { Variant, type DataType, type Row, type StructField, type Value } from '../delta/schema.ts';

type Encode = (value: Value) => string;

function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** Largest magnitude up to which a double holds every integer. */
const TWO_53 = 2n ** 53n;

function longText(value: bigint): string {
  return value >= -TWO_53 && value <= TWO_53 ? String(value) : `"${value}"`;
}

const plain: Encode = (value) => {
  if (typeof value === 'number') return numberText(value);
  return typeof value === 'bigint' ? longText(value) : JSON.stringify(value);
};

const binary: Encode = (value) => {
  const bytes = value as Uint8Array;
  return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`;
};

const variant: Encode = (value) => stringifyJson(value instanceof Variant ? value.json : value);

function encoder(type: DataType): Encode {
  const encode = valueEncoder(type);
  return (value) => (value === null || value === undefined ? 'null' : encode(value));
}

function valueEncoder(type: DataType): Encode {
  switch (type.kind) {
    case 'decimal':
      return plain;
    case 'primitive':
      return type.name === 'binary' ? binary : type.name === 'variant' ? variant : plain;
    case 'struct': {
      const encode = rowEncoder(type.fields);
      return (value) => encode(value as Row);
    }
    case 'array': {
      const encode = encoder(type.element);
      return (value) => `[${(value as readonly Value[]).map(encode).join(',')}]`;
    }
    case 'map': {
      const key = encoder(type.key);
      const item = encoder(type.value);
      const pair = ([k, v]: readonly [Value, Value]): string => `[${key(k)},${item(v)}]`;
      return (value) => `[${(value as readonly (readonly [Value, Value])[]).map(pair).join(',')}]`;
    }
  }
}

/** Compiles the text of rows with these columns, in this order. */
export function rowEncoder(fields: readonly StructField[]): (row: Row) => string {
  const columns = fields.map((field, i) => ({
    name: field.name,
    key: `${i === 0 ? '' : ','}${JSON.stringify(field.name)}:`,
    encode: encoder(field.type),
  }));
  return (row) => {
    let text = '{';
    for (const { name, key, encode } of columns) text += key + encode(row[name] ?? null);
    return `${text}}`;
  };
}

const LINE_ENDS = /[\u0085\u2028\u2029]/g;
// oxlint-disable-next-line no-control-regex -- control characters are what is to be escaped
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * JSON lines in which no text holds what some readers take for the end of a line (Node's readline, Python's splitlines):
 * the Unicode line ends that JSON leaves as they are become escapes.
 */
export function lineSafe(text: string): string {
  return text.replace(LINE_ENDS, escaped);
}

/** A line for people: names from a table cannot end it or control their terminal. */
export function printable(line: string): string {
  return line.replace(CONTROLS, escaped);
}

/** A type as `inspect --json` shows it: a name, or `{struct: [[name, type]…]}`, `{array: type}`, `{map: [key, value]}`. */
export type TypeJson =
  | string
  | { readonly struct: readonly (readonly [string, TypeJson])[] }
  | { readonly array: TypeJson }
  | { readonly map: readonly [TypeJson, TypeJson] };

/** The columns of a schema as `inspect --json` shows them. */
export function schemaJson(fields: readonly StructField[]): readonly (readonly [string, TypeJson])[] {
  return fields.map((field) => [field.name, typeJson(field.type)] as const);
}

function typeJson(type: DataType): TypeJson {
  switch (type.kind) {
    case 'primitive':
      return type.name;
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`;
    case 'struct':
      return { struct: schemaJson(type.fields) };
    case 'array':
      return { array: typeJson(type.element) };
    case 'map':
      return { map: [typeJson(type.key), typeJson(type.value)] };
  }
}

/** Milliseconds since 1970 in the form of timestamp columns. */
export function timestampText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
