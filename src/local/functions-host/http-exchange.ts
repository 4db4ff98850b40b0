/** HTTP as the host's parts see it: a request that has been read, and a response as data. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Json } from './json.ts';

/** A request read to its end. */
export interface HostRequest {
  readonly method: string;
  /** As the caller addressed it: `http://host:port/path?query`. */
  readonly url: URL;
  /** Names in lower case; several values joined by comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Names as they were sent, for trigger metadata. */
  readonly rawHeaderNames: readonly string[];
  readonly body: Buffer;
}

/** A response. */
export interface HostResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly setCookies?: readonly string[];
  readonly body?: string | Uint8Array;
}

/** Longest request body that is read; bytes. The official host allows 100 MB. */
const MAXIMUM_BODY_BYTES = 104_857_600;

/** A response without body. */
export function emptyResponse(status: number): HostResponse {
  return { status };
}

/** A JSON response as the Durable webhooks write it. */
export function jsonResponse(status: number, value: Json | object, headers: Record<string, string> = {}): HostResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  };
}

/** Reads a request; undefined when its body is too long. Rejects when the caller goes away. */
export async function readRequest(message: IncomingMessage, fallbackHost: string): Promise<HostRequest | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAXIMUM_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return {
    method: (message.method ?? 'GET').toUpperCase(),
    url: requestUrl(message.url ?? '/', headers['host'] ?? fallbackHost, fallbackHost),
    headers,
    rawHeaderNames: message.rawHeaders.filter((_, index) => index % 2 === 0),
    body: Buffer.concat(chunks),
  };
}

/** Writes a response. */
export function writeResponse(response: HostResponse, to: ServerResponse, headOnly: boolean): void {
  const body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body;
  to.statusCode = response.status;
  for (const [name, value] of Object.entries(response.headers ?? {})) to.setHeader(name, value);
  if (response.setCookies !== undefined && response.setCookies.length > 0) {
    to.setHeader('set-cookie', [...response.setCookies]);
  }
  if (response.status !== 204 && response.status !== 304) to.setHeader('content-length', body?.length ?? 0);
  to.end(headOnly || body === undefined ? undefined : body);
}

function requestUrl(target: string, host: string, fallbackHost: string): URL {
  const origin = URL.canParse(`http://${host}`) ? `http://${host}` : `http://${fallbackHost}`;
  // A target such as //evil/path must stay a path.
  const path = target.startsWith('/') ? target : '/';
  return URL.canParse(`${origin}${path}`) ? new URL(`${origin}${path}`) : new URL(origin);
}
