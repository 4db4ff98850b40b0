/** Vector indexes of a container: the emulator keeps their settings and checks that they fit together. */
import { isJsonMap, shown, type Json, type JsonMap } from './json.ts';
import { Refusal, badRequest } from './refusal.ts';

const INDEX_TYPES: ReadonlySet<unknown> = new Set(['flat', 'quantizedFlat', 'diskANN']);

/** Each index names its kind and a path of the embedding policy; embeddings have a positive number of dimensions. */
export function checkVectorIndexes(indexingPolicy: JsonMap, embeddingPolicy: Json | undefined): void {
  const embeddings = entries(isJsonMap(embeddingPolicy) ? embeddingPolicy['vectorEmbeddings'] : undefined);
  for (const { dimensions } of embeddings) {
    if (typeof dimensions !== 'number' || !Number.isInteger(dimensions) || dimensions < 1) {
      throw refusal(
        `The Vector Embedding Policy has invalid Dimensions:${shown(dimensions)}, it should be positive integer.`,
      );
    }
  }
  const paths = new Set(embeddings.map((embedding) => embedding['path']));
  for (const { path, type } of entries(indexingPolicy['vectorIndexes'])) {
    if (!paths.has(path)) {
      throw refusal(`The Vector Indexing Policy's path::${shown(path)} not matching in Embedding's path.`);
    }
    if (!INDEX_TYPES.has(type)) throw refusal(`The Vector Indexing Policy has the unknown type ${shown(type)}.`);
  }
}

/** The measure of each embedding, by its path. */
export function distanceFunctions(embeddingPolicy: Json | undefined): ReadonlyMap<string, string> {
  const embeddings = entries(isJsonMap(embeddingPolicy) ? embeddingPolicy['vectorEmbeddings'] : undefined);
  return new Map(embeddings.map(({ path, distanceFunction }) => [shown(path), shown(distanceFunction ?? 'cosine')]));
}

/** A replaced container keeps the vector indexes and embeddings it has; it may add some. */
export function checkSameVectors(before: JsonMap, after: JsonMap): void {
  const lists = (properties: JsonMap): readonly (readonly JsonMap[])[] =>
    (
      [
        ['indexingPolicy', 'vectorIndexes'],
        ['vectorEmbeddingPolicy', 'vectorEmbeddings'],
      ] as const
    ).map(([of, list]) => {
      const policy = properties[of];
      return entries(isJsonMap(policy) ? policy[list] : undefined);
    });
  const kept = lists(after).map((list) => new Set(list.map((entry) => JSON.stringify(entry))));
  lists(before).forEach((list, i) => {
    if (!list.every((entry) => kept[i]?.has(JSON.stringify(entry)))) {
      throw refusal('Vector Indexing Policy cannot be changed in Collection Replace.');
    }
  });
}

function entries(list: Json | undefined): readonly JsonMap[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list) || !list.every(isJsonMap)) throw badRequest('A list of vector settings is not valid.');
  return list;
}

/** The service writes solidi escaped. */
function refusal(message: string): Refusal {
  return new Refusal(400, `Message: {"Errors":[${JSON.stringify(message).replaceAll('/', '\\/')}]}`);
}
