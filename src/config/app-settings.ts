/** Application settings: the one place that reads the environment. Infrastructure and launcher set these names. */
import { SyncError } from '../shared/errors.ts';

/** A Cosmos DB account. Without a key the app signs in with its managed identity. */
export interface CosmosSettings {
  readonly endpoint: string;
  readonly key?: string;
}

/** A storage account: by connection string (local runs) or by identity. */
export type StorageSettings =
  | { readonly kind: 'connectionString'; readonly connectionString: string }
  | { readonly kind: 'identity'; readonly blobServiceUri: string; readonly queueServiceUri?: string };

export interface AppSettings {
  /** Account of the mirrored containers (COSMOS_ENDPOINT, COSMOS_KEY). */
  readonly cosmos: CosmosSettings;
  /** Account of state and leases (CONTROL_COSMOS_ENDPOINT, CONTROL_COSMOS_KEY); the same one unless set. */
  readonly control: CosmosSettings;
  /** PEM file with a further certificate authority (COSMOS_CA_FILE). */
  readonly cosmosCaFile?: string;
  /** The containers' RU/s as infrastructure knows it (COSMOS_RU_PER_SECOND). */
  readonly cosmosRuPerSecond?: number;
  /** Resource id of the account for reading its RU/s from Azure Resource Manager (COSMOS_RESOURCE_ID). */
  readonly cosmosResourceId?: string;
  /** Address of Azure Resource Manager in this cloud (RESOURCE_MANAGER_ENDPOINT); needed beside COSMOS_RESOURCE_ID. */
  readonly resourceManagerEndpoint?: string;
  /** STATE_DATABASE, STATE_CONTAINER, LEASE_CONTAINER. */
  readonly stateDatabase: string;
  readonly stateContainer: string;
  readonly leaseContainer: string;
  /** The lake (DELTA_LAKE or DELTA_LAKE__blobServiceUri); absent only where folders are the sources. */
  readonly lake?: StorageSettings;
  /** Container whose events arrive by blob trigger (LAKE_CONTAINER). */
  readonly lakeContainer?: string;
  /** Account of plans and hints (AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and __queueServiceUri). */
  readonly storage: StorageSettings;
  /** PLAN_CONTAINER, HINT_QUEUE. */
  readonly planContainer: string;
  readonly hintQueue: string;
  /** Path of sync.json (SYNC_CONFIG); absent: next to host.json. */
  readonly configurationFile?: string;
  /** NCRONTAB expression of the sweep (SWEEP_SCHEDULE). */
  readonly sweepSchedule: string;
  /** Client id of a user-assigned identity (AZURE_CLIENT_ID). */
  readonly clientId?: string;
  /** Folders as sources: local runs only (ALLOW_FOLDER_SOURCES=1). */
  readonly allowFolderSources: boolean;
}

/**
 * Reads the settings. Throws SyncError `settingMissing` or `configInvalid` that names every setting at fault; values
 * are never repeated, because some of them are secrets.
 */
export function readAppSettings(env: Readonly<Record<string, string | undefined>>): AppSettings {
  const reader = new SettingReader(env);
  const allowFolderSources = reader.optional('ALLOW_FOLDER_SOURCES', /^[01]$/, '0 or 1') === '1';
  const endpoint = reader.address('COSMOS_ENDPOINT') ?? reader.missing('COSMOS_ENDPOINT');
  const cosmos = { endpoint, ...given('key', reader.optional('COSMOS_KEY', KEY, 'an account key')) };
  const controlEndpoint = reader.address('CONTROL_COSMOS_ENDPOINT');
  const controlKey = reader.optional('CONTROL_COSMOS_KEY', KEY, 'an account key');
  if (controlEndpoint === undefined && controlKey !== undefined) reader.missing('CONTROL_COSMOS_ENDPOINT');
  const lake = reader.storage('DELTA_LAKE', false);
  if (lake === undefined && !allowFolderSources) reader.missing('DELTA_LAKE__blobServiceUri');
  const ruPerSecond = reader.optional('COSMOS_RU_PER_SECOND', /^[1-9]\d{0,8}$/, 'a whole number of RU/s');
  const cosmosResourceId = reader.optional('COSMOS_RESOURCE_ID', RESOURCE_ID, 'the resource id of an account');
  const resourceManagerEndpoint = reader.address('RESOURCE_MANAGER_ENDPOINT');
  if (cosmosResourceId !== undefined && resourceManagerEndpoint === undefined)
    reader.missing('RESOURCE_MANAGER_ENDPOINT');
  const settings: AppSettings = {
    cosmos,
    control: controlEndpoint === undefined ? cosmos : { endpoint: controlEndpoint, ...given('key', controlKey) },
    ...given('cosmosCaFile', reader.optional('COSMOS_CA_FILE', ANY, 'a path')),
    ...given('cosmosRuPerSecond', ruPerSecond === undefined ? undefined : Number(ruPerSecond)),
    ...given('cosmosResourceId', cosmosResourceId),
    ...given('resourceManagerEndpoint', resourceManagerEndpoint),
    stateDatabase: reader.optional('STATE_DATABASE', COSMOS_NAME, 'a database name') ?? 'delta-cosmos-sync',
    stateContainer: reader.optional('STATE_CONTAINER', COSMOS_NAME, 'a container name') ?? 'state',
    leaseContainer: reader.optional('LEASE_CONTAINER', COSMOS_NAME, 'a container name') ?? 'leases',
    ...given('lake', lake),
    ...given('lakeContainer', reader.optional('LAKE_CONTAINER', BLOB_NAME, 'the name of a blob container')),
    storage: reader.storage('AzureWebJobsStorage', true) ?? NO_STORAGE,
    planContainer: reader.optional('PLAN_CONTAINER', BLOB_NAME, 'the name of a blob container') ?? 'sync-plans',
    hintQueue: reader.optional('HINT_QUEUE', BLOB_NAME, 'the name of a queue') ?? 'log-events',
    ...given('configurationFile', reader.optional('SYNC_CONFIG', ANY, 'a path')),
    sweepSchedule: reader.optional('SWEEP_SCHEDULE', SCHEDULE, 'six fields: "0 */5 * * * *"') ?? '0 */5 * * * *',
    ...given('clientId', reader.optional('AZURE_CLIENT_ID', /^[0-9a-f-]{36}$/i, 'a client id')),
    allowFolderSources,
  };
  reader.finish();
  return settings;
}

const ANY = /^[^\0]+$/;
const KEY = /^[A-Za-z0-9+/]+={0,2}$/;
const RESOURCE_ID =
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.DocumentDB\/databaseAccounts\/[^/]+$/i;
const COSMOS_NAME = /^[^/\\?#]{1,255}$/;
const BLOB_NAME = /^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
const SCHEDULE = /^(?:\S+\s+){5}\S+$/;
const CONNECTION_STRING = /^(?:[A-Za-z]+=[^;\n]+;?)+$/;
/** Stands in until `finish` has thrown. */
const NO_STORAGE: StorageSettings = { kind: 'connectionString', connectionString: '' };

function given<Name extends string, T>(name: Name, value: T | undefined): { [key in Name]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { [key in Name]?: T };
}

class SettingReader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #missing: string[] = [];
  readonly #malformed: string[] = [];

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** The setting, undefined when unset or empty; noted when it has another form. */
  optional(name: string, form: RegExp, meaning: string): string | undefined {
    const value = this.#env[name]?.trim();
    if (value === undefined || value === '') return undefined;
    if (!form.test(value)) this.#malformed.push(`${name} is not ${meaning}`);
    return value;
  }

  /** An https address; http only for this machine. */
  address(name: string): string | undefined {
    const value = this.optional(name, ANY, 'an address');
    if (value === undefined) return undefined;
    const url = URL.parse(value);
    const local = url !== null && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
    const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && local);
    if (url === null || !secure || url.search !== '' || url.username !== '' || url.password !== '') {
      this.#malformed.push(`${name} is not an https address without query and credentials`);
    }
    return value;
  }

  /** A storage connection as the Functions host names it; `queue`: its queues are used too. */
  storage(name: string, queue: boolean): StorageSettings | undefined {
    const connectionString = this.#env[name]?.trim();
    if (connectionString !== undefined && connectionString !== '') {
      if (!CONNECTION_STRING.test(connectionString)) this.#malformed.push(`${name} is not a connection string`);
      return { kind: 'connectionString', connectionString };
    }
    const blobServiceUri = this.address(`${name}__blobServiceUri`) ?? this.#accountAddress(name, 'blob');
    if (blobServiceUri === undefined) {
      if (queue) this.missing(`${name}__blobServiceUri`);
      return undefined;
    }
    if (!queue) return { kind: 'identity', blobServiceUri };
    const queueServiceUri = this.address(`${name}__queueServiceUri`) ?? this.#accountAddress(name, 'queue');
    return {
      kind: 'identity',
      blobServiceUri,
      queueServiceUri: queueServiceUri ?? this.missing(`${name}__queueServiceUri`),
    };
  }

  missing(name: string): string {
    this.#missing.push(name);
    return '';
  }

  finish(): void {
    if (this.#missing.length > 0) {
      const names = [...new Set(this.#missing)];
      throw new SyncError('settingMissing', {
        problem: `The application setting${names.length === 1 ? '' : 's'} ${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} missing.`,
        ...(this.#malformed.length === 0 ? {} : { reason: `${this.#malformed.join('; ')}.` }),
      });
    }
    if (this.#malformed.length > 0) {
      throw new SyncError('configInvalid', {
        problem: `Application settings are malformed: ${this.#malformed.join('; ')}.`,
        remedy: 'Correct the application settings.',
      });
    }
  }

  /** The host's shorter form of an identity connection names the account only. */
  #accountAddress(name: string, service: 'blob' | 'queue'): string | undefined {
    const account = this.optional(`${name}__accountName`, /^[a-z0-9]{3,24}$/, 'the name of a storage account');
    return account === undefined ? undefined : `https://${account}.${service}.core.windows.net`;
  }
}
