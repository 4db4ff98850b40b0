/** A Functions host in this process with a fixture app in a temporary folder, and its log as data. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFunctionsHost } from '../../../src/local/functions-host/host.ts';
import type { FunctionsHost, FunctionsHostOptions } from '../../../src/local/functions-host/host.ts';
import type { Log, LogEvent, LogFields } from '../../../src/shared/telemetry.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Every event that was logged. */
export interface RecordedLog extends Log {
  readonly events: { name: LogEvent; fields: LogFields }[];
  /** Messages that the app logged through its context. */
  messages(): string[];
}

export function recordedLog(): RecordedLog {
  const events: { name: LogEvent; fields: LogFields }[] = [];
  return {
    events,
    event: (name, fields = {}) => {
      events.push({ name, fields });
    },
    messages: () =>
      events.flatMap(({ name, fields }) => (name === 'functionLogged' ? [String(fields['message'])] : [])),
  };
}

/** A copy of a fixture app with the project's packages beside it. */
export function copyApp(fixture: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'functions-app-'));
  cpSync(fileURLToPath(new URL(`./fixtures/${fixture}/`, import.meta.url)), folder, { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

export interface TestHost extends FunctionsHost {
  readonly log: RecordedLog;
  readonly dataFolder: string;
  readonly appFolder: string;
  /** A request to a path; `code` is the master key unless told. */
  fetch(path: string, init?: RequestInit & { code?: string | null }): Promise<Response>;
  /** Status of an instance once it has ended. */
  ended(instanceId: string): Promise<InstanceStatus>;
  status(instanceId: string, query?: string): Promise<InstanceStatus>;
  start(orchestrator: string, instanceId: string, input?: unknown): Promise<void>;
  /** Starts again on the same data, as after a stop. */
  restart(): Promise<TestHost>;
  dispose(): Promise<void>;
}

export interface InstanceStatus {
  readonly name: string;
  readonly runtimeStatus: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly customStatus: unknown;
  readonly historyEvents?: readonly Record<string, unknown>[];
}

type StartOptions = Partial<Omit<FunctionsHostOptions, 'log'>> & { readonly fixture?: string };

export async function startTestHost(options: StartOptions): Promise<TestHost> {
  const { fixture, ...rest } = options;
  const appFolder = rest.appFolder ?? copyApp(fixture ?? 'recorded/app');
  const dataFolder = rest.dataFolder ?? mkdtempSync(join(tmpdir(), 'functions-data-'));
  const log = recordedLog();
  const started = startFunctionsHost({ port: 0, workers: 1, settings: {}, ...rest, appFolder, dataFolder, log });
  const host = await started.catch((error: unknown) => {
    // What was made here for a host that does not start is of no use to anybody.
    if (rest.appFolder === undefined) rmSync(appFolder, { recursive: true, force: true });
    if (rest.dataFolder === undefined) rmSync(dataFolder, { recursive: true, force: true });
    throw error;
  });
  const management = `${host.url}/runtime/webhooks/durabletask`;
  const status = async (instanceId: string, query = ''): Promise<InstanceStatus> => {
    const code = host.systemKeys.durabletask_extension;
    const response = await fetch(`${management}/instances/${encodeURIComponent(instanceId)}?code=${code}${query}`);
    if (response.status >= 300) throw new Error(`status of ${instanceId}: ${response.status}`);
    return (await response.json()) as InstanceStatus;
  };
  const dispose = async (): Promise<void> => {
    await host.close();
    rmSync(appFolder, { recursive: true, force: true });
    rmSync(dataFolder, { recursive: true, force: true });
  };
  return Object.assign(Object.create(host) as FunctionsHost, {
    log,
    appFolder,
    dataFolder,
    fetch: async (path: string, init: RequestInit & { code?: string | null } = {}) => {
      const url = new URL(path, host.url);
      const code = init.code === undefined ? host.masterKey : init.code;
      if (code !== null) url.searchParams.set('code', code);
      return fetch(url, init);
    },
    status,
    ended: async (instanceId: string) =>
      until(`end of ${instanceId}`, async () => {
        const now = await status(instanceId);
        return ['Completed', 'Failed', 'Terminated'].includes(now.runtimeStatus) ? now : undefined;
      }),
    start: async (orchestrator: string, instanceId: string, input?: unknown) => {
      const url = `${management}/orchestrators/${orchestrator}/${instanceId}?code=${host.systemKeys.durabletask_extension}`;
      const body = input === undefined ? {} : { body: JSON.stringify(input) };
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, ...body });
      if (response.status !== 202) throw new Error(`start of ${instanceId}: ${response.status}`);
    },
    restart: async () => {
      await host.close();
      return startTestHost({ ...rest, appFolder, dataFolder });
    },
    dispose,
  });
}

/** Asks again until there is an answer; the limit is a safety net. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  limitMilliseconds = 60_000,
): Promise<T> {
  const deadline = Date.now() + limitMilliseconds;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`Gave up waiting for ${what}.`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}
