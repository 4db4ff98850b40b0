/** Answers of the control plane: a resource, or the feed of all of a kind. */
import type { JsonMap } from './json.ts';
import { header, isQuery, type Answer, type CosmosRequest } from './request.ts';
import { Refusal, badRequest } from './refusal.ts';
import { compileRequestQuery } from './requested-query.ts';
import type { Service } from './service.ts';

/** RU. */
export const READ_CHARGE = 1;
export const WRITE_CHARGE = 5;

/** All resources of a kind, or those a query chooses; in pages of the size asked for. */
export function feed(
  request: CosmosRequest,
  service: Service,
  rid: string,
  name: string,
  resources: readonly JsonMap[],
): Answer {
  const isPost = request.method === 'POST' && isQuery(request.headers);
  const chosen = isPost ? compileRequestQuery(request, service.now()).all(resources) : resources;
  const from = Number(header(request, 'x-ms-continuation') ?? 0);
  if (!Number.isSafeInteger(from) || from < 0) throw badRequest('Invalid Continuation Token.');
  const asked = Number(header(request, 'x-ms-max-item-count') ?? -1);
  const page = chosen.slice(from, asked > 0 ? from + asked : undefined);
  const answer = json(200, { _rid: rid, [name]: page as JsonMap[], _count: page.length });
  const headers: Record<string, string> = { ...answer.headers, 'x-ms-item-count': String(page.length) };
  if (from + page.length < chosen.length) headers['x-ms-continuation'] = String(from + page.length);
  return { ...answer, headers };
}

/** 405. */
export function notAllowed(request: CosmosRequest): Refusal {
  return new Refusal(405, `The method ${request.method} is not allowed here.`);
}

/** A resource with its etag. */
export function json(status: number, resource: JsonMap, charge = READ_CHARGE): Answer {
  const etag = resource['_etag'];
  return {
    status,
    charge,
    headers: typeof etag === 'string' ? { etag } : {},
    body: JSON.stringify(resource),
  };
}
