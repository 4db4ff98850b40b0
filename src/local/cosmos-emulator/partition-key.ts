/** Partition keys: the container's definition, values in headers and documents, the hash. */
import { effectivePartitionKey } from '../../documents/effective-partition-key.ts';
import { isJsonMap, shown, type Json, type JsonMap } from './json.ts';
import { Refusal, badRequest } from './refusal.ts';

/** One component: absent is undefined, which is not null. */
export type KeyValue = string | number | boolean | null | undefined;

/** A container's partition key, with its paths split into property names. */
export interface PartitionKeyDefinition {
  readonly paths: readonly (readonly string[])[];
  readonly kind: 'Hash' | 'MultiHash';
  readonly version: 1 | 2;
}

/** Bytes of a partition key value at most. Version 1 hashes only the first 100 characters but stores as much. */
const KEY_BYTES = 2048;
const MAX_LEVELS = 3;

/** Property names of a path such as `/a/"b c"/d`. */
export function pathNames(path: string): readonly string[] {
  const names: string[] = [];
  const pattern = /\/(?:"((?:[^"\\]|\\.)*)"|([^/]*))/gy;
  let end = 0;
  for (let match = pattern.exec(path); match !== null; match = pattern.exec(path)) {
    names.push(match[1] ?? match[2] ?? '');
    end = pattern.lastIndex;
    if (end === path.length) break;
  }
  if (end !== path.length || names.length === 0 || names.includes('')) {
    throw badRequest(`The path '${path}' is not a valid property path.`);
  }
  return names;
}

/** Reads `partitionKey` of a container definition, or 400. */
export function parsePartitionKeyDefinition(value: Json | undefined): PartitionKeyDefinition {
  if (!isJsonMap(value) || !Array.isArray(value['paths'])) {
    throw badRequest('The partition key definition needs an array of paths.');
  }
  const paths = value['paths'].map((path) => {
    if (typeof path !== 'string' || !path.startsWith('/')) {
      throw badRequest(
        `The partition key component definition path '${shown(path)}' could not be accepted, failed near position '0'. Partition key paths must start with '/'.`,
      );
    }
    return pathNames(path);
  });
  const kind = value['kind'] ?? (paths.length > 1 ? 'MultiHash' : 'Hash');
  if (kind !== 'Hash' && kind !== 'MultiHash') throw badRequest(`Unsupported partition key kind '${shown(kind)}'.`);
  if (kind === 'Hash' && paths.length !== 1) throw badRequest('A partition key of kind Hash has exactly one path.');
  if (paths.length === 0 || paths.length > MAX_LEVELS) {
    throw badRequest(`A partition key has 1 to ${MAX_LEVELS} paths.`);
  }
  const version = value['version'] ?? (kind === 'MultiHash' ? 2 : 1);
  if (version !== 1 && version !== 2) throw badRequest('The partition key version must be 1 or 2.');
  if (kind === 'MultiHash' && version !== 2) throw badRequest('A hierarchical partition key needs version 2.');
  return { paths, kind, version };
}

/** The values a document holds at the key's paths; other objects and arrays there are refused. */
export function extractKey(definition: PartitionKeyDefinition, document: JsonMap): KeyValue[] {
  return definition.paths.map((names) => {
    let value: Json | undefined = document;
    for (const name of names) {
      value = isJsonMap(value) && Object.hasOwn(value, name) ? value[name] : undefined;
    }
    if (typeof value !== 'object' || value === null) return value;
    // An empty object is how absence is written in keys, and means the same in a document.
    if (isJsonMap(value) && Object.keys(value).length === 0) return undefined;
    throw badRequest('The partition key value must be a string, number, boolean or null.', 1001);
  });
}

/** Canonical text of key values: JSON, `{}` for an absent one. */
export function keyText(values: readonly KeyValue[]): string {
  let text = '[';
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (i > 0) text += ',';
    text += value === undefined ? '{}' : JSON.stringify(value);
  }
  return `${text}]`;
}

/** Reads a key as requests carry it: a JSON array, `{}` for an absent value, `[]` for a container without a key of its own. */
export function parseKey(definition: PartitionKeyDefinition, text: string): KeyValue[] {
  const values = parseKeyPrefix(definition, text);
  if (values.length < definition.paths.length) {
    throw badRequest('Partition key provided either does not correspond to definition in the collection.', 1001);
  }
  return values;
}

/** The same, allowing fewer components than the key has levels (queries over a prefix). */
export function parseKeyPrefix(definition: PartitionKeyDefinition, text: string): KeyValue[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw badRequest('Partition key is not valid JSON.');
  }
  if (!Array.isArray(parsed)) throw badRequest('Partition key is not a JSON array.');
  const values = parsed.map((value: unknown): KeyValue => {
    if (typeof value !== 'object' || value === null) return value as KeyValue;
    if (Array.isArray(value) || Object.keys(value).length > 0) {
      throw badRequest('The partition key value must be a string, number, boolean or null.', 1001);
    }
    return undefined;
  });
  if (values.length > definition.paths.length) {
    throw badRequest('Partition key provided either does not correspond to definition in the collection.', 1001);
  }
  if (values.length === 0) values.push(undefined);
  return values;
}

/** Refuses values longer than the service stores. */
export function checkKeySize(values: readonly KeyValue[]): void {
  let bytes = 0;
  for (const value of values) {
    if (typeof value === 'string') bytes += value.length * 3 <= KEY_BYTES ? 0 : Buffer.byteLength(value);
  }
  if (bytes > KEY_BYTES) throw new Refusal(400, `Partition key value is larger than the limit of ${KEY_BYTES} bytes.`);
}

/** Effective partition key of the values: upper-case hex; a prefix of them gives the prefix of the documents' keys. */
export function hashKey(definition: PartitionKeyDefinition, values: readonly KeyValue[]): string {
  return effectivePartitionKey(values, { kind: definition.kind, version: definition.version });
}
