/**
 * What the Cosmos emulator can carry: `node test/bench/emulator.ts [documents] [--data]`; with --data everything is also
 * written to a folder. The emulator runs in its own process, so
 * that its CPU and memory are its own; the client sends ready-made batches over http and costs little.
 */
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { effectivePartitionKey } from '../../src/documents/effective-partition-key.ts';

const documents = Number(process.argv[2] ?? 1_000_000);
const PARTITIONS = 4;
const BATCH = 100;
const main = fileURLToPath(new URL('../../src/local/cosmos-emulator/main.ts', import.meta.url));
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const folder = process.argv.includes('--data') ? mkdtempSync(join(tmpdir(), 'emulator-bench-')) : undefined;
const data = folder === undefined ? [] : ['--data', folder];
const child = spawn(process.execPath, [main, '--partitions', String(PARTITIONS), '--parent-pipe', ...data], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const ready = await new Promise<{ readonly endpoint: string; readonly key: string }>((resolve, reject) => {
  child.stdout.once('data', (line: Buffer) => {
    resolve(JSON.parse(line.toString()) as { endpoint: string; key: string });
  });
  child.once('exit', (code) => {
    reject(new Error(`the emulator ended with ${code}`));
  });
});
const { hostname, port } = new URL(ready.endpoint);
const key = Buffer.from(ready.key, 'base64');
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

interface Reply {
  readonly status: number;
  readonly body: string;
}

/** Sends a signed request; `type` and `link` are what the signature covers. */
function call(
  method: string,
  path: string,
  type: string,
  link: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const date = new Date().toUTCString();
  const text = `${method.toLowerCase()}\n${type}\n${link}\n${date.toLowerCase()}\n\n`;
  const signature = createHmac('sha256', key).update(text).digest('base64');
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: hostname,
        port,
        path,
        method,
        agent,
        headers: {
          ...headers,
          'x-ms-date': date,
          'content-length': Buffer.byteLength(body),
          authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** CPU seconds and resident megabytes of the emulator's process, from /proc. */
function usage(): { readonly cpu: number; readonly megabytes: number } {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return {
    cpu: (Number(stat[11]) + Number(stat[12])) / 100,
    megabytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024,
  };
}

/** Peak resident megabytes. */
function peak(): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

const bound = (range: number): string =>
  range === 0 ? '' : ((0x40 / PARTITIONS) * range).toString(16).toUpperCase().padStart(2, '0');

async function createContainer(id: string): Promise<void> {
  const definition = JSON.stringify({ id, partitionKey: { paths: ['/pk'], kind: 'Hash', version: 2 } });
  await call('POST', '/dbs/d/colls', 'colls', 'dbs/d', definition);
}

/** Ready batches: the client's work must not be part of what is measured. */
function batches(count: number, bytes: number, first: number): { readonly range: number; readonly body: string }[] {
  const filler = 'x'.repeat(Math.max(0, bytes - 90));
  const made: { range: number; body: string }[] = [];
  const open: string[][] = Array.from({ length: PARTITIONS }, () => []);
  const flush = (range: number): void => {
    const operations = open[range] ?? [];
    if (operations.length > 0) made.push({ range, body: `[${operations.join(',')}]` });
    open[range] = [];
  };
  for (let n = first; n < first + count; n++) {
    const pk = `k${n}`;
    const epk = effectivePartitionKey([pk], { kind: 'Hash', version: 2 });
    let range = PARTITIONS - 1;
    while (range > 0 && epk < bound(range)) range--;
    const document = `{"id":"d${n}","pk":"${pk}","n":${n},"price":${n / 100},"flag":${n % 2 === 0},"text":"${filler}"}`;
    open[range]?.push(
      `{"operationType":"Upsert","partitionKey":${JSON.stringify(`["${pk}"]`)},"resourceBody":${document}}`,
    );
    if (open[range]?.length === BATCH) flush(range);
  }
  for (let range = 0; range < PARTITIONS; range++) flush(range);
  return made;
}

async function load(container: string, count: number, bytes: number): Promise<{ rate: number; cpu: number }> {
  let seconds = 0;
  const before = usage().cpu;
  for (let first = 0; first < count; first += 50_000) {
    const ready = batches(Math.min(50_000, count - first), bytes, first);
    const start = performance.now();
    const lane = async (): Promise<void> => {
      for (let batch = ready.pop(); batch !== undefined; batch = ready.pop()) {
        const reply = await call(
          'POST',
          `/dbs/d/colls/${container}/docs`,
          'docs',
          `dbs/d/colls/${container}`,
          batch.body,
          {
            'content-type': 'application/json',
            'x-ms-cosmos-is-batch-request': 'true',
            'x-ms-cosmos-batch-atomic': 'false',
            'x-ms-cosmos-batch-continue-on-error': 'true',
            'x-ms-documentdb-partitionkeyrangeid': String(batch.range),
            prefer: 'return=minimal',
          },
        );
        if (reply.status !== 200) throw new Error(`${reply.status} ${reply.body.slice(0, 300)}`);
      }
    };
    await Promise.all([lane(), lane()]);
    seconds += (performance.now() - start) / 1000;
  }
  return { rate: count / seconds, cpu: count / (usage().cpu - before) };
}

async function query(container: string, text: string): Promise<{ readonly ms: number; readonly body: string }> {
  const start = performance.now();
  const reply = await call(
    'POST',
    `/dbs/d/colls/${container}/docs`,
    'docs',
    `dbs/d/colls/${container}`,
    JSON.stringify({ query: text }),
    { 'content-type': 'application/query+json', 'x-ms-documentdb-isquery': 'true' },
  );
  return { ms: performance.now() - start, body: reply.body };
}

await call('POST', '/dbs', 'dbs', '', JSON.stringify({ id: 'd' }));

await createContainer('kilobyte');
const first = await load('kilobyte', 100_000, 1024);
print(
  `1 KB documents in batches of ${BATCH}: ${Math.round(first.rate)} documents/s, ${Math.round(first.cpu)} per CPU second of the emulator (goal 30000)`,
);
const again = await load('kilobyte', 100_000, 1024);
print(`the same again, all replaced: ${Math.round(again.rate)} documents/s, ${Math.round(again.cpu)} per CPU second`);

const times: number[] = [];
for (let n = 0; n < 3000; n++) {
  const id = `d${(n * 7919) % 100_000}`;
  const link = `dbs/d/colls/kilobyte/docs/${id}`;
  const start = performance.now();
  const reply = await call('GET', `/${link}`, 'docs', link, '', {
    'x-ms-documentdb-partitionkey': `["k${id.slice(1)}"]`,
  });
  if (reply.status !== 200) throw new Error(`read ${reply.status}`);
  times.push(performance.now() - start);
}
times.sort((a, b) => a - b);
print(`point read: p50 ${times[1500]?.toFixed(3)} ms, p99 ${times[2970]?.toFixed(3)} ms (goal p50 1 ms)`);
await call('DELETE', '/dbs/d/colls/kilobyte', 'colls', 'dbs/d/colls/kilobyte', '');

await createContainer('million');
const million = await load('million', documents, 300);
print(
  `${documents} documents of 300 bytes: ${Math.round(million.rate)} documents/s, ${Math.round(million.cpu)} per CPU second`,
);
print(`memory: ${Math.round(usage().megabytes)} MB resident, ${Math.round(peak())} MB at the peak (goal 2048)`);
for (const text of [
  'SELECT VALUE COUNT(1) FROM c',
  'SELECT VALUE COUNT(1) FROM c WHERE c.flag',
  'SELECT VALUE COUNT(1) FROM c WHERE c.price > 10',
  'SELECT VALUE COUNT(1) FROM c WHERE c.pk = "k77"',
  'SELECT VALUE COUNT(1) FROM c WHERE c.missing = 1',
  'SELECT VALUE SUM(c.n) FROM c WHERE c.price BETWEEN 10 AND 20',
  'SELECT c.flag, COUNT(1) AS n FROM c GROUP BY c.flag',
]) {
  const { ms, body } = await query('million', text);
  const goal = text.includes('COUNT') && !text.includes('GROUP BY') ? ' (goal 1000)' : '';
  print(
    `${text}: ${Math.round(ms)} ms${goal} ${JSON.stringify((JSON.parse(body) as { Documents: unknown }).Documents)}`,
  );
}
agent.destroy();
child.once('exit', () => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});
child.stdin.end();
