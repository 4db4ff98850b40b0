/**
 * Types and values of rows. A type is a Delta type (the protocol's schema JSON, parsed); a row is a plain object keyed
 * by column name whose values have exactly one representation per type. It lives in the lowest layer that makes values.
 */

/** Primitive type names of the protocol (Schema Serialization Format). `decimal` is separate because it has parameters. */
export type PrimitiveName =
  | 'string'
  | 'long'
  | 'integer'
  | 'short'
  | 'byte'
  | 'float'
  | 'double'
  | 'boolean'
  | 'binary'
  | 'date'
  | 'timestamp'
  | 'timestamp_ntz'
  | 'void'
  | 'variant';

export type DataType =
  | { readonly kind: 'primitive'; readonly name: PrimitiveName }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | StructType
  | { readonly kind: 'array'; readonly element: DataType; readonly containsNull: boolean }
  | { readonly kind: 'map'; readonly key: DataType; readonly value: DataType; readonly valueContainsNull: boolean };

export interface StructType {
  readonly kind: 'struct';
  readonly fields: readonly StructField[];
}

export interface StructField {
  /** Logical name. */
  readonly name: string;
  readonly type: DataType;
  readonly nullable: boolean;
  /** The field's metadata object, values as in the log (column mapping id and physical name, type changes, …). */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * A value of a row:
 * - null for SQL null, never undefined
 * - boolean; byte, short, integer: number
 * - long: number when it is a safe integer, otherwise bigint
 * - float (widened to double), double: number, NaN and infinities included
 * - decimal: text with the type's full scale, "-0.50"
 * - string: string; binary: Uint8Array
 * - date: "YYYY-MM-DD"; timestamp: "YYYY-MM-DDTHH:MM:SS.ffffffZ"; timestamp_ntz: the same without Z. Years outside 0000-9999
 *   are written with a sign and at least 6 digits, as in ECMAScript's expanded years
 * - struct: Row; array: array; map: array of [key, value] pairs in file order
 * - variant: JsonValue
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | readonly (readonly [Value, Value])[]
  | Variant
  | Row;

/** A row, or a struct value: an object with every field of its type. Never has inherited keys that matter. */
export interface Row {
  readonly [column: string]: Value;
}

/** A variant's value. Integers beyond 2^53 are bigint, decimals text-exact numbers only when a double holds them, else text. */
export class Variant {
  readonly json: VariantJson;
  constructor(json: VariantJson) {
    this.json = json;
  }
}

export type VariantJson =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly VariantJson[]
  | { readonly [key: string]: VariantJson };
