/**
 * Random faults against a set of orchestrations: kills of the host at random moments, workers killed,
 * activities run twice. Everything must come to the right end. One short run here; more with
 * `RUNS=20 SEED=1 npx vitest run test/local/functions-host/campaign.test.ts`, a failure prints its seed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { spawnHost } from './host-process.ts';
import type { HostProcess, ReadyLine } from './host-process.ts';
import { copyApp, until } from './test-host.ts';
import type { InstanceStatus } from './test-host.ts';

const RUNS = Number(process.env['RUNS'] ?? 1);
const FIRST_SEED = Number(process.env['SEED'] ?? 1);

function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

interface Expected {
  readonly instanceId: string;
  readonly name: string;
  readonly input: unknown;
  readonly output: unknown;
}

function instances(random: () => number): readonly Expected[] {
  const upTo = (most: number): number => 1 + Math.floor(random() * most);
  return Array.from({ length: 12 }, (_, n): Expected => {
    const instanceId = `i${n}`;
    switch (n % 4) {
      case 0: {
        const count = upTo(40);
        const output = Array.from({ length: count }, (_, index) => index);
        return { instanceId, name: 'fan', input: { count, ms: upTo(60) }, output };
      }
      case 1: {
        const [waves, width] = [upTo(20), upTo(12)];
        return { instanceId, name: 'waves', input: { waves, width }, output: waves * width };
      }
      case 2: {
        const left = upTo(40);
        return { instanceId, name: 'generations', input: { left, runs: 0 }, output: { runs: left, version: null } };
      }
      default: {
        const [waves, ms] = [upTo(5), upTo(700)];
        const children = [
          { name: 'waves', input: { waves, width: 3 } },
          { name: 'sleep', input: { ms } },
        ];
        return { instanceId, name: 'parent', input: { children }, output: [waves * 3, 'slept'] };
      }
    }
  });
}

async function campaign(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const appFolder = copyApp('durable');
  const dataFolder = mkdtempSync(join(tmpdir(), 'functions-data-'));
  const hosts: HostProcess[] = [];
  let ready: ReadyLine | undefined;
  const call = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const url = new URL(path, ready?.url);
    url.searchParams.set('code', ready?.masterKey ?? '');
    const init =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    return fetch(url, { method, ...init });
  };
  const start = async (): Promise<void> => {
    const host = spawnHost({ appFolder, dataFolder, settings: { TASKHUB_NAME: 'campaign' }, workers: 2 });
    hosts.push(host);
    ready = (await host.first) as ReadyLine;
    await call('POST', '/_host/faults', [
      { fault: 'activityTwice', probability: 0.25, seed },
      { fault: 'workerKilledAtActivity', probability: 0.01, afterMilliseconds: Math.floor(random() * 20), seed },
    ]);
  };
  const status = async (instanceId: string): Promise<InstanceStatus> =>
    (await call('GET', `/runtime/webhooks/durabletask/instances/${instanceId}`)).json() as Promise<InstanceStatus>;
  try {
    await start();
    const all = instances(random);
    for (const { name, instanceId, input } of all) {
      const response = await call('POST', `/runtime/webhooks/durabletask/orchestrators/${name}/${instanceId}`, input);
      expect(response.status).toBe(202);
    }
    for (let kill = 0; kill < 3; kill += 1) {
      // A random moment is the point here: whatever it hits must survive.
      await new Promise((resolve) => {
        setTimeout(resolve, random() * 600);
      });
      hosts.at(-1)?.child.kill('SIGKILL');
      await hosts.at(-1)?.exited;
      await start();
    }
    for (const { instanceId, output } of all) {
      const ended = await until(`end of ${instanceId}`, async () => {
        const now = await status(instanceId);
        return ['Completed', 'Failed'].includes(now.runtimeStatus) ? now : undefined;
      });
      expect({ instanceId, output: ended.output }).toEqual({ instanceId, output });
    }
  } finally {
    for (const { child, exited } of hosts) {
      child.kill('SIGKILL');
      await exited;
    }
    for (const folder of [appFolder, dataFolder]) rmSync(folder, { recursive: true, force: true });
  }
}

describe('orchestrations under random faults', () => {
  const seeds = Array.from({ length: RUNS }, (_, run) => FIRST_SEED + run);
  it.each(seeds)('end as they should, seed %i', async (seed) => {
    await expect(campaign(seed)).resolves.toBeUndefined();
  });
});
