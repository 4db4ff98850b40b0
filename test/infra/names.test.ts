import { describe, expect, it } from 'vitest';
import { LAKE_ID, hasBicep, predict } from './bicep.ts';

/** Azure's naming rules for what has a name of its own. */
const RULES: Readonly<Record<string, RegExp>> = {
  'Microsoft.Resources/resourceGroups': /^[-\w.()]{0,89}[-\w()]$/,
  'Microsoft.ManagedIdentity/userAssignedIdentities': /^[A-Za-z0-9][-\w]{2,127}$/,
  'Microsoft.OperationalInsights/workspaces': /^[A-Za-z0-9][-A-Za-z0-9]{2,61}[A-Za-z0-9]$/,
  'Microsoft.Insights/components': /^[-\w.()]{1,260}$/,
  'Microsoft.Insights/actionGroups': /^[^:<>+/&%\\?|#\t]{1,260}$/,
  'Microsoft.Insights/metricAlerts': /^[^*#&+:<>?@%{}\\/]{1,260}$/,
  'Microsoft.Insights/scheduledQueryRules': /^[^*<>%{}&:\\?/#]{1,260}$/,
  'Microsoft.Insights/diagnosticSettings': /^[^*<>%{}&:\\?+/]{1,260}$/,
  'Microsoft.Storage/storageAccounts': /^[a-z0-9]{3,24}$/,
  'Microsoft.DocumentDB/databaseAccounts': /^[a-z0-9][-a-z0-9]{1,42}[a-z0-9]$/,
  'Microsoft.DurableTask/schedulers': /^[A-Za-z0-9][-A-Za-z0-9]{1,62}[A-Za-z0-9]$/,
  'Microsoft.EventGrid/systemTopics': /^[-A-Za-z0-9]{3,50}$/,
  'Microsoft.Web/serverfarms': /^[-A-Za-z0-9]{1,60}$/,
  'Microsoft.Web/sites': /^[A-Za-z0-9][-A-Za-z0-9]{0,58}[A-Za-z0-9]$/,
  'Microsoft.Network/virtualNetworks': /^[A-Za-z0-9][-\w.]{0,62}\w$/,
  'Microsoft.Network/privateEndpoints': /^[A-Za-z0-9][-\w.]{0,62}\w$/,
  'Microsoft.Network/privateDnsZones': /^[-a-z0-9]+(\.[-a-z0-9]+){1,33}$/,
};
/** Named by Azure's own hash (role assignments). */
const HASHED = [
  'Microsoft.Authorization/roleAssignments',
  'Microsoft.Authorization/roleDefinitions',
  'Microsoft.Insights/workbooks',
];

describe.skipIf(!hasBicep)('names', () => {
  it.each([
    ['shortest', { environmentName: 'a' }],
    [
      'longest',
      {
        environmentName: `0_${'Z'.repeat(62)}`,
        network: 'private',
        alertEmail: 'a@example.com',
        lakeContainers: Array.from({ length: 8 }, (_, index) => `${'c'.repeat(62)}${index}`),
        mirrors: Array.from({ length: 50 }, (_, index) => ({
          database: 'd'.repeat(255),
          container: `${'ü'.repeat(250)}${index}`,
        })),
      },
    ],
  ])('keep to the rules of Azure with the %s parameters', (_, parameters) => {
    const resources = predict({ lakeStorageAccountId: LAKE_ID, ...parameters });
    expect(resources.length).toBeGreaterThan(40);
    for (const { type, name } of resources) {
      if (type.split('/').length > 2 || HASHED.includes(type)) continue;
      // A zone's suffix is the cloud's.
      if (type === 'Microsoft.Network/privateDnsZones' && /^\[format\('privatelink\.(?:[a-z]+\.)?\{0\}'/.test(name))
        continue;
      expect(name, type).toMatch(RULES[type] ?? /^(?!)/);
    }
    const ids = resources.map(({ id }) => id).filter((id) => !id.startsWith('['));
    expect(new Set(ids).size).toBe(ids.length);
  });
});
