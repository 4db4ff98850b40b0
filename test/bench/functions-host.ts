/**
 * Functions host: activities per second of one orchestration in waves, beside the same calls straight to the worker, and
 * the time from a queue message to the function. Run: node test/bench/functions-host.ts
 */
import { WorkerPool } from '../../src/local/functions-host/worker-pool.ts';
import { silentLog } from '../../src/shared/telemetry.ts';
import { copyApp, startTestHost } from '../local/functions-host/test-host.ts';

const ACTIVITIES = 1024;
const WIDTH = 32;

const host = await startTestHost({ fixture: 'durable', settings: { TASKHUB_NAME: 'bench' } });
await host.start('waves', 'warm', { waves: 2, width: WIDTH });
await host.ended('warm');
let begin = performance.now();
await host.start('waves', 'run', { waves: ACTIVITIES / WIDTH, width: WIDTH });
await host.ended('run');
const orchestrated = (ACTIVITIES / (performance.now() - begin)) * 1000;
begin = performance.now();
await host.start('waves', 'wide', { waves: 1, width: ACTIVITIES });
await host.ended('wide');
const wide = (ACTIVITIES / (performance.now() - begin)) * 1000;
begin = performance.now();
for (let n = 0; n < 50; n += 1) {
  await host.start('waves', `single-${n}`, { waves: 1, width: 1 });
  await host.ended(`single-${n}`);
}
const latency = (performance.now() - begin) / 50;
await host.dispose();

const environment: Record<string, string> = {};
for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
const pool = new WorkerPool({
  count: 1,
  start: { appFolder: copyApp('durable'), hostVersion: '4', environment, nodeArguments: [] },
  functionTimeoutMilliseconds: undefined,
  log: silentLog,
});
const functions = await pool.start();
const binding = Object.keys(functions.find(({ name }) => name === 'echo')?.bindings ?? {})[0] ?? '';
begin = performance.now();
for (let wave = 0; wave < ACTIVITIES / WIDTH; wave += 1) {
  await Promise.all(
    Array.from({ length: WIDTH }, (_, n) =>
      pool.call({
        functionName: 'echo',
        inputData: [{ name: binding, data: { json: JSON.stringify({ n }) } }],
        triggerMetadata: {},
        retryContext: null,
      }),
    ),
  );
}
const direct = (ACTIVITIES / (performance.now() - begin)) * 1000;
await pool.close(0);

process.stdout.write(
  `${JSON.stringify({
    activitiesPerSecond: Math.round(orchestrated),
    oneFanOutOf1024: Math.round(wide),
    straightToTheWorker: Math.round(direct),
    ratio: Number((orchestrated / direct).toFixed(2)),
    startToEndMilliseconds: Number(latency.toFixed(1)),
  })}\n`,
);
