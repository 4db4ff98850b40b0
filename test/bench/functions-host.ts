/**
 * What the local Functions host costs: `node test/bench/functions-host.ts`. Activities per second of orchestrations
 * beside the same calls straight to a worker, the time of a whole one-activity orchestration, and the time from a queue
 * message to its function.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QueueServiceClient } from '@azure/storage-queue';
import { WorkerPool } from '../../src/local/functions-host/worker-pool.ts';
import { silentLog } from '../../src/shared/telemetry.ts';
import { startAzurite } from '../local/functions-host/azurite.ts';
import { copyApp, startTestHost, until } from '../local/functions-host/test-host.ts';

const ACTIVITIES = 1024;
const WIDTH = 32;
const ORCHESTRATIONS = 50;
const MESSAGES = 20;

interface Durable {
  readonly inWaves: number;
  readonly inOneFanOut: number;
  readonly startToEndMilliseconds: number;
}

async function orchestrations(): Promise<Durable> {
  const host = await startTestHost({ fixture: 'durable', settings: { TASKHUB_NAME: 'bench' } });
  const seconds = async (instanceId: string, waves: number, width: number): Promise<number> => {
    const begin = performance.now();
    await host.start('waves', instanceId, { waves, width });
    await host.ended(instanceId);
    return (performance.now() - begin) / 1000;
  };
  await seconds('warm', 2, WIDTH);
  const inWaves = ACTIVITIES / (await seconds('waves', ACTIVITIES / WIDTH, WIDTH));
  const inOneFanOut = ACTIVITIES / (await seconds('wide', 1, ACTIVITIES));
  let singles = 0;
  for (let n = 0; n < ORCHESTRATIONS; n += 1) singles += await seconds(`single-${n}`, 1, 1);
  await host.dispose();
  return { inWaves, inOneFanOut, startToEndMilliseconds: (singles / ORCHESTRATIONS) * 1000 };
}

async function straightToTheWorker(): Promise<number> {
  const appFolder = copyApp('durable');
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
  const pool = new WorkerPool({
    count: 1,
    start: { appFolder, hostVersion: '4', environment, nodeArguments: [] },
    functionTimeoutMilliseconds: undefined,
    log: silentLog,
  });
  const functions = await pool.start();
  const bindings = functions.find(({ name }) => name === 'echo')?.bindings ?? {};
  const name = Object.keys(bindings)[0] ?? '';
  const begin = performance.now();
  for (let wave = 0; wave < ACTIVITIES / WIDTH; wave += 1) {
    const calls = Array.from({ length: WIDTH }, (_, n) =>
      pool.call({
        functionName: 'echo',
        inputData: [{ name, data: { json: JSON.stringify({ n }) } }],
        triggerMetadata: {},
        retryContext: null,
      }),
    );
    await Promise.all(calls);
  }
  const rate = (ACTIVITIES / (performance.now() - begin)) * 1000;
  await pool.close(0);
  rmSync(appFolder, { recursive: true, force: true });
  return rate;
}

async function messageToFunction(): Promise<number> {
  const azurite = await startAzurite();
  const folder = mkdtempSync(join(tmpdir(), 'functions-bench-'));
  const notes = join(folder, 'notes');
  const settings = {
    AzureWebJobsStorage: azurite.connectionString,
    WORK_QUEUE: 'bench',
    HOURLY: '0 0 * * * *',
    NOTES: notes,
  };
  const queue = QueueServiceClient.fromConnectionString(azurite.connectionString).getQueueClient('bench');
  await queue.create();
  const host = await startTestHost({ fixture: 'triggers', settings });
  const times: number[] = [];
  for (let n = 0; n < MESSAGES; n += 1) {
    // At a random point of the polling interval, as a commit would come.
    await new Promise((resolve) => {
      setTimeout(resolve, 200 + Math.random() * 250);
    });
    const begin = performance.now();
    await queue.sendMessage(Buffer.from(JSON.stringify({ n })).toString('base64'));
    await until('call', () => readFileSync(notes, 'utf8').includes(`work 1 {"n":${n}}`) || undefined);
    times.push(performance.now() - begin);
  }
  await host.dispose();
  await azurite.close();
  rmSync(folder, { recursive: true, force: true });
  return times.toSorted((a, b) => a - b)[Math.floor(MESSAGES / 2)] ?? 0;
}

const durable = await orchestrations();
const direct = await straightToTheWorker();
const message = await messageToFunction();
const print = (line: string): void => void process.stdout.write(`${line}\n`);
print(
  `activities/s, waves of ${WIDTH}    ${durable.inWaves.toFixed(0)}  (${(durable.inWaves / direct).toFixed(2)} of direct)`,
);
print(
  `activities/s, one fan-out     ${durable.inOneFanOut.toFixed(0)}  (${(durable.inOneFanOut / direct).toFixed(2)} of direct)`,
);
print(`calls/s, straight to a worker ${direct.toFixed(0)}`);
print(`one-activity orchestration    ${durable.startToEndMilliseconds.toFixed(1)} ms, status polled every 10 ms`);
print(`queue message to function     ${message.toFixed(0)} ms median, queue polled every 250 ms`);
