/** The Event Grid blob webhook and its internal queue, against Azurite, beside the recordings. */
import { BlobServiceClient } from '@azure/storage-blob';
import type { ContainerClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Azurite } from './azurite.ts';
import { startAzurite } from './azurite.ts';
import { recordedCalls } from './recordings.ts';
import { startTestHost, until } from './test-host.ts';
import type { TestHost } from './test-host.ts';

let azurite: Azurite;
let blobs: BlobServiceClient;
let queues: QueueServiceClient;
beforeAll(async () => {
  azurite = await startAzurite();
  blobs = BlobServiceClient.fromConnectionString(azurite.connectionString);
  queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
});
afterAll(() => azurite.close());

async function internalQueueEmpty(): Promise<void> {
  const queue = queues.getQueueClient('azure-webjobs-blobtrigger-local');
  await until(
    'empty internal queue',
    async () => (await queue.getProperties()).approximateMessagesCount === 0 || undefined,
  );
}

describe('recorded webhook calls', () => {
  it('get the recorded answers and call the function as recorded', async () => {
    const container = blobs.getContainerClient('samples');
    await container.create();
    for (const name of ['one.txt', 'two words/a b.txt', 'bad.txt', 'e1.txt', 'e2.txt', 'ce.txt', 'ce2.txt']) {
      await container.getBlockBlobClient(name).upload('cloud', 5);
    }
    const host = await startTestHost({ settings: { AzureWebJobsStorage: azurite.connectionString } });
    try {
      const calls = [
        ...recordedCalls('http-blob-and-queue'),
        ...recordedCalls('http-misc').filter(({ path }) => path?.startsWith('/runtime/webhooks/blobs')),
        // The official host shuts down after a call without functionName; this one ignores the event.
        ...recordedCalls('http-webhook-odd'),
      ];
      let compared = 0;
      for (const { label, method = 'GET', path, body, status, headers, response } of calls) {
        if (path === undefined) continue;
        const accountUrl = blobs.url.replace(/\/$/, '');
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        const key = label === 'bad code' ? 'wrong' : host.systemKeys.blobs_extension;
        const event =
          label === 'validation handshake'
            ? 'SubscriptionValidation'
            : label === 'Unsubscribe'
              ? 'Unsubscribe'
              : 'Notification';
        // The recordings leave request headers out; these two calls carried no event type.
        const withEvent = label !== 'no aeg header' && label !== 'CloudEvent schema' && method === 'POST';
        const answer = await fetch(`${host.url}${path.replace('***', key)}`, {
          method,
          headers: { 'content-type': 'application/json', ...(withEvent ? { 'aeg-event-type': event } : {}) },
          ...(body === undefined
            ? {}
            : { body: text.replaceAll('http://127.0.0.1:10000/devstoreaccount1', accountUrl) }),
        });
        const given = await answer.text();
        expect(answer.status, label).toBe(status);
        for (const [name, value] of Object.entries(headers ?? {})) expect(answer.headers.get(name), label).toBe(value);
        if (response !== '' && response !== undefined) expect(JSON.parse(given), label).toEqual(response);
        compared += 1;
      }
      expect(compared).toBe(26);
      await internalQueueEmpty();
      const called = host.log
        .messages()
        .filter((message) => message.startsWith('BLOBEG'))
        .map((message) => JSON.parse(message.slice(message.indexOf('{'))) as { blobTrigger: string; name: string });
      const times = new Map<string, number>();
      for (const { blobTrigger } of called) times.set(blobTrigger, (times.get(blobTrigger) ?? 0) + 1);
      // one.txt: notification, its duplicate, BlobDeleted, the single object, the short function name.
      expect(Object.fromEntries(times)).toEqual({
        'samples/one.txt': 5,
        'samples/two words/a b.txt': 1,
        'samples/bad.txt': 2,
        'samples/e1.txt': 1,
        'samples/e2.txt': 1,
        'samples/ce2.txt': 1,
      });
      const poison = await queues.getQueueClient('webjobs-blobtrigger-poison').peekMessages({ numberOfMessages: 32 });
      const recorded = recordedCalls('http-blob-and-queue').at(-1) as unknown as {
        queues: readonly { name: string; peek: readonly { text: string }[] }[];
      };
      expect(poison.peekedMessageItems.map(({ messageText }) => Buffer.from(messageText, 'base64').toString())).toEqual(
        recorded.queues.find(({ name }) => name === 'webjobs-blobtrigger-poison')?.peek.map(({ text }) => text),
      );
    } finally {
      await host.dispose();
    }
  });
});

describe('a blob function', () => {
  let host: TestHost;
  let container: ContainerClient;
  let folder: string;
  const lines = (): readonly string[] => {
    const file = join(folder, 'notes');
    return existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('blob '))
      : [];
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'functions-notes-'));
    container = blobs.getContainerClient('lake');
    await container.create();
    host = await startTestHost({
      fixture: 'triggers',
      settings: {
        AzureWebJobsStorage: azurite.connectionString,
        WORK_QUEUE: 'unused',
        HOURLY: '0 0 * * * *',
        NOTES: join(folder, 'notes'),
      },
    });
  });
  afterAll(async () => {
    await host.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  async function notify(blobName: string): Promise<void> {
    const url = `${container.url}/${blobName}`;
    const response = await fetch(
      `${host.url}/runtime/webhooks/blobs?functionName=Host.Functions.onBlob&code=${host.systemKeys.blobs_extension}`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'aeg-event-type': 'Notification' },
        body: JSON.stringify([
          { eventType: 'Microsoft.Storage.BlobCreated', data: { url, eTag: '0x1', blobType: 'BlockBlob' } },
        ]),
      },
    );
    expect(response.status).toBe(202);
  }

  it('gets content, address, metadata and the captures of its path', async () => {
    const name = 'sales/_delta_log/00000000000000000007.json';
    await container.getBlockBlobClient(name).upload('{"commitInfo":{}}', 17, { metadata: { writer: 'spark' } });
    await notify(name);
    const line = await until('call', () => lines()[0]);
    expect(JSON.parse(line.slice(5))).toEqual({
      text: '{"commitInfo":{}}',
      blobTrigger: `lake/${name}`,
      uri: `${container.url}/${name}`,
      metadata: { writer: 'spark' },
      table: 'sales',
      name: '00000000000000000007',
    });
  });

  it('is not called for blobs that its path does not match, for blobs that are gone, or for lost events', async () => {
    const before = lines().length;
    await container.getBlockBlobClient('sales/part-1.parquet').upload('x', 1);
    await notify('sales/part-1.parquet');
    await notify('sales/_delta_log/00000000000000000099.json');
    await container.getBlockBlobClient('lost/_delta_log/1.json').upload('lost', 4);
    host.setFaults([{ fault: 'blobEventLost', count: 1 }]);
    await notify('lost/_delta_log/1.json');
    await container.getBlockBlobClient('last/_delta_log/1.json').upload('last', 4);
    await notify('last/_delta_log/1.json');
    await until('last call', () => lines().find((line) => line.includes('last')));
    await internalQueueEmpty();
    expect(lines()).toHaveLength(before + 1);
  });
});
