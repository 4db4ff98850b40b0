/** Documents as they come back from the service. */
import type { Identity, JsonObject, JsonValue, PartitionKeyValue } from '../documents/document.ts';
import { effectivePartitionKey, type PartitionKeyHashing } from '../documents/effective-partition-key.ts';
import type { StoredDocument } from '../sync/document-writer.ts';

/** What the service adds to every document. */
const SYSTEM_PROPERTIES: ReadonlySet<string> = new Set(['_rid', '_self', '_etag', '_attachments', '_ts', '_lsn']);

/** A document of the service without its system properties, under this identity. */
export function storedDocument(raw: JsonObject, identity: Identity): StoredDocument {
  const document: Record<string, JsonValue> = {};
  for (const name in raw) {
    const value = raw[name];
    if (value !== undefined && !SYSTEM_PROPERTIES.has(name)) document[name] = value;
  }
  const etag = raw['_etag'];
  return { identity, etag: typeof etag === 'string' ? etag : '', document };
}

/** The identity of a document that was found by a query. */
export function identityOf(
  raw: JsonObject,
  keyPaths: readonly (readonly string[])[],
  hashing: PartitionKeyHashing,
): Identity {
  const partitionKey = keyPaths.map((path) => valueAt(raw, path));
  const id = raw['id'];
  return {
    id: typeof id === 'string' ? id : '',
    partitionKey,
    epk: effectivePartitionKey(partitionKey, hashing),
  };
}

/** The names in a key path: `/a/b`, or `/"a name"/b` when a name has other characters. */
export function keyPathNames(path: string): readonly string[] {
  const names: string[] = [];
  for (const match of path.matchAll(/\/(?:"((?:[^"\\]|\\.)*)"|([^/"]*))/g)) {
    names.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll(/\\(.)/g, '$1'));
  }
  return names;
}

function valueAt(document: JsonObject, path: readonly string[]): PartitionKeyValue {
  let value: JsonValue | undefined = document;
  for (const name of path) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, name) ? (value as JsonObject)[name] : undefined;
    if (value === undefined) return undefined;
  }
  return value === null || typeof value !== 'object' ? value : undefined;
}
