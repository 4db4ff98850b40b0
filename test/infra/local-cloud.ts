/** What a deployed app finds in Azure, on this machine: storage, Cosmos DB with the containers of infra/, a lake with tables. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PartitionKeyDefinitionVersion, type Container, type CosmosClient } from '@azure/cosmos';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { QueueServiceClient, type QueueClient } from '@azure/storage-queue';
import { openCosmosAccount, type CosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { createCosmosClient } from '../../src/cosmos/cosmos-client.ts';
import { startCosmosEmulator, type CosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import type { EmulatorOptions } from '../../src/local/cosmos-emulator/options.ts';
import type { SyncState } from '../../src/sync/state.ts';
import { spawnHost, type HostProcess, type ReadyLine } from '../local/functions-host/host-process.ts';
import { uploadFolder } from '../support/upload-folder.ts';

/** Azurite's published account, unless a test brings one of its own. */
const PUBLISHED = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
};
const DATABASE = 'cosmicworks';
const CONTROL = 'delta-cosmos-sync';

export interface LocalCloudOptions {
  readonly storageAccount?: { readonly name: string; readonly key: string };
  readonly cosmos?: EmulatorOptions;
}

/** A host that runs a package, and everything it printed. */
export interface RunningHost extends HostProcess {
  readonly ready: ReadyLine;
  /** Standard output and error so far. */
  output(): string;
  /** A request with the master key. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Status of the table's orchestration, null when there is none; `query` asks for more of it. */
  instance(tableId: string, query?: string): Promise<InstanceStatus | null>;
  /** Ends it: at once, or with time to finish. */
  stop(how: 'kill' | 'drain'): Promise<void>;
}

export interface InstanceStatus {
  readonly runtimeStatus: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly customStatus: unknown;
}

export class LocalCloud {
  readonly emulator: CosmosEmulator;
  readonly client: CosmosClient;
  readonly lake: ContainerClient;
  readonly plans: ContainerClient;
  readonly hints: QueueClient;
  /** Application settings of a package, by keys and connection strings. */
  readonly settings: Readonly<Record<string, string>>;
  readonly folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-cloud-'));
  readonly #account: CosmosAccount;
  readonly #stopStorage: () => Promise<void>;
  readonly #hosts: RunningHost[] = [];

  private constructor(
    emulator: CosmosEmulator,
    account: CosmosAccount,
    connectionString: string,
    stopStorage: () => Promise<void>,
  ) {
    this.emulator = emulator;
    this.#account = account;
    this.#stopStorage = stopStorage;
    this.client = createCosmosClient(account);
    const blobs = BlobServiceClient.fromConnectionString(connectionString);
    this.lake = blobs.getContainerClient('lake');
    this.plans = blobs.getContainerClient('sync-plans');
    this.hints = QueueServiceClient.fromConnectionString(connectionString).getQueueClient('log-events');
    this.settings = {
      FUNCTIONS_WORKER_RUNTIME: 'node',
      AzureWebJobsStorage: connectionString,
      DELTA_LAKE: connectionString,
      LAKE_CONTAINER: 'lake',
      COSMOS_ENDPOINT: emulator.endpoint,
      COSMOS_KEY: emulator.key,
      PLAN_CONTAINER: 'sync-plans',
      HINT_QUEUE: 'log-events',
      // Only when a test asks for it.
      SWEEP_SCHEDULE: '0 0 0 1 1 *',
      TASKHUB_NAME: 'synctest',
      AzureFunctionsJobHost__extensions__queues__maxPollingInterval: '00:00:00.100',
    };
  }

  static async start(options: LocalCloudOptions = {}): Promise<LocalCloud> {
    const storage = await startStorage(options.storageAccount ?? PUBLISHED);
    const emulator = await startCosmosEmulator({ partitions: 2, ...options.cosmos });
    const account = await openCosmosAccount({
      endpoint: emulator.endpoint,
      identity: { kind: 'key', key: emulator.key },
      ...(emulator.caCertificate === undefined ? {} : { caPem: emulator.caCertificate }),
    });
    const cloud = new LocalCloud(emulator, account, storage.connectionString, storage.stop);
    await Promise.all([cloud.lake.create(), cloud.plans.create(), cloud.hints.create()]);
    const control = (await cloud.client.databases.create({ id: CONTROL })).database.containers;
    await control.create({ id: 'state', partitionKey: { paths: ['/target'] }, defaultTtl: -1 });
    await control.create({ id: 'leases', partitionKey: { paths: ['/id'] } });
    await cloud.client.databases.create({ id: DATABASE });
    return cloud;
  }

  /** Creates the target container of a table. */
  async target(name: string): Promise<Container> {
    const { container } = await this.client.database(DATABASE).containers.create({
      id: name,
      partitionKey: { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 },
    });
    return container;
  }

  /** sync.json for tables of the lake that are named like their containers. */
  configuration(tables: readonly string[], ruPerSecond: number): string {
    const each = <T>(make: (name: string) => T): Readonly<Record<string, T>> =>
      Object.fromEntries(tables.map((name) => [name, make(name)]));
    return JSON.stringify({
      budgets: each((name) => ({ target: `${DATABASE}/${name}`, ruPerSecond })),
      tables: each((name) => ({
        source: `${this.lake.url}/${name}`,
        target: { database: DATABASE, container: name },
        id: '${id}',
        budget: name,
      })),
    });
  }

  /** Puts a table's folder into the lake, and tells the app of a commit as Event Grid does. */
  async publish(folder: string, name: string, version: number): Promise<void> {
    await this.upload(folder, name);
    await this.hint(name, version);
  }

  /** Puts a table's folder into the lake; nobody is told. */
  async upload(folder: string, name: string): Promise<void> {
    await uploadFolder(folder, this.lake, name);
  }

  async hint(name: string, version: number): Promise<void> {
    const path = `${name}/_delta_log/${String(version).padStart(20, '0')}.json`;
    const event = {
      id: `${name}-${version}`,
      eventType: 'Microsoft.Storage.BlobCreated',
      subject: `/blobServices/default/containers/lake/blobs/${path}`,
      data: { api: 'PutBlob', url: `${this.lake.url}/${path}` },
    };
    await this.hints.sendMessage(Buffer.from(JSON.stringify(event)).toString('base64'));
  }

  async state(tableId: string): Promise<SyncState | null> {
    const answer = await this.stateContainer.item('state', tableId).read<{ readonly state: SyncState }>();
    return answer.resource?.state ?? null;
  }

  get stateContainer(): Container {
    return this.client.database(CONTROL).container('state');
  }

  /** Ids and the field `n` of everything in a target, by id. */
  async documents(name: string): Promise<Readonly<Record<string, unknown>>> {
    const { resources } = await this.client
      .database(DATABASE)
      .container(name)
      .items.query<{ readonly id: string; readonly n?: unknown }>('SELECT c.id, c.n FROM c')
      .fetchAll();
    return Object.fromEntries(resources.map(({ id, n }) => [id, n]));
  }

  async count(name: string): Promise<number> {
    return Object.keys(await this.documents(name)).length;
  }

  /** Runs a package on the local Functions host, as a process of its own; its data outlive it. */
  async run(appFolder: string, settings: Readonly<Record<string, string>> = {}): Promise<RunningHost> {
    const host = spawnHost({ appFolder, dataFolder: this.folder, settings: { ...this.settings, ...settings } });
    let text = '';
    for (const stream of [host.child.stdout, host.child.stderr])
      stream?.on('data', (part: Buffer) => {
        text += part.toString();
      });
    const ready = await host.first;
    if (!('url' in ready)) throw new Error(`The host did not start: ${ready.code}: ${ready.message}`);
    const running: RunningHost = {
      ...host,
      ready,
      output: () => text,
      fetch: (path, init = {}) =>
        fetch(new URL(path, ready.url), { ...init, headers: { 'x-functions-key': ready.masterKey } }),
      instance: async (tableId, query = '') => {
        const code = ready.systemKeys.durabletask_extension;
        const answer = await fetch(
          `${ready.url}/runtime/webhooks/durabletask/instances/sync-${tableId}?code=${code}${query}`,
        );
        const body = await answer.text();
        return answer.ok && body !== '' ? (JSON.parse(body) as InstanceStatus) : null;
      },
      stop: async (how) => {
        if (how === 'kill') host.child.kill('SIGKILL');
        else host.child.stdin?.end();
        await host.exited;
      },
    };
    this.#hosts.push(running);
    return running;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop('kill')));
    this.client.dispose();
    this.#account.close();
    await this.emulator.close();
    await this.#stopStorage();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function startStorage(account: {
  readonly name: string;
  readonly key: string;
}): Promise<{ readonly connectionString: string; readonly stop: () => Promise<void> }> {
  const program = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
  const ports = ['--blobPort', '0', '--queuePort', '0', '--tablePort', '0'];
  const child = spawn(
    process.execPath,
    [program, '--inMemoryPersistence', '--skipApiVersionCheck', '--loose', '--disableTelemetry', ...ports],
    {
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, AZURITE_ACCOUNTS: `${account.name}:${account.key}` },
    },
  );
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  const [blob, queue] = await new Promise<readonly [string, string]>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (part: Buffer) => {
      text += part.toString();
      const urls = ['Blob', 'Queue'].map(
        (service) => new RegExp(`${service} service is successfully listening at (\\S+)`).exec(text)?.[1],
      );
      if (urls[0] !== undefined && urls[1] !== undefined) resolve([urls[0], urls[1]]);
    });
    void exited.then(() => reject(new Error(`Azurite ended: ${text}`)));
  });
  return {
    connectionString:
      `DefaultEndpointsProtocol=http;AccountName=${account.name};AccountKey=${account.key};` +
      `BlobEndpoint=${blob}/${account.name};QueueEndpoint=${queue}/${account.name};`,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
