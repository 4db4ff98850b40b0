/** TCP ports on the loopback interface. */
import { createServer } from 'node:net';
import { SyncError } from '../../shared/errors.ts';

/** The only interface that the local Azure listens on. */
export const LOOPBACK = '127.0.0.1';

/** Which port a service wants. */
export interface PortWish {
  /** For messages: the service, as in "the Cosmos emulator". */
  readonly service: string;
  /** Taken when it is free; 0: any. */
  readonly usual: number;
  /** What the user asked for: this one or an error. */
  readonly asked: number | undefined;
  /** The flag that asks, without dashes. */
  readonly flag: string;
}

/** The port asked for (throws `portTaken`), else the usual one, else any free one. */
export async function choosePort(wish: PortWish): Promise<number> {
  if (wish.asked !== undefined) {
    if ((await bind(wish.asked)) !== undefined) return wish.asked;
    throw new SyncError('portTaken', {
      problem: `Port ${wish.asked} for ${wish.service} is in use or not allowed.`,
      remedy: `Choose another with --${wish.flag}, or leave the flag out to take a free one.`,
    });
  }
  const port = (await bind(wish.usual)) ?? (await bind(0));
  if (port === undefined) throw new SyncError('portTaken', { problem: `No free port for ${wish.service}.` });
  return port;
}

/** The port when it could be bound (0: any), undefined when not. It is free again afterwards. */
async function bind(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}
