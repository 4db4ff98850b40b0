/**
 * The batch writer beside the SDK's own ways to write, each in a process of its own against an emulator in another:
 * documents per second of client CPU at 1 KB, memory, and what becomes of a budget that the service enforces.
 * Run: node test/bench/writer.ts [--part speed|budget|memory]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CosmosClient, type OperationInput } from '@azure/cosmos';
import { openDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { cosmosLeaseStore } from '../../src/cosmos/lease/cosmos-lease-store.ts';
import { openRuBudget } from '../../src/cosmos/ru-lease.ts';
import { unlimited, type RuLimiter } from '../../src/cosmos/ru-limiter.ts';
import { startCosmosEmulator, type SecondCount } from '../../src/local/cosmos-emulator/emulator.ts';
import type { Operation } from '../../src/sync/document-writer.ts';
import { documentOf, operations } from '../support/bench-documents.ts';

const DATABASE = 'bench';
const CONTAINER = 'documents';
const WARM_UP = 5_000;
/** RU/s of the container in the second part, all of it the writer's budget. */
const BUDGET = 12_000;
const BUDGET_SECONDS = 30;
/** Seconds at the start of the second part that are not counted: the lease is taken and the bucket fills. Nor is the end, without new work. */
const BUDGET_START_SECONDS = 5;

interface Figures {
  readonly documents: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssStartMb: number;
  readonly rssMb: number;
}

type Write = (from: number, count: number) => Promise<void>;

/** Ways to write, by name; each gets the endpoint and key. */
const MODES: Readonly<Record<string, (endpoint: string, key: string) => Promise<Write>>> = {
  'batch writer': (endpoint, key) => writerMode(endpoint, key, unlimited),
  'items.bulk': async (endpoint, key) => {
    const { items } = container(endpoint, key);
    return async (from, count) => {
      for (let at = from; at < from + count; at += 100) {
        const batch = Array.from({ length: 100 }, (_, index) => bulkOperation(at + index));
        const answers = await items.bulk(batch, { continueOnError: true }, { contentResponseOnWriteEnabled: false });
        for (const { statusCode } of answers) if (statusCode >= 300) throw new Error(`answered ${statusCode}`);
      }
    };
  },
  executeBulkOperations: async (endpoint, key) => {
    const { items } = container(endpoint, key);
    return async (from, count) => {
      const all = Array.from({ length: count }, (_, index) => bulkOperation(from + index));
      const answers = await items.executeBulkOperations(all, { contentResponseOnWriteEnabled: false });
      for (const { error } of answers) if (error !== undefined) throw new Error(error.message);
    };
  },
  'items.upsert': async (endpoint, key) => {
    const { items } = container(endpoint, key);
    return async (from, count) => {
      let next = from;
      const worker = async (): Promise<void> => {
        while (next < from + count) await items.upsert(documentOf(next++));
      };
      await Promise.all(Array.from({ length: 64 }, worker));
    };
  },
};

const COUNTS: Readonly<Record<string, number>> = { 'items.upsert': 5_000 };

function container(endpoint: string, key: string): ReturnType<ReturnType<CosmosClient['database']>['container']> {
  return new CosmosClient({ endpoint, key }).database(DATABASE).container(CONTAINER);
}

function bulkOperation(number: number): OperationInput {
  const resourceBody = documentOf(number);
  return { operationType: 'Upsert', partitionKey: resourceBody.pk, resourceBody };
}

interface BudgetFigures {
  readonly documents: number;
  readonly seconds: number;
  /** Share of operations that were answered with 429. */
  readonly throttled: number;
}

/** Writes for a time under the lease's limiter, which has the container's whole RU/s for its budget. */
async function writeUnderLease(endpoint: string, key: string): Promise<BudgetFigures> {
  const client = new CosmosClient({ endpoint, key });
  const store = cosmosLeaseStore(client.database(DATABASE).container('leases'), 'bench');
  const budget = openRuBudget({ store, ruPerSecond: () => Promise.resolve(BUDGET) });
  const account = await openCosmosAccount({ endpoint, identity: { kind: 'key', key } });
  const limiter = budget.limiterFor({ id: 'documents', priority: 'bulk' });
  const writer = openDocumentWriter({ account, database: DATABASE, container: CONTAINER, limiter });
  const begin = performance.now();
  const { signal } = new AbortController();
  const timed = async function* (): AsyncGenerator<readonly Operation[], void, undefined> {
    for (let from = 0; performance.now() - begin < BUDGET_SECONDS * 1000; from += 1_000) {
      yield* operations(from % 50_000, 1_000);
    }
  };
  let documents = 0;
  for await (const outcomes of writer.write(timed(), signal)) documents += outcomes.length;
  const seconds = (performance.now() - begin) / 1000;
  await limiter.close();
  await budget.close();
  return { documents, seconds, throttled: writer.counters.throttled / (documents + writer.counters.throttled) };
}

/** The same service, `executeBulkOperations` on a few documents: it would not finish more. */
async function executeUnderThrottle(endpoint: string, key: string): Promise<BudgetFigures> {
  const documents = 3_000;
  const write = await (MODES['executeBulkOperations'] as (endpoint: string, key: string) => Promise<Write>)(
    endpoint,
    key,
  );
  const begin = performance.now();
  await write(0, documents);
  return { documents, seconds: (performance.now() - begin) / 1000, throttled: Number.NaN };
}

async function writerMode(endpoint: string, key: string, limiter: RuLimiter): Promise<Write> {
  const account = await openCosmosAccount({ endpoint, identity: { kind: 'key', key } });
  const writer = openDocumentWriter({ account, database: DATABASE, container: CONTAINER, limiter });
  return async (from, count) => {
    for await (const outcomes of writer.write(operations(from, count), new AbortController().signal)) {
      for (const { status } of outcomes) if (status !== 'applied') throw new Error(status);
    }
  };
}

async function measure(mode: string, endpoint: string, key: string, documents: number): Promise<Figures> {
  const open = MODES[mode];
  if (open === undefined) throw new Error(`no mode ${mode}`);
  const write = await open(endpoint, key);
  await write(0, Math.min(WARM_UP, documents));
  const rssStartMb = process.memoryUsage.rss() / 1e6;
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await write(0, documents);
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    documents,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    rssStartMb,
    rssMb: process.resourceUsage().maxRSS / 1000,
  };
}

interface MemoryFigures {
  readonly rssMb: number;
  readonly heapMb: number;
  readonly bufferMb: number;
}

async function measureMemory(endpoint: string, key: string, documents: number): Promise<readonly MemoryFigures[]> {
  const write = await writerMode(endpoint, key, unlimited);
  const held: MemoryFigures[] = [];
  for (let tenth = 0; tenth < 10; tenth++) {
    await write(0, documents / 10);
    const { rss, heapUsed, external } = process.memoryUsage();
    held.push({ rssMb: rss / 1e6, heapMb: heapUsed / 1e6, bufferMb: external / 1e6 });
  }
  return held;
}

// ----------------------------------------------------------------------------------------------- the processes

const { values: args } = parseArgs({
  options: {
    role: { type: 'string' },
    part: { type: 'string' },
    mode: { type: 'string' },
    endpoint: { type: 'string' },
    key: { type: 'string' },
    documents: { type: 'string' },
  },
});

/** Starts this file in another role; `first` is what it sends first. */
async function spawn(
  extra: readonly string[],
): Promise<{ readonly first: unknown; readonly ask: (message: object) => Promise<unknown>; readonly end: () => void }> {
  // Young generation as the app's workers have it.
  const child = fork(fileURLToPath(import.meta.url), extra, { execArgv: ['--max-semi-space-size=16'] });
  const [first] = (await once(child, 'message')) as [unknown];
  const ask = async (message: object): Promise<unknown> => {
    child.send(message);
    const [answer] = (await once(child, 'message')) as [unknown];
    return answer;
  };
  return { first, ask, end: () => child.disconnect() };
}

interface Served {
  readonly endpoint: string;
  readonly key: string;
}

async function serve(): Promise<void> {
  const emulator = await startCosmosEmulator({ partitions: 4 });
  const client = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  await client.databases.create({ id: DATABASE });
  const partitionKey = { paths: ['/pk'], version: 2 };
  await client
    .database(DATABASE)
    .containers.create({ id: CONTAINER, partitionKey, indexingPolicy: { automatic: false, indexingMode: 'none' } });
  await client
    .database(DATABASE)
    .containers.create({ id: 'leases', partitionKey: { ...partitionKey, paths: ['/id'] } });
  process.on('message', (message: { readonly ruPerSecond?: number }) => {
    if (message.ruPerSecond === undefined) {
      const seconds = emulator.counters.perSecond().filter(({ container }) => container === CONTAINER);
      process.send?.(seconds);
    } else {
      emulator.setThroughput(DATABASE, CONTAINER, message.ruPerSecond);
      emulator.counters.reset();
      process.send?.('set');
    }
  });
  process.on('disconnect', () => process.exit());
  process.send?.({ endpoint: emulator.endpoint, key: emulator.key } satisfies Served);
}

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const service = await spawn(['--role', 'service']);
  const { endpoint, key } = service.first as Served;
  const runs = (part: string): boolean => args.part === undefined || args.part === part;
  if (runs('speed')) await speedPart(endpoint, key);
  if (runs('memory')) await memoryPart(endpoint, key);
  if (runs('budget')) await budgetPart(service.ask, endpoint, key);
  service.end();
}

/** Documents per second of client CPU, and memory, as fast as each can. */
async function speedPart(endpoint: string, key: string): Promise<void> {
  const rates = new Map<string, number>();
  print('1 KB documents, 4 partitions, http, emulator in its own process; upserts of existing documents');
  for (const mode of Object.keys(MODES)) {
    const documents = COUNTS[mode] ?? 50_000;
    const extra = ['--role', 'client', '--mode', mode, '--endpoint', endpoint, '--key', key];
    const child = await spawn([...extra, '--documents', String(documents)]);
    const first = child.first as Figures;
    child.end();
    const { seconds, cpuSeconds, rssStartMb, rssMb } = first;
    rates.set(mode, documents / cpuSeconds);
    print(
      `${mode.padEnd(22)} ${Math.round(documents / seconds)} documents/s, ${((cpuSeconds / documents) * 1e5).toFixed(2)} ` +
        `CPU s per 100,000, RSS ${Math.round(rssStartMb)} -> ${Math.round(rssMb)} MB`,
    );
  }
  const own = rates.get('batch writer') ?? 0;
  for (const [mode, rate] of rates) {
    if (mode !== 'batch writer') print(`documents per CPU second, batch writer / ${mode}: ${(own / rate).toFixed(2)}`);
  }
}

/** Memory of one writer over a run many times as long as its warm-up: what is held at each tenth of it. */
async function memoryPart(endpoint: string, key: string): Promise<void> {
  const documents = Number(args.documents ?? 300_000);
  const child = await spawn([
    '--role',
    'memory',
    '--endpoint',
    endpoint,
    '--key',
    key,
    '--documents',
    String(documents),
  ]);
  const held = child.first as readonly MemoryFigures[];
  child.end();
  const row = (of: (figures: MemoryFigures) => number): string => held.map((one) => Math.round(of(one))).join(' ');
  print(`\nMemory of the batch writer at each tenth of ${documents} documents, MB`);
  print(
    `resident ${row(({ rssMb }) => rssMb)}; heap in use ${row(({ heapMb }) => heapMb)}; buffers ${row(({ bufferMb }) => bufferMb)}`,
  );
}

/** The container's RU/s are the budget: what is used of it, and how much is refused. */
async function budgetPart(ask: (message: object) => Promise<unknown>, endpoint: string, key: string): Promise<void> {
  print(`\nThe service allows ${BUDGET} RU/s, all of it the budget`);
  for (const role of ['lease', 'execute']) {
    await ask({ ruPerSecond: BUDGET });
    const child = await spawn(['--role', role, '--endpoint', endpoint, '--key', key]);
    const first = child.first as BudgetFigures;
    child.end();
    const counts = (await ask({})) as readonly SecondCount[];
    const bySecond = new Map<number, number>();
    for (const { second, requestUnits } of counts) bySecond.set(second, (bySecond.get(second) ?? 0) + requestUnits);
    const steady = [...bySecond.values()].slice(BUDGET_START_SECONDS, BUDGET_SECONDS - 1);
    const spent = counts.reduce((sum, { requestUnits }) => sum + requestUnits, 0);
    const operationsDone = counts.reduce((sum, { operations }) => sum + operations, 0);
    const throttled = counts.reduce((sum, count) => sum + count.throttled, 0);
    const use = role === 'lease' ? steady.reduce((sum, ru) => sum + ru, 0) / steady.length : spent / first.seconds;
    print(
      `${(role === 'lease' ? 'batch writer' : 'executeBulkOperations').padEnd(22)} ` +
        `${((use / BUDGET) * 100).toFixed(1)} % of the budget used, ` +
        `${((throttled / operationsDone) * 100).toFixed(2)} % of operations throttled, ` +
        `${first.documents} documents in ${first.seconds.toFixed(1)} s`,
    );
  }
}

const answer = async (figures: Promise<unknown>): Promise<void> => {
  process.on('disconnect', () => process.exit());
  process.send?.(await figures);
};
if (args.role === 'service') await serve();
else if (args.role === 'lease') await answer(writeUnderLease(args.endpoint ?? '', args.key ?? ''));
else if (args.role === 'execute') await answer(executeUnderThrottle(args.endpoint ?? '', args.key ?? ''));
else if (args.role === 'memory') {
  await answer(measureMemory(args.endpoint ?? '', args.key ?? '', Number(args.documents)));
} else if (args.role === 'client') {
  await answer(measure(args.mode ?? '', args.endpoint ?? '', args.key ?? '', Number(args.documents)));
} else await main();
