/**
 * The local Azure Functions host: loads a compiled function app into worker processes and drives its triggers and its
 * Durable orchestrations, with everything that must survive in a data folder.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import { systemClock } from '../../shared/clock.ts';
import { SyncError } from '../../shared/errors.ts';
import type { Log } from '../../shared/telemetry.ts';
import { loadAccessKeys } from './access-keys.ts';
import type { FaultRule } from './faults.ts';
import { FaultPlan } from './faults.ts';
import { defineFunction } from './function-definition.ts';
import type { HostedFunction } from './function-definition.ts';
import { hostConfiguration, overrideHostJson, readHostJson } from './host-json.ts';
import { HostServer } from './host-server.ts';
import type { JsonObject } from './json.ts';
import { RunningApp } from './running-app.ts';
import { AppSettings } from './settings.ts';
import { WorkerPool } from './worker-pool.ts';

/** The Functions host version that this host answers with. */
export const HOST_VERSION = '4.1037.0';

/** What a host is started with. */
export interface FunctionsHostOptions {
  /** Folder of the compiled app: package.json, host.json. */
  readonly appFolder: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Worker processes, at least 1. */
  readonly workers: number;
  /** Keys, timer status and Durable history; kept between runs. */
  readonly dataFolder: string;
  /** Application settings; they become the workers' environment over that of this process. */
  readonly settings: Readonly<Record<string, string>>;
  /** Put over host.json, under `AzureFunctionsJobHost__…` settings. */
  readonly hostJsonOverrides?: JsonObject;
  readonly log: Log;
  readonly clock?: Clock;
  readonly faults?: readonly FaultRule[];
}

/** A running host. */
export interface FunctionsHost {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly masterKey: string;
  readonly systemKeys: { readonly blobs_extension: string; readonly durabletask_extension: string };
  readonly functions: readonly HostedFunction[];
  /** kill -9 of worker `index`; the host starts another one. */
  killWorker(index: number): void;
  readonly workerProcessIds: readonly number[];
  setFaults(rules: readonly FaultRule[]): void;
  /** Stops: nothing new begins, workers get a moment to finish, state is on disk. */
  close(): Promise<void>;
}

/** How long calls that run may take to end when the host stops, and workers after that. */
const DRAIN_MILLISECONDS = 1500;
const EXIT_MILLISECONDS = 500;

/**
 * Starts a host; resolves when all functions are registered and driven. Throws `portTaken`, `appLoadFailed`,
 * `configNotFound`, `configMalformed`, `configInvalid`, `settingMissing`, `storageUnavailable`, `historyDamaged`.
 */
export async function startFunctionsHost(options: FunctionsHostOptions): Promise<FunctionsHost> {
  const { log } = options;
  const clock = options.clock ?? systemClock;
  const settings = new AppSettings(options.settings);
  const hostJson = overrideHostJson(readHostJson(options.appFolder), options.hostJsonOverrides ?? {}, settings);
  const configuration = hostConfiguration(hostJson, settings);
  mkdirSync(options.dataFolder, { recursive: true });
  const keys = loadAccessKeys(options.dataFolder);
  const faults = new FaultPlan(options.faults ?? [], log);
  const server = await HostServer.listen(options.port, log);
  const pool = new WorkerPool({
    count: Math.max(1, options.workers),
    start: {
      appFolder: options.appFolder,
      hostVersion: HOST_VERSION,
      environment: workerEnvironment(settings, server.hostName),
      nodeArguments: (settings.get('languageWorkers__node__arguments') ?? '')
        .split(/\s+/)
        .filter((word) => word !== ''),
    },
    functionTimeoutMilliseconds: configuration.functionTimeoutMilliseconds,
    log,
  });
  let app: RunningApp | undefined;
  try {
    const registered = await pool.start().catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new SyncError('appLoadFailed', { problem: 'The function app does not load.', reason, cause: error });
    });
    app = new RunningApp({
      definitions: registered.map(defineFunction),
      configuration,
      settings,
      keys,
      origin: server.origin,
      hostVersion: HOST_VERSION,
      dataFolder: options.dataFolder,
      historyFolder: join(options.dataFolder, 'history', encodeURIComponent(configuration.durable.hubName)),
      runner: pool,
      faults,
      clock,
      log,
    });
    server.serve(app);
    await app.start();
  } catch (error) {
    await Promise.allSettled([app?.stop(), server.close(), pool.close(0)]);
    throw error;
  }
  const running = app;
  log.event('hostReady', { url: server.origin, functions: running.functions.length, workers: options.workers });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await running.stop();
    await pool.drain(DRAIN_MILLISECONDS);
    await server.close();
    await pool.close(EXIT_MILLISECONDS);
    running.release();
    log.event('hostStopped', { url: server.origin });
  };
  return {
    url: server.origin,
    masterKey: keys.master,
    systemKeys: { blobs_extension: keys.blobs_extension, durabletask_extension: keys.durabletask_extension },
    functions: running.functions,
    killWorker: (index) => pool.killWorker(index),
    get workerProcessIds() {
      return pool.processIds;
    },
    setFaults: (rules) => faults.replace(rules),
    close: () => (closing ??= close()),
  };
}

function workerEnvironment(settings: AppSettings, hostName: string): Readonly<Record<string, string>> {
  const inherited: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) inherited[name] = value;
  return {
    ...inherited,
    ...settings.values,
    AZURE_FUNCTIONS_ENVIRONMENT: settings.get('AZURE_FUNCTIONS_ENVIRONMENT') ?? 'Development',
    FUNCTIONS_WORKER_RUNTIME: 'node',
    WEBSITE_HOSTNAME: hostName,
  };
}
