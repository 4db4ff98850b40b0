/** The three services together: started in the order they need each other, stopped in the reverse one. */
import { writeFile } from 'node:fs/promises';
import type { Clock } from '../../shared/clock.ts';
import { SyncError } from '../../shared/errors.ts';
import { functionAppSettings } from './app-settings.ts';
import type { EventPath } from './app-settings.ts';
import { makeContainers, makeStorage } from './azure-resources.ts';
import type { TargetContainer } from './azure-resources.ts';
import type { DataFolder } from './data-folder.ts';
import { superviseHost } from './host-supervisor.ts';
import { choosePort } from './ports.ts';
import type { Addresses } from './session-event.ts';
import { startAzurite, startCosmosEmulator, startFunctionsHost } from './services.ts';
import type { AzuriteAddress } from './services.ts';

/** Ports the user asked for; the usual or free ones otherwise. */
export interface PortChoice {
  readonly functions?: number;
  readonly cosmos?: number;
  readonly blob?: number;
  readonly queue?: number;
  readonly table?: number;
}

export interface LocalAzureOptions {
  /** Folder with package.json, host.json and the compiled app. */
  readonly appFolder: string;
  readonly ports: PortChoice;
  readonly workers: number | undefined;
  readonly events: EventPath;
  /** Content of sync.json. */
  readonly configuration: (azurite: AzuriteAddress) => Readonly<Record<string, unknown>>;
  /** Containers that it names. */
  readonly containers: readonly TargetContainer[];
}

/** What the running services tell. */
export interface LocalAzureListener {
  /** A line of output of the Functions host. */
  hostLine(line: string): void;
  note(text: string): void;
}

export interface LocalAzure {
  readonly addresses: Addresses;
  /** Rejects with `serviceFailed` when a service ended that cannot be started again. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** Starts of one service while others take its port. */
const PORT_ATTEMPTS = 3;

/** Starts everything. When that fails or is aborted, whatever ran is stopped before the error is thrown. */
export async function startLocalAzure(
  options: LocalAzureOptions,
  data: DataFolder,
  listener: LocalAzureListener,
  clock: Clock,
  signal: AbortSignal,
): Promise<LocalAzure> {
  const stops: (() => Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  };
  const { ports } = options;
  try {
    const [azurite, cosmos] = await allStarted([
      onFreePorts(async (port) =>
        startAzurite(
          data,
          {
            blob: await choosePort({ service: 'blobs', usual: port(10_000), asked: ports.blob, flag: 'blob-port' }),
            queue: await choosePort({ service: 'queues', usual: port(10_001), asked: ports.queue, flag: 'queue-port' }),
            table: await choosePort({ service: 'tables', usual: port(10_002), asked: ports.table, flag: 'table-port' }),
          },
          signal,
        ),
      ).then((service) => {
        stops.push(() => service.stop());
        return service;
      }),
      onFreePorts(async (port) =>
        startCosmosEmulator(
          data,
          await choosePort({
            service: 'the Cosmos emulator',
            usual: port(8081),
            asked: ports.cosmos,
            flag: 'cosmos-port',
          }),
          signal,
        ),
      ).then((service) => {
        stops.push(() => service.stop());
        return service;
      }),
    ]);
    await Promise.all([makeStorage(azurite.ready, signal), makeContainers(cosmos.ready, options.containers, signal)]);

    const syncFile = data.file('sync.json');
    await writeFile(syncFile, `${JSON.stringify(options.configuration(azurite.ready), undefined, 2)}\n`);
    const settingsFile = data.file('local.settings.json');
    const values = functionAppSettings(azurite.ready, cosmos.ready, syncFile, options.events);
    await writeFile(settingsFile, `${JSON.stringify({ IsEncrypted: false, Values: values }, undefined, 2)}\n`, {
      mode: 0o600,
    });
    const host = await onFreePorts(async (port) => {
      const chosen = await choosePort({
        service: 'the Functions host',
        usual: port(7071),
        asked: ports.functions,
        flag: 'port',
      });
      return superviseHost(
        (running) =>
          startFunctionsHost(
            data,
            { appFolder: options.appFolder, port: chosen, workers: options.workers, settingsFile },
            (line) => listener.hostLine(line),
            running,
          ),
        (why) => listener.note(why),
        clock,
        signal,
      );
    });
    stops.push(() => host.stop());

    let stopping = false;
    const failed = Promise.race([
      azurite.exited.then((how) => endedError('Azurite', how)),
      cosmos.exited.then((how) => endedError('The Cosmos emulator', how)),
      host.ended.then(() => endedError('The Functions host', 'stopped')),
    ]).then((error) => (stopping ? new Promise<never>(() => undefined) : Promise.reject(error)));
    failed.catch(() => undefined);
    return {
      addresses: { functions: host.address, cosmos: cosmos.ready, azurite: azurite.ready },
      failed,
      async stop() {
        stopping = true;
        await stopAll();
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** Waits for both, also when one fails, so that a late one is not forgotten when everything is stopped. */
async function allStarted<A, B>(starts: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  await Promise.allSettled(starts);
  return Promise.all(starts);
}

/**
 * Between choosing a free port and listening on it another program can take it: then `start` is called again, and told
 * to leave the usual ports to whoever is so quick.
 */
async function onFreePorts<T>(start: (port: (usual: number) => number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start((usual) => (attempt === 1 ? usual : 0));
    } catch (error) {
      const lost = error instanceof SyncError && (error.code === 'portTaken' || error.message.includes('EADDRINUSE'));
      if (!lost || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

function endedError(service: string, how: string): SyncError {
  return new SyncError('serviceFailed', { problem: `${service} ended unexpectedly: ${how}.` });
}
