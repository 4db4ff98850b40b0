/**
 * The use cases on real parts in one process: a table folder, the Cosmos emulator over HTTP, state documents in it, plans
 * in memory. Only Durable Functions and the RU lease are left out.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PartitionKeyDefinitionVersion, type Container, type CosmosClient, type Database } from '@azure/cosmos';
import { parseSyncConfiguration, type TableConfiguration } from '../../src/config/sync-configuration.ts';
import { openDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import { openCosmosAccount, type CosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { createCosmosClient } from '../../src/cosmos/cosmos-client.ts';
import { unlimited } from '../../src/cosmos/ru-limiter.ts';
import { cosmosPublicationStore } from '../../src/cosmos/publication-documents.ts';
import { cosmosStateStore } from '../../src/cosmos/state-documents.ts';
import type { Row, StructType } from '../../src/delta/schema.ts';
import type { JsonObject } from '../../src/documents/document.ts';
import { compileMapping } from '../../src/documents/mapping.ts';
import { withoutFields } from '../../src/documents/document-text.ts';
import { startCosmosEmulator, type CosmosEmulator } from '../../src/local/cosmos-emulator/emulator.ts';
import { systemClock, type Clock } from '../../src/shared/clock.ts';
import { SyncError } from '../../src/shared/errors.ts';
import type { LogEvent, LogFields } from '../../src/shared/telemetry.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { driveRun } from '../../src/sync/drive-run.ts';
import type { DocumentWriter } from '../../src/sync/document-writer.ts';
import type { RunOutcome } from '../../src/sync/next-step.ts';
import type { SyncDependencies, SyncTarget } from '../../src/sync/sync-target.ts';
import { WORK_SIZES, type WorkSizes } from '../../src/sync/work-sizes.ts';
import { lastConfiguration, type RemovedTable } from '../../src/sync/removal.ts';
import type { SyncState } from '../../src/sync/state.ts';
import { MemoryPlanStore } from './memory-plan-store.ts';

const DATABASE = 'cosmicworks';

/** An emulator with a state container, shared by the tests of a file. */
export class SyncWorld {
  readonly emulator: CosmosEmulator;
  readonly account: CosmosAccount;
  readonly client: CosmosClient;
  readonly folder: string;
  #containers = 0;

  private constructor(emulator: CosmosEmulator, account: CosmosAccount, client: CosmosClient, folder: string) {
    this.emulator = emulator;
    this.account = account;
    this.client = client;
    this.folder = folder;
  }

  static async start(partitions = 3): Promise<SyncWorld> {
    const emulator = await startCosmosEmulator({ partitions });
    const account = await openCosmosAccount({
      endpoint: emulator.endpoint,
      identity: { kind: 'key', key: emulator.key },
    });
    const client = createCosmosClient(account);
    const { database } = await client.databases.create({ id: DATABASE });
    await database.containers.create({ id: 'state', partitionKey: { paths: ['/target'] }, defaultTtl: -1 });
    await database.containers.create({ id: 'freshness', partitionKey: { paths: ['/id'] } });
    return new SyncWorld(emulator, account, client, await mkdtemp(join(tmpdir(), 'sync-world-')));
  }

  async stop(): Promise<void> {
    this.client.dispose();
    this.account.close();
    await this.emulator.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A new container and a table configuration for it; `table` overrides the defaults. */
  async table(
    table: Readonly<Record<string, unknown>> = {},
    partitionKeyPath = '/id',
    sizes = WORK_SIZES,
  ): Promise<SyncTable> {
    const name = `t${++this.#containers}`;
    await this.client.database(DATABASE).containers.create({
      id: name,
      partitionKey: { paths: [partitionKeyPath], version: PartitionKeyDefinitionVersion.V2 },
    });
    return new SyncTable(this, name, join(this.folder, name), table, sizes);
  }
}

/** One table with its container, synchronised step by step. */
export class SyncTable {
  readonly id: string;
  readonly folder: string;
  readonly database: Database;
  readonly container: Container;
  readonly plans = new MemoryPlanStore();
  readonly events: { readonly name: LogEvent; readonly fields: LogFields }[] = [];
  readonly dependencies: SyncDependencies;
  configuration: TableConfiguration;
  /** Added to the machine's time. */
  skewMs = 0;
  /** Tables that are taken out of the configuration: this one, while it is. */
  readonly removedTables = new Map<string, RemovedTable>();
  #target: SyncTarget | undefined;
  readonly #world: SyncWorld;
  #runs = 0;

  constructor(
    world: SyncWorld,
    id: string,
    folder: string,
    table: Readonly<Record<string, unknown>>,
    sizes: WorkSizes,
  ) {
    this.#world = world;
    this.id = id;
    this.folder = folder;
    this.database = world.client.database(DATABASE);
    this.container = this.database.container(id);
    this.configuration = this.configure(table);
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + this.skewMs };
    this.dependencies = {
      target: (tableId) => this.#targetOf(tableId),
      plans: this.plans,
      states: cosmosStateStore(world.client.database(DATABASE).container('state')),
      publications: cosmosPublicationStore(world.client.database(DATABASE).container('freshness')),
      clock,
      log: { event: (name, fields = {}) => void this.events.push({ name, fields }) },
      sizes,
      removedTables: this.removedTables,
      appVersion: '1.0',
    };
  }

  /** Replaces the configuration of the table. */
  configure(table: Readonly<Record<string, unknown>>): TableConfiguration {
    const text = JSON.stringify({
      freshness: { database: DATABASE, container: 'freshness' },
      budgets: { all: { target: `${DATABASE}/${this.id}`, ruPerSecond: 100_000 } },
      tables: {
        [this.id]: {
          source: 'https://lake.blob.core.windows.net/lake/t',
          target: { database: DATABASE, container: this.id },
          id: '${id}',
          budget: 'all',
          ...table,
        },
      },
    });
    const configuration = parseSyncConfiguration(text, 'test').tables[this.id];
    if (configuration === undefined) throw new Error('no such table');
    this.configuration = configuration;
    this.#target = undefined;
    this.removedTables.clear();
    return configuration;
  }

  /** Takes the table out of the configuration; `configure` puts it back. */
  remove(documents: RemovedTable['documents'], configured: readonly TableConfiguration[] = []): void {
    this.removedTables.set(this.id, { documents, configured });
    this.#target = undefined;
  }

  /** Runs until nothing is new or somebody has to act. */
  sync(driver = `driver-${++this.#runs}`): Promise<RunOutcome> {
    return driveRun(this.dependencies, this.id, driver, new AbortController().signal);
  }

  async state(): Promise<SyncState> {
    return (await this.dependencies.states.read(this.id)).state;
  }

  /** Documents of the container by id, without what the service adds. */
  async documents(): Promise<ReadonlyMap<string, JsonObject>> {
    const { resources } = await this.container.items.query<JsonObject>('SELECT * FROM c').fetchAll();
    return new Map(resources.map((document) => [document['id'] as string, withoutFields(document)]));
  }

  /** The documents that rows map to under the configuration. */
  expected(rows: readonly Row[], schema: StructType, partitionKeyPath = '/id'): ReadonlyMap<string, JsonObject> {
    const target = { partitionKeyPaths: [partitionKeyPath], kind: 'Hash' as const, version: 2 as const };
    const mapping = compileMapping({ table: this.configuration, schema, target });
    const documents = new Map<string, JsonObject>();
    for (const row of rows) {
      if (!mapping.includes(row)) continue;
      const mapped = mapping.mapRow(row);
      if (mapped.kind === 'document') documents.set(mapped.identity.id, mapped.document);
    }
    return documents;
  }

  async #targetOf(tableId: string): Promise<SyncTarget> {
    const removed = this.removedTables.has(tableId);
    const configuration = removed ? await lastConfiguration(this.dependencies, tableId) : this.configuration;
    if (tableId !== this.id || configuration === null)
      throw new SyncError('tableUnknown', { problem: `There is no table "${tableId}".` });
    const writerOf = (container: string): DocumentWriter =>
      openDocumentWriter({ account: this.#world.account, database: DATABASE, container, limiter: unlimited });
    if (removed) this.#target = undefined;
    this.#target ??= {
      tableId,
      id: tableId,
      configuration,
      source: new FolderLogStore(this.folder),
      writer: writerOf(tableId),
      writerOf,
    };
    return this.#target;
  }
}
