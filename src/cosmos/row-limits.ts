/**
 * What Cosmos DB refuses of a row for good, found before it is sent: one such row would make the service refuse the whole
 * batch it travels in. Limits: "Azure Cosmos DB service quotas", per-item and key limits.
 */
import type { Identity, JsonObject, JsonValue, PartitionKeyValue } from '../documents/document.ts';
import type { PartitionKeyHashing } from '../documents/effective-partition-key.ts';

/** Why a row cannot be written. Codes are a contract: they appear in dead letters. */
export type RowProblem =
  | 'idEmpty'
  | 'idTooLong'
  | 'idForbiddenCharacter'
  | 'idNotUnicode'
  | 'idDiffers'
  | 'partitionKeyTooLong'
  | 'partitionKeyLevels'
  | 'partitionKeyNotUnicode'
  | 'partitionKeyNotFinite'
  | 'documentTooLarge'
  | 'nestedTooDeep'
  | 'tooManyPatchSteps';

const MAX_ID_BYTES = 1_023;
const MAX_KEY_BYTES = 2_048;
const MAX_KEY_BYTES_V1 = 101;
const MAX_NESTING = 128;
/** Half of a character outside the basic plane: UTF-8 cannot carry it. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Bytes of a document's JSON text (UTF-8). */
export const MAX_DOCUMENT_BYTES = 2 * 1024 * 1024;
/** Steps of one patch. */
export const MAX_PATCH_STEPS = 10;

/** What is wrong with an identity, if anything. `levels` is the number of key paths of the container. */
export function checkIdentity(
  identity: Identity,
  hashing: PartitionKeyHashing,
  levels: number,
): RowProblem | undefined {
  return checkId(identity.id) ?? checkKey(identity.partitionKey, hashing, levels);
}

function checkId(id: string): RowProblem | undefined {
  if (id === '') return 'idEmpty';
  if (/[/\\?#]/.test(id)) return 'idForbiddenCharacter';
  if (LONE_SURROGATE.test(id)) return 'idNotUnicode';
  return utf8Longer(id, MAX_ID_BYTES) ? 'idTooLong' : undefined;
}

function checkKey(
  values: readonly PartitionKeyValue[],
  hashing: PartitionKeyHashing,
  levels: number,
): RowProblem | undefined {
  if (values.length !== levels) return 'partitionKeyLevels';
  const limit = hashing.version === 1 && hashing.kind === 'Hash' ? MAX_KEY_BYTES_V1 : MAX_KEY_BYTES;
  let bytes = 0;
  for (const value of values) {
    if (typeof value === 'number' && !Number.isFinite(value)) return 'partitionKeyNotFinite';
    if (typeof value !== 'string') continue;
    if (LONE_SURROGATE.test(value)) return 'partitionKeyNotUnicode';
    bytes += value.length <= limit ? Buffer.byteLength(value) : value.length;
  }
  return bytes > limit ? 'partitionKeyTooLong' : undefined;
}

function utf8Longer(text: string, limit: number): boolean {
  return text.length > limit || (text.length * 3 > limit && Buffer.byteLength(text) > limit);
}

/** What is wrong with a document, if anything, apart from its size. */
export function checkDocument(document: JsonObject, identity: Identity): RowProblem | undefined {
  if (document['id'] !== identity.id) return 'idDiffers';
  return isDeeperThan(document, MAX_NESTING) ? 'nestedTooDeep' : undefined;
}

/** True when objects and arrays nest more than `levels` deep, the outermost being the first. Never recurses deeper. */
function isDeeperThan(value: JsonValue, levels: number): boolean {
  if (value === null || typeof value !== 'object') return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) if (isDeeperThan(item, levels - 1)) return true;
    return false;
  }
  const object = value as JsonObject;
  for (const name in object) {
    const field = object[name];
    if (typeof field === 'object' && isDeeperThan(field, levels - 1)) return true;
  }
  return false;
}
