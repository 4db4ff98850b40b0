/** Which part of a container a query or a change feed reads. */
import type { Container } from './container.ts';
import type { Item } from './item.ts';
import type { Partition } from './partition.ts';
import { checkKeySize, keyText, parseKeyPrefix } from './partition-key.ts';
import { header, type CosmosRequest } from './request.ts';

export interface QueryScope {
  /** Physical partitions in question, in key order. */
  readonly partitions: readonly Partition[];
  /** A whole logical partition, by the canonical text of its key. */
  readonly pk: string | undefined;
  /** True for documents inside; undefined when every one in the partitions is. */
  readonly includes: ((item: Item) => boolean) | undefined;
}

/** Reads the scope from the headers: a partition key or prefix, a range id, bounds of effective partition keys. */
export function queryScope(request: CosmosRequest, container: Container): QueryScope {
  const key = header(request, 'x-ms-documentdb-partitionkey');
  if (key !== undefined) return keyScope(container, key);
  const rangeId = header(request, 'x-ms-documentdb-partitionkeyrangeid');
  const start = header(request, 'x-ms-start-epk');
  const end = header(request, 'x-ms-end-epk');
  const within = rangeId === undefined || rangeId === '' ? container.partitions : [container.partition(rangeId)];
  if (start === undefined && end === undefined) return { partitions: within, pk: undefined, includes: undefined };
  const low = start ?? '';
  const high = end ?? 'FF';
  return {
    partitions: within.filter((partition) => partition.min < high && partition.max > low),
    pk: undefined,
    includes: (item) => item.epk >= low && item.epk < high,
  };
}

function keyScope(container: Container, text: string): QueryScope {
  const definition = container.definition.partitionKey;
  const values = parseKeyPrefix(definition, text);
  checkKeySize(values);
  const epk = container.hash(values);
  if (values.length === definition.paths.length) {
    return { partitions: [container.route(epk)], pk: keyText(values), includes: undefined };
  }
  return {
    partitions: container.partitions.filter((partition) => partition.min < `${epk}FF` && partition.max > epk),
    pk: undefined,
    includes: (item) => item.epk.startsWith(epk),
  };
}

/** Number of documents of one partition in the scope; at once when it is all of them. */
export function countIn(container: Container, scope: QueryScope, partition: Partition, now: () => number): number {
  const whole = scope.pk === undefined && scope.includes === undefined && container.definition.defaultTtl === undefined;
  if (whole) return partition.count;
  let count = 0;
  for (const _ of documentsIn(container, scope, partition, now)) count++;
  return count;
}

/** The documents of one partition in the scope that have not expired, in order of creation. */
export function* documentsIn(
  container: Container,
  scope: QueryScope,
  partition: Partition,
  now: () => number,
): Generator<Item> {
  const items = scope.pk === undefined ? partition.all() : partition.ofKey(scope.pk);
  for (const item of items) {
    if (scope.includes !== undefined && !scope.includes(item)) continue;
    // Most containers let nothing expire, and the clock is not asked for every document then.
    if (container.definition.defaultTtl === undefined || container.visible(item, now())) yield item;
  }
}
