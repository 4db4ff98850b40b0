/** What an HTTP request becomes for the worker, beside what the official host sent to it. */
import { request as send } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineFunction, functionsOf } from '../../../src/local/functions-host/function-definition.ts';
import { durableClientInputs } from '../../../src/local/functions-host/function-inputs.ts';
import { durableClientText } from '../../../src/local/functions-host/durable/management-urls.ts';
import { HostServer } from '../../../src/local/functions-host/host-server.ts';
import { HttpTriggers } from '../../../src/local/functions-host/http-trigger.ts';
import { OutputWriter } from '../../../src/local/functions-host/output-bindings.ts';
import { AppSettings } from '../../../src/local/functions-host/settings.ts';
import { StorageAccounts } from '../../../src/local/functions-host/storage-accounts.ts';
import type { Call } from '../../../src/local/functions-host/worker-pool.ts';
import type { RegisteredFunction } from '../../../src/local/functions-host/worker-protocol.ts';
import { silentLog } from '../../../src/shared/telemetry.ts';
import { normalised, recordedInvocations } from './recordings.ts';

/** Members of the recorded data that this host leaves out, each with its reason. */
const LEFT_OUT = new Set([
  'identities', // no claims of the caller: nothing here reads them
]);

interface RecordedHttp {
  readonly method: string;
  readonly url: string;
  readonly nullableHeaders: Readonly<Record<string, { readonly value: string }>>;
  readonly body: { readonly bytes: string } | null;
}

describe('HTTP invocations', () => {
  const calls: Call[] = [];
  let server: HostServer;

  beforeAll(async () => {
    server = await HostServer.listen(0, silentLog);
    const settings = new AppSettings({});
    const routes = { hello: 'hello', start: 'start/{orch}', client: 'client/{op}/{id}', throws: 'throws' };
    const definitions = Object.entries(routes).map(([name, route]) => {
      const trigger = { type: 'httpTrigger', name: 'trigger', direction: 'in', authLevel: 'anonymous', route };
      const client = { type: 'durableClient', name: 'client', direction: 'in' };
      const registered: RegisteredFunction = {
        name,
        bindings: route.includes('{') ? { trigger, client } : { trigger },
      };
      return defineFunction(registered);
    });
    server.serve(
      new HttpTriggers({
        functions: functionsOf(definitions, 'http'),
        routePrefix: 'api',
        keys: { master: 'm', functions: 'f', blobs_extension: 'b', durabletask_extension: 'd' },
        runner: {
          call: (call) => {
            calls.push(call);
            return Promise.resolve({ kind: 'succeeded', returnValue: null, outputData: [] });
          },
        },
        inputs: durableClientInputs(
          durableClientText({ origin: 'http://localhost:7071', hubName: 'ConfHub314', systemKey: '***' }),
        ),
        outputs: new OutputWriter(new StorageAccounts(settings), settings, true, silentLog),
        log: silentLog,
      }),
    );
  });
  afterAll(() => server.close());

  /** Sends exactly the recorded headers. */
  async function repeat(recorded: RecordedHttp): Promise<void> {
    const url = new URL(recorded.url.replace('http://127.0.0.1:7071', server.origin));
    const headers = Object.entries(recorded.nullableHeaders).map(
      ([name, { value }]) => [titleCase(name), value] as const,
    );
    await new Promise<void>((resolve, reject) => {
      const request = send(
        url,
        { method: recorded.method, headers: Object.fromEntries(headers), agent: false },
        (response) => {
          response.resume();
          response.on('end', resolve);
        },
      );
      request.on('error', reject);
      request.end(Buffer.from(recorded.body?.bytes.replace('base64:', '') ?? '', 'base64'));
    });
  }

  it.each(['hello', 'start', 'client', 'throws'])('%s gets the recorded data and metadata', async (name) => {
    const recorded = recordedInvocations().find((each) => each.name === name)?.invocation;
    const recordedHttp = recorded?.inputData[0]?.data['http'] as RecordedHttp;
    await repeat(recordedHttp);
    const call = calls.at(-1);
    const data = call?.inputData[0]?.data ?? {};
    const http = 'http' in data ? (data.http as unknown as Record<string, unknown>) : {};
    const body = http['body'] as { bytes: Uint8Array } | null;
    const given = {
      ...http,
      body: body === null ? null : { bytes: `base64:${Buffer.from(body.bytes).toString('base64')}`, data: 'bytes' },
    };
    expect(normalised(withoutSome(given))).toEqual(normalised(withoutSome(withoutCase(recordedHttp))));

    const metadata = Object.fromEntries(
      Object.entries(recorded?.triggerMetadata ?? {}).map(([key, value]) => [key, withoutCase(value)]),
    );
    expect(lowerHeaders(call?.triggerMetadata ?? {})).toEqual(lowerHeaders(metadata));
    const client = recorded?.inputData[1]?.data['string'];
    const given2 = call?.inputData[1]?.data ?? {};
    if (typeof client === 'string') {
      expect(normalised(JSON.parse('string' in given2 ? given2.string : ''))).toEqual(normalised(JSON.parse(client)));
    }
  });
});

function titleCase(name: string): string {
  return name.startsWith('sec-') ? name : name.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

/** The recorder wrote, beside each RPC value, which member of the oneof it is. */
function withoutCase(value: object): Record<string, unknown> {
  const isCase = (key: string, each: unknown): boolean =>
    (key === 'string' || key === 'data') && (each === 'value' || each === 'string' || each === 'json');
  return JSON.parse(JSON.stringify(value, (key, each: unknown) => (isCase(key, each) ? undefined : each))) as Record<
    string,
    unknown
  >;
}

function withoutSome(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !LEFT_OUT.has(name))
      .map(([name, each]) => [name, name === 'nullableHeaders' ? ofThisCall(each as object) : each]),
  );
}

/** Headers that belong to the call itself, not to its recording, are left out. */
function ofThisCall(headers: object): object {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const lower = name.toLowerCase();
      return lower === 'host' || lower === 'connection' ? [] : [[lower, value as unknown]];
    }),
  );
}

/** Names of headers as sent: the official host writes them its own way. */
function lowerHeaders(metadata: object): object {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [
      name,
      name === 'Headers' ? ofThisCall(JSON.parse((value as { json: string }).json) as object) : (value as unknown),
    ]),
  );
}
