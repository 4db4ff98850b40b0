/** Clients of an emulator under test: the SDK, and raw signed requests for what the SDK cannot send or show. */
import { createHmac } from 'node:crypto';
import { CosmosClient, type Container, type ContainerRequest } from '@azure/cosmos';
import { resourceOf } from '../../../src/local/cosmos-emulator/key-authentication.ts';
import { startCosmosEmulator, type CosmosEmulator } from '../../../src/local/cosmos-emulator/emulator.ts';
import type { EmulatorOptions } from '../../../src/local/cosmos-emulator/options.ts';

/** What a container is made of. */
export type NewContainer = Omit<ContainerRequest, 'partitionKey'> & {
  /** As JSON has it; the SDK's type wants its enums. */
  readonly partitionKey:
    | string
    | { readonly paths: readonly string[]; readonly kind?: string; readonly version?: number };
};

/** An emulator with a client; both end with `await using`. */
export interface Running extends AsyncDisposable {
  readonly emulator: CosmosEmulator;
  readonly client: CosmosClient;
  /** Creates database `db` and a container in it. */
  container(request: NewContainer): Promise<Container>;
}

export async function running(options: EmulatorOptions = {}): Promise<Running> {
  const emulator = await startCosmosEmulator(options);
  const client = sdkClient(emulator);
  return {
    emulator,
    client,
    async container(request) {
      const { database } = await client.databases.createIfNotExists({ id: 'db' });
      return (await database.containers.create(request as ContainerRequest)).container;
    },
    async [Symbol.asyncDispose]() {
      client.dispose();
      await emulator.close();
    },
  };
}

export function sdkClient(emulator: { readonly endpoint: string; readonly key: string }): CosmosClient {
  return new CosmosClient({
    endpoint: emulator.endpoint,
    key: emulator.key,
    connectionPolicy: { retryOptions: { maxRetryAttemptCount: 0 } },
  });
}

export interface RawAnswer {
  readonly status: number;
  readonly substatus: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
  readonly json: unknown;
}

/** Sends a request signed with the key (at `date`), or with the authorization given. */
export async function raw(
  emulator: { readonly endpoint: string; readonly key: string },
  method: string,
  path: string,
  options: {
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
    readonly date?: Date;
    readonly authorization?: string;
  } = {},
): Promise<RawAnswer> {
  const date = (options.date ?? new Date()).toUTCString();
  const segments = path.split('/').filter((part) => part !== '');
  const { type, link } = resourceOf(segments.map((part) => decodeURIComponent(part)));
  const text = `${method.toLowerCase()}\n${type}\n${link}\n${date.toLowerCase()}\n\n`;
  const signature = createHmac('sha256', Buffer.from(emulator.key, 'base64')).update(text).digest('base64');
  const response = await fetch(new URL(path, emulator.endpoint), {
    method,
    headers: {
      'x-ms-date': date,
      authorization: options.authorization ?? encodeURIComponent(`type=master&ver=1.0&sig=${signature}`),
      ...options.headers,
    },
    ...(options.body === undefined
      ? {}
      : { body: options.body instanceof Uint8Array ? new Uint8Array(options.body) : textOf(options.body) }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const body = bytes.toString('utf8');
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    json = undefined;
  }
  return {
    status: response.status,
    substatus: Number(response.headers.get('x-ms-substatus') ?? 0),
    headers: response.headers,
    bytes,
    text: body,
    json,
  };
}

function textOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

/** Headers of a batch whose operations stand each for themselves. */
export function batchHeaders(rangeId: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-ms-cosmos-is-batch-request': 'true',
    'x-ms-cosmos-batch-atomic': 'false',
    'x-ms-cosmos-batch-continue-on-error': 'true',
    'x-ms-documentdb-partitionkeyrangeid': rangeId,
    ...more,
  };
}

/** Status of a call, whether it resolves or rejects. */
export async function statusOf(call: Promise<{ readonly statusCode?: number }>): Promise<number | string | undefined> {
  try {
    return (await call).statusCode;
  } catch (thrown) {
    return (thrown as { readonly code?: number | string }).code;
  }
}
