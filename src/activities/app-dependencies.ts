/**
 * The composition of the product: settings and configuration to clients, and clients to the ports of the use cases.
 * Nothing is requested before it is needed; accounts, budgets and writers live as long as the process.
 */
import { readFile } from 'node:fs/promises';
import type { TokenCredential } from '@azure/identity';
import { AnonymousCredential, BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient, type QueueClient } from '@azure/storage-queue';
import type { AppSettings, CosmosSettings, StorageSettings } from '../config/app-settings.ts';
import { targetsOf } from '../config/cross-checks.ts';
import type { Budget, SyncConfiguration, TableConfiguration } from '../config/sync-configuration.ts';
import { openDocumentWriter } from '../cosmos/batch-writer.ts';
import type { ContainerAddress } from '../cosmos/container-gateway.ts';
import { openCosmosAccount, type CosmosAccount } from '../cosmos/cosmos-account.ts';
import { createCosmosClient } from '../cosmos/cosmos-client.ts';
import { cosmosLeaseStore } from '../cosmos/lease/cosmos-lease-store.ts';
import type { ResourceManagerAccount } from '../cosmos/resource-manager.ts';
import { openRuBudget, type HeldRu, type RuBudget } from '../cosmos/ru-lease.ts';
import { cosmosPublicationStore } from '../cosmos/publication-documents.ts';
import { cosmosStateStore } from '../cosmos/state-documents.ts';
import {
  budgetRuPerSecond,
  offerThroughput,
  resourceManagerThroughput,
  type ThroughputSource,
} from '../cosmos/throughput-source.ts';
import type { LogStore } from '../delta/log-store.ts';
import { systemClock } from '../shared/clock.ts';
import { SyncError } from '../shared/errors.ts';
import type { Log } from '../shared/telemetry.ts';
import { BlobLogStore } from '../storage/blob-log-store.ts';
import { blobPlanStore } from '../storage/blob-plan-store.ts';
import { FolderLogStore } from '../storage/folder-log-store.ts';
import { READ_RETRIES } from '../storage/open-table.ts';
import { parseTableLocation, type TableLocation } from '../storage/table-location.ts';
import { lastConfiguration, type RemovedTable } from '../sync/removal.ts';
import type { SyncDependencies, SyncTarget } from '../sync/sync-target.ts';
import type { DocumentWriter } from '../sync/document-writer.ts';
import { WORK_SIZES } from '../sync/work-sizes.ts';
import { hintMessage } from './hint-message.ts';

/** The use cases' dependencies, and what only the app's edges need. */
export interface AppDependencies extends SyncDependencies {
  readonly configuration: SyncConfiguration;
  /** Where each table lies, by its id. */
  readonly locations: ReadonlyMap<string, TableLocation>;
  /** What the process holds of a table's budget. */
  budget(tableId: string): HeldRu | null;
  /** Puts a hint on the queue that is seen after `seconds`. Throws what the queue answers. */
  hintLater(tableId: string, seconds: number): Promise<void>;
  close(): Promise<void>;
}

export interface AppOptions {
  readonly settings: AppSettings;
  readonly configuration: SyncConfiguration;
  readonly log: Log;
  /** Orchestration version of the deployed app. */
  readonly appVersion: string;
}

/** Opens accounts and stores. Throws `configInvalid` for sources outside of what the settings allow. */
export async function openAppDependencies(options: AppOptions): Promise<AppDependencies> {
  const { settings, configuration, log } = options;
  const locations = new Map(
    Object.entries(configuration.tables).map(([id, table]) => [id, allowedLocation(id, table, settings)]),
  );
  const credential = new SharedCredential(settings);
  const cosmos = await openAccount(settings.cosmos, settings);
  const control = settings.control === settings.cosmos ? cosmos : await openAccount(settings.control, settings);
  const controlClient = createCosmosClient(control);
  const dataClient = control === cosmos ? controlClient : createCosmosClient(cosmos);
  const { freshness } = configuration;
  const stateDatabase = controlClient.database(settings.stateDatabase);
  const storage = await blobService(settings.storage, credential);
  const lake = settings.lake === undefined ? null : await blobService(settings.lake, credential);
  const budgets = new Map<string, RuBudget>();
  const targets = new Map<string, SyncTarget>();
  const hints = lazily(() => hintQueue(settings, credential));

  const throughputOf = (budget: Budget): ThroughputSource | undefined => {
    const [database = '', container = ''] = budget.target.split('/');
    if (settings.cosmosRuPerSecond !== undefined)
      return { read: () => Promise.resolve(settings.cosmosRuPerSecond ?? null) };
    const account = resourceOf(settings);
    if (account !== null && settings.cosmos.key === undefined) {
      return {
        read: async (signal) =>
          resourceManagerThroughput({ ...account, credential: await credential.get() }, database, container).read(
            signal,
          ),
      };
    }
    const data = dataClient.database(database);
    return settings.cosmos.key === undefined ? undefined : offerThroughput(data, data.container(container));
  };
  const budgetOf = (name: string): RuBudget => {
    const known = budgets.get(name);
    if (known !== undefined) return known;
    const figures = configuration.budgets[name];
    if (figures === undefined) throw new SyncError('configInvalid', { problem: `There is no budget "${name}".` });
    const budget = openRuBudget({
      store: cosmosLeaseStore(stateDatabase.container(settings.leaseContainer), name),
      ruPerSecond: (signal) => budgetRuPerSecond(figures, throughputOf(figures), signal),
      log,
    });
    budgets.set(name, budget);
    return budget;
  };

  const plans = blobPlanStore(storage.getContainerClient(settings.planContainer));
  const states = cosmosStateStore(stateDatabase.container(settings.stateContainer));

  /** A removed table is looked after with the settings that its documents were written under. */
  const settingsOf = async (tableId: string): Promise<TableConfiguration> => {
    const configured = configuration.tables[tableId];
    if (configured !== undefined) return configured;
    const order = configuration.removedTables?.[tableId];
    const written = order === undefined ? null : await lastConfiguration({ plans, states }, tableId);
    if (written === null) throw unknownTable(tableId);
    const budget = order?.budget ?? written.budget;
    if (!targetsOf(written).includes(configuration.budgets[budget]?.target ?? '')) {
      throw new SyncError('configInvalid', {
        problem: `Nothing pays for deleting the documents of the removed table "${tableId}".`,
        reason: `There is no budget "${budget}" for ${targetsOf(written).join(' or ')}.`,
        remedy: `Name one in removedTables.${tableId}.budget.`,
      });
    }
    return { ...written, budget };
  };

  return {
    configuration,
    locations,
    removedTables: removedTablesOf(configuration),
    plans,
    states,
    publications:
      freshness === undefined
        ? null
        : cosmosPublicationStore(dataClient.database(freshness.database).container(freshness.container)),
    clock: systemClock,
    log,
    sizes: WORK_SIZES,
    appVersion: options.appVersion,
    async target(tableId) {
      const known = targets.get(tableId);
      if (known !== undefined) return known;
      const table = await settingsOf(tableId);
      const location = locations.get(tableId) ?? parseTableLocation(table.source);
      const { database, container } = table.target;
      const writers = new Map<string, DocumentWriter>();
      const writerOf = (name: string): DocumentWriter => {
        const open = writers.get(name);
        if (open !== undefined) return open;
        const limiter = budgetOf(table.budget).limiterFor({
          id: name === container ? tableId : `${tableId}.${name}`,
          priority: 'bulk',
          container: `${database}/${name}`,
        });
        const marks = serviceMarks(configuration.budgets[table.budget]);
        const writer = openDocumentWriter({ account: cosmos, database, container: name, limiter, ...marks });
        writers.set(name, writer);
        return writer;
      };
      const target: SyncTarget = {
        tableId,
        id: tableId,
        configuration: table,
        source: logStore(location, lake),
        writer: writerOf(container),
        writerOf,
      };
      if (locations.has(tableId)) targets.set(tableId, target);
      return target;
    },
    budget(tableId) {
      const table = configuration.tables[tableId];
      return table === undefined ? null : (budgets.get(table.budget)?.held() ?? null);
    },
    async hintLater(tableId, seconds) {
      const text = Buffer.from(hintMessage(tableId)).toString('base64');
      await hints().sendMessage(text, { visibilityTimeout: seconds });
      log.event('hintRequeued', { table: tableId, seconds });
    },
    async close() {
      for (const budget of budgets.values()) await budget.close();
      controlClient.dispose();
      if (dataClient !== controlClient) dataClient.dispose();
      cosmos.close();
      control.close();
    },
  };
}

/** How the service is to treat the requests under a budget. */
function serviceMarks(budget: Budget | undefined): Pick<ContainerAddress, 'priorityLevel' | 'throughputBucket'> {
  return {
    ...(budget?.priority === undefined ? {} : { priorityLevel: budget.priority }),
    ...(budget?.throughputBucket === undefined ? {} : { throughputBucket: budget.throughputBucket }),
  };
}

/** Sources may only lie in the configured lake account, or in a folder where the settings allow it. */
function allowedLocation(tableId: string, table: TableConfiguration, settings: AppSettings): TableLocation {
  const location = parseTableLocation(table.source);
  if (location.kind === 'folder') {
    if (settings.allowFolderSources) return location;
    throw new SyncError('sourceNotAllowed', {
      problem: `The source of table "${tableId}" is a folder.`,
      reason: 'Folders are sources in local runs only.',
    });
  }
  const lake = settings.lake === undefined ? null : lakeEndpoint(settings.lake);
  if (lake !== null && lake === location.endpoint.replace(/\/$/, '') && location.sas === '') return location;
  throw new SyncError('sourceNotAllowed', {
    problem: `The source of table "${tableId}" lies outside of the configured lake account.`,
    ...(location.sas === '' ? {} : { reason: 'Its address carries a signature; the app reads with its identity.' }),
  });
}

function lakeEndpoint(lake: StorageSettings): string {
  const url =
    lake.kind === 'identity' ? lake.blobServiceUri : BlobServiceClient.fromConnectionString(lake.connectionString).url;
  return url.replace(/\/$/, '');
}

function logStore(location: TableLocation, lake: BlobServiceClient | null): LogStore {
  if (location.kind === 'folder') return new FolderLogStore(location.path);
  if (lake === null) throw new SyncError('settingMissing', { problem: 'No lake account is configured.' });
  return new BlobLogStore(lake.getContainerClient(location.container), location.folder);
}

async function openAccount(account: CosmosSettings, settings: AppSettings): Promise<CosmosAccount> {
  const caPem = settings.cosmosCaFile === undefined ? {} : { caPem: await readCertificate(settings.cosmosCaFile) };
  const identity =
    account.key === undefined
      ? {
          kind: 'managedIdentity' as const,
          ...(settings.clientId === undefined ? {} : { clientId: settings.clientId }),
        }
      : { kind: 'key' as const, key: account.key };
  return openCosmosAccount({ endpoint: account.endpoint, identity, ...caPem });
}

async function readCertificate(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SyncError('configInvalid', {
      problem: `The file that COSMOS_CA_FILE names, ${file}, cannot be read.`,
      remedy: 'Name the CA certificate of the emulator, or remove the setting.',
      cause,
    });
  }
}

async function blobService(storage: StorageSettings, credential: SharedCredential): Promise<BlobServiceClient> {
  if (storage.kind === 'connectionString')
    return BlobServiceClient.fromConnectionString(storage.connectionString, READ_RETRIES);
  return new BlobServiceClient(storage.blobServiceUri, await credential.get(), READ_RETRIES);
}

function hintQueue(settings: AppSettings, credential: SharedCredential): QueueClient {
  const { storage, hintQueue: name } = settings;
  if (storage.kind === 'connectionString')
    return QueueServiceClient.fromConnectionString(storage.connectionString).getQueueClient(name);
  return new QueueServiceClient(
    storage.queueServiceUri ?? '',
    credential.opened ?? new AnonymousCredential(),
  ).getQueueClient(name);
}

/** The app's identity, loaded once and only where no key is configured: it is a large part of a cold start. */
class SharedCredential {
  readonly #settings: AppSettings;
  opened: TokenCredential | undefined;

  constructor(settings: AppSettings) {
    this.#settings = settings;
  }

  async get(): Promise<TokenCredential> {
    if (this.opened === undefined) {
      const { ManagedIdentityCredential } = await import('@azure/identity');
      const { clientId } = this.#settings;
      this.opened =
        clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId });
    }
    return this.opened;
  }
}

function resourceOf(settings: AppSettings): Omit<ResourceManagerAccount, 'credential'> | null {
  const { cosmosResourceId, resourceManagerEndpoint: endpoint } = settings;
  const match =
    /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.DocumentDB\/databaseAccounts\/([^/]+)$/i.exec(
      cosmosResourceId ?? '',
    );
  const [, subscriptionId, resourceGroup, account] = match ?? [];
  return endpoint === undefined || subscriptionId === undefined || resourceGroup === undefined || account === undefined
    ? null
    : { endpoint, subscriptionId, resourceGroup, account };
}

function removedTablesOf({ removedTables, tables }: SyncConfiguration): ReadonlyMap<string, RemovedTable> {
  const configured = Object.values(tables);
  return new Map(
    Object.entries(removedTables ?? {}).map(([id, { documents }]) => [id, { documents, configured }] as const),
  );
}

function unknownTable(tableId: string): SyncError {
  return new SyncError('tableUnknown', { problem: `There is no table "${tableId}".` });
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
