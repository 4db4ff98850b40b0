/** HTTP functions: route and key checks, the request as RPC data, the RPC response as HTTP. */
import type { Log } from '../../shared/telemetry.ts';
import { keyMatches } from './access-keys.ts';
import type { AccessKeys } from './access-keys.ts';
import type { FunctionOf } from './function-definition.ts';
import { emptyResponse } from './http-exchange.ts';
import type { HostRequest, HostResponse } from './http-exchange.ts';
import { compareRoutes, matchRoute, parseRoute } from './http-route.ts';
import type { Route, RouteParams } from './http-route.ts';
import { isJsonObject, parseJson } from './json.ts';
import type { FunctionInputs } from './function-inputs.ts';
import type { OutputWriter } from './output-bindings.ts';
import type { FunctionRunner } from './worker-pool.ts';
import type { RpcHttpCookie, RpcHttpRequest, RpcHttpResponse, TypedData } from './worker-protocol.ts';

interface RoutedFunction {
  readonly definition: FunctionOf<'http'>;
  readonly route: Route;
}

/** What HTTP functions are driven with. */
export interface HttpTriggerParts {
  readonly functions: readonly FunctionOf<'http'>[];
  readonly routePrefix: string;
  readonly keys: AccessKeys;
  readonly runner: FunctionRunner;
  readonly inputs: FunctionInputs;
  readonly outputs: OutputWriter;
  readonly log: Log;
}

/** Answers requests to the app's own routes. */
export class HttpTriggers {
  readonly #parts: HttpTriggerParts;
  readonly #routes: readonly RoutedFunction[];

  constructor(parts: HttpTriggerParts) {
    this.#parts = parts;
    this.#routes = parts.functions
      .map((definition) => ({ definition, route: parseRoute(`${parts.routePrefix}/${definition.trigger.route}`) }))
      .toSorted((a, b) => compareRoutes(a.route, b.route));
  }

  /** Address of a function, for the list of functions. */
  urlTemplate(definition: FunctionOf<'http'>, origin: string): string {
    return `${origin}/${[this.#parts.routePrefix, definition.trigger.route].filter((part) => part !== '').join('/')}`;
  }

  async handle(request: HostRequest): Promise<HostResponse> {
    const path = request.url.pathname.slice(1);
    for (const { definition, route } of this.#routes) {
      if (!definition.trigger.methods.includes(request.method)) continue;
      const params = matchRoute(route, path);
      if (params === undefined) continue;
      if (!this.#allowed(definition, request)) return emptyResponse(401);
      return this.#call(definition, request, params);
    }
    return emptyResponse(404);
  }

  #allowed(definition: FunctionOf<'http'>, request: HostRequest): boolean {
    const { authLevel } = definition.trigger;
    if (authLevel === 'anonymous') return true;
    const { keys } = this.#parts;
    const given = request.headers['x-functions-key'] ?? request.url.searchParams.get('code') ?? undefined;
    return authLevel === 'admin' ? keyMatches(given, keys.master) : keyMatches(given, keys.master, keys.functions);
  }

  async #call(definition: FunctionOf<'http'>, request: HostRequest, params: RouteParams): Promise<HostResponse> {
    const { runner, inputs, outputs, log } = this.#parts;
    const outcome = await runner.call({
      functionName: definition.name,
      inputData: [
        { name: definition.triggerBinding, data: { http: rpcRequest(request, params) } },
        ...inputs.of(definition),
      ],
      triggerMetadata: triggerMetadata(request, params),
      retryContext: null,
    });
    if (outcome.kind === 'stopped') return emptyResponse(503);
    if (outcome.kind !== 'succeeded') {
      const reason = outcome.kind === 'failed' ? outcome.message : outcome.kind;
      log.event('functionFailed', { functionName: definition.name, reason });
      return emptyResponse(500);
    }
    await outputs.write(definition, outcome);
    return httpResponse(outcome.returnValue);
  }
}

function rpcRequest(request: HostRequest, params: RouteParams): RpcHttpRequest {
  const nullable = (values: Readonly<Record<string, string>>): Record<string, { value: string }> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
  return {
    identities: [],
    cookies: [],
    headers: {},
    params: {},
    query: {},
    nullableHeaders: nullable(request.headers),
    nullableParams: nullable(params),
    nullableQuery: nullable(Object.fromEntries(request.url.searchParams)),
    method: request.method,
    url: request.url.href,
    body: request.body.length === 0 ? null : { bytes: request.body },
    statusCode: '',
    enableContentNegotiation: false,
    rawBody: null,
  };
}

/** Scalar properties of a JSON body, then query, then route parameters, as the official host offers them. */
function triggerMetadata(request: HostRequest, params: RouteParams): Record<string, TypedData> {
  const metadata: Record<string, TypedData> = {};
  const body = request.body.length > 0 && request.body.length < 65_536 ? parseJson(request.body.toString()) : undefined;
  if (isJsonObject(body)) Object.assign(metadata, scalarProperties(body));
  for (const [name, value] of request.url.searchParams) {
    if (name !== 'code') metadata[name] = { string: value };
  }
  for (const [name, value] of Object.entries(params)) metadata[name] = { string: value };
  const headers = Object.fromEntries(
    request.rawHeaderNames.map((name) => [name, request.headers[name.toLowerCase()] ?? '']),
  );
  metadata['Query'] = { json: JSON.stringify(Object.fromEntries(request.url.searchParams)) };
  metadata['Headers'] = { json: JSON.stringify(headers) };
  return metadata;
}

/** The plain values of a JSON object as binding data: strings, whatever they were. */
export function scalarProperties(value: object): Record<string, TypedData> {
  const properties: Record<string, TypedData> = {};
  for (const [name, property] of Object.entries(value) as [string, unknown][]) {
    if (typeof property === 'string') properties[name] = { string: property };
    else if (typeof property === 'number') properties[name] = { string: String(property) };
    else if (typeof property === 'boolean') properties[name] = { string: property ? 'True' : 'False' };
  }
  return properties;
}

function httpResponse(value: TypedData | null): HostResponse {
  if (value === null || !('http' in value)) return { status: 204 };
  const response: RpcHttpResponse = value.http;
  const body = response.body;
  const status = Number(response.statusCode ?? '200');
  return {
    status: Number.isInteger(status) && status >= 200 && status <= 599 ? status : 500,
    headers: response.headers ?? {},
    setCookies: (response.cookies ?? []).map(cookieText),
    ...(body === null || body === undefined ? {} : { body: bodyBytes(body) }),
  };
}

function bodyBytes(body: TypedData): string | Uint8Array {
  if ('bytes' in body && body.bytes instanceof Uint8Array) return body.bytes;
  if ('string' in body) return body.string;
  if ('json' in body) return body.json;
  if ('int' in body) return String(body.int);
  if ('double' in body) return String(body.double);
  return '';
}

function cookieText(cookie: RpcHttpCookie): string {
  const parts = [`${cookie.name ?? ''}=${encodeURIComponent(cookie.value ?? '')}`];
  if (cookie.domain?.value !== undefined) parts.push(`Domain=${cookie.domain.value}`);
  if (cookie.path?.value !== undefined) parts.push(`Path=${cookie.path.value}`);
  const expires = cookie.expires?.value?.seconds;
  if (expires !== undefined) parts.push(`Expires=${new Date(expires * 1000).toUTCString()}`);
  if (cookie.maxAge?.value !== undefined) parts.push(`Max-Age=${cookie.maxAge.value}`);
  if (cookie.secure?.value === true) parts.push('Secure');
  if (cookie.httpOnly?.value === true) parts.push('HttpOnly');
  const sameSite = cookie.sameSite;
  const text = typeof sameSite === 'number' ? ['', 'Lax', 'Strict', 'None'][sameSite] : sameSite;
  if (text !== undefined && text !== '') parts.push(`SameSite=${text}`);
  return parts.join('; ');
}
