/** Tables that other engines wrote, through the whole local system: the container against the corpus, document by document. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { CORPUS, corpusNames, expectedOf } from '../conformance/corpus.ts';
import type { JsonRow, ShortType } from '../conformance/corpus.ts';
import { LocalRun, targetDocuments } from './local-run.ts';

// A safety net only: several processes start in each test, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000 });

/** Table and the column that identifies its rows. */
const TABLES = [
  ['krs-cdf-table-non-partitioned', 'name'],
  ['krs-cdf-column-mapping-name-mode-3-7', 'id'],
  ['krs-cdf-table-with-dv', 'value'],
  ['golden-dv-partitioned-with-checkpoint', 'col1'],
  ['drs-checkpoint-cdf-table', 'id'],
  ['golden-data-reader-partition-values', 'value'],
  ['dat-multi-partitioned-2', 'int'],
  ['dat-with-schema-change', 'num1'],
  ['dremio-multi-part-checkpoint', 'intcol'],
  ['uc-marksheet-managed', 'id'],
] as const;

const names = new Set(corpusNames());

/** A corpus value as the default encoding of its type. */
function encoded(value: unknown, type: ShortType): unknown {
  if (value === null || value === undefined) return null;
  if (typeof type === 'string') {
    const decimal = /^decimal\((\d+),\d+\)$/.exec(type);
    if (decimal !== null) return Number(decimal[1]) <= 15 ? Number(value) : value;
    // Microseconds become the seven digits that Cosmos DB recommends.
    if (type === 'timestamp') return (value as string).replace(/Z$/, '0Z');
    return type === 'timestamp_ntz' ? `${value as string}0` : value;
  }
  if ('array' in type) return (value as unknown[]).map((item) => encoded(item, type.array));
  if ('struct' in type) {
    const row = value as JsonRow;
    return Object.fromEntries(type.struct.map(([name, field]) => [name, encoded(row[name], field)]));
  }
  const [keyType, valueType] = type.map;
  const pairs = (value as [unknown, unknown][]).map(([key, item]) => [encoded(key, keyType), encoded(item, valueType)]);
  return keyType === 'string' ? Object.fromEntries(pairs as [string, unknown][]) : pairs;
}

function documentOf(row: JsonRow, schema: readonly (readonly [string, ShortType])[], key: string) {
  const fields = schema.map(([name, type]) => [name === 'id' && key !== 'id' ? '_id' : name, encoded(row[name], type)]);
  return { ...Object.fromEntries(fields), id: String(row[key]) } as Record<string, unknown>;
}

function byId(documents: readonly Record<string, unknown>[]) {
  return documents.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1));
}

describe('tables of other engines arrive in Cosmos as they are', () => {
  test.skipIf(names.size === 0).each(TABLES)('%s', async (name, key) => {
    const expected = expectedOf(name);
    const data = await mkdtemp(join(tmpdir(), 'delta-cosmos-e2e-'));
    const run = new LocalRun(['--table', join(CORPUS, 'tables', name), '--key', key, '--json', '--data', data]);
    try {
      const ready = await run.ready();
      await run.event(({ event }) => event === 'synced');
      const ignored = new Set(expected.ignoreColumns);
      const schema = (expected.schema ?? []).filter(([column]) => !ignored.has(column));
      const rows = expected.rows ?? [];
      expect(rows.length).toBe(expected.rowCount);
      const documents = (await targetDocuments(ready)).map((document) =>
        Object.fromEntries(Object.entries(document).filter(([field]) => !ignored.has(field))),
      );
      expect(byId(documents)).toEqual(byId(rows.map((row) => documentOf(row, schema, key))));
    } finally {
      await run.close();
      await rm(data, { recursive: true, force: true });
    }
  });
});
