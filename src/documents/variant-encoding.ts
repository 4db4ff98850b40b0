/** Encoding of variant. */
import type { TypePolicy } from '../config/sync-configuration.ts';
import { Variant, type VariantJson } from '../delta/schema.ts';
import type { JsonValue } from './document.ts';
import { type Encode, encodeText, MAX_DEPTH, setField, unexpected, type ValueEncoding } from './encoding.ts';
import { floatEncoding, longEncoding } from './number-encoding.ts';
import type { RowFaults } from './rejection.ts';

/** Variants: JSON already, apart from large integers, NaN and depth. */
export function variantEncoding(policy: TypePolicy): ValueEncoding {
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
