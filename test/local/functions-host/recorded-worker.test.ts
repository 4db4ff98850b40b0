/** A worker of this host, given what the official host sent, answers what the official worker answered. */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../../src/local/functions-host/worker-pool.ts';
import type { CallOutcome } from '../../../src/local/functions-host/worker-pool.ts';
import type { RegisteredFunction } from '../../../src/local/functions-host/worker-protocol.ts';
import { silentLog } from '../../../src/shared/telemetry.ts';
import { recordedInstances, recordedInvocations } from './recordings.ts';
import { copyApp } from './test-host.ts';

const NOT_COMPARED: Readonly<Record<string, string>> = {
  nd1: 'depends on a variable of the worker that counts calls',
  nd2: 'depends on a variable of the worker that counts calls',
};

describe('recorded worker calls', () => {
  const appFolder = copyApp('recorded/app');
  let pool: WorkerPool;
  let functions: readonly RegisteredFunction[];

  beforeAll(async () => {
    const environment: Record<string, string> = { WEBSITE_HOSTNAME: '127.0.0.1:7071' };
    for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
    pool = new WorkerPool({
      count: 1,
      start: { appFolder, hostVersion: '4.1037.0', environment, nodeArguments: [] },
      functionTimeoutMilliseconds: undefined,
      log: silentLog,
    });
    functions = await pool.start();
  });
  afterAll(async () => {
    await pool.close(0);
    rmSync(appFolder, { recursive: true, force: true });
  });

  async function callTrigger(functionName: string, data: { string: string }): Promise<CallOutcome> {
    const bindings = functions.find(({ name }) => name === functionName)?.bindings ?? {};
    const name = Object.keys(bindings).find((each) => bindings[each]?.type.endsWith('Trigger')) ?? '';
    return pool.call({ functionName, inputData: [{ name, data }], triggerMetadata: {}, retryContext: null });
  }

  it('registers the recorded functions with the recorded bindings', () => {
    // The end of a binding's name is a hash over options and position.
    const kind = (name: string): string => name.replace(/[0-9a-f]{10}$/, '');
    const kinds = new Map(functions.map(({ name, bindings }) => [name, Object.keys(bindings).map(kind)]));
    for (const { name, invocation } of recordedInvocations()) {
      for (const input of invocation.inputData) expect(kinds.get(name), name).toContain(kind(input.name));
    }
  });

  const instances = recordedInstances().filter(({ name }) => NOT_COMPARED[name] === undefined);
  it.each(instances)('orchestrator calls of $name', async ({ calls }) => {
    for (const call of calls.filter(({ kind }) => kind === 'orchestrator')) {
      const outcome = await callTrigger(call.function, { string: JSON.stringify(call.request) });
      if (call.error === null) {
        expect(outcome).toMatchObject({ kind: 'succeeded' });
        const json = outcome.kind === 'succeeded' && outcome.returnValue !== null && 'json' in outcome.returnValue;
        expect(json && JSON.parse(outcome.returnValue.json)).toEqual(call.response);
      } else {
        expect(outcome).toMatchObject({ kind: 'failed', message: call.error.message });
      }
    }
  });
});
