import { describe, expect, test } from 'vitest';
import { readAppSettings } from '../../src/config/app-settings.ts';
import { SyncError } from '../../src/shared/errors.ts';

const LOCAL = {
  COSMOS_ENDPOINT: 'https://localhost:8081/',
  COSMOS_KEY: 'c2VjcmV0S2V5VmFsdWU=',
  DELTA_LAKE: 'UseDevelopmentStorage=true',
  LAKE_CONTAINER: 'lake',
  AzureWebJobsStorage:
    'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:10000/a;',
};
const CLOUD = {
  COSMOS_ENDPOINT: 'https://account.documents.azure.com:443/',
  DELTA_LAKE__blobServiceUri: 'https://lake.blob.core.windows.net',
  AzureWebJobsStorage__blobServiceUri: 'https://app.blob.core.windows.net',
  AzureWebJobsStorage__queueServiceUri: 'https://app.queue.core.windows.net',
};

function errorOf(env: Record<string, string>): SyncError {
  try {
    readAppSettings(env);
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('application settings', () => {
  test('a local run: keys and connection strings', () => {
    const settings = readAppSettings(LOCAL);
    expect(settings.cosmos).toEqual({ endpoint: LOCAL.COSMOS_ENDPOINT, key: LOCAL.COSMOS_KEY });
    expect(settings.control).toEqual(settings.cosmos);
    expect(settings.lake).toEqual({ kind: 'connectionString', connectionString: LOCAL.DELTA_LAKE });
    expect(settings.allowFolderSources).toBe(false);
  });

  test('the cloud: identity, and the defaults that infrastructure relies on', () => {
    expect(readAppSettings(CLOUD)).toEqual({
      cosmos: { endpoint: CLOUD.COSMOS_ENDPOINT },
      control: { endpoint: CLOUD.COSMOS_ENDPOINT },
      stateDatabase: 'delta-cosmos-sync',
      stateContainer: 'state',
      leaseContainer: 'leases',
      lake: { kind: 'identity', blobServiceUri: CLOUD.DELTA_LAKE__blobServiceUri },
      storage: {
        kind: 'identity',
        blobServiceUri: CLOUD.AzureWebJobsStorage__blobServiceUri,
        queueServiceUri: CLOUD.AzureWebJobsStorage__queueServiceUri,
      },
      planContainer: 'sync-plans',
      hintQueue: 'log-events',
      sweepSchedule: '0 */5 * * * *',
      allowFolderSources: false,
    });
  });

  test('everything optional', () => {
    const settings = readAppSettings({
      ...CLOUD,
      CONTROL_COSMOS_ENDPOINT: 'https://control.documents.azure.com',
      COSMOS_RU_PER_SECOND: '4000',
      COSMOS_RESOURCE_ID: '/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/account',
      RESOURCE_MANAGER_ENDPOINT: 'https://management.example/',
      AZURE_CLIENT_ID: '00000000-0000-0000-0000-000000000000',
      SYNC_CONFIG: '/home/site/sync.json',
      SWEEP_SCHEDULE: '*/30 * * * * *',
      STATE_CONTAINER: 'my state',
    });
    expect(settings).toMatchObject({
      control: { endpoint: 'https://control.documents.azure.com' },
      cosmosRuPerSecond: 4000,
      configurationFile: '/home/site/sync.json',
      stateContainer: 'my state',
    });
  });

  test('the account name alone is enough for an identity connection', () => {
    const { AzureWebJobsStorage__blobServiceUri: _blob, AzureWebJobsStorage__queueServiceUri: _queue, ...rest } = CLOUD;
    expect(readAppSettings({ ...rest, AzureWebJobsStorage__accountName: 'app' }).storage).toEqual({
      kind: 'identity',
      blobServiceUri: 'https://app.blob.core.windows.net',
      queueServiceUri: 'https://app.queue.core.windows.net',
    });
  });

  test('no lake is needed where folders are the sources', () => {
    const { DELTA_LAKE: _lake, ...rest } = LOCAL;
    expect(readAppSettings({ ...rest, ALLOW_FOLDER_SOURCES: '1' }).lake).toBeUndefined();
    expect(errorOf(rest).message).toContain('DELTA_LAKE__blobServiceUri');
  });

  test('every missing setting is named at once', () => {
    const { code, message } = errorOf({});
    expect(code).toBe('settingMissing');
    for (const name of ['COSMOS_ENDPOINT', 'DELTA_LAKE__blobServiceUri', 'AzureWebJobsStorage__blobServiceUri']) {
      expect(message).toContain(name);
    }
  });

  test('asking Resource Manager needs to know which one', () => {
    const account = '/subscriptions/s/resourceGroups/g/providers/Microsoft.DocumentDB/databaseAccounts/account';
    const { code, message } = errorOf({ ...CLOUD, COSMOS_RESOURCE_ID: account });
    expect(code).toBe('settingMissing');
    expect(message).toContain('RESOURCE_MANAGER_ENDPOINT');
  });

  test('an empty setting is a missing one', () => {
    expect(errorOf({ ...CLOUD, COSMOS_ENDPOINT: ' ' }).code).toBe('settingMissing');
  });

  test.each<[string, string]>([
    ['COSMOS_ENDPOINT', 'http://account.documents.azure.com'],
    ['COSMOS_ENDPOINT', 'https://user:secret@account.documents.azure.com'],
    ['COSMOS_KEY', 'not a secret!'],
    ['AzureWebJobsStorage', 'secret'],
    ['HINT_QUEUE', 'Hints'],
    ['PLAN_CONTAINER', 'a--b'],
    ['SWEEP_SCHEDULE', 'every minute'],
    ['COSMOS_RU_PER_SECOND', '4k'],
    ['ALLOW_FOLDER_SOURCES', 'true'],
    ['COSMOS_RESOURCE_ID', '/subscriptions/secret'],
    ['RESOURCE_MANAGER_ENDPOINT', 'https://user:secret@management.example'],
    ['AZURE_CLIENT_ID', 'secret'],
  ])('%s is refused when malformed, without its value', (name, value) => {
    const { code, message } = errorOf({
      ...LOCAL,
      RESOURCE_MANAGER_ENDPOINT: 'https://management.example',
      [name]: value,
    });
    expect(code).toBe('configInvalid');
    expect(message).toContain(name);
    expect(message).not.toContain(value);
  });
});
