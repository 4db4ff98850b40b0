/**
 * The whole system: a table of 100,000 rows to documents through the local Functions host, beside the naive way on the
 * same emulator; commit to document on the sample table; a budget of 1,000 RU/s; memory of a worker.
 * `node test/bench/end-to-end.ts` after `npm run build`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { startCosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import { LocalRun, type JsonEvent } from '../e2e/local-run.ts';

const ROWS = Number(process.env['ROWS'] ?? 100_000);
const folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-bench-'));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  const table = join(folder, 'table');
  const parquet = await writeTable(table, ROWS);
  const ours = await loadWithTheApp(table);
  say(
    `app      ${ROWS} rows in ${(ours.ms / 1_000).toFixed(1)} s: ${Math.round(ROWS / (ours.ms / 1_000))} documents/s; largest worker ${ours.workerMb} MB RSS`,
  );
  const naive = await loadNaively(parquet);
  say(
    `naive    ${ROWS} rows in ${(naive.ms / 1_000).toFixed(1)} s: ${Math.round(ROWS / (naive.ms / 1_000))} documents/s; ${naive.mb} MB RSS`,
  );
  say(`ratio    ${(naive.ms / ours.ms).toFixed(2)} times the naive way (parquetReadObjects + executeBulkOperations)`);
  const lags = await sampleLags();
  say(
    `latency  commit to document on the sample table: ${lags.map((ms) => Math.round(ms)).join(', ')} ms; median ${Math.round(lags.toSorted((a, b) => a - b)[Math.floor(lags.length / 2)] ?? 0)} ms`,
  );
  await budget(table);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** About 300 bytes a document; returns the path of the data file. */
async function writeTable(target: string, count: number): Promise<string> {
  await mkdir(join(target, '_delta_log'), { recursive: true });
  const index = Array.from({ length: count }, (_, i) => i);
  const bytes = new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'id', data: index.map((i) => `id-${String(i).padStart(9, '0')}`), type: 'STRING' },
        {
          name: 'name',
          data: index.map((i) => `Product number ${i} with a name that is long enough for a row`),
          type: 'STRING',
        },
        { name: 'category', data: index.map((i) => `category-${i % 50}`), type: 'STRING' },
        { name: 'quantity', data: index.map((i) => i % 1_000), type: 'INT32' },
        { name: 'price', data: index.map((i) => (i % 10_000) / 100), type: 'DOUBLE' },
        {
          name: 'text',
          data: index.map((i) => `Lorem ipsum dolor sit amet consectetur ${i} adipiscing elit sed do eiusmod`),
          type: 'STRING',
        },
      ],
    }),
  );
  await writeFile(join(target, 'part-0.parquet'), bytes);
  const field = (name: string, type: string): unknown => ({ name, type, nullable: true, metadata: {} });
  const fields = [
    field('id', 'string'),
    field('name', 'string'),
    field('category', 'string'),
    field('quantity', 'integer'),
    field('price', 'double'),
    field('text', 'string'),
  ];
  const actions = [
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    {
      metaData: {
        id: 'bench',
        format: { provider: 'parquet', options: {} },
        schemaString: JSON.stringify({ type: 'struct', fields }),
        partitionColumns: [],
        configuration: {},
      },
    },
    {
      add: {
        path: 'part-0.parquet',
        partitionValues: {},
        size: bytes.length,
        modificationTime: 0,
        dataChange: true,
        stats: JSON.stringify({ numRecords: count }),
      },
    },
  ];
  await writeFile(
    join(target, '_delta_log', `${'0'.repeat(20)}.json`),
    actions.map((action) => JSON.stringify(action)).join('\n'),
  );
  return join(target, 'part-0.parquet');
}

async function loadWithTheApp(table: string): Promise<{ readonly ms: number; readonly workerMb: number }> {
  const run = new LocalRun([
    '--table',
    table,
    '--key',
    'id',
    '--exit-when-synced',
    '--json',
    '--data',
    join(folder, 'app'),
  ]);
  let workerMb = 0;
  const watch = setInterval(() => (workerMb = Math.max(workerMb, largestWorkerMb())), 250);
  const code = await run.exit;
  clearInterval(watch);
  const epoch = events(run).find((event) => event.event === 'epoch');
  if (code !== 0 || epoch === undefined) throw new Error(`the run ended with ${code}: ${run.err.join('\n')}`);
  return { ms: Number(epoch['milliseconds']), workerMb };
}

async function loadNaively(parquet: string): Promise<{ readonly ms: number; readonly mb: number }> {
  const emulator = await startCosmosEmulator({});
  const client = new CosmosClient({ endpoint: emulator.endpoint, key: emulator.key });
  const { database } = await client.databases.create({ id: 'd' });
  const { container } = await database.containers.create({
    id: 'c',
    partitionKey: { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 },
  });
  const started = performance.now();
  const file = readFileSync(parquet);
  const rows = (await parquetReadObjects({
    file: file.buffer.slice(file.byteOffset, file.byteOffset + file.length),
  })) as { id: string }[];
  await container.items.executeBulkOperations(
    rows.map((row) => ({
      operationType: 'Upsert' as const,
      partitionKey: row.id,
      resourceBody: row,
    })),
  );
  const ms = performance.now() - started;
  client.dispose();
  await emulator.close();
  return { ms, mb: Math.round(process.memoryUsage().rss / 2 ** 20) };
}

/** Milliseconds from commit to document of the sample's incremental epochs. */
async function sampleLags(): Promise<number[]> {
  const run = new LocalRun(['--json', '--data', join(folder, 'sample')]);
  for (let count = 0; count < 6; count++)
    await run.event((event) => event.event === 'epoch' && Number(event['to']) === count);
  await run.close();
  return events(run)
    .filter((event) => event.event === 'epoch' && event['kind'] === 'changes')
    .map((event) => Number(event['lagMilliseconds']));
}

/** RU charged in each second by the emulator while the load runs under 1,000 RU/s. */
async function budget(table: string): Promise<void> {
  const run = new LocalRun([
    '--table',
    table,
    '--key',
    'id',
    '--budget',
    '1000',
    '--json',
    '--data',
    join(folder, 'budget'),
  ]);
  const ready = await run.ready();
  await new Promise((resolve) => setTimeout(resolve, 75_000));
  const response = await fetch(new URL('_emulator/counters', ready.cosmos.endpoint));
  const counters: unknown = await response.json();
  await run.close();
  const seconds = secondsOf(counters, ready.target);
  const window = seconds.slice(-62, -2);
  const used = window.reduce((sum, second) => sum + second.ru, 0) / (1_000 * window.length);
  const throttled = seconds.reduce((sum, second) => sum + second.throttled, 0);
  say(
    `budget   1,000 RU/s for ${window.length} s: ${(used * 100).toFixed(1)} % used, ${throttled} operations throttled`,
  );
}

function secondsOf(counters: unknown, target: string): { readonly ru: number; readonly throttled: number }[] {
  const bySecond = new Map<number, { ru: number; throttled: number }>();
  const { perSecond } = counters as {
    readonly perSecond: readonly (Record<'second' | 'requestUnits' | 'throttled', number> &
      Record<'database' | 'container', string>)[];
  };
  for (const { database, container, second, requestUnits, throttled } of perSecond) {
    if (`${database}/${container}` !== target) continue;
    const sum = bySecond.get(second) ?? { ru: 0, throttled: 0 };
    bySecond.set(second, { ru: sum.ru + requestUnits, throttled: sum.throttled + throttled });
  }
  return [...bySecond].toSorted(([a], [b]) => a - b).map(([, value]) => value);
}

function events(run: LocalRun): JsonEvent[] {
  return run.out.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as JsonEvent);
}

/** Resident memory of the largest worker process on this machine. */
function largestWorkerMb(): number {
  let largest = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker-process')) continue;
      const match = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
      largest = Math.max(largest, Number(match?.[1] ?? 0) / 1_024);
    } catch {
      // It ended meanwhile.
    }
  }
  return Math.round(largest);
}
