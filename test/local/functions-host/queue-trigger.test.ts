/** Storage queue functions against Azurite through @azure/storage-queue. */
import { QueueServiceClient } from '@azure/storage-queue';
import type { QueueClient } from '@azure/storage-queue';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Azurite } from './azurite.ts';
import { startAzurite } from './azurite.ts';
import { isAlive, spawnHost } from './host-process.ts';
import type { HostProcess } from './host-process.ts';
import { recordedInvocations } from './recordings.ts';
import { copyApp, startTestHost, until } from './test-host.ts';
import type { TestHost } from './test-host.ts';

let azurite: Azurite;
let service: QueueServiceClient;
let sequence = 0;
beforeAll(async () => {
  azurite = await startAzurite();
  service = QueueServiceClient.fromConnectionString(azurite.connectionString);
});
afterAll(() => azurite.close());

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64');
}

async function texts(queue: QueueClient): Promise<readonly string[]> {
  const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: 32 });
  return peekedMessageItems.map(({ messageText }) => messageText);
}

async function isEmpty(queue: QueueClient): Promise<boolean> {
  // Messages that are worked on are invisible but counted.
  return (await queue.getProperties()).approximateMessagesCount === 0;
}

describe('a queue function', () => {
  let host: TestHost;
  let queue: QueueClient;
  let poison: QueueClient;
  let notes: string;
  let folder: string;

  const lines = (): readonly string[] =>
    existsSync(notes)
      ? readFileSync(notes, 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('work') || line.startsWith('done'))
      : [];
  const emptied = (): Promise<boolean> => until('empty queue', async () => (await isEmpty(queue)) || undefined);

  beforeEach(async () => {
    sequence += 1;
    folder = mkdtempSync(join(tmpdir(), 'functions-notes-'));
    notes = join(folder, 'notes');
    queue = service.getQueueClient(`work-${sequence}`);
    poison = service.getQueueClient(`work-${sequence}-poison`);
    host = await startTestHost({
      fixture: 'triggers',
      settings: {
        AzureWebJobsStorage: azurite.connectionString,
        WORK_QUEUE: `work-${sequence}`,
        HOURLY: '0 0 * * * *',
        NOTES: notes,
      },
      hostJsonOverrides: { functionTimeout: '00:00:01' },
    });
    // The queue appears after the host: a queue that is missing is no error.
    await queue.create();
  });
  afterEach(async () => {
    await host.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gets each message once and deletes it', async () => {
    for (let n = 0; n < 12; n += 1) await queue.sendMessage(encoded({ n }));
    await emptied();
    const done = lines().filter((line) => line.startsWith('done'));
    expect(new Set(done).size).toBe(12);
    expect(done).toHaveLength(12);
  });

  it('runs at most batchSize + newBatchThreshold messages at a time', async () => {
    for (let n = 0; n < 20; n += 1) await queue.sendMessage(encoded({ n, ms: 60 }));
    await emptied();
    let open = 0;
    let most = 0;
    for (const line of lines()) {
      open += line.startsWith('work') ? 1 : -1;
      most = Math.max(most, open);
    }
    expect(most).toBeLessThanOrEqual(4 + 2);
    expect(most).toBeGreaterThan(1);
  });

  it('that fails is called maxDequeueCount times, then its message is in the poison queue as it was', async () => {
    const text = encoded({ fail: true });
    await queue.sendMessage(text);
    await emptied();
    expect(lines()).toEqual(['work 1 {"fail":true}', 'work 2 {"fail":true}', 'work 3 {"fail":true}']);
    expect(await texts(poison)).toEqual([text]);
  });

  it('never sees a message that is not base64: it goes to the poison queue', async () => {
    await queue.sendMessage('not-base64 {raw}');
    await emptied();
    expect(await texts(poison)).toEqual(['not-base64 {raw}']);
    expect(lines()).toEqual([]);
  });

  it('whose worker exits gets its message again', async () => {
    await queue.sendMessage(encoded({ exit: 3 }));
    await emptied();
    expect(lines()).toEqual(['work 1 {"exit":3}', 'work 2 {"exit":3}', 'work 3 {"exit":3}']);
    expect(await texts(poison)).toHaveLength(1);
    await queue.sendMessage(encoded({ after: true }));
    await until('next message', () => lines().includes('done {"after":true}') || undefined);
  });

  it('that exceeds functionTimeout loses its worker, and the message comes again', async () => {
    await queue.sendMessage(encoded({ ms: 60_000 }));
    await emptied();
    expect(lines().filter((line) => line.startsWith('work'))).toHaveLength(3);
    expect(await texts(poison)).toHaveLength(1);
    expect(host.log.events.filter(({ name }) => name === 'functionTimedOut')).toHaveLength(3);
  });

  it('is called twice for a duplicated message and never for a lost one, on request', async () => {
    host.setFaults([{ fault: 'queueMessageDuplicated', count: 1 }]);
    await queue.sendMessage(encoded({ n: 1 }));
    await until('second call', () => lines().filter((line) => line === 'done {"n":1}').length === 2 || undefined);
    await emptied();
    const response = await host.fetch('/_host/faults', {
      method: 'POST',
      body: '[{"fault":"queueMessageLost","count":1}]',
    });
    expect(response.status).toBe(204);
    await queue.sendMessage(encoded({ n: 2 }));
    await emptied();
    expect(lines().some((line) => line.includes('"n":2'))).toBe(false);
  });
});

describe('recorded queue behaviour', () => {
  it('metadata, the retry policy times the dequeue count, outputs', async () => {
    const host = await startTestHost({
      settings: {
        AzureWebJobsStorage: azurite.connectionString,
        AzureFunctionsJobHost__extensions__queues__visibilityTimeout: '00:00:00',
      },
    });
    try {
      const queue = service.getQueueClient('qretry');
      await queue.createIfNotExists();
      await queue.sendMessage(Buffer.from('r').toString('base64'));
      await until('poison', async () => {
        const poison = service.getQueueClient('qretry-poison');
        return ((await poison.exists()) && (await texts(poison)).length === 1) || undefined;
      });
      const tries = host.log.messages().filter((message) => message.startsWith('QRETRY'));
      expect(tries).toHaveLength(3 * 3);
      expect(tries[1]).toContain('"retryCount":1,"maxRetryCount":2');

      const outs = await host.fetch('/api/outs', { method: 'POST' });
      expect(outs.status).toBe(200);
      const messages = await texts(service.getQueueClient('qout'));
      expect(messages).toEqual(['{\n  "j": 1\n}', 'str'].map((text) => Buffer.from(text).toString('base64')));

      const plain = service.getQueueClient('qin');
      await plain.createIfNotExists();
      await plain.sendMessage(Buffer.from('{"adm":1}').toString('base64'));
      const line = await until('QUEUE', () => host.log.messages().find((message) => message.startsWith('QUEUE')));
      expect(line).toMatch(/^QUEUE object \{"adm":1\} /);
      // A real message has an id and a receipt besides what the recorded one, sent by the admin API, had.
      const recorded = recordedInvocations().find(({ name }) => name === 'qslow')?.invocation.triggerMetadata ?? {};
      const metadata = JSON.parse(line.slice(line.lastIndexOf(' {') + 1)) as Record<string, unknown>;
      const names = Object.keys(recorded).map((name) => name.charAt(0).toLowerCase() + name.slice(1));
      expect(Object.keys(metadata).toSorted()).toEqual([...names, 'adm'].toSorted());
      // On the wire it is the string "1", as recorded; the SDK reads what looks like JSON.
      expect(metadata['adm']).toBe(1);
    } finally {
      await host.dispose();
    }
  });
});

describe.concurrent('a message that is worked on', () => {
  it('stays invisible as long as its function runs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'functions-notes-'));
    const notes = join(folder, 'notes');
    const queue = service.getQueueClient('slow');
    await queue.create();
    // Longer than a message is hidden at a time.
    await queue.sendMessage(encoded({ ms: 12_000 }));
    const host = await startTestHost({
      fixture: 'triggers',
      settings: {
        AzureWebJobsStorage: azurite.connectionString,
        WORK_QUEUE: 'slow',
        HOURLY: '0 0 * * * *',
        NOTES: notes,
      },
    });
    try {
      await until('empty queue', async () => (await isEmpty(queue)) || undefined);
      const calls = readFileSync(notes, 'utf8')
        .split('\n')
        .filter((line) => /^(work|done)/.test(line));
      expect(calls).toEqual(['work 1 {"ms":12000}', 'done {"ms":12000}']);
      expect(host.log.events.filter(({ name }) => name === 'hostProblem')).toEqual([]);
    } finally {
      await host.dispose();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('by a host that is killed stays in the queue, and the next host gets it', async () => {
    await expect(survivesAKill()).resolves.toBeUndefined();
  });
});

async function survivesAKill(): Promise<void> {
  const appFolder = copyApp('triggers');
  const dataFolder = mkdtempSync(join(tmpdir(), 'functions-data-'));
  const notes = join(dataFolder, 'notes');
  const settings = {
    AzureWebJobsStorage: azurite.connectionString,
    WORK_QUEUE: 'killed',
    HOURLY: '0 0 * * * *',
    NOTES: notes,
  };
  const noted = (text: string): boolean => existsSync(notes) && readFileSync(notes, 'utf8').includes(text);
  const hosts: HostProcess[] = [];
  try {
    const queue = service.getQueueClient('killed');
    await queue.create();
    await queue.sendMessage(encoded({ ms: 2000 }));
    hosts.push(spawnHost({ appFolder, dataFolder, settings }));
    await hosts[0]?.first;
    await until('first call', () => noted('work 1') || undefined);
    hosts[0]?.child.kill('SIGKILL');
    await hosts[0]?.exited;
    expect(isAlive(hosts[0]?.child.pid ?? 0)).toBe(false);
    hosts.push(spawnHost({ appFolder, dataFolder, settings }));
    await until('second call', () => noted('work 2') || undefined);
    await until('done', () => noted('done') || undefined);
    await until('empty queue', async () => (await isEmpty(queue)) || undefined);
  } finally {
    for (const { child, exited } of hosts) {
      child.kill('SIGKILL');
      await exited;
    }
    for (const folder of [appFolder, dataFolder]) rmSync(folder, { recursive: true, force: true });
  }
}
