/** The host's HTTP server on the loopback interface. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SyncError } from '../../shared/errors.ts';
import type { Log } from '../../shared/telemetry.ts';
import { emptyResponse, readRequest, writeResponse } from './http-exchange.ts';
import type { HostRequest, HostResponse } from './http-exchange.ts';

/** Answers the host's requests. */
export interface RequestHandler {
  handle(request: HostRequest): Promise<HostResponse>;
}

/** Listens before the app is loaded, because workers must know the port; answers 503 until then. */
export class HostServer {
  readonly hostName: string;
  readonly #server: Server;
  readonly #log: Log;
  #handler: RequestHandler | undefined;

  private constructor(server: Server, port: number, log: Log) {
    this.#server = server;
    this.hostName = `127.0.0.1:${port}`;
    this.#log = log;
    server.on('request', (message, response) => void this.#answer(message, response));
  }

  /** Throws `portTaken`. */
  static async listen(port: number, log: Log): Promise<HostServer> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE' || error.code === 'EACCES';
        reject(
          taken
            ? new SyncError('portTaken', {
                problem: `Port ${port} cannot be used.`,
                reason: error.code === 'EACCES' ? 'It is not allowed.' : 'Another program listens on it.',
                cause: error,
              })
            : error,
        );
      });
      server.listen(port, '127.0.0.1', resolve);
    });
    return new HostServer(server, (server.address() as AddressInfo).port, log);
  }

  get origin(): string {
    return `http://${this.hostName}`;
  }

  serve(handler: RequestHandler): void {
    this.#handler = handler;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: HostResponse;
    try {
      const request = await readRequest(message, this.hostName);
      if (request === undefined) answer = emptyResponse(413);
      else if (this.#handler === undefined) answer = emptyResponse(503);
      else answer = await this.#handler.handle(request);
    } catch (error) {
      this.#log.event('hostProblem', { problem: 'request failed', reason: String(error) });
      answer = emptyResponse(500);
    }
    try {
      writeResponse(answer, response, message.method === 'HEAD');
    } catch (error) {
      // Headers that Node refuses: the function's mistake, answered as the official host does.
      this.#log.event('hostProblem', { problem: 'response refused', reason: String(error) });
      if (!response.headersSent) response.writeHead(500).end();
    }
  }
}
