/** The change feed of all versions and deletes: every write since a number, as far back as the container's policy keeps them. */
import type { Change } from './change-history.ts';
import type { FeedEntry } from './change-feed.ts';
import type { Container } from './container.ts';
import { sweep } from './document-operations.ts';
import { resourceText } from './document.ts';
import type { Json, JsonMap } from './json.ts';
import type { Partition } from './partition.ts';
import type { QueryScope } from './query-scope.ts';
import { badRequest } from './refusal.ts';
import { writeContext, type Service } from './service.ts';

/** The changes after a number of the partition's log; undefined stands for the beginning, which this mode does not have. */
export function allVersions(
  service: Service,
  container: Container,
  partition: Partition,
  scope: QueryScope,
  after: number | undefined,
  now: number,
): readonly FeedEntry[] {
  if (partition.history === undefined) {
    throw badRequest('The container keeps no versions: its changeFeedPolicy has no retentionDuration.');
  }
  // Documents whose time has run out are deleted when somebody asks; a reader of deletes does.
  if (container.definition.defaultTtl !== undefined) {
    sweep(writeContext(service), container, partition, undefined);
  }
  const changes = after === undefined ? undefined : partition.history.since(after, now);
  if (changes === undefined) {
    throw badRequest('You must read the change feed from within the retention period.');
  }
  return changes.flatMap((change) => {
    const item = change.after ?? change.before;
    if (item === undefined || (scope.pk !== undefined && item.pk !== scope.pk)) return [];
    if (scope.includes !== undefined && !scope.includes(item)) return [];
    return [{ lsn: change.lsn, size: item.size, text: () => changeText(container, change) }];
  });
}

/** The version written, or the one deleted: the one that a replace found is not given, as the service does by default. */
function changeText(container: Container, change: Change): string {
  const { before, after } = change;
  const metadata: JsonMap = {
    operationType: after === undefined ? 'delete' : before === undefined ? 'create' : 'replace',
    lsn: change.lsn,
    crts: Math.floor(change.time / 1000),
    ...(before === undefined ? {} : { previousImageLSN: before.lsn }),
  };
  if (after !== undefined) {
    return `{"current":${resourceText(container, after)},"metadata":${JSON.stringify(metadata)}}`;
  }
  if (before === undefined) return 'null';
  const deleted = {
    ...metadata,
    id: before.id,
    partitionKey: keyNames(container, before.pk),
    timeToLiveExpired: change.expired,
  };
  return `{"current":null,"previous":${resourceText(container, before)},"metadata":${JSON.stringify(deleted)}}`;
}

/** The values of a partition key by their paths, without those that the document did not have. */
function keyNames(container: Container, pk: string): JsonMap {
  const values = JSON.parse(pk) as readonly Json[];
  const names: JsonMap = {};
  container.definition.partitionKey.paths.forEach((path, i) => {
    const value = values[i];
    if (value !== undefined && (typeof value !== 'object' || value === null)) names[path.join('/')] = value;
  });
  return names;
}
