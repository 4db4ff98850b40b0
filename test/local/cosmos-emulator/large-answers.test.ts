import { spawn } from 'node:child_process';
import https from 'node:https';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BulkOperationType, CosmosClient, type OperationInput } from '@azure/cosmos';
import { expect, it, onTestFinished } from 'vitest';

const WRITERS = 8;
/** Documents each of them writes, in batches whose answers are greater than what a socket takes at once. */
const EACH = 1000;

const main = fileURLToPath(new URL('../../../src/local/cosmos-emulator/main.ts', import.meta.url));

/** An emulator in a process of its own: in this one it would not work while the client does. */
async function emulator(): Promise<{ readonly endpoint: string; readonly key: string; readonly ca: string }> {
  const flags = ['--port', '0', '--https', '--partitions', '3', '--no-throttling', '--latency', '5', '--parent-pipe'];
  const child = spawn(process.execPath, [main, ...flags], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill();
  });
  for await (const line of createInterface(child.stdout)) {
    const { endpoint, key, caCertificate: ca } = JSON.parse(line) as Record<string, string>;
    return { endpoint: endpoint ?? '', key: key ?? '', ca: ca ?? '' };
  }
  throw new Error('The emulator ended.');
}

it('large answers over TLS leave their connections whole', async () => {
  const { endpoint, key, ca } = await emulator();
  const agent = new https.Agent({ ca, keepAlive: true });
  const client = new CosmosClient({ endpoint, key, agent });
  onTestFinished(() => {
    client.dispose();
    agent.destroy();
  });
  const { database } = await client.databases.create({ id: 'db' });
  const { container } = await database.containers.create({ id: 'c', partitionKey: { paths: ['/pk'] } });
  const codes: (number | undefined)[] = [];
  // Each request and each answer is more than one TLS record.
  const writer = async (_: unknown, pk: number): Promise<void> => {
    for (let first = 0; first < EACH; first += 100) {
      const operations = Array.from({ length: 100 }, (__, i): OperationInput => {
        const resourceBody = { id: `x${first + i}`, pk, text: 't'.repeat(1500) };
        return { operationType: BulkOperationType.Create, partitionKey: pk, resourceBody };
      });
      codes.push(...(await container.items.bulk(operations)).map((result) => result.statusCode));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  expect(codes.filter((code) => code !== 201)).toEqual([]);
  const { resources } = await container.items.query('SELECT VALUE c.text FROM c', { maxItemCount: 500 }).fetchAll();
  expect(resources).toHaveLength(WRITERS * EACH);
});
