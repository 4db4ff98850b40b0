/** What the launcher configures: application settings for the Functions host, and the sync configuration of one table. */
import type { AzuriteAddress, CosmosAddress } from './services.ts';

/** Names of what the local Azure consists of. */
export const LAKE_CONTAINER = 'lake';
export const PLAN_CONTAINER = 'plans';
export const HINT_QUEUE = 'log-events';
export const STATE_DATABASE = 'delta-cosmos';
export const STATE_CONTAINER = 'state';
export const LEASE_CONTAINER = 'leases';

/** More than any machine spends: stands for "no limit". */
export const UNLIMITED_RU_PER_SECOND = 10_000_000;

/** Which ways lead from a commit to the app; the sweep is always there. */
export type EventPath = 'all' | 'queue' | 'blob' | 'none';

/** The table to keep equal, and where to. */
export interface TableSetup {
  readonly tableId: string;
  readonly database: string;
  readonly container: string;
  /** Template of the document id. */
  readonly id: string;
  /** Partition key path of the container, as in "/category". */
  readonly partitionKeyPath: string;
  readonly mode: string | undefined;
  /** Columns whose fields have another name. */
  readonly rename: Readonly<Record<string, string>>;
  /** Policies for values that a JSON number cannot hold, by type. */
  readonly types: Readonly<Record<string, string>>;
  readonly budget:
    | { readonly kind: 'absolute'; readonly ruPerSecond: number }
    | { readonly kind: 'share'; readonly share: number };
  /** Throughput of the container; undefined: without limit. */
  readonly containerRuPerSecond: number | undefined;
}

/** sync.json for one table. `source` is an address or an absolute folder. */
export function syncConfigurationOf(setup: TableSetup, source: string): Readonly<Record<string, unknown>> {
  const { budget } = setup;
  return {
    budgets: {
      local: {
        target: `${setup.database}/${setup.container}`,
        ...(budget.kind === 'share' ? { share: budget.share } : { ruPerSecond: budget.ruPerSecond }),
      },
    },
    tables: {
      [setup.tableId]: {
        source,
        target: { database: setup.database, container: setup.container },
        id: setup.id,
        ...(setup.mode === undefined ? {} : { mode: setup.mode }),
        ...(Object.keys(setup.rename).length === 0 ? {} : { columns: { rename: setup.rename } }),
        ...(Object.keys(setup.types).length === 0 ? {} : { types: setup.types }),
        budget: 'local',
      },
    },
  };
}

/** How often the app looks at every table by itself: rarely while events do the work, often when they may not. */
const SWEEP_SCHEDULES: Readonly<Record<EventPath, string>> = {
  all: '*/30 * * * * *',
  queue: '0 0 0 1 1 *',
  blob: '0 0 0 1 1 *',
  none: '*/2 * * * * *',
};

/** The Values of local.settings.json. */
export function functionAppSettings(
  azurite: AzuriteAddress,
  cosmos: CosmosAddress,
  syncFile: string,
  events: EventPath,
): Readonly<Record<string, string>> {
  return {
    FUNCTIONS_WORKER_RUNTIME: 'node',
    // Node lets its young generation grow to 128 MB otherwise, most of a worker's memory while it reads Parquet.
    languageWorkers__node__arguments: '--max-semi-space-size=16',
    AzureWebJobsStorage: azurite.connectionString,
    DELTA_LAKE: azurite.connectionString,
    LAKE_CONTAINER,
    PLAN_CONTAINER,
    HINT_QUEUE,
    COSMOS_ENDPOINT: cosmos.endpoint,
    COSMOS_KEY: cosmos.key,
    STATE_DATABASE,
    STATE_CONTAINER,
    LEASE_CONTAINER,
    SYNC_CONFIG: syncFile,
    SWEEP_SCHEDULE: SWEEP_SCHEDULES[events],
    ALLOW_FOLDER_SOURCES: '1',
    TASKHUB_NAME: 'DeltaCosmosLocal',
    AzureFunctionsJobHost__extensions__queues__maxPollingInterval: '00:00:00.250',
  };
}
