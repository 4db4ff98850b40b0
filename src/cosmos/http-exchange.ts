/** One HTTP exchange, told apart by what is known of it afterwards: answered, lost on the way, or never sent. */
import { randomUUID } from 'node:crypto';
import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { CosmosAccount } from './cosmos-account.ts';

/** A request as it goes onto the wire. */
export interface ExchangeRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** From the moment a socket is asked for to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Each of them destroys the socket when it aborts; one that is aborted already keeps the request from being sent. */
  readonly cancel: readonly AbortSignal[];
}

export type Exchange =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: Buffer;
    }
  /** Bytes may have reached the service; what it did is unknown. `cause` is an error code such as ECONNRESET. */
  | { readonly kind: 'lost'; readonly cause: string }
  /** No byte left the process. */
  | { readonly kind: 'unsent'; readonly cause: string };

/** Answers of this service stay below 4 MB; more is not from it. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** The service repeats this header of a request in its answer ("Common Azure Cosmos DB REST response headers"). */
const ACTIVITY = 'x-ms-activity-id';
/** The first four groups of this process's activity ids; the last one counts its requests. */
const OWN_ACTIVITIES = randomUUID().slice(0, 24);
let activities = 0;

/** Whether a text from outside, such as a token or the id of a range, can be sent in a header. */
export function isHeaderText(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** Sends one request. Never rejects. */
export function exchange(account: Pick<CosmosAccount, 'agent' | 'clock'>, request: ExchangeRequest): Promise<Exchange> {
  return new Promise((resolve) => {
    if (request.cancel.some((signal) => signal.aborted)) {
      resolve({ kind: 'unsent', cause: 'cancelled' });
      return;
    }
    let sent = false;
    let settled = false;
    const timer = new AbortController();
    const finish = (result: Exchange): void => {
      if (settled) return;
      settled = true;
      timer.abort();
      for (const signal of request.cancel) signal.removeEventListener('abort', onCancel);
      resolve(result);
    };
    const fail = (cause: string): void => {
      finish({ kind: sent ? 'lost' : 'unsent', cause });
      client.destroy();
    };
    const onCancel = (): void => fail('cancelled');
    const activity = `${OWN_ACTIVITIES}${(++activities).toString(16).padStart(12, '0')}`;

    const send = request.url.protocol === 'https:' ? httpsRequest : httpRequest;
    const client: ClientRequest = send({
      agent: account.agent,
      hostname: request.url.hostname.replace(/^\[|\]$/g, ''),
      port: request.url.port === '' ? undefined : request.url.port,
      method: request.method,
      path: request.path,
      headers: { ...request.headers, [ACTIVITY]: activity },
    });
    for (const signal of request.cancel) signal.addEventListener('abort', onCancel, { once: true });
    void account.clock.sleep(request.timeoutMs, timer.signal).then(
      () => fail('timeout'),
      () => undefined,
    );

    // Nothing is written before the socket is there, so a grant that ended while the request waited for one costs nothing.
    const write = (): void => {
      if (settled) return;
      sent = true;
      client.end(request.body);
    };
    client.once('socket', (socket: Socket) => {
      if (!socket.connecting) write();
      else socket.once(request.url.protocol === 'https:' ? 'secureConnect' : 'connect', write);
    });
    client.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.name));
    client.once('response', (response) => {
      // A connection on which something was answered twice gives each request the answer of the one before.
      const answered = response.headers[ACTIVITY];
      if (typeof answered === 'string' && answered !== activity && answered.startsWith(OWN_ACTIVITIES)) {
        fail('answerOfAnotherRequest');
        return;
      }
      collect(response, fail, (body) =>
        finish({ kind: 'answer', status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
  });
}

function collect(response: IncomingMessage, fail: (cause: string) => void, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) fail('answerTooLarge');
  });
  response.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.name));
  response.on('end', () => {
    if (!response.complete) fail('truncated');
    else done(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
  });
}
