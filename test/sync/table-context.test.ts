import { expect, test } from 'vitest';
import { parseSyncConfiguration, type TableConfiguration } from '../../src/config/sync-configuration.ts';
import type { StructType } from '../../src/delta/schema.ts';
import { compileMapping } from '../../src/documents/mapping.ts';
import { shapingSettings } from '../../src/documents/shaping-settings.ts';
import { configurationHash } from '../../src/sync/table-context.ts';

function configured(settings: Readonly<Record<string, unknown>>): TableConfiguration {
  const text = JSON.stringify({
    freshness: { database: 'd', container: 'f' },
    budgets: { b: { target: 'cosmicworks/products', ruPerSecond: 1000 } },
    tables: {
      products: {
        source: 'https://lake.blob.core.windows.net/lake/t',
        target: { database: 'cosmicworks', container: 'products' },
        id: '${id}',
        budget: 'b',
        ...settings,
      },
    },
  });
  const table = parseSyncConfiguration(text, 'test').tables['products'];
  if (table === undefined) throw new Error('no such table');
  return table;
}

/** Every shaping setting that goes together with mode softDelete. */
const EVERYTHING = {
  id: '${tenant}|${id}',
  partitionKey: ['${tenant}', '${id}'],
  mode: 'softDelete',
  columns: { exclude: ['secret'], rename: { name: '/a/name' } },
  constants: { type: 'p', '/m/s': [1, null] },
  discriminator: { field: 'kind', value: 'a' },
  nulls: 'omit',
  types: { long: 'string', columns: { price: { decimal: 'string' } } },
  idEscaping: 'escape',
  where: 'price > 1',
  softDelete: { flag: 'gone', at: 'goneAt', ttlSeconds: 60 },
  sourceVersion: 'v',
};

const SCHEMA: StructType = {
  kind: 'struct',
  fields: ['id', 'tenant', 'name', 'secret', 'price'].map((name) => ({
    name,
    type: name === 'price' ? { kind: 'decimal', precision: 10, scale: 2 } : { kind: 'primitive', name: 'string' },
    nullable: true,
    metadata: {},
  })),
};

/** Hash and fingerprint as checkpoints of version 1 hold them: another value would make every table rewrite its container. */
test.each([
  ['the defaults', {}, '198ffdfdd8f89e7a', 'a23e6eb4c20abec8f093b366510f7ab76de0b48aa107719e3f8d6e4ae58e4e75'],
  [
    'every shaping setting',
    EVERYTHING,
    'ceff802938becf68',
    '46d8eb55b84b511069acbd7e6f90927530a9b58e76b610f6c8e0c49d05f6e30b',
  ],
  [
    'generations',
    { publish: { kind: 'versionFlag', field: 'g' } },
    '42b9909be7aa900d',
    '0743d3ad74a72d6043eae58278558494e2df863dc2eac9b74eb11bd424e35072',
  ],
])('the hashes of %s are those of version 1', (_name, settings, hash, fingerprint) => {
  const table = configured(settings);
  const levels = Array.isArray(table.partitionKey)
    ? { partitionKeyPaths: ['/t', '/i'], kind: 'MultiHash' as const }
    : { partitionKeyPaths: ['/id'], kind: 'Hash' as const };
  expect(configurationHash(table)).toBe(hash);
  expect(compileMapping({ table, schema: SCHEMA, target: { ...levels, version: 2 } }).fingerprint).toBe(fingerprint);
});

test('settings that do not shape documents leave the hash alone', () => {
  const plain = configured({});
  const others = {
    source: 'https://lake.blob.core.windows.net/elsewhere/t',
    guards: { maxDeletes: { count: 1 } },
    duplicates: 'last',
    uniqueKey: 'trusted',
    existing: 'adopt',
    schemaDrift: { added: 'pause' },
    publish: { kind: 'blueGreen', other: 'o' },
    deadLetters: { threshold: 1 },
    limits: { rows: 1 },
  };
  expect(configurationHash(configured(others))).toBe(configurationHash(plain));
});

test('every setting of a table either shapes documents or is known not to', () => {
  const free = ['source', 'budget', 'onDelete', 'duplicates', 'uniqueKey', 'start', 'existing', 'guards'];
  const alsoFree = ['schemaDrift', 'publish', 'deadLetters', 'limits'];
  const shaping = Object.keys(shapingSettings(configured({}), null)).filter((name) => name !== 'generationField');
  const all = Object.keys({
    ...configured(EVERYTHING),
    ...configured({ mode: 'patch', onDelete: 'keep', existing: 'adopt' }),
  });
  expect([...shaping, ...free, ...alsoFree].toSorted()).toEqual(all.toSorted());
});
