/** `POST …/docs` for a query plan, which clients ask for that merge the results of partitions themselves. */
import type { Container } from './container.ts';
import { END_KEY, FIRST_KEY } from './key-ranges.ts';
import { parseKeyPrefix } from './partition-key.ts';
import { mergingOf } from './query/merging.ts';
import { compileQuery } from './query/query-compiler.ts';
import { queryError } from './query/query-error.ts';
import { countReader, queryInfo } from './query/query-plan.ts';
import { header, type Answer, type CosmosRequest } from './request.ts';
import { requestedQuery, type RequestedQuery } from './requested-query.ts';
import type { Service } from './service.ts';

/** The plan and the ranges of keys that the query has to be sent to. */
export function handleQueryPlan(service: Service, request: CosmosRequest): Answer {
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const requested = requestedQuery(request);
  // A plan for a query that means nothing would only put the error off.
  compileQuery(requested.query, requested.parameters, service.now(), container.definition);
  return { status: 200, charge: 1, body: planJson(request, container, requested) };
}

/** The plan as JSON, or 400 when partitions cannot answer the query one by one. */
export function planJson(request: CosmosRequest, container: Container, { query, parameters }: RequestedQuery): string {
  if (mergingOf(query) === 'whole') {
    throw queryError('The results of this query cannot be put together from those of single partitions.', 'SC2040');
  }
  const key = header(request, 'x-ms-documentdb-partitionkey');
  const definition = container.definition.partitionKey;
  const epk = key === undefined ? undefined : container.hash(parseKeyPrefix(definition, key));
  return JSON.stringify({
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: queryInfo(query, countReader(parameters)),
    queryRanges: [
      {
        min: epk ?? FIRST_KEY,
        max: epk === undefined ? END_KEY : `${epk}${END_KEY}`,
        isMinInclusive: true,
        isMaxInclusive: false,
      },
    ],
  });
}
