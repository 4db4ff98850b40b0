/**
 * The RU lease with real processes: `node test/bench/lease-processes.ts [processes] [seconds]`. Each process writes as
 * much as its grant allows to one container of the Cosmos emulator, which runs in a process of its own; the figures are
 * read from the emulator's counters per second. Half way one process is killed.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BulkOperationType, CosmosClient } from '@azure/cosmos';
import type { Container } from '@azure/cosmos';
import { cosmosLeaseStore } from '../../src/cosmos/lease/cosmos-lease-store.ts';
import { openRuBudget } from '../../src/cosmos/ru-lease.ts';
import { effectivePartitionKey } from '../../src/documents/effective-partition-key.ts';
import type { CounterTotals, SecondCount } from '../../src/local/cosmos-emulator/counters.ts';

const CONTAINER_RU = 20_000;
const BUDGET = 6000;
const PARTITIONS = 4;
const IN_FLIGHT = 4;
const KEYS = 500;
const self = fileURLToPath(import.meta.url);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Partition key values by physical partition: a range ends where the next begins. */
async function keysByRange(container: Container): Promise<ReadonlyMap<string, string[]>> {
  const { resources } = await container.readPartitionKeyRanges().fetchAll();
  const keys = new Map(resources.map(({ id }) => [id, [] as string[]]));
  for (let i = 0; i < KEYS * PARTITIONS; i++) {
    const hash = effectivePartitionKey([`key-${i}`], { kind: 'Hash', version: 2 });
    const range = resources.find(({ minInclusive, maxExclusive }) => hash >= minInclusive && hash < maxExclusive);
    if (range !== undefined) keys.get(range.id)?.push(`key-${i}`);
  }
  return keys;
}

async function work(endpoint: string, key: string, name: string): Promise<void> {
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { retryOptions: { maxRetryAttemptCount: 0 } } });
  const container = client.database('shop').container('products');
  const store = cosmosLeaseStore(client.database('shop').container('state'), 'bench');
  const budget = openRuBudget({ store, ruPerSecond: () => Promise.resolve(BUDGET), processId: name });
  const limiter = budget.limiterFor({ id: 'products', priority: 'bulk' });
  const ranges = await keysByRange(container);
  limiter.usePartitions([...ranges.keys()].map((id) => ({ id, fraction: 1 / PARTITIONS })));
  const { signal } = new AbortController();
  const lane = async (partition: string, keys: readonly string[]): Promise<never> => {
    for (let next = 0; ;) {
      const operations = Math.max(1, Math.min(100, Math.floor(limiter.batchRu(partition) / 8)));
      const reservation = await limiter.reserve({ partition, estimatedRu: operations * 8, operations }, signal);
      const batch = Array.from({ length: operations }, () => ({
        operationType: BulkOperationType.Upsert,
        resourceBody: { id: `${name}-${next++ % 50}`, category: keys[next % keys.length] ?? '', text: 'x'.repeat(500) },
      }));
      try {
        const options = { contentResponseOnWriteEnabled: false };
        const answers = await container.items.bulk(batch, { continueOnError: true }, options);
        const charged = answers.reduce((sum, answer) => sum + (answer?.requestCharge ?? 0), 0);
        const throttled = answers.some((answer) => answer?.statusCode === 429);
        if (throttled) reservation.settle(charged, 500);
        else reservation.settle(charged);
      } catch {
        reservation.lost();
      }
    }
  };
  const lanes = [...ranges].flatMap(([id, keys]) => Array.from({ length: IN_FLIGHT }, () => lane(id, keys)));
  await Promise.all(lanes);
}

interface Ready {
  readonly endpoint: string;
  readonly key: string;
}

function firstLine(child: ChildProcess): Promise<Ready> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => resolve(JSON.parse(line.toString()) as Ready));
    child.once('exit', (code) => reject(new Error(`the emulator ended with ${code}`)));
  });
}

function secondsOf(counts: readonly SecondCount[], container: string): ReadonlyMap<number, number> {
  const seconds = new Map<number, number>();
  for (const { second, container: of, requestUnits } of counts) {
    if (of === container) seconds.set(second, (seconds.get(second) ?? 0) + requestUnits);
  }
  return seconds;
}

async function run(processes: number, seconds: number): Promise<void> {
  const main = fileURLToPath(new URL('../../src/local/cosmos-emulator/main.ts', import.meta.url));
  const emulator = spawn(process.execPath, [main, '--partitions', String(PARTITIONS), '--parent-pipe'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { endpoint, key } = await firstLine(emulator);
  const client = new CosmosClient({ endpoint, key });
  const { database } = await client.databases.create({ id: 'shop' });
  const products = { id: 'products', partitionKey: { paths: ['/category'], version: 2 }, throughput: CONTAINER_RU };
  await database.containers.create(products);
  await database.containers.create({ id: 'state', partitionKey: { paths: ['/target'] }, throughput: 1000 });
  client.dispose();

  const workers = Array.from({ length: processes }, (_, i) =>
    spawn(process.execPath, [self, '--worker', endpoint, key, `worker-${i}`], { stdio: 'inherit' }),
  );
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
  await sleep(seconds * 500);
  workers[0]?.kill('SIGKILL');
  const killed = Math.floor(Date.now() / 1000);
  await sleep(seconds * 500);
  const answer = await fetch(new URL('/_emulator/counters', endpoint));
  const totals = (await answer.json()) as CounterTotals & { readonly perSecond: readonly SecondCount[] };
  for (const worker of workers) worker.kill('SIGKILL');
  emulator.stdin.end();

  const spent = secondsOf(totals.perSecond, 'products');
  const first = Math.min(...spent.keys());
  const last = Math.max(...spent.keys());
  const full = [...spent].filter(([second]) => second > first && second < last);
  const steady = full.filter(([second]) => second > first + 3 && (second < killed || second > killed + 6));
  const mean = (of: readonly (readonly [number, number])[]): number =>
    of.reduce((sum, [, ru]) => sum + ru, 0) / of.length / BUDGET;
  const back = full.find(([second, ru]) => second > killed + 1 && ru >= 0.95 * BUDGET)?.[0] ?? Number.NaN;
  const lease = [...secondsOf(totals.perSecond, 'state').values()];
  print(full.map(([second, ru]) => `${second - killed}:${(ru / BUDGET).toFixed(2)}`).join(' '));
  print(`${processes} processes, ${full.length} full seconds, budget ${BUDGET} of ${CONTAINER_RU} RU/s`);
  print(
    `charged over the budget: whole run ${mean(full).toFixed(3)}, steady ${mean(steady).toFixed(3)}, worst second ${(Math.max(...full.map(([, ru]) => ru)) / BUDGET).toFixed(3)}`,
  );
  print(
    `throttled operations ${totals.throttled} of ${totals.operations}; share of the killed process in use again after ${back - killed} s`,
  );
  print(
    `lease ${(lease.reduce((a, b) => a + b, 0) / lease.length).toFixed(0)} RU/s; answers ${JSON.stringify(totals.statuses)}`,
  );
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--worker') await work(rest[0] ?? '', rest[1] ?? '', rest[2] ?? '');
else await run(Number(first ?? 4), Number(rest[0] ?? 60));
process.exit(0);
