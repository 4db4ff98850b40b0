/** What a container is created or replaced with: checked, completed, and put into the form the data path uses. */
import { completeIndexingPolicy, termCounter, type TermCounter } from './indexing-policy.ts';
import { isJsonMap, type Json, type JsonMap } from './json.ts';
import { checkSameVectors, checkVectorIndexes, distanceFunctions } from './vector-policy.ts';
import { parsePartitionKeyDefinition, pathNames, type PartitionKeyDefinition } from './partition-key.ts';
import { parseComputedProperties } from './query/computed-properties.ts';
import type { ComputedProperties } from './query/scope.ts';
import { checkSpatialIndexes, completeGeospatialConfig } from './spatial-policy.ts';
import { Refusal, badRequest } from './refusal.ts';

/** A container's settings. */
export interface ContainerDefinition {
  readonly id: string;
  readonly partitionKey: PartitionKeyDefinition;
  /** Seconds; -1 on without a default, undefined off. */
  readonly defaultTtl: number | undefined;
  /** Each key as the property names of its paths. */
  readonly uniqueKeys: readonly (readonly (readonly string[])[])[];
  readonly terms: TermCounter;
  /** Milliseconds every version is kept for the change feed; undefined keeps none. */
  readonly versionRetention: number | undefined;
  readonly computed: ComputedProperties;
  /** Measures of VectorDistance by the path of the embedding. */
  readonly distanceFunctions: ReadonlyMap<string, string>;
  /** The definition as it is given out, without system properties. */
  readonly properties: JsonMap;
}

const MAX_TTL = 2 ** 31 - 1;
const MAX_ID_CHARACTERS = 255;
const SYSTEM_PROPERTIES = new Set([
  '_rid',
  '_self',
  '_etag',
  '_ts',
  '_docs',
  '_sprocs',
  '_triggers',
  '_udfs',
  '_conflicts',
  '_colls',
  '_users',
]);

/** Checks the id of a database or container. */
export function checkResourceId(id: Json | undefined): string {
  if (typeof id !== 'string' || id === '') {
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  }
  if (/[/\\?#]/.test(id)) throw badRequest('The id contains one of the characters / \\ ? #, which are not allowed.');
  if (id.endsWith(' ')) throw badRequest('The id ends with a space.');
  if (id.length > MAX_ID_CHARACTERS) throw badRequest(`The id is longer than ${MAX_ID_CHARACTERS} characters.`);
  return id;
}

/** Checks `ttl` or `defaultTtl`: -1 or a positive 32-bit integer. */
export function checkTtl(value: Json | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value <= MAX_TTL && (value === -1 || value > 0)) {
    return value;
  }
  throw badRequest(`The input ${name} is invalid. Ensure to provide a nonzero positive integer or -1.`);
}

/** Completes the definition of a new container. */
export function parseContainerDefinition(body: JsonMap): ContainerDefinition {
  const id = checkResourceId(body['id']);
  const given: JsonMap = {};
  for (const [name, value] of Object.entries(body)) if (!SYSTEM_PROPERTIES.has(name)) given[name] = value;
  const partitionKeyJson = given['partitionKey'] ?? { paths: ['/_partitionKey'], kind: 'Hash', systemKey: true };
  const partitionKey = parsePartitionKeyDefinition(partitionKeyJson);
  const defaultTtl = checkTtl(given['defaultTtl'], 'defaultTtl');
  const indexingPolicy = completeIndexingPolicy(given['indexingPolicy']);
  const uniqueKeys = parseUniqueKeys(given['uniqueKeyPolicy']);
  checkVectorIndexes(indexingPolicy, given['vectorEmbeddingPolicy']);
  const geospatialConfig = completeGeospatialConfig(given['geospatialConfig']);
  checkSpatialIndexes(indexingPolicy, geospatialConfig);
  return {
    id,
    partitionKey,
    defaultTtl,
    uniqueKeys,
    terms: termCounter(indexingPolicy),
    versionRetention: parseRetention(given['changeFeedPolicy']),
    computed: parseComputedProperties(given['computedProperties']),
    distanceFunctions: distanceFunctions(given['vectorEmbeddingPolicy']),
    properties: {
      ...given,
      indexingPolicy,
      partitionKey: { kind: partitionKey.kind, ...(isJsonMap(partitionKeyJson) ? partitionKeyJson : {}) },
      conflictResolutionPolicy: given['conflictResolutionPolicy'] ?? {
        mode: 'LastWriterWins',
        conflictResolutionPath: '/_ts',
        conflictResolutionProcedure: '',
      },
      geospatialConfig,
    },
  };
}

function parseUniqueKeys(policy: Json | undefined): ContainerDefinition['uniqueKeys'] {
  if (policy === undefined || policy === null) return [];
  const keys = isJsonMap(policy) ? (policy['uniqueKeys'] ?? []) : undefined;
  if (!Array.isArray(keys)) throw badRequest('The unique key policy is not valid.');
  return keys.map((key) => {
    const paths = isJsonMap(key) ? key['paths'] : undefined;
    if (!Array.isArray(paths) || paths.length === 0) throw badRequest('A unique key needs paths.');
    return paths.map((path) => {
      if (typeof path !== 'string' || !path.startsWith('/')) throw badRequest('A unique key path is not valid.');
      return pathNames(path);
    });
  });
}

/** `retentionDuration` of a change feed policy, which is in minutes. */
function parseRetention(policy: Json | undefined): number | undefined {
  if (policy === undefined || policy === null) return undefined;
  const minutes = isJsonMap(policy) ? (policy['retentionDuration'] ?? 0) : undefined;
  if (typeof minutes !== 'number' || !Number.isInteger(minutes) || minutes < 0 || minutes > MAX_TTL) {
    throw badRequest('The retentionDuration of the change feed policy must be a whole number of minutes.');
  }
  return minutes === 0 ? undefined : minutes * 60_000;
}

/** The definition after a replace: id, partition key and unique keys cannot change. */
export function replaceContainerDefinition(current: ContainerDefinition, body: JsonMap): ContainerDefinition {
  if (body['id'] !== current.id) {
    throw new Refusal(400, 'Message: {"Errors":["The id of a container cannot be changed."]}');
  }
  const next = parseContainerDefinition({
    ...body,
    partitionKey: body['partitionKey'] ?? current.properties['partitionKey'],
    uniqueKeyPolicy: body['uniqueKeyPolicy'] ?? current.properties['uniqueKeyPolicy'],
    vectorEmbeddingPolicy: body['vectorEmbeddingPolicy'] ?? current.properties['vectorEmbeddingPolicy'],
  });
  checkSameVectors(current.properties, next.properties);
  if (JSON.stringify(next.partitionKey) !== JSON.stringify(current.partitionKey)) {
    throw badRequest('Document collection partition key cannot be changed.');
  }
  if (JSON.stringify(next.uniqueKeys) !== JSON.stringify(current.uniqueKeys)) {
    throw badRequest('The unique key policy of a container cannot be changed.');
  }
  return next;
}
