/** How much memory a document takes, roughly: for bounds, not for bills. */
import type { JsonObject, JsonValue } from '../documents/document.ts';

const VALUE_BYTES = 16;
const CONTAINER_BYTES = 48;

/** Bytes on the heap. Names count as if they were shared with other documents, strings as if they were not. */
export function documentBytes(value: JsonValue): number {
  if (typeof value === 'string') return VALUE_BYTES + value.length;
  if (typeof value !== 'object' || value === null) return VALUE_BYTES;
  let bytes = CONTAINER_BYTES;
  const items = Array.isArray(value) ? (value as readonly JsonValue[]) : Object.values(value as JsonObject);
  for (const item of items) bytes += documentBytes(item);
  return bytes;
}
