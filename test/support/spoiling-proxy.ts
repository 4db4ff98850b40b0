/** A hop on the way to the service that spoils answers on the wire, as broken middleboxes and networks do. */
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../../src/shared/clock.ts';
import type { Random } from './random.ts';

/** What the service answered. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** A request on its way. */
export interface WireCall {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of the client. */
  readonly socket: Socket;
  readonly random: Random;
  readonly clock: Clock;
  /** Hands the request to the service, with another body if given, as often as it is called. */
  forward(body?: Buffer): Promise<WireAnswer>;
  /** Answers properly. */
  answer(answer: WireAnswer): void;
}

/** One way to spoil. */
export interface Spoiler {
  readonly name: string;
  /** The next request of the connection may be given up while it is on its way, and land after its repetition. */
  readonly spoilsNext?: true;
  readonly spoil: (call: WireCall) => Promise<void> | void;
}

export type SpoiltKind = 'batch' | 'ranges' | 'container';

interface Armed {
  readonly container: string;
  readonly kind: SpoiltKind;
  readonly spoiler: Spoiler;
  readonly random: Random;
  skip: number;
}

export interface SpoilingProxy {
  readonly endpoint: string;
  /** How often each spoiler struck. */
  readonly struck: ReadonlyMap<string, number>;
  /** Spoils one request of this kind to this container, after letting `skip` through. */
  arm(rule: Omit<Armed, 'skip'> & { readonly skip?: number }): void;
  /** Forgets what is armed for the container. */
  disarm(container: string): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a service on this machine. */
export async function startSpoilingProxy(service: URL, clock: Clock): Promise<SpoilingProxy> {
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  const struck = new Map<string, number>();
  let armed: Armed[] = [];

  const next = (path: string, isBatch: boolean): Armed | undefined => {
    const [, container, rest] = /\/colls\/([^/]+)(\/[^/]+)?$/.exec(path) ?? [];
    const kind = rest === undefined ? 'container' : rest === '/pkranges' ? 'ranges' : isBatch ? 'batch' : undefined;
    const rule = armed.find((one) => one.container === container && one.kind === kind);
    if (rule === undefined || rule.skip-- > 0) return undefined;
    armed = armed.filter((one) => one !== rule);
    struck.set(rule.spoiler.name, (struck.get(rule.spoiler.name) ?? 0) + 1);
    return rule;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bytes(request);
    const path = request.url ?? '';
    const rule = next(path, request.headers['x-ms-cosmos-is-batch-request'] !== undefined);
    const forward = (other: Buffer = body): Promise<WireAnswer> => send(agent, service, request, other);
    const answer = ({ status, headers, body: content }: WireAnswer): void => {
      if (response.destroyed) return;
      response.writeHead(status, definedOnly({ ...headers, 'content-length': String(content.length) })).end(content);
    };
    if (rule === undefined) answer(await forward());
    else
      await rule.spoiler.spoil({
        headers: request.headers,
        body,
        socket: request.socket,
        random: rule.random,
        clock,
        forward,
        answer,
      });
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}/`,
    struck,
    arm: (rule) => armed.push({ skip: 0, ...rule }),
    disarm: (container) => {
      armed = armed.filter((one) => one.container !== container);
    },
    async close() {
      agent.destroy();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

const ACTIVITY = 'x-ms-activity-id';

function send(agent: Agent, service: URL, request: IncomingMessage, body: Buffer): Promise<WireAnswer> {
  const { method = 'GET', url = '/' } = request;
  const headers = { ...request.headers, ...(method === 'GET' ? {} : { 'content-length': String(body.length) }) };
  return new Promise((resolve, reject) => {
    const out = httpRequest(
      { host: service.hostname, port: service.port, method, path: url, headers, agent },
      (response) => {
        const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...kept } = response.headers;
        // As the service does.
        const echoed = { ...(kept as WireAnswer['headers']), [ACTIVITY]: request.headers[ACTIVITY] as string };
        bytes(response).then(
          (content) => resolve({ status: response.statusCode ?? 0, headers: echoed, body: content }),
          reject,
        );
      },
    );
    out.on('error', reject);
    out.end(body);
  });
}

async function bytes(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function definedOnly(headers: WireAnswer['headers']): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) kept[name] = value;
  return kept;
}

/** The head of an answer as text; headers given here take precedence, undefined leaves one out. */
export function headText({ status, headers, body }: WireAnswer, others: WireAnswer['headers'] = {}): string {
  const all = definedOnly({ ...headers, 'content-length': String(body.length), ...others });
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} -\r\n${lines.join('')}\r\n`;
}
