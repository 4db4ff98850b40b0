/** When two documents are equal, and the text by which that can be checked at a distance. */
import type { JsonObject, JsonValue } from './document.ts';
import { SYSTEM_FIELDS } from './field-layout.ts';

/** Equal as JSON: the order of names does not matter, numbers are compared exactly. */
export function sameDocument(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item: JsonValue, index) => sameDocument(item, b[index] as JsonValue));
  }
  const left = a as JsonObject;
  const right = b as JsonObject;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => Object.hasOwn(right, name) && sameDocument(left[name], right[name]));
}

/** JSON text with names in code unit order: equal documents have equal text. */
export function documentText(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(documentText).join(',')}]`;
  const object = value as JsonObject;
  const fields = Object.keys(object)
    .toSorted()
    .map((name) => `${JSON.stringify(name)}:${documentText(object[name] ?? null)}`);
  return `{${fields.join(',')}}`;
}

/** A stored document without what Cosmos DB adds, and without further top-level fields that do not count. */
export function withoutFields(document: JsonObject, ignored: readonly string[] = []): JsonObject {
  return Object.fromEntries(
    Object.entries(document).filter(([name]) => !SYSTEM_FIELDS.includes(name) && !ignored.includes(name)),
  );
}

/** Top-level fields in which two documents differ; absent and null are different. */
export function differingFields(a: JsonObject, b: JsonObject): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => {
    const inBoth = Object.hasOwn(a, name) && Object.hasOwn(b, name);
    return !inBoth || !sameDocument(a[name], b[name]);
  });
}
