/** The HTTP or HTTPS server: reads requests, sends answers, breaks connections where a fault says so. */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { SyncError } from '../../shared/errors.ts';
import type { Clock } from '../../shared/clock.ts';
import type { ServerCertificate } from './certificate.ts';
import { delayBefore, dispatch, requestFaults, type Gate } from './dispatch.ts';
import type { FaultAction } from './faults.ts';
import type { QueryPages } from './query-pages.ts';
import { cosmosRequest, refusalAnswer, type Answer } from './request.ts';
import { Refusal } from './refusal.ts';
import { requestByName } from './rid-address.ts';
import type { Service } from './service.ts';

/** Bytes read of a request before the connection is given up. */
const MAX_READ_BYTES = 64 * 1024 * 1024;
const KEEP_ALIVE_MS = 120_000;
/** Less than what a socket takes without having to wait. */
const LARGE_ANSWER_BYTES = 8 * 1024;

/** Answers what lies under `/_emulator/`; undefined for other paths. */
export type AdminHandler = (method: string, path: string, body: Buffer) => Answer | undefined;

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly certificate: ServerCertificate | undefined;
  readonly clock: Clock;
  readonly latencyMs: number;
}

export interface EmulatorServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens; `portTaken` when the port is in use. */
export async function startServer(
  options: ServerOptions,
  service: Service,
  pages: QueryPages,
  gate: Gate,
  admin: AdminHandler,
): Promise<EmulatorServer> {
  const listener = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    answerRequest(options, service, pages, gate, admin, request, response).catch(() => {
      // Whatever went wrong, a client sees it as a lost connection and the emulator goes on.
      response.destroy();
    });
  };
  const { certificate } = options;
  const server =
    certificate === undefined
      ? http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, listener)
      : https.createServer(
          { keepAliveTimeout: KEEP_ALIVE_MS, key: certificate.key, cert: certificate.certificate },
          listener,
        );
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function listen(server: http.Server | https.Server, options: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE' || error.code === 'EACCES'
          ? new SyncError('portTaken', {
              problem: `The Cosmos emulator cannot listen on ${options.host}:${options.port}.`,
              reason: error.code === 'EADDRINUSE' ? 'The port is in use.' : 'The port is not allowed.',
              cause: error,
            })
          : error,
      );
    });
    server.listen(options.port, options.host, resolve);
  });
}

async function answerRequest(
  options: ServerOptions,
  service: Service,
  pages: QueryPages,
  gate: Gate,
  admin: AdminHandler,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  response.on('error', () => undefined);
  const body = await readBody(request);
  if (body === undefined) {
    request.socket.destroy();
    return;
  }
  const method = request.method ?? 'GET';
  const url = request.url ?? '/';
  if (url.startsWith('/_emulator')) {
    send(request, response, adminAnswer(admin, method, url, body));
    return;
  }
  service.counters.started();
  try {
    await answerCosmos(options, service, pages, gate, { method, url, request, body }, response);
  } finally {
    service.counters.ended();
  }
}

async function answerCosmos(
  { clock, latencyMs }: ServerOptions,
  service: Service,
  pages: QueryPages,
  gate: Gate,
  incoming: {
    readonly method: string;
    readonly url: string;
    readonly request: http.IncomingMessage;
    readonly body: Buffer;
  },
  response: http.ServerResponse,
): Promise<void> {
  const { method, url, request, body } = incoming;
  let parsed;
  try {
    parsed = requestByName(service.account, cosmosRequest(method, url, request.headers, body));
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    send(request, response, refusalAnswer(thrown));
    return;
  }
  const faults = requestFaults(service, parsed);
  const before = latencyMs + delayBefore(faults);
  if (before > 0) await clock.sleep(before);
  const { answer, effects } = dispatch(service, pages, gate, parsed, faults);
  if (effects.length === 0) {
    send(request, response, answer);
    return;
  }
  const after = effects.reduce(
    (ms, action) => ms + (action.kind === 'delay' && action.before !== true ? action.ms : 0),
    0,
  );
  if (after > 0) await clock.sleep(after);
  sendBroken(request, response, answer, effects);
}

/** The whole body; undefined when the client went away or sent too much. */
function readBody(request: http.IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_READ_BYTES) resolve(undefined);
      else chunks.push(chunk);
    });
    request.on('end', () => {
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    });
    request.on('error', () => {
      resolve(undefined);
    });
    request.on('close', () => {
      resolve(undefined);
    });
  });
}

function adminAnswer(admin: AdminHandler, method: string, url: string, body: Buffer): Answer {
  try {
    return admin(method, url, body) ?? refusalAnswer(new Refusal(404, 'Unknown emulator request.'));
  } catch (thrown) {
    return refusalAnswer(thrown instanceof Refusal ? thrown : new Refusal(500, String(thrown)));
  }
}

const CORRELATION = 'x-ms-cosmos-correlated-activityid';
const ACTIVITY = 'x-ms-activity-id';
/** The service repeats the id of a request; this bounds what may be repeated. */
const ACTIVITY_ID = /^[\w-]{1,64}$/;

function headersOf(answer: Answer, length: number, request: http.IncomingMessage): Record<string, string | number> {
  const correlation = request.headers[CORRELATION];
  const activity = request.headers[ACTIVITY];
  const headers: Record<string, string | number> = {
    'content-type': 'application/json',
    [ACTIVITY]: typeof activity === 'string' && ACTIVITY_ID.test(activity) ? activity : randomUUID(),
    'x-ms-request-charge': String(answer.charge ?? 0),
    'x-ms-schemaversion': '1.18',
    'x-ms-serviceversion': 'version=2.14.0.0',
    'x-ms-gatewayversion': 'version=2.14.0',
    ...answer.headers,
    ...(typeof correlation === 'string' ? { [CORRELATION]: correlation } : {}),
  };
  if (answer.substatus !== undefined && answer.substatus !== 0) headers['x-ms-substatus'] = answer.substatus;
  if (answer.status !== 204 && answer.status !== 304) headers['content-length'] = length;
  return headers;
}

function send(request: http.IncomingMessage, response: http.ServerResponse, answer: Answer): void {
  if (response.destroyed) return;
  const body = bodyBytes(answer);
  response.writeHead(answer.status, headersOf(answer, body.length, request));
  if (body.length < LARGE_ANSWER_BYTES) {
    response.end(body);
    return;
  }
  // Over TLS, Node.js breaks a connection (HPE_PAUSED) whose next request comes while it counts the last answer as not
  // yet written, which is later than the client has it. So the last byte waits until all others are written.
  const finish = (): void => {
    response.end(body.subarray(-1));
  };
  if (response.write(body.subarray(0, -1))) finish();
  else response.once('drain', finish);
}

function bodyBytes({ body = '' }: Answer): Buffer {
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
}

function sendBroken(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  answer: Answer,
  effects: readonly FaultAction[],
): void {
  if (effects.some((action) => action.kind === 'reset')) {
    request.socket.destroy();
    return;
  }
  const cut = effects.find((action) => action.kind === 'truncate');
  if (cut === undefined) {
    send(request, response, answer);
    return;
  }
  const body = bodyBytes(answer);
  response.writeHead(answer.status, headersOf(answer, body.length, request));
  response.write(body.subarray(0, cut.bytes ?? Math.floor(body.length / 2)), () => {
    request.socket.destroy();
  });
}
