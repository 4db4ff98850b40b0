/** The three services of the local Azure as child processes: what to run, and what they say when they are ready. */
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SyncError } from '../../shared/errors.ts';
import type { DataFolder } from './data-folder.ts';
import { LOOPBACK } from './ports.ts';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

/** Account of every Azurite, with the key it is published with; not a secret. */
export const AZURITE_ACCOUNT = 'devstoreaccount1';
const AZURITE_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** Where Azurite answers. */
export interface AzuriteAddress {
  readonly connectionString: string;
  readonly account: string;
  readonly key: string;
  readonly blob: string;
  readonly queue: string;
  readonly table: string;
}

/** Where the Cosmos emulator answers. */
export interface CosmosAddress {
  readonly endpoint: string;
  readonly key: string;
}

/** Where the Functions host answers, and the functions it found. */
export interface FunctionsAddress {
  readonly url: string;
  readonly masterKey: string;
  readonly systemKeys: Readonly<Record<string, string>>;
  readonly functions: readonly { readonly name: string; readonly trigger: string }[];
}

export interface AzuritePorts {
  readonly blob: number;
  readonly queue: number;
  readonly table: number;
}

/** Starts Azurite on its part of the data folder. */
export async function startAzurite(
  data: DataFolder,
  ports: AzuritePorts,
  signal: AbortSignal,
): Promise<ServiceProcess<AzuriteAddress>> {
  const url = (port: number): string => `http://${LOOPBACK}:${port}/${AZURITE_ACCOUNT}`;
  const address: AzuriteAddress = {
    connectionString: [
      'DefaultEndpointsProtocol=http',
      `AccountName=${AZURITE_ACCOUNT}`,
      `AccountKey=${AZURITE_KEY}`,
      `BlobEndpoint=${url(ports.blob)}`,
      `QueueEndpoint=${url(ports.queue)}`,
      `TableEndpoint=${url(ports.table)}`,
    ].join(';'),
    account: AZURITE_ACCOUNT,
    key: AZURITE_KEY,
    blob: url(ports.blob),
    queue: url(ports.queue),
    table: url(ports.table),
  };
  const listen = (['blob', 'queue', 'table'] as const).flatMap((service) => [
    `--${service}Host`,
    LOOPBACK,
    `--${service}Port`,
    String(ports[service]),
  ]);
  const argv = [
    '--import',
    moduleUrl('./parent-pipe'),
    azuriteEntry(),
    '--location',
    await data.folder('azurite'),
    ...listen,
    // Clients may be newer than Azurite; what it does not know of them does not matter here.
    '--skipApiVersionCheck',
    '--loose',
    '--silent',
    '--disableTelemetry',
  ];
  let listening = 0;
  return startService(
    { name: 'Azurite', argv, onStart: noteChild(data), onLine: logTo(data, 'azurite') },
    (line) => {
      if (line.includes('successfully listening')) listening++;
      return listening === 3 ? address : undefined;
    },
    signal,
  );
}

/** Starts the Cosmos emulator on its part of the data folder. */
export async function startCosmosEmulator(
  data: DataFolder,
  port: number,
  signal: AbortSignal,
): Promise<ServiceProcess<CosmosAddress>> {
  const argv = [
    modulePath('../cosmos-emulator/main'),
    '--port',
    String(port),
    '--data',
    await data.folder('cosmos'),
    '--parent-pipe',
  ];
  return startService(
    { name: 'The Cosmos emulator', argv, onStart: noteChild(data), onLine: logTo(data, 'cosmos') },
    (line) => {
      const ready = readyLine(line);
      const { endpoint, key } = ready ?? {};
      return typeof endpoint === 'string' && typeof key === 'string' ? { endpoint, key } : undefined;
    },
    signal,
  );
}

/** What the Functions host is told. */
export interface HostOptions {
  /** Folder with package.json, host.json and the compiled app. */
  readonly appFolder: string;
  readonly port: number;
  readonly workers: number | undefined;
  readonly settingsFile: string;
}

/** Starts the Functions host on its part of the data folder. `onLine` sees everything it and the app write. */
export async function startFunctionsHost(
  data: DataFolder,
  options: HostOptions,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<ServiceProcess<FunctionsAddress>> {
  const argv = [
    modulePath('../functions-host/main'),
    '--app',
    options.appFolder,
    '--port',
    String(options.port),
    '--settings',
    options.settingsFile,
    ...(options.workers === undefined ? [] : ['--workers', String(options.workers)]),
    '--data',
    await data.folder('functions'),
    '--parent-pipe',
  ];
  const log = logTo(data, 'functions');
  return startService(
    {
      name: 'The Functions host',
      argv,
      onStart: noteChild(data),
      onLine: (line) => {
        log(line);
        onLine(line);
      },
    },
    (line) => functionsAddress(readyLine(line)),
    signal,
  );
}

function functionsAddress(ready: Readonly<Record<string, unknown>> | undefined): FunctionsAddress | undefined {
  const { url, masterKey, systemKeys, functions } = ready ?? {};
  if (typeof url !== 'string' || typeof masterKey !== 'string') return undefined;
  const keys = typeof systemKeys === 'object' && systemKeys !== null ? Object.entries(systemKeys) : [];
  return {
    url,
    masterKey,
    systemKeys: Object.fromEntries(keys.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    functions: (Array.isArray(functions) ? functions : []).flatMap((item: unknown) => {
      const { name, trigger } = (item ?? {}) as { name?: unknown; trigger?: unknown };
      return typeof name === 'string' && typeof trigger === 'string' ? [{ name, trigger }] : [];
    }),
  };
}

/** The fields of a service's `ready` line. */
function readyLine(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(line) as Readonly<Record<string, unknown>>;
    return value['type'] === 'ready' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Sibling modules run as they are themselves run: compiled, or as TypeScript. */
function moduleUrl(name: string): string {
  return new URL(`${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url).href;
}

function modulePath(name: string): string {
  return fileURLToPath(moduleUrl(name));
}

function azuriteEntry(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve('azurite/package.json');
    return join(dirname(manifest), 'dist', 'src', 'azurite.js');
  } catch (error) {
    throw new SyncError('serviceFailed', {
      problem: 'Azurite is not installed.',
      remedy: 'Run npm ci in the project folder, development dependencies included.',
      cause: error,
    });
  }
}

function noteChild(data: DataFolder): (pid: number) => void {
  return (pid) => {
    // Only for the next launcher's benefit; a lock file that cannot be written stops nothing here.
    data.addChild(pid).catch(() => undefined);
  };
}

function logTo(data: DataFolder, service: string): (line: string) => void {
  const file = data.file(`${service}.log`);
  return (line) => {
    try {
      appendFileSync(file, `${line}\n`);
    } catch {
      // A full disk must not take the launcher down with it; the service itself will say so.
    }
  };
}
