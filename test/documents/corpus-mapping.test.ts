/** Documents of real tables hold everything that the rows hold: each is turned back into its row and compared. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rowEncoder } from '../../src/cli/row-text.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import { type DataType, type Row, type StructType, type Value, Variant } from '../../src/delta/schema.ts';
import type { JsonObject, JsonValue } from '../../src/documents/document.ts';
import { compileMapping } from '../../src/documents/mapping.ts';
import { isScalar } from '../../src/documents/value-encoding.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { CORPUS, corpusNames, expectedOf } from '../conformance/corpus.ts';
import { snapshotRows } from '../support/read-table.ts';
import { BY_ID, tableConfiguration } from '../support/mapping-builder.ts';

const names = corpusNames().filter((name) => {
  const { outcome, rowCount, needsSetup } = expectedOf(name);
  return outcome === 'rows' && rowCount > 0 && rowCount <= 1000 && needsSetup !== true;
});

describe.skipIf(names.length === 0)('corpus', () => {
  let documents = 0;
  const rejected = new Map<string, number>();

  test.each(names)('%s', async (name) => {
    const store = new FolderLogStore(join(CORPUS, 'tables', name));
    let rows: Row[];
    let schema: StructType;
    try {
      const snapshot = await loadSnapshot(store, { kind: 'latest' });
      ({ schema } = snapshot.metadata);
      rows = await snapshotRows(store, snapshot);
    } catch (error) {
      // Tables that may be refused: conformance tests decide which.
      if (error instanceof SyncError) return;
      throw error;
    }
    const key = schema.fields.find(({ type }) => isKey(type))?.name;
    if (key === undefined) return;
    const rename = Object.fromEntries(schema.fields.map((field, index) => [field.name, `/fields/${index}`]));
    const table = tableConfiguration({
      id: `\${${key}}`,
      columns: { rename },
      types: { long: 'auto', nonFinite: 'string' },
      idEscaping: 'escape',
    });
    const mapping = compileMapping({ table, schema, target: BY_ID });
    const encode = rowEncoder(schema.fields);
    for (const row of rows) {
      const result = mapping.mapRow(row);
      if (result.kind === 'rejected') {
        expect(['keyNull', 'idEmpty']).toContain(result.code);
        rejected.set(result.code, (rejected.get(result.code) ?? 0) + 1);
        continue;
      }
      documents++;
      const fields = (JSON.parse(JSON.stringify(result.document)) as JsonObject)['fields'] as JsonObject;
      const back = Object.fromEntries(
        schema.fields.map((field, index) => [field.name, valueOf(fields[index] ?? null, field.type)]),
      );
      expect(encode(back)).toBe(encode(row).replaceAll('-0.0,', '0,').replaceAll('-0.0}', '0}'));
    }
  });

  test('there were documents, and few rows without a key', () => {
    expect(documents).toBeGreaterThan(2000);
    expect([...rejected.values()].reduce((sum, count) => sum + count, 0)).toBeLessThan(documents / 5);
  });
});

function isKey(type: DataType): boolean {
  return (
    isScalar(type) &&
    (type.kind === 'decimal' || (type.kind === 'primitive' && !['float', 'double', 'binary'].includes(type.name)))
  );
}

/** The inverse of the default encodings. */
function valueOf(json: JsonValue, type: DataType): Value {
  if (json === null) return type.kind === 'primitive' && type.name === 'variant' ? new Variant(null) : null;
  switch (type.kind) {
    case 'decimal':
      return typeof json === 'number' ? json.toFixed(type.scale) : json;
    case 'struct':
      return Object.fromEntries(
        type.fields.map((field) => [field.name, valueOf((json as JsonObject)[field.name] ?? null, field.type)]),
      );
    case 'array':
      return (json as readonly JsonValue[]).map((item) => valueOf(item, type.element));
    case 'map': {
      const pairs = (Array.isArray(json) ? json : Object.entries(json as JsonObject)) as readonly (readonly [
        JsonValue,
        JsonValue,
      ])[];
      return pairs.map(([key, value]) => [valueOf(key, type.key), valueOf(value, type.value)] as const);
    }
    case 'primitive':
      switch (type.name) {
        case 'long':
          return typeof json === 'string' ? BigInt(json) : json;
        case 'float':
        case 'double':
          return Number(json);
        case 'binary':
          return new Uint8Array(Buffer.from(json as string, 'base64'));
        case 'timestamp':
          return `${(json as string).slice(0, -2)}Z`;
        case 'timestamp_ntz':
          return (json as string).slice(0, -1);
        case 'variant':
          return new Variant(json);
        case 'string':
        case 'integer':
        case 'short':
        case 'byte':
        case 'boolean':
        case 'date':
        case 'void':
          return json;
      }
  }
}
