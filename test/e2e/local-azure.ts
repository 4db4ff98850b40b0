/**
 * One local Azure with many tables: the compiled launcher starts the services as `npm start` does, each table is a folder
 * that a test writes, and commits become storage events in the hint queue.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CosmosClient, PartitionKeyDefinitionVersion, type Container, type ContainerRequest } from '@azure/cosmos';
import { openDataFolder, type DataFolder } from '../../src/local/launcher/data-folder.ts';
import { EventDelivery } from '../../src/local/launcher/event-delivery.ts';
import { folderEvent, subscribersOf } from '../../src/local/launcher/event-subscriptions.ts';
import type { LocalAzure, startLocalAzure as StartLocalAzure } from '../../src/local/launcher/local-azure.ts';
import { newestCommit } from '../../src/local/launcher/log-folder.ts';
import type { FunctionsAddress } from '../../src/local/launcher/services.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { LocalTable, type LogEvent } from './local-table.ts';
import { gone, servicePids } from './local-run.ts';

const APP_FOLDER = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(APP_FOLDER, 'build', 'cli', 'main.js');
const LAUNCHER = pathToFileURL(join(APP_FOLDER, 'build', 'local', 'launcher', 'local-azure.js')).href;
const DATABASE = 'shop';

/** A table in sync.json: what differs from a mirror of its folder into a container of its own, keyed by `id`. */
export interface TableSpec {
  /** Settings of the table. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Address of the table, where it is not the folder that the test writes. */
  readonly source?: string;
  /** Where another table's container is written to as well. */
  readonly container?: string;
  /** Properties of the container; the partition key is /id unless they say otherwise. */
  readonly definition?: Omit<ContainerRequest, 'id'>;
  readonly ruPerSecond?: number;
}

export type TableSpecs = Readonly<Record<string, TableSpec>>;

/** How a command ended. */
export interface CommandEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class LocalAzureTables {
  readonly #folder: string;
  readonly #azure: LocalAzure;
  readonly #data: DataFolder;
  readonly #delivery: EventDelivery;
  readonly #ending: AbortController;
  readonly #events: LogEvent[];
  readonly #client: CosmosClient;
  /** Settings of the function app. */
  readonly environment: Readonly<Record<string, string>>;

  private constructor(
    folder: string,
    azure: LocalAzure,
    data: DataFolder,
    ending: AbortController,
    events: LogEvent[],
    environment: Readonly<Record<string, string>>,
  ) {
    this.#folder = folder;
    this.#azure = azure;
    this.#data = data;
    this.#ending = ending;
    this.#events = events;
    this.environment = environment;
    const { endpoint, key } = azure.addresses.cosmos;
    this.#client = new CosmosClient({ endpoint, key });
    // A lost event is found by the tables' own waiting, as by a sweep.
    this.#delivery = new EventDelivery(
      subscribersOf('queue', azure.addresses),
      systemClock,
      () => undefined,
      ending.signal,
    );
  }

  /** Starts the services with these tables; none of them has a commit yet. `more` are settings beside the tables. */
  static async start(
    specs: TableSpecs,
    more: Readonly<Record<string, unknown>> = {},
    containers: readonly string[] = [],
  ): Promise<LocalAzureTables> {
    const folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-e2e-'));
    const ending = new AbortController();
    const data = await openDataFolder(join(folder, 'data'), false, ending.signal);
    const { startLocalAzure } = (await import(LAUNCHER)) as { readonly startLocalAzure: typeof StartLocalAzure };
    const events: LogEvent[] = [];
    const azure = await startLocalAzure(
      {
        appFolder: APP_FOLDER,
        ports: {},
        workers: 1,
        // No sweeps: what happens is what an event or a test asked for.
        events: 'queue',
        configuration: () => configurationOf(folder, specs, more),
        containers: [],
      },
      data,
      { hostLine: (line) => noteEvent(events, line), note: () => undefined },
      systemClock,
      ending.signal,
    );
    const settings = JSON.parse(await readFile(data.file('local.settings.json'), 'utf8')) as {
      readonly Values: Record<string, string>;
    };
    const started = new LocalAzureTables(folder, azure, data, ending, events, settings.Values);
    const { database } = await started.#client.databases.createIfNotExists({ id: DATABASE });
    const partitionKey = { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 };
    for (const [id, spec] of Object.entries(specs)) {
      await database.containers.createIfNotExists({ id: spec.container ?? id, partitionKey, ...spec.definition });
    }
    for (const id of containers) await database.containers.createIfNotExists({ id, partitionKey });
    return started;
  }

  get functions(): FunctionsAddress {
    return this.#azure.addresses.functions;
  }

  /** Path of sync.json. */
  get config(): string {
    return this.environment['SYNC_CONFIG'] ?? '';
  }

  container(id: string): Container {
    return this.#client.database(DATABASE).container(id);
  }

  /** Drops a container and makes an empty one of the same name. */
  async replaceContainer(id: string): Promise<void> {
    const partitionKey = { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 };
    await this.container(id).delete();
    await this.#client.database(DATABASE).containers.create({ id, partitionKey });
  }

  table(id: string, container = id): LocalTable {
    const folder = join(this.#folder, 'tables', id);
    return new LocalTable(id, folder, {
      functions: this.functions,
      container: this.container(container),
      events: () => this.#events.filter(({ table }) => table === id),
      announce: async () => {
        const commit = await newestCommit(join(folder, '_delta_log'));
        if (commit !== undefined) await this.#delivery.send(folderEvent(commit, Date.now()));
      },
    });
  }

  /** Another sync.json, which the app reads when its host starts again; `budgets`: those of tables that are gone. */
  async reconfigure(
    specs: TableSpecs,
    more: Readonly<Record<string, unknown>>,
    budgets: readonly string[],
  ): Promise<void> {
    const { tables } = configurationOf(this.#folder, specs, more);
    const without = Object.fromEntries(budgets.map((id) => [id, {}]));
    const configuration = { ...configurationOf(this.#folder, { ...specs, ...without }, more), tables };
    await writeFile(this.config, JSON.stringify(configuration));
    const host = (await servicePids(this.#data.path)).at(-1) ?? 0;
    process.kill(host, 'SIGKILL');
    await gone([host]);
    for (;;) {
      const answer = await fetch(`${this.functions.url}/api/health`).catch(() => undefined);
      if (answer?.ok === true) return;
      await systemClock.sleep(50);
    }
  }

  /** Fires the sweep's timer once. */
  async sweep(): Promise<void> {
    const { url, masterKey } = this.functions;
    const headers = { 'x-functions-key': masterKey, 'content-type': 'application/json' };
    const response = await fetch(`${url}/admin/functions/onSweep`, { method: 'POST', headers, body: '{}' });
    if (response.status !== 202) throw new Error(`the sweep was answered with ${response.status}`);
  }

  /** `delta-cosmos` with the settings of the app. */
  command(...argv: readonly string[]): Promise<CommandEnd> {
    return new Promise((resolve) => {
      const child = spawn(process.execPath, [MAIN, ...argv], { env: { ...process.env, ...this.environment } });
      let [out, err] = ['', ''];
      child.stdout.on('data', (text: Buffer) => (out += text.toString()));
      child.stderr.on('data', (text: Buffer) => (err += text.toString()));
      child.once('close', (code) => resolve({ code: code ?? -1, out, err }));
    });
  }

  /** A command that talks to the app. */
  remote(name: string, ...argv: readonly string[]): Promise<CommandEnd> {
    const { url, masterKey } = this.functions;
    return this.command(name, '--app', url, '--key', masterKey, ...argv);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    this.#client.dispose();
    await this.#azure.stop();
    await this.#data.release();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function configurationOf(
  folder: string,
  specs: TableSpecs,
  more: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> & { readonly tables: unknown } {
  const target = (id: string, spec: TableSpec) => ({ database: DATABASE, container: spec.container ?? id });
  return {
    budgets: Object.fromEntries(
      Object.entries(specs).map(([id, spec]) => {
        const { database, container } = target(id, spec);
        return [id, { target: `${database}/${container}`, ruPerSecond: spec.ruPerSecond ?? 1_000_000 }];
      }),
    ),
    tables: Object.fromEntries(
      Object.entries(specs).map(([id, spec]) => [
        id,
        {
          source: spec.source ?? join(folder, 'tables', id),
          target: target(id, spec),
          id: '${id}',
          budget: id,
          ...spec.settings,
        },
      ]),
    ),
    ...more,
  };
}

/** The app's own events are messages of what the host logs. */
function noteEvent(events: LogEvent[], line: string): void {
  if (!line.includes('"functionLogged"')) return;
  try {
    const { message } = JSON.parse(line) as { readonly message: string };
    const event = JSON.parse(message) as LogEvent;
    if (typeof event.table === 'string') events.push(event);
  } catch {
    // Other messages are no events.
  }
}
