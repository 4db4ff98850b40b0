/** A request as the handlers see it, and the answer they give. */
import type { IncomingHttpHeaders } from 'node:http';
import type { FaultAction } from './faults.ts';
import { parseJsonMap, type JsonMap } from './json.ts';
import { type Refusal, badRequest, refusalBody } from './refusal.ts';

/** What a request asks for; read from its method, path and headers. */
export type RequestKind =
  | 'account'
  | 'control'
  | 'offer'
  | 'ranges'
  | 'point'
  | 'batch'
  | 'query'
  | 'queryPlan'
  | 'feed'
  | 'changeFeed'
  | 'deleteByKey';

export interface CosmosRequest {
  readonly method: string;
  /** The path as it was sent, without its first slash, decoded, in segments; the signature covers it. */
  readonly sent: readonly string[];
  /** The same with names where it had `_rid`s. */
  readonly segments: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly kind: RequestKind;
  /** Names in the path; undefined above their level. */
  readonly database: string | undefined;
  readonly container: string | undefined;
  /** Faults that strike the answer once the request is done. */
  readonly effects: FaultAction[];
}

export interface Answer {
  readonly status: number;
  readonly substatus?: number;
  /** RU. */
  readonly charge?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text, or bytes of another form. */
  readonly body?: string | Buffer;
}

/** Splits and decodes a request path. A document id may hold `?`, so nothing of the path is taken for a query string. */
export function pathSegments(url: string): string[] {
  const path = url.replace(/^\/+/, '').replace(/\/+$/, '');
  if (path === '') return [];
  try {
    return path.split('/').map((segment) => decodeURIComponent(segment));
  } catch {
    throw badRequest('The request path is not encoded as it should be.');
  }
}

/** Makes the request of its parts. */
export function cosmosRequest(method: string, url: string, headers: IncomingHttpHeaders, body: Buffer): CosmosRequest {
  const segments = pathSegments(url);
  return {
    method,
    sent: segments,
    segments,
    headers,
    body,
    kind: kindOf(method, segments, headers),
    database: segments[0] === 'dbs' ? segments[1] : undefined,
    container: segments[0] === 'dbs' && segments[2] === 'colls' ? segments[3] : undefined,
    effects: [],
  };
}

function kindOf(method: string, segments: readonly string[], headers: IncomingHttpHeaders): RequestKind {
  if (segments.length === 0) return 'account';
  if (segments[0] === 'offers') return 'offer';
  if (segments.length < 5) return 'control';
  if (segments[4] === 'pkranges') return 'ranges';
  if (segments[4] === 'operations') return 'deleteByKey';
  if (segments[4] !== 'docs') return 'control';
  if (segments.length > 5) return 'point';
  if (method === 'GET') return headers['a-im'] === undefined ? 'feed' : 'changeFeed';
  if (isTrue(headers['x-ms-cosmos-is-query-plan-request'])) return 'queryPlan';
  if (isQuery(headers)) return 'query';
  return isTrue(headers['x-ms-cosmos-is-batch-request']) ? 'batch' : 'point';
}

/** True when a POST carries a query. */
export function isQuery(headers: IncomingHttpHeaders): boolean {
  return isTrue(headers['x-ms-documentdb-isquery']) || headers['content-type']?.includes('query+json') === true;
}

/** One header's text. */
export function header(request: CosmosRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Reads `True` and `true`. */
export function isTrue(value: string | readonly string[] | undefined): boolean {
  return typeof value === 'string' && value.toLowerCase() === 'true';
}

/** A whole number from a header, or undefined. */
export function numberHeader(request: CosmosRequest, name: string): number | undefined {
  const text = header(request, name);
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value)) throw badRequest(`The header ${name} is not a whole number.`);
  return value;
}

/** The body as a JSON object. */
export function bodyMap(request: CosmosRequest): JsonMap {
  return parseJsonMap(request.body.toString('utf8'));
}

/** The answer to a refusal. */
export function refusalAnswer(refusal: Refusal): Answer {
  return {
    status: refusal.status,
    substatus: refusal.substatus,
    ...(refusal.retryAfterMs === undefined
      ? {}
      : { headers: { 'x-ms-retry-after-ms': String(Math.ceil(refusal.retryAfterMs)) } }),
    body: refusalBody(refusal.status, refusal.message, refusal.additionalInfo),
  };
}
