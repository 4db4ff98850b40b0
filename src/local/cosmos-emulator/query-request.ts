/** Queries over documents and the plain feed of all of them. */
import { Admission } from './admission.ts';
import { checkCompositeIndex } from './composite-index.ts';
import type { Container } from './container.ts';
import { decodePosition } from './continuation.ts';
import { documentReader, resourceText } from './document.ts';
import type { Item } from './item.ts';
import type { JsonMap } from './json.ts';
import type { ResumePoint } from './ordered-position.ts';
import type { Partition } from './partition.ts';
import { compileQuery, type CompiledQuery } from './query/query-compiler.ts';
import { mergingOf } from './query/merging.ts';
import { planJson } from './query-plan-request.ts';
import type { Value } from './query/values.ts';
import type { Page, QueryPages } from './query-pages.ts';
import { countIn, documentsIn, queryScope, type QueryScope } from './query-scope.ts';
import { header, isTrue, numberHeader, type Answer, type CosmosRequest } from './request.ts';
import { Refusal, badRequest } from './refusal.ts';
import { roundCharge } from './request-units.ts';
import { requestedQuery, type RequestedQuery } from './requested-query.ts';
import { sessionHeaders, type Service } from './service.ts';

const METRICS = 'x-ms-documentdb-query-metrics';
const DEFAULT_PAGE = 100;
/** Page when the client leaves the size to the service (-1). */
const DYNAMIC_PAGE = 1000;

/** `POST …/docs` with a query, and `GET …/docs`. */
export function handleQuery(service: Service, pages: QueryPages, request: CosmosRequest): Answer {
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const scope = queryScope(request, container);
  const now = service.now();
  const requested = request.kind === 'query' ? requestedQuery(request) : undefined;
  if (requested !== undefined) leaveMerging(request, container, scope, requested);
  const admissions = new Map(
    scope.partitions.map((partition) => [partition, new Admission(service.account, container, partition, request)]),
  );
  try {
    for (const admission of admissions.values()) admission.check(now);
  } catch (thrown) {
    countQuery(service, container, scope.partitions[0], 0, 1);
    throw thrown;
  }
  const compiled =
    requested === undefined
      ? undefined
      : compileQuery(requested.query, requested.parameters, now, container.definition);
  if (compiled !== undefined) {
    checkCompositeIndex(container.definition.properties['indexingPolicy'], compiled.orderBy);
  }
  const page = readPage(service, pages, request, container, scope, compiled, requested?.resume);
  let charge = 0;
  const touched = page.read.size === 0 ? scope.partitions.slice(0, 1) : [...page.read.keys()];
  for (const partition of touched) {
    const sizes = page.read.get(partition) ?? [];
    let cost = service.model.query / touched.length;
    for (const size of sizes) cost += service.model.read(size) / 10;
    admissions.get(partition)?.spend(cost, now);
    countQuery(service, container, partition, cost, 0);
    charge += cost;
  }
  const documents = page.results.join(',');
  return {
    status: 200,
    charge: roundCharge(charge),
    headers: {
      'x-ms-item-count': String(page.results.length),
      ...sessionHeaders(container, scope.partitions),
      ...(isTrue(request.headers['x-ms-documentdb-populatequerymetrics']) ? { [METRICS]: metrics(page) } : {}),
      'x-ms-cosmos-query-execution-info': executionInfo(compiled),
      ...(page.continuation === undefined ? {} : { 'x-ms-continuation': page.continuation }),
    },
    body: `{"_rid":"${container.rid}","Documents":[${documents}],"_count":${page.results.length}}`,
  };
}

/**
 * Refuses what SDKs put together from the answers of several partitions themselves, as the service does (400/1004 with
 * the plan). Clients that do not name an SDK's capabilities get it from the emulator; so does every client once the
 * container has been split, since @azure/cosmos 4.10 asks a range that is gone without end.
 */
function leaveMerging(
  request: CosmosRequest,
  container: Container,
  scope: QueryScope,
  requested: RequestedQuery,
): void {
  if (scope.partitions.length < 2 || header(request, 'x-ms-cosmos-sdk-supportedcapabilities') === undefined) return;
  if (scope.partitions.some((partition) => partition.parents.length > 0)) return;
  if (mergingOf(requested.query) !== 'plan') return;
  throw new Refusal(
    400,
    'The provided cross partition query can not be directly served by the gateway. SDKs run it by the plan given here.',
    1004,
    undefined,
    planJson(request, container, requested),
  );
}

/** In which order documents of equal keys come, for clients that go on among them. */
function executionInfo(compiled: CompiledQuery | undefined): string {
  const reverseIndexScan = compiled?.orderBy.some((key) => key.descending) ?? false;
  return JSON.stringify({ reverseRidEnabled: false, reverseIndexScan });
}

/** Counts of documents as the service reports them; it also reports times, which would mean nothing here. */
function metrics(page: Page): string {
  let count = 0;
  let bytes = 0;
  for (const sizes of page.read.values()) {
    count += sizes.length;
    for (const size of sizes) bytes += size;
  }
  const written = page.results.reduce((sum, text) => sum + text.length, 0);
  return (
    `totalExecutionTimeInMs=0.00;retrievedDocumentCount=${count};retrievedDocumentSize=${bytes};` +
    `outputDocumentCount=${page.results.length};outputDocumentSize=${written};indexUtilizationRatio=1.00`
  );
}

function countQuery(
  service: Service,
  container: Container,
  partition: Partition | undefined,
  requestUnits: number,
  throttled: number,
): void {
  if (partition === undefined) return;
  service.counters.served(
    { database: container.place.database, container: container.id, rangeId: partition.id },
    service.now(),
    { requests: 1, operations: 1, requestUnits, throttled },
  );
}

function readPage(
  service: Service,
  pages: QueryPages,
  request: CosmosRequest,
  container: Container,
  scope: QueryScope,
  compiled: CompiledQuery | undefined,
  resume: ResumePoint | undefined,
): Page {
  const token = header(request, 'x-ms-continuation');
  const position = token === undefined || token === '' ? undefined : decodePosition(token, container.rid);
  const limit = pageSize(request);
  const now = (): number => service.now();
  const each = compiled?.each;
  if (compiled === undefined || each !== undefined) {
    if (resume !== undefined) throw notOrdered();
    const read = documentReader(container, compiled?.properties);
    const produce =
      each === undefined
        ? (item: Item) => [resourceText(container, item)]
        : (item: Item) => each(read(item)).map(toText);
    const scan = position?.kind === 'scan' ? position : undefined;
    return pages.scan(container, scope, token, scan, limit, now, produce);
  }
  const read = new Map<Partition, number[]>();
  // An order by something else than properties (VectorDistance) has rules of its own.
  const properties = compiled.orderBy.length > 0 && compiled.orderBy.every((key) => key.path !== undefined);
  const order = properties ? { descending: compiled.orderBy.map((key) => key.descending), resume } : undefined;
  if (resume !== undefined && order === undefined) throw notOrdered();
  const page = pages.list(container, scope, token, position, limit, order, () =>
    compiled.all(documents(container, scope, now, compiled, read)).map(toText),
  );
  return { ...page, read };
}

function notOrdered(): Refusal {
  return badRequest('A resume filter needs a query that is ordered by properties.');
}

const NOTHING: JsonMap = {};

/** The documents of the scope, parsed; without being read when only their number matters. */
function* documents(
  container: Container,
  scope: QueryScope,
  now: () => number,
  compiled: CompiledQuery,
  read: Map<Partition, number[]>,
): Generator<JsonMap> {
  const readDocument = documentReader(container, compiled.properties);
  for (const partition of scope.partitions) {
    if (!compiled.needsDocuments) {
      const count = countIn(container, scope, partition, now);
      for (let i = 0; i < count; i++) yield NOTHING;
      continue;
    }
    const sizes: number[] = [];
    read.set(partition, sizes);
    for (const item of documentsIn(container, scope, partition, now)) {
      sizes.push(item.size);
      yield readDocument(item);
    }
  }
}

function toText(value: Value): string {
  return JSON.stringify(value) ?? 'null';
}

/** Results of one page at most. */
export function pageSize(request: CosmosRequest): number {
  const asked = numberHeader(request, 'x-ms-max-item-count');
  if (asked === undefined) return DEFAULT_PAGE;
  if (asked === -1) return DYNAMIC_PAGE;
  if (asked < 1) throw badRequest('The page size must be positive, or -1.');
  return asked;
}
