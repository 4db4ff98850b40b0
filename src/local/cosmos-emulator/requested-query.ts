/** The query a request carries. */
import { isJsonMap } from './json.ts';
import { resumePoint, type ResumePoint } from './ordered-position.ts';
import { compileQuery, type CompiledQuery } from './query/query-compiler.ts';
import { parseQuery } from './query/query-parser.ts';
import type { Query } from './query/syntax.ts';
import type { Value } from './query/values.ts';
import { bodyMap, type CosmosRequest } from './request.ts';
import { badRequest } from './refusal.ts';

export interface RequestedQuery {
  readonly query: Query;
  readonly parameters: ReadonlyMap<string, Value>;
  /** Where the results are to go on, apart from a continuation token. */
  readonly resume: ResumePoint | undefined;
}

/** Reads and parses it, or 400. */
export function requestedQuery(request: CosmosRequest): RequestedQuery {
  const body = bodyMap(request);
  const text = body['query'];
  if (typeof text !== 'string') throw badRequest('The query is missing.');
  const parameters = new Map<string, Value>();
  const given = body['parameters'];
  if (Array.isArray(given)) {
    for (const parameter of given) {
      if (!isJsonMap(parameter) || typeof parameter['name'] !== 'string') throw badRequest('A parameter has no name.');
      parameters.set(parameter['name'], parameter['value']);
    }
  }
  const filter = body['resumeFilter'];
  const resume = filter === undefined || filter === null ? undefined : resumePoint(filter);
  return { query: parseQuery(text), parameters, resume };
}

/** The query of a request, ready to run. */
export function compileRequestQuery(request: CosmosRequest, now: number): CompiledQuery {
  const { query, parameters } = requestedQuery(request);
  return compileQuery(query, parameters, now);
}
