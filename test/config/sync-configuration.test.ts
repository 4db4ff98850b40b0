import { readFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSyncConfiguration, syncConfigurationSchema } from '../../src/config/sync-configuration.ts';
import { SyncError } from '../../src/shared/errors.ts';

type Json = Record<string, unknown>;

const TABLE: Json = {
  source: 'https://account.blob.core.windows.net/lake/products_delta',
  target: { database: 'cosmicworks', container: 'products' },
  id: '${id}',
  mode: 'mirror',
  budget: 'shop',
};
const BUDGETS: Json = { shop: { target: 'cosmicworks/products', share: 0.3 } };

function withTable(settings: Json, rest: Json = {}): string {
  return JSON.stringify({ budgets: BUDGETS, tables: { products: { ...TABLE, ...settings } }, ...rest }, undefined, 2);
}

function errorOf(text: string): SyncError {
  try {
    parseSyncConfiguration(text, 'sync.json');
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a configuration that is right', () => {
  test('the documented example, with defaults filled in', () => {
    const { tables, budgets } = parseSyncConfiguration(withTable({}), 'sync.json');
    expect(budgets['shop']).toEqual({ target: 'cosmicworks/products', share: 0.3 });
    expect(tables['products']).toMatchObject({
      ...TABLE,
      duplicates: 'error',
      start: 'snapshot',
      publish: { kind: 'inPlace' },
      guards: { maxDeletes: { percent: 20 }, emptySource: 'hold' },
      schemaDrift: { dropped: 'pause', added: 'accept' },
    });
  });

  test('a byte order mark and $schema are accepted', () => {
    const text = withTable({}, { $schema: './src/config/sync.schema.json' });
    expect(Object.keys(parseSyncConfiguration(`\uFEFF${text}`, 'sync.json').tables)).toEqual(['products']);
  });

  test('every setting there is', () => {
    const settings = {
      mode: 'patch',
      onDelete: 'keep',
      partitionKey: ['${tenant}', '${region}|${site}'],
      columns: { exclude: ['x'], rename: { name: '/label/text' } },
      constants: { '/meta/source': { lake: [1, null, 'a'] } },
      discriminator: { field: 'type', value: 'product' },
      nulls: 'omit',
      types: { decimal: 'string', long: 'auto', timestamp: 'epochMillis', columns: { price: { decimal: 'number' } } },
      idEscaping: 'escape',
      where: "region = 'EU'",
      duplicates: 'last',
      uniqueKey: 'trusted',
      start: { timestamp: '2026-01-31T10:00:00+01:00' },
      existing: 'adopt',
      guards: { maxDeletes: { count: 10, perDay: { percent: 5 } }, emptySource: 'accept', maxRu: 1e6, maxSeconds: 60 },
      schemaDrift: { added: 'ignore' },
      deadLetters: { threshold: 0, content: 'row' },
      sourceVersion: 'version',
      limits: { rows: 1, bytes: 2, ru: 3 },
    };
    const { tables } = parseSyncConfiguration(withTable(settings), 'sync.json');
    expect(tables['products']).toMatchObject(settings);
  });

  test('a budget of the second container of a blue/green pair', () => {
    const text = withTable(
      { publish: { kind: 'blueGreen', other: 'products-b' } },
      {
        budgets: { shop: { target: 'cosmicworks/products-b', ruPerSecond: 400 } },
        freshness: { database: 'ops', container: 'sync' },
      },
    );
    expect(parseSyncConfiguration(text, 'sync.json').tables['products']?.publish).toMatchObject({ graceSeconds: 3600 });
  });

  test('two tables of one container, told apart by a discriminator', () => {
    const table = (value: string): Json => ({ ...TABLE, discriminator: { field: 'type', value } });
    const text = JSON.stringify({ budgets: BUDGETS, tables: { a: table('a'), b: table('b') } });
    expect(Object.keys(parseSyncConfiguration(text, 'sync.json').tables)).toEqual(['a', 'b']);
  });
});

describe('text that is not JSON', () => {
  test.each<[string, string, string]>([
    ['nothing', '', 'line 1, column 1'],
    ['a comma too many', '{\n  "budgets": {},\n}', 'line 3, column 1'],
    ['a quote that does not close', '{\n "a', 'line 2, column 2'],
    ['a line break in a text', '{"a": "b\nc"}', 'line 1, column 7'],
    ['a comment', '{} // why', 'line 1, column 4'],
    ['a repeated name', '{\n"a": 1,\n "a": 2}', 'line 3, column 2'],
    ['a prototype', '{"__proto__": {}}', 'line 1, column 2'],
    ['a number beyond 2^53', '{"a": 9007199254740993}', 'line 1, column 7'],
    ['an infinite number', '{"a": 1e999}', 'line 1, column 7'],
    ['a word', '{"a": yes}', 'line 1, column 7'],
    ['nesting without end', '['.repeat(100_000), 'line 1'],
  ])('%s', (_name, text, place) => {
    const error = errorOf(text);
    expect(error.code).toBe('configMalformed');
    expect(error.message).toContain(`sync.json, ${place}`);
  });

  test('what JSON.parse takes is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          fc.json(),
        ),
        fc.nat(4),
        (constants, indent) => {
          const values = Object.fromEntries(
            Object.entries(constants).map(([name, text]) => [`a${name}`, JSON.parse(text) as unknown]),
          );
          if (/__proto__|\d{16}|e[+-]?\d/.test(JSON.stringify(values))) return;
          const text = JSON.stringify(
            { budgets: BUDGETS, tables: { t: { ...TABLE, constants: values } } },
            undefined,
            indent,
          );
          expect(parseSyncConfiguration(text, 'x').tables['t']?.constants).toEqual(values);
        },
      ),
      { seed: 91, numRuns: 300 },
    );
  });
});

describe('mistakes in settings', () => {
  test.each<[string, Json, Json, string, string]>([
    ['an unknown setting', { partitonKey: 'x' }, {}, 'tables.products.partitonKey', '"partitionKey"'],
    ['an unknown setting, nothing near', { qqqq: 1 }, {}, 'tables.products.qqqq', 'Known here: source, target'],
    ['a nested unknown setting', { guards: { maxDelete: 1 } }, {}, 'tables.products.guards.maxDelete', '"maxDeletes"'],
    ['a value out of a list', { mode: 'miror' }, {}, 'tables.products.mode', '"mirror"'],
    ['a missing setting', { id: undefined }, {}, 'tables.products.id', 'missing'],
    ['a wrong type', { nulls: 1 }, {}, 'tables.products.nulls', '"omit"'],
    ['a wrong kind of publish', { publish: { kind: 'green' } }, {}, 'tables.products.publish.kind', '"blueGreen"'],
    ['a typo in a start', { start: { verson: 3 } }, {}, 'tables.products.start.verson', '"version"'],
    ['a timestamp without zone', { start: { timestamp: '2026-01-01' } }, {}, 'tables.products.start.timestamp', 'form'],
    [
      'a container with a slash',
      { target: { database: 'a', container: 'b/c' } },
      {},
      'tables.products.target.container',
      'without /',
    ],
    [
      'a share above 1',
      {},
      { budgets: { shop: { target: 'cosmicworks/products', share: 30 } } },
      'budgets.shop.share',
      'at most 1',
    ],
    [
      'a share of nothing',
      {},
      { budgets: { shop: { target: 'cosmicworks/products', share: 0 } } },
      'budgets.shop.share',
      'above 0',
    ],
    [
      'two figures',
      {},
      { budgets: { shop: { target: 'cosmicworks/products', share: 1, ruPerSecond: 1 } } },
      'budgets.shop',
      'exactly one',
    ],
    ['no figure', {}, { budgets: { shop: { target: 'cosmicworks/products' } } }, 'budgets.shop', 'exactly one'],
    ['a budget that is not there', { budget: 'shopp' }, {}, 'tables.products.budget', '"shop"'],
    [
      'a budget of another container',
      { target: { database: 'x', container: 'y' } },
      {},
      'tables.products.budget',
      'cosmicworks/products',
    ],
    [
      'include and exclude',
      { columns: { include: ['a'], exclude: ['b'] } },
      {},
      'tables.products.columns',
      'one of them',
    ],
    ['soft deletes in another mode', { softDelete: {} }, {}, 'tables.products.softDelete', 'mode'],
    ['onDelete in another mode', { onDelete: 'keep' }, {}, 'tables.products.onDelete', 'mode patch'],
    [
      'one container twice in a pair',
      { publish: { kind: 'blueGreen', other: 'products' } },
      { freshness: { database: 'a', container: 'b' } },
      'tables.products.publish.other',
      'second',
    ],
    [
      'a pointer without a place',
      { publish: { kind: 'versionFlag' } },
      {},
      'tables.products.publish.kind',
      'freshness',
    ],
    [
      'publish in another mode',
      { mode: 'upsert', publish: { kind: 'versionFlag' } },
      { freshness: { database: 'a', container: 'b' } },
      'tables.products.publish.kind',
      'mirror',
    ],
    [
      'freshness in a mirrored container',
      {},
      { freshness: { database: 'cosmicworks', container: 'products' } },
      'tables.products.target',
      'another container',
    ],
    [
      'a table both configured and removed',
      {},
      { removedTables: { products: { documents: 'keep' } } },
      'removedTables.products',
      'still',
    ],
    [
      'a removed table that an unknown budget pays for',
      {},
      { removedTables: { old: { documents: 'delete', budget: 'nobody' } } },
      'removedTables.old.budget',
      'budgets',
    ],
    [
      'a source with a secret',
      { source: 'https://a.blob.core.windows.net/x?sig=abc' },
      {},
      'tables.products.source',
      'secrets',
    ],
    ['a source without TLS', { source: 'http://example.com/x' }, {}, 'tables.products.source', 'https'],
    ['a source of another kind', { source: 's3://bucket/x' }, {}, 'tables.products.source', 'abfss'],
  ])('%s', (_name, settings, rest, path, part) => {
    const error = errorOf(withTable(settings, rest));
    expect(error.code).toBe('configInvalid');
    expect(error.message).toContain(`${path} (line `);
    expect(error.message).toContain(part);
    expect(error.message).not.toContain('sig=abc');
  });

  test('a table name with a dot', () => {
    const error = errorOf(JSON.stringify({ budgets: BUDGETS, tables: { 'a.b': TABLE } }));
    expect(error.message).toContain('tables["a.b"]');
  });

  test('two mirrors of one container', () => {
    const error = errorOf(JSON.stringify({ budgets: BUDGETS, tables: { a: TABLE, b: TABLE } }));
    expect(error.message).toContain('tables.a.target');
    expect(error.message).toContain('discriminator');
  });

  test('every mistake is listed, each with its own line', () => {
    const text = '{\n"budgets": {},\n"tables": {\n"a": {\n"idd": 1,\n"modee": 2}}}';
    const { message } = errorOf(text);
    expect(message).toContain('tables.a.idd (line 5, column 1)');
    expect(message).toContain('tables.a.modee (line 6, column 1)');
    expect(message).toContain('tables.a.source (line 4, column 1)');
  });

  test('any JSON is read or refused with a code', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        for (const text of [
          json,
          `{"budgets":${json},"tables":${json}}`,
          withTable({ types: JSON.parse(json), publish: JSON.parse(json) }),
        ]) {
          try {
            parseSyncConfiguration(text, 'x');
          } catch (error) {
            expect(error).toBeInstanceOf(SyncError);
            expect((error as SyncError).code).toMatch(/^config/);
          }
        }
      }),
      { seed: 92, numRuns: 300 },
    );
  });
});

test('src/config/sync.schema.json is current (npm run cli -- config schema)', async () => {
  const written = JSON.parse(
    await readFile(new URL('../../src/config/sync.schema.json', import.meta.url), 'utf8'),
  ) as unknown;
  expect(written).toEqual(syncConfigurationSchema());
});
