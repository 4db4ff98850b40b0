/** The change feed: documents of a range in the order of their last writes, or every write. */
import { Admission } from './admission.ts';
import { allVersions } from './all-versions.ts';
import type { Container } from './container.ts';
import { resourceText } from './document.ts';
import type { Partition } from './partition.ts';
import { queryScope, type QueryScope } from './query-scope.ts';
import { header, numberHeader, type Answer, type CosmosRequest } from './request.ts';
import { Refusal, badRequest } from './refusal.ts';
import { roundCharge } from './request-units.ts';
import { sessionHeaders, type Service } from './service.ts';

const DEFAULT_PAGE = 1000;
const MAX_PAGE_CHARACTERS = 4 * 1024 * 1024;

/** One change of a feed. */
export interface FeedEntry {
  /** Number of the write in its partition. */
  readonly lsn: number;
  /** Bytes of the document. */
  readonly size: number;
  /** JSON text given out. */
  text(): string;
}

/** `GET …/docs` with `A-IM`. The etag is the number of the last write seen. */
export function handleChangeFeed(service: Service, request: CosmosRequest): Answer {
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const scope = queryScope(request, container);
  const [partition] = scope.partitions;
  if (partition === undefined || scope.partitions.length > 1) {
    throw new Refusal(410, 'The feed range spans several partitions.', 1002);
  }
  const now = service.now();
  const admission = new Admission(service.account, container, partition, request);
  admission.check(now);
  const limit = pageSize(request);
  const { after, from } = startOf(request, partition.lsn);
  const entries = isAllVersions(request)
    ? allVersions(service, container, partition, scope, from === undefined ? after : undefined, now)
    : latestVersions(container, partition, scope, after ?? 0, from ?? 0, now);
  const texts: string[] = [];
  let characters = 0;
  let last = partition.lsn;
  let charge = service.model.query;
  for (const entry of entries) {
    if (texts.length >= limit || characters >= MAX_PAGE_CHARACTERS) break;
    const text = entry.text();
    texts.push(text);
    characters += text.length;
    charge += service.model.read(entry.size) / 10;
    last = entry.lsn;
  }
  charge = roundCharge(charge);
  admission.spend(charge, now);
  service.counters.served({ database: container.place.database, container: container.id, rangeId: partition.id }, now, {
    requests: 1,
    operations: 1,
    requestUnits: charge,
    throttled: 0,
  });
  const headers = {
    // Nothing found: everything up to the partition's last write has been seen.
    etag: `"${texts.length === 0 ? partition.lsn : last}"`,
    'x-ms-item-count': String(texts.length),
    ...sessionHeaders(container, [partition]),
    lsn: String(partition.lsn),
    'x-ms-documentdb-partitionkeyrangeid': partition.id,
  };
  if (texts.length === 0) return { status: 304, charge, headers };
  return {
    status: 200,
    charge,
    headers,
    body: `{"_rid":"${container.rid}","Documents":[${texts.join(',')}],"_count":${texts.length}}`,
  };
}

function isAllVersions(request: CosmosRequest): boolean {
  const mode = header(request, 'a-im')?.toLowerCase() ?? '';
  if (mode.startsWith('incremental')) return false;
  if (mode === 'full-fidelity feed') return true;
  throw badRequest(`The change feed mode '${mode}' is not known.`);
}

/** Live documents in the order of their last writes. */
function* latestVersions(
  container: Container,
  partition: Partition,
  scope: QueryScope,
  after: number,
  from: number,
  now: number,
): Generator<FeedEntry> {
  for (const item of partition.since(after)) {
    if (item.time < from || !container.visible(item, now)) continue;
    if (scope.pk !== undefined && item.pk !== scope.pk) continue;
    if (scope.includes !== undefined && !scope.includes(item)) continue;
    const { lsn, size } = item;
    yield { lsn, size, text: () => resourceText(container, item, `,"_lsn":${lsn}`) };
  }
}

/** Where the feed begins: after a write number, or at a time in milliseconds; at the beginning without either. */
function startOf(request: CosmosRequest, last: number): { readonly after?: number; readonly from?: number } {
  const etag = header(request, 'if-none-match');
  const since = header(request, 'if-modified-since');
  if (etag === '*') return { after: last };
  if (etag !== undefined && etag !== '') {
    const number = Number(etag.replaceAll('"', ''));
    if (!Number.isSafeInteger(number) || number < 0)
      throw badRequest('The continuation of the change feed is not valid.');
    return { after: number };
  }
  if (since === undefined) return {};
  const from = Date.parse(since);
  if (Number.isNaN(from)) throw badRequest('The start time of the change feed is not valid.');
  return { from };
}

function pageSize(request: CosmosRequest): number {
  const asked = numberHeader(request, 'x-ms-max-item-count') ?? -1;
  if (asked === -1) return DEFAULT_PAGE;
  if (asked < 1) throw badRequest('The page size must be positive, or -1.');
  return asked;
}
