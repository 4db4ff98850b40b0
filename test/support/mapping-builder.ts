/** Configurations, schemas and mappings for tests, stated by what matters in the test. */
import { parseSyncConfiguration, type TableConfiguration } from '../../src/config/sync-configuration.ts';
import type { DataType, PrimitiveName, StructType } from '../../src/delta/schema.ts';
import { compileMapping, type Mapping } from '../../src/documents/mapping.ts';
import type { KeyDefinition } from '../../src/documents/partition-key.ts';

/** A table's settings with defaults, read through the real parser. */
export function tableConfiguration(settings: Readonly<Record<string, unknown>> = {}): TableConfiguration {
  const text = JSON.stringify({
    budgets: { budget: { target: 'db/docs', share: 0.3 } },
    freshness: { database: 'db', container: 'sync' },
    tables: {
      table: {
        source: 'https://account.blob.core.windows.net/lake/table',
        target: { database: 'db', container: 'docs' },
        id: '${id}',
        budget: 'budget',
        ...settings,
      },
    },
  });
  const table = parseSyncConfiguration(text, 'test.json').tables['table'];
  if (table === undefined) throw new Error('no table');
  return table;
}

export function primitive(name: PrimitiveName): DataType {
  return { kind: 'primitive', name };
}

export function struct(columns: Readonly<Record<string, DataType | PrimitiveName>>): StructType {
  return {
    kind: 'struct',
    fields: Object.entries(columns).map(([name, type]) => ({
      name,
      type: typeof type === 'string' ? primitive(type) : type,
      nullable: true,
      metadata: {},
    })),
  };
}

export const BY_ID: KeyDefinition = { partitionKeyPaths: ['/id'], kind: 'Hash', version: 2 };

/** A mapping of `columns` with settings; the container is partitioned by /id unless stated. */
export function mappingOf(
  columns: Readonly<Record<string, DataType | PrimitiveName>>,
  settings: Readonly<Record<string, unknown>> = {},
  target: KeyDefinition = BY_ID,
): Mapping {
  return compileMapping({ table: tableConfiguration(settings), schema: struct(columns), target });
}

/** The document of a row, or the code of its rejection. */
export function mapped(mapping: Mapping, row: Parameters<Mapping['mapRow']>[0]): unknown {
  const result = mapping.mapRow(row);
  return result.kind === 'document' ? result.document : result.code;
}
