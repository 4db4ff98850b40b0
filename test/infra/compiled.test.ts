import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  LAKE_ID,
  PARAMETER_SETS,
  bicep,
  hasBicep,
  infraFolder,
  ofType,
  predict,
  predictSet,
  type PredictedResource,
} from './bicep.ts';

const ENTRY_POINTS = ['main.bicep', 'app.bicep', 'events.bicep'];

/** Every role given to anybody, and where: nothing else may be. */
const ALLOWED_ROLES = [
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b Microsoft.Storage/storageAccounts', // Storage Blob Data Owner, own storage
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88 Microsoft.Storage/storageAccounts', // Storage Queue Data Contributor, own storage
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3 Microsoft.Storage/storageAccounts', // Storage Table Data Contributor, own storage
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1 Microsoft.Storage/storageAccounts/blobServices/containers', // Reader, lake container
  'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a Microsoft.Storage/storageAccounts/queueServices/queues', // system topic to the queue
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe Microsoft.Storage/storageAccounts/blobServices/containers', // system topic's dead letters
  '3913510d-42f4-4e42-8a64-420c390055eb Microsoft.Insights/components', // Monitoring Metrics Publisher
  '0ad04412-c4d5-4796-b79c-f76d14c8d402 Microsoft.DurableTask/schedulers/taskHubs', // Durable Task Data Contributor
  'custom Microsoft.DocumentDB/databaseAccounts', // reads RU/s
];

describe.skipIf(!hasBicep)('compiler', () => {
  const folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-bicep-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(ENTRY_POINTS)('%s builds and lints without a word', (name) => {
    const file = join(infraFolder, name);
    expect(bicep(['build', file, '--outfile', join(folder, `${name}.json`), '--no-restore'])).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
    expect(bicep(['lint', file, '--no-restore'])).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it.each(parameterFiles())('%s builds without a word', (name) => {
    const result = bicep(['build-params', join(infraFolder, name), '--stdout', '--no-restore']);
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('there is a parameter file for each set, and no other', () => {
    const names = PARAMETER_SETS.map((name) => join('parameters', `${name}.bicepparam`));
    expect(parameterFiles().toSorted()).toEqual(['main.bicepparam', ...names].toSorted());
  });

  it('variables that are empty, as pipelines pass them, count as unset; a lake has to be named', () => {
    const names = variablesRead();
    expect(names.length).toBeGreaterThan(12);
    const valuesOf = (environment: Readonly<Record<string, string>>): unknown => {
      const { status, stdout, stderr } = buildMain(environment);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return JSON.parse((JSON.parse(stdout) as { readonly parametersJson: string }).parametersJson);
    };
    const emptied = Object.fromEntries(names.map((name) => [name, '']));
    expect(valuesOf({ ...emptied, LAKE_STORAGE_ACCOUNT_ID: LAKE_ID })).toEqual(
      valuesOf({ LAKE_STORAGE_ACCOUNT_ID: LAKE_ID }),
    );
    expect(buildMain(emptied).stderr).toContain('BCP333');
    expect(valuesOf({ LAKE_STORAGE_ACCOUNT_ID: LAKE_ID, NETWORK_MODE: 'private' })).toMatchObject({
      parameters: { network: { value: 'private' }, publicApp: { value: false } },
    });
  });

  it('every module is reached from an entry point', () => {
    const templates = ENTRY_POINTS.map((name) => readFileSync(join(folder, `${name}.json`), 'utf8')).join('');
    const modules = readdirSync(join(infraFolder, 'modules')).filter((name) => name !== 'commit-filter.bicep');
    for (const name of modules) {
      const description = /^metadata description = '(.*)'$/m.exec(
        readFileSync(join(infraFolder, 'modules', name), 'utf8'),
      );
      expect(templates, name).toContain(description?.[1]?.replaceAll("\\'", "'"));
    }
  });

  it('keys are read in the second phase only, into a secure parameter', () => {
    const sources = readdirSync(infraFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.bicep'),
    );
    const readers = sources.filter((name) => /\blist[A-Z]\w*\(/.test(readFileSync(join(infraFolder, name), 'utf8')));
    expect(readers).toEqual(['events.bicep']);
    const events = JSON.parse(readFileSync(join(folder, 'events.bicep.json'), 'utf8')) as Record<string, unknown>;
    expect(JSON.stringify(events['outputs'] ?? {})).toBe('{}');
    expect(JSON.stringify(events)).toContain('"endpointUrl":{"type":"securestring"');
  });

  it('no parameter and no output of the first phase is a secret', () => {
    for (const name of ['main.bicep', 'app.bicep']) {
      const text = readFileSync(join(folder, `${name}.json`), 'utf8');
      expect(text).not.toMatch(/secure(String|Object)/i);
      expect(text).not.toMatch(/AccountKey=|SharedAccessKey|SharedAccessSignature|listKeys|listAccountSas/i);
    }
  });
});

function parameterFiles(): readonly string[] {
  return readdirSync(infraFolder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.bicepparam'));
}

/** Environment variables that main.bicepparam reads. */
function variablesRead(): readonly string[] {
  const text = readFileSync(join(infraFolder, 'main.bicepparam'), 'utf8');
  return [...text.matchAll(/readEnvironmentVariable\('(\w+)'/g)].map((match) => match[1] ?? '');
}

/** Only the given variables are set. */
function buildMain(environment: Readonly<Record<string, string>>): ReturnType<typeof bicep> {
  const unset = Object.fromEntries(variablesRead().map((name) => [name, undefined]));
  return bicep(['build-params', join(infraFolder, 'main.bicepparam'), '--stdout', '--no-restore'], {
    ...unset,
    ...environment,
  });
}

describe.skipIf(!hasBicep)('what is deployed', () => {
  let open: readonly PredictedResource[] = [];
  let closed: readonly PredictedResource[] = [];
  let onStorage: readonly PredictedResource[] = [];
  beforeAll(() => {
    open = predict({});
    closed = predictSet('private');
    onStorage = predictSet('azure-storage');
  });

  it.each(['default', ...PARAMETER_SETS] as const)('%s: roles equal the allow list, with their scopes', (name) => {
    const resources = name === 'default' ? open : predictSet(name);
    const found = ofType(resources, 'Microsoft.Authorization/roleAssignments').map((assignment) => {
      const role = /roleDefinitions[^0-9a-f]*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'?\)?\]?$/.exec(
        String(assignment.properties['roleDefinitionId']),
      );
      return `${role?.[1] ?? 'custom'} ${scopeType(assignment)}`;
    });
    const allowed = ALLOWED_ROLES.filter((role) => name !== 'azure-storage' || !role.includes('DurableTask'));
    // A reader's role for each container of the lake: this set names two.
    const further = name === 'existing' ? ALLOWED_ROLES.filter((role) => role.startsWith('2a2b9908')) : [];
    expect(found.toSorted()).toEqual([...allowed, ...further].toSorted());
  });

  it('without the scheduler nobody gets a role on one', () => {
    expect(ofType(onStorage, 'Microsoft.DurableTask/schedulers')).toEqual([]);
    expect(ofType(onStorage, 'Microsoft.DurableTask/schedulers/taskHubs')).toEqual([]);
  });

  it('Cosmos data roles have the stated actions and act on single containers', () => {
    const stated = JSON.parse(readFileSync(join(infraFolder, 'cosmos-roles.json'), 'utf8')) as Record<string, string[]>;
    const roles = ofType(open, 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions');
    expect(
      roles.map(({ properties }) => (properties['permissions'] as { dataActions: string[] }[])[0]?.dataActions),
    ).toEqual([stated['state'], stated['lease'], stated['target'], stated['publication']]);
    for (const action of Object.values(stated).flat()) expect(action).not.toContain('*');
    const scopes = ofType(open, 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments').map(
      ({ properties }) => /\/dbs\/.*$/.exec(String(properties['scope']))?.[0],
    );
    expect(scopes).toEqual([
      '/dbs/delta-cosmos-sync/colls/state',
      '/dbs/delta-cosmos-sync/colls/leases',
      '/dbs/shop/colls/products',
    ]);
  });

  it('keys and anonymous access are off everywhere', () => {
    for (const resources of [open, closed, onStorage]) {
      for (const { properties } of ofType(resources, 'Microsoft.Storage/storageAccounts'))
        expect(properties).toMatchObject({
          allowSharedKeyAccess: false,
          allowBlobPublicAccess: false,
          minimumTlsVersion: 'TLS1_2',
          supportsHttpsTrafficOnly: true,
        });
      for (const { properties } of ofType(resources, 'Microsoft.DocumentDB/databaseAccounts'))
        expect(properties).toMatchObject({
          disableLocalAuth: true,
          disableKeyBasedMetadataWriteAccess: true,
          minimalTlsVersion: 'Tls12',
          enableMultipleWriteLocations: false,
        });
      for (const { properties } of ofType(resources, 'Microsoft.Insights/components'))
        expect(properties).toMatchObject({ DisableLocalAuth: true });
      for (const { properties } of ofType(resources, 'Microsoft.Web/sites'))
        expect(properties).toMatchObject({
          httpsOnly: true,
          siteConfig: { minTlsVersion: '1.2', ftpsState: 'Disabled' },
        });
      const policies = ofType(resources, 'Microsoft.Web/sites/basicPublishingCredentialsPolicies');
      expect(policies.map(({ properties }) => properties['allow'])).toEqual([false, false]);
    }
  });

  it('every resource that can tell about itself has a diagnostic setting', () => {
    const scopes = new Set(ofType(open, 'Microsoft.Insights/diagnosticSettings').map((setting) => scopeType(setting)));
    expect([...scopes].toSorted()).toEqual([
      'Microsoft.DocumentDB/databaseAccounts',
      'Microsoft.EventGrid/systemTopics',
      'Microsoft.Storage/storageAccounts/blobServices',
      'Microsoft.Storage/storageAccounts/queueServices',
      'Microsoft.Web/sites',
    ]);
    // Whoever adds a kind of resource decides here whether it needs one.
    const silent = new Set(open.map(({ type }) => type).filter((type) => !scopes.has(type)));
    expect([...silent].filter((type) => type.split('/').length === 2).toSorted()).toEqual([
      'Microsoft.Authorization/roleAssignments',
      'Microsoft.Authorization/roleDefinitions',
      'Microsoft.DurableTask/schedulers', // no log categories are documented
      'Microsoft.Insights/components',
      'Microsoft.Insights/diagnosticSettings',
      'Microsoft.Insights/metricAlerts',
      'Microsoft.Insights/scheduledQueryRules',
      'Microsoft.Insights/workbooks',
      'Microsoft.ManagedIdentity/userAssignedIdentities',
      'Microsoft.OperationalInsights/workspaces', // the destination
      'Microsoft.Resources/resourceGroups',
      'Microsoft.Storage/storageAccounts', // its services have them
      'Microsoft.Web/serverfarms',
    ]);
  });

  it('private mode leaves no public endpoint but telemetry and the scheduler, which take identities only', () => {
    const reachable = closed.filter(
      ({ type, properties }) =>
        ['Microsoft.Storage/storageAccounts', 'Microsoft.DocumentDB/databaseAccounts', 'Microsoft.Web/sites'].includes(
          type,
        ) && properties['publicNetworkAccess'] !== 'Disabled',
    );
    expect(reachable).toEqual([]);
    const endpoints = ofType(closed, 'Microsoft.Network/privateEndpoints').map(
      ({ name }) => /[a-z]+$/.exec(name)?.[0] ?? '',
    );
    expect(endpoints.toSorted()).toEqual(['app', 'blob', 'cosmos', 'lake', 'queue', 'table']);
    expect(ofType(closed, 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups')).toHaveLength(6);
    const [app] = ofType(closed, 'Microsoft.Web/sites');
    expect(app?.properties['virtualNetworkSubnetId']).toMatch(/outputs\.appSubnetId/);
    const [network] = ofType(closed, 'Microsoft.Network/virtualNetworks');
    expect(network?.properties['subnets']).toMatchObject([
      { name: 'app', properties: { delegations: [{ properties: { serviceName: 'Microsoft.App/environments' } }] } },
      { name: 'endpoints' },
    ]);
    expect(ofType(closed, 'Microsoft.Storage/storageAccounts')[0]?.properties).toMatchObject({
      networkAcls: { defaultAction: 'Deny', bypass: 'AzureServices' },
    });
  });

  it('existing accounts, containers and topics are used, not created', () => {
    const resources = predictSet('existing');
    expect(ofType(resources, 'Microsoft.DocumentDB/databaseAccounts')).toEqual([]);
    expect(ofType(resources, 'Microsoft.EventGrid/systemTopics')).toEqual([]);
    expect(ofType(resources, 'Microsoft.Storage/storageAccounts')).toHaveLength(1);
    expect(ofType(resources, 'Microsoft.EventGrid/systemTopics/eventSubscriptions')[0]?.name).toMatch(
      /^lake-events\/dcs-queue-/,
    );
    const containers = ofType(resources, 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers');
    expect(containers.map(({ name }) => name)).toEqual([
      'company/delta-cosmos-sync/state',
      'company/delta-cosmos-sync/leases',
    ]);
    expect(containers.every(({ id }) => id.startsWith('/subscriptions/00000000-0000-0000-0000-00000000000b/'))).toBe(
      true,
    );
    const scopes = ofType(resources, 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments').map(
      ({ properties }) => /\/dbs\/.*$/.exec(String(properties['scope']))?.[0],
    );
    expect(scopes).toEqual([
      '/dbs/delta-cosmos-sync/colls/state',
      '/dbs/delta-cosmos-sync/colls/leases',
      '/dbs/cosmicworks/colls/products',
      '/dbs/cosmicworks/colls/freshness',
    ]);
  });

  it('the state container is what the code expects: partition key, per-item expiry', () => {
    const [state, leases] = ofType(open, 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers');
    expect(state?.properties['resource']).toMatchObject({ partitionKey: { paths: ['/target'] }, defaultTtl: -1 });
    expect(leases?.properties['resource']).toMatchObject({ partitionKey: { paths: ['/id'] } });
    expect(leases?.properties['resource']).not.toHaveProperty('defaultTtl');
  });

  it('the container of freshness documents is created where it is named, with a role of its own', () => {
    const resources = predict({ freshness: { database: 'shop', container: 'freshness' } });
    const containers = ofType(resources, 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers');
    expect(containers.at(-1)?.properties['resource']).toMatchObject({
      id: 'freshness',
      partitionKey: { paths: ['/id'] },
    });
    const [, , target, publication] = ofType(resources, 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments');
    expect(publication?.properties['scope']).toMatch(/\/dbs\/shop\/colls\/freshness$/);
    expect(publication?.properties['roleDefinitionId']).not.toEqual(target?.properties['roleDefinitionId']);
  });

  it('a serverless account gets no throughput', () => {
    const resources = predictSet('serverless');
    expect(ofType(resources, 'Microsoft.DocumentDB/databaseAccounts')[0]?.properties).toMatchObject({
      capabilities: [{ name: 'EnableServerless' }],
    });
    for (const { properties } of ofType(resources, 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers'))
      expect(properties['options']).toEqual({});
  });
});

/** Type of what an extension resource lies on, from its id. */
function scopeType({ id }: PredictedResource): string {
  const target =
    /^\[extensionResourceId\('([^']+)'/.exec(id)?.[1] ?? id.replace(/\/providers\/[^/]*\/[^/]*\/[^/]*$/, '');
  const parts = target.slice(target.lastIndexOf('/providers/') + '/providers/'.length).split('/');
  return parts.filter((_, index) => index === 0 || index % 2 === 1).join('/');
}
