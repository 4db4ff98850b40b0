/** `POST …/docs` for a query plan, which clients ask for that merge the results of partitions themselves. */
import { END_KEY, FIRST_KEY } from './key-ranges.ts';
import { parseKeyPrefix } from './partition-key.ts';
import { compileQuery } from './query/query-compiler.ts';
import { parseQuery } from './query/query-parser.ts';
import { countReader, queryInfo } from './query/query-plan.ts';
import { readQuery } from './query-request.ts';
import { header, type Answer, type CosmosRequest } from './request.ts';
import type { Service } from './service.ts';

/** The plan and the ranges of keys that the query has to be sent to. */
export function handleQueryPlan(service: Service, request: CosmosRequest): Answer {
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const { text, parameters } = readQuery(request);
  const query = parseQuery(text);
  // A plan for a query that means nothing would only put the error off.
  compileQuery(query, parameters, service.now());
  const key = header(request, 'x-ms-documentdb-partitionkey');
  const definition = container.definition.partitionKey;
  const epk = key === undefined ? undefined : container.hash(parseKeyPrefix(definition, key));
  return {
    status: 200,
    charge: 1,
    body: JSON.stringify({
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
    }),
  };
}
