import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readAppSettings } from '../../src/config/app-settings.ts';
import { PARAMETER_SETS, hasBicep, ofType, predict, predictSet, type PredictedResource } from './bicep.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Settings that the code reads and infrastructure leaves out, with the reason. */
const NOT_IN_AZURE: Readonly<Record<string, string>> = {
  COSMOS_KEY: 'keys are off',
  CONTROL_COSMOS_KEY: 'keys are off',
  CONTROL_COSMOS_ENDPOINT: 'state lies in the same account',
  COSMOS_CA_FILE: 'local emulator',
  ALLOW_FOLDER_SOURCES: 'local runs',
  SYNC_CONFIG: 'sync.json lies beside host.json',
  DELTA_LAKE: 'a connection string',
  DELTA_LAKE__accountName: 'the address is set',
  AzureWebJobsStorage: 'a connection string',
  AzureWebJobsStorage__accountName: 'the addresses are set',
};

/** Settings that the host reads, not the code. */
const FOR_THE_HOST = [
  'AzureWebJobsStorage__credential',
  'AzureWebJobsStorage__clientId',
  'AzureWebJobsStorage__tableServiceUri',
  'DELTA_LAKE__credential',
  'DELTA_LAKE__clientId',
  'DELTA_LAKE__queueServiceUri',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
  'TASKHUB_NAME',
  'DURABLE_TASK_SCHEDULER_CONNECTION_STRING',
];

/** Every name that reading the settings looks up. */
function namesRead(): ReadonlySet<string> {
  const names = new Set<string>();
  // Once with nothing set, once with each connection in each form: every branch is taken.
  for (const given of [{}, { AzureWebJobsStorage__blobServiceUri: 'https://a.example' }]) {
    const environment = new Proxy<Record<string, string | undefined>>(given, {
      get: (target, name) => {
        if (typeof name === 'string') names.add(name);
        return typeof name === 'string' ? target[name] : undefined;
      },
    });
    try {
      readAppSettings(environment);
    } catch {
      // Settings are missing, of course.
    }
  }
  return names;
}

const settingsIn = (resources: readonly PredictedResource[]): Readonly<Record<string, unknown>> =>
  ofType(resources, 'Microsoft.Web/sites/config')[0]?.properties ?? {};

describe.skipIf(!hasBicep).each(['default', ...PARAMETER_SETS] as const)('application settings, %s', (name) => {
  let settings: Readonly<Record<string, unknown>> = {};
  beforeAll(() => {
    settings = settingsIn(name === 'default' ? predict({}) : predictSet(name));
  });

  it('every setting that the code reads is set, but for those that do not belong there', () => {
    const missing = [...namesRead()].filter((name) => !(name in settings));
    // The figure is set where Azure shall not be asked.
    const expected = [...Object.keys(NOT_IN_AZURE), ...(name === 'existing' ? [] : ['COSMOS_RU_PER_SECOND'])];
    expect(missing.toSorted()).toEqual(expected.toSorted());
  });

  it('every setting that is set is read, by the code or by the host', () => {
    const read = namesRead();
    const unread = Object.keys(settings).filter((name) => !read.has(name));
    const expected = FOR_THE_HOST.filter((each) => name !== 'azure-storage' || !each.startsWith('DURABLE_'));
    expect(unread.toSorted()).toEqual(expected.toSorted());
  });

  it('Resource Manager is that of the cloud, by name of the template function', () => {
    expect(settings['RESOURCE_MANAGER_ENDPOINT']).toBe('[environment().resourceManager]');
  });
});

describe.skipIf(!hasBicep)('application settings in Azure', () => {
  let settings: Readonly<Record<string, unknown>> = {};
  beforeAll(() => {
    settings = settingsIn(predictSet('existing'));
  });

  it('every setting that host.json and bindings name by percent signs is set', () => {
    const files = ['host.json', 'src/triggers/event-triggers.ts'].map((file) => readFileSync(`${root}${file}`, 'utf8'));
    const named = files.flatMap((text) => [...text.matchAll(/%([A-Z_]+)%/g)].map((match) => match[1] ?? ''));
    expect(named.length).toBeGreaterThan(3);
    for (const name of named) expect(settings).toHaveProperty(name);
  });

  it('no setting is a key: the two that are named connection strings hold none', () => {
    for (const [name, value] of Object.entries(settings)) {
      expect(name).not.toMatch(/KEY|SECRET|PASSWORD/i);
      expect(String(value)).not.toMatch(/AccountKey|SharedAccess|sig=|listKeys|systemKeys/i);
    }
    expect(String(settings['DURABLE_TASK_SCHEDULER_CONNECTION_STRING'])).toContain('Authentication=ManagedIdentity');
    expect(String(settings['APPLICATIONINSIGHTS_AUTHENTICATION_STRING'])).toContain('Authorization=AAD');
    const named = Object.keys(settings).filter((name) => name.endsWith('CONNECTION_STRING'));
    expect(named.toSorted()).toEqual([
      'APPLICATIONINSIGHTS_CONNECTION_STRING',
      'DURABLE_TASK_SCHEDULER_CONNECTION_STRING',
    ]);
  });

  it('settings that Flex Consumption refuses are not set', () => {
    for (const name of Object.keys(settings)) expect(name).not.toMatch(/^(FUNCTIONS_|WEBSITE_|SCM_|ENABLE_ORYX)/);
  });
});

describe('local settings sample', () => {
  const { IsEncrypted, Values } = JSON.parse(readFileSync(`${root}local.settings.sample.json`, 'utf8')) as {
    readonly IsEncrypted: boolean;
    readonly Values: Readonly<Record<string, string>>;
  };

  it('is accepted by the code as it is', () => {
    expect(IsEncrypted).toBe(false);
    expect(readAppSettings(Values).cosmos.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:/);
  });

  it('holds no setting that nobody reads', () => {
    const read = namesRead();
    const others = Object.keys(Values).filter((name) => !read.has(name) && !name.startsWith('AzureFunctionsJobHost__'));
    expect(others.toSorted()).toEqual(['FUNCTIONS_WORKER_RUNTIME', 'TASKHUB_NAME']);
  });

  it('puts orchestrations on Azure Storage, where host.json says the scheduler', () => {
    const provider = 'AzureFunctionsJobHost__extensions__durableTask__storageProvider__';
    expect(Values[`${provider}type`]).toBe('azureStorage');
    expect(Values[`${provider}connectionStringName`]).toBe('AzureWebJobsStorage');
  });
});
