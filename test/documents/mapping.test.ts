import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Row } from '../../src/delta/schema.ts';
import { identityHash } from '../../src/documents/document.ts';
import { effectivePartitionKey } from '../../src/documents/effective-partition-key.ts';
import { keyTemplateOf } from '../../src/documents/key-template.ts';
import { compileMapping, keepsExistingDocuments } from '../../src/documents/mapping.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { BY_ID, mapped, mappingOf, struct, tableConfiguration } from '../support/mapping-builder.ts';

const PRODUCTS = { id: 'string', name: 'string', category: 'string', price: 'double' } as const;
const MUG: Row = { id: 'p001', name: 'Mug', category: 'drinkware', price: 12.95 };
const BY_CATEGORY = { ...BY_ID, partitionKeyPaths: ['/category'] };

function errorOf(action: () => unknown): SyncError {
  try {
    action();
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('layout of documents', () => {
  test('all columns in schema order, id first', () => {
    expect(JSON.stringify(mapped(mappingOf(PRODUCTS), MUG))).toBe(
      '{"id":"p001","name":"Mug","category":"drinkware","price":12.95}',
    );
  });

  test('include, exclude, rename, nest, constants and discriminator', () => {
    const included = mappingOf(PRODUCTS, { columns: { include: ['name'] }, constants: { '/meta/source': 'lake' } });
    expect(mapped(included, MUG)).toEqual({ id: 'p001', name: 'Mug', meta: { source: 'lake' } });
    const renamed = mappingOf(PRODUCTS, {
      columns: { exclude: ['category'], rename: { name: '/label/text', price: '/label/cost' } },
      discriminator: { field: 'type', value: 'product' },
    });
    expect(mapped(renamed, MUG)).toEqual({ id: 'p001', label: { text: 'Mug', cost: 12.95 }, type: 'product' });
  });

  test('names with slashes and tildes can be written', () => {
    const mapping = mappingOf({ id: 'string', a: 'long', 'x/y': 'long' }, { columns: { rename: { a: '/n/~1s~0' } } });
    expect(mapped(mapping, { id: '1', a: 1, 'x/y': 2 })).toEqual({ id: '1', n: { '/s~': 1 }, 'x/y': 2 });
  });

  test('nulls are written or left out, by table and by column', () => {
    const row = { ...MUG, name: null, price: null };
    expect(mapped(mappingOf(PRODUCTS), row)).toEqual({ id: 'p001', name: null, category: 'drinkware', price: null });
    const omit = mappingOf(PRODUCTS, { nulls: 'omit', types: { columns: { price: { nulls: 'null' } } } });
    expect(mapped(omit, row)).toEqual({ id: 'p001', category: 'drinkware', price: null });
    const nested = mappingOf(PRODUCTS, { nulls: 'omit', columns: { rename: { name: '/n/a', price: '/n/b' } } });
    expect(mapped(nested, row)).toEqual({ id: 'p001', category: 'drinkware' });
  });

  test('a column that the row does not have counts as null', () => {
    expect(mapped(mappingOf(PRODUCTS), { id: 'p001' })).toEqual({
      id: 'p001',
      name: null,
      category: null,
      price: null,
    });
  });

  test.each<[string, object, string, string]>([
    ['a system field', { columns: { rename: { name: '_ts' } } }, 'mappingInvalid', '_ts'],
    ['the time to live', { columns: { rename: { name: 'ttl' } } }, 'mappingInvalid', 'ttl'],
    ['two columns on one field', { columns: { rename: { name: 'price' } } }, 'mappingInvalid', '/price'],
    ['a field below another', { columns: { rename: { name: '/price/x' } } }, 'mappingInvalid', '/price'],
    ['a constant on a column', { constants: { name: 1 } }, 'mappingInvalid', 'name'],
    ['an id column that is not the id', { id: '${name}' }, 'mappingInvalid', '"id"'],
    ['the flag of soft deletes', { mode: 'softDelete', softDelete: { flag: 'name' } }, 'mappingInvalid', 'softDelete'],
    ['the version stamp', { sourceVersion: 'name' }, 'mappingInvalid', 'sourceVersion'],
    ['an empty name in a path', { columns: { rename: { name: '/a//b' } } }, 'mappingInvalid', '/a//b'],
    ['a prototype', { columns: { rename: { name: '/__proto__/a' } } }, 'mappingInvalid', '__proto__'],
    ['an unknown column to exclude', { columns: { exclude: ['nmae'] } }, 'columnUnknown', '"name"'],
    ['an unknown column to include', { columns: { include: ['Name'] } }, 'columnUnknown', '"name"'],
    ['an unknown column to rename', { columns: { rename: { x: 'y' } } }, 'columnUnknown', '"x"'],
    ['an unknown column with types', { types: { columns: { x: { long: 'string' } } } }, 'columnUnknown', '"x"'],
  ])('refused: %s', (_name, settings, code, part) => {
    const error = errorOf(() => mappingOf(PRODUCTS, settings as Record<string, unknown>));
    expect(error.code).toBe(code);
    expect(error.message).toContain(part);
  });

  test('a map that cannot be an object is refused when it has to be one', () => {
    const map = {
      kind: 'map',
      key: { kind: 'primitive', name: 'long' },
      value: { kind: 'primitive', name: 'long' },
      valueContainsNull: true,
    } as const;
    expect(errorOf(() => mappingOf({ id: 'string', m: map }, { types: { map: 'object' } })).code).toBe(
      'mappingInvalid',
    );
  });
});

describe('ids', () => {
  const id = (
    settings: Record<string, unknown>,
    row: Row,
    columns: Parameters<typeof mappingOf>[0] = PRODUCTS,
  ): unknown => {
    const document = mapped(mappingOf(columns, { columns: { rename: { id: 'key' } }, ...settings }), row);
    return typeof document === 'string' ? `rejected ${document}` : (document as { id: string }).id;
  };

  test('text around, several columns, and separators within values', () => {
    expect(id({ id: 'x-${id}' }, MUG)).toBe('x-p001');
    expect(id({ id: '${category}|${id}' }, MUG)).toBe('drinkware|p001');
    expect(id({ id: '${category}|${id}' }, { ...MUG, category: 'a|b%', id: 'c|d%' })).toBe('a%7Cb%25|c|d%');
  });

  test('values of every key type have one text', () => {
    const columns = {
      id: 'string',
      l: 'long',
      b: 'boolean',
      d: 'date',
      t: 'timestamp',
      m: { kind: 'decimal', precision: 5, scale: 2 },
    } as const;
    const row = { id: 'a', l: 2n ** 60n, b: true, d: '2026-01-02', t: '2026-01-02T03:04:05.000006Z', m: '1.50' };
    expect(id({ id: '${l}_${b}_${d}_${t}_${m}', types: { long: 'auto' } }, row, columns)).toBe(
      '1152921504606846976_true_2026-01-02_2026-01-02T03:04:05.0000060Z_1.50',
    );
  });

  test.each<[string, Value, string]>([
    ['null', null, 'keyNull'],
    ['empty', '', 'idEmpty'],
    ['a slash', 'a/b', 'idIllegalCharacter'],
    ['a backslash', 'a\\b', 'idIllegalCharacter'],
    ['a question mark', 'a?b', 'idIllegalCharacter'],
    ['a number sign', 'a#b', 'idIllegalCharacter'],
    ['a space at the end', 'a ', 'idTrailingSpace'],
    ['1024 bytes', 'ü'.repeat(512), 'idTooLong'],
    ['half a surrogate pair', 'a\udc00', 'textMalformed'],
  ])('an id is rejected: %s', (_name, value, code) => {
    expect(id({}, { ...MUG, id: value })).toBe(`rejected ${code}`);
  });

  test('1023 bytes are allowed', () => {
    expect(id({}, { ...MUG, id: `${'ü'.repeat(511)}a` })).toHaveLength(512);
  });

  test('a column named id that is part of a composed id gives way to it', () => {
    expect(mapped(mappingOf(PRODUCTS, { id: '${category}|${id}' }), MUG)).toEqual({ ...MUG, id: 'drinkware|p001' });
  });

  test('escaping writes what ids cannot hold as %XX', () => {
    expect(id({ idEscaping: 'escape' }, { ...MUG, id: 'a/b\\c?d#e% ' })).toBe('a%2Fb%5Cc%3Fd%23e%25%20');
  });

  test('the column of a plain id may stay in the document under another name', () => {
    expect(mapped(mappingOf(PRODUCTS, { columns: { rename: { id: 'sku' } } }), MUG)).toMatchObject({
      id: 'p001',
      sku: 'p001',
    });
  });

  test.each<[string, string]>([
    ['without a column', 'constant'],
    ['columns without text between', '${id}${name}'],
    ['an open brace', '${id'],
    ['an empty name', '${}'],
    ['text that an escape could be', '${id}%${name}'],
    ['text that a digit of an escape could be', '${id}2${name}'],
    ['a float as key', '${price}'],
  ])('a template is refused: %s', (_name, template) => {
    expect(errorOf(() => mappingOf(PRODUCTS, { columns: { exclude: ['id'] }, id: template })).code).toBe(
      'mappingInvalid',
    );
  });

  test('an unknown column in a template names the nearest one', () => {
    const error = errorOf(() => mappingOf(PRODUCTS, { id: '${ide}' }));
    expect([error.code, error.remedy]).toEqual(['columnUnknown', 'Did you mean "id"?']);
  });

  test('a template made of any column names finds them again', () => {
    const columns = { 'we}ird\\': 'string', $: 'string' } as const;
    const mapping = mappingOf(columns, { id: keyTemplateOf(Object.keys(columns)) });
    expect(mapped(mapping, { 'we}ird\\': 'a', $: 'b' })).toMatchObject({ id: 'a|b' });
  });

  test('different keys always give different ids, whatever they contain', () => {
    const part = fc.stringMatching(/^[ab|%7C/ #~-]{0,4}$/);
    const templates = fc.constantFrom('${a}|${b}', '${a}-~-${b}', 'x${a}|${b}y', '${a}~${b}|c');
    fc.assert(
      fc.property(
        templates,
        fc.constantFrom('escape', 'reject'),
        fc.array(fc.tuple(part, part), { maxLength: 40 }),
        (template, idEscaping, keys) => {
          const mapping = mappingOf({ a: 'string', b: 'string' }, { id: template, idEscaping });
          const seen = new Map<string, string>();
          for (const [a, b] of keys) {
            const result = mapping.identityOf({ a, b });
            if (result.kind === 'rejected') continue;
            const key = JSON.stringify([a, b]);
            expect(seen.get(result.identity.id) ?? key).toBe(key);
            seen.set(result.identity.id, key);
          }
        },
      ),
      { seed: 71, numRuns: 500 },
    );
  });
});

describe('partition keys', () => {
  test('the value at the key path of the container, with its hash', () => {
    const result = mappingOf(PRODUCTS, {}, BY_CATEGORY).identityOf(MUG);
    expect(result).toEqual({
      kind: 'identity',
      identity: { id: 'p001', partitionKey: ['drinkware'], epk: effectivePartitionKey(['drinkware'], BY_ID) },
    });
  });

  test('the value is the one in the document: renamed, nested, in a struct, constant, number, null, absent', () => {
    const keyOf = (
      columns: Parameters<typeof mappingOf>[0],
      settings: Record<string, unknown>,
      path: string,
      row: Row,
    ): unknown => {
      const result = mappingOf(columns, settings, { ...BY_ID, partitionKeyPaths: [path] }).mapRow(row);
      return result.kind === 'document' ? result.identity.partitionKey[0] : result.code;
    };
    expect(keyOf(PRODUCTS, { columns: { rename: { category: '/a/"b' } } }, '/a/"\\"b"', MUG)).toBe('drinkware');
    expect(keyOf({ id: 'string', s: struct({ k: 'long' }) }, {}, '/s/k', { id: 'a', s: { k: 5 } })).toBe(5);
    expect(keyOf({ id: 'string', s: struct({ k: 'long' }) }, {}, '/s/k', { id: 'a', s: null })).toBe(undefined);
    expect(keyOf(PRODUCTS, { constants: { tenant: 7 } }, '/tenant', MUG)).toBe(7);
    expect(keyOf(PRODUCTS, {}, '/category', { ...MUG, category: null })).toBe(null);
    expect(keyOf(PRODUCTS, { nulls: 'omit' }, '/category', { ...MUG, category: null })).toBe(undefined);
    expect(keyOf(PRODUCTS, {}, '/price', MUG)).toBe(12.95);
    expect(keyOf(PRODUCTS, {}, '/price', { ...MUG, price: Number.NaN })).toBe('notFinite');
    expect(keyOf(PRODUCTS, {}, '/id', MUG)).toBe('p001');
  });

  test('a template adds the value to the document; a column alone keeps its type', () => {
    const columns = { ...PRODUCTS, n: 'long' } as const;
    const target = { ...BY_ID, partitionKeyPaths: ['/pk/value'] };
    expect(mapped(mappingOf(columns, { partitionKey: '${category}:${n}' }, target), { ...MUG, n: 5 })).toMatchObject({
      pk: { value: 'drinkware:5' },
    });
    expect(mapped(mappingOf(columns, { partitionKey: '${n}' }, target), { ...MUG, n: 5 })).toMatchObject({
      pk: { value: 5 },
    });
    const same = mappingOf(PRODUCTS, { partitionKey: '${category}' }, BY_CATEGORY);
    expect(mapped(same, MUG)).toEqual(MUG);
  });

  test('hierarchical keys have one value a level', () => {
    const target = { partitionKeyPaths: ['/category', '/name', '/id'], kind: 'MultiHash', version: 2 } as const;
    const result = mappingOf(PRODUCTS, {}, target).identityOf(MUG);
    expect(result).toMatchObject({ identity: { partitionKey: ['drinkware', 'Mug', 'p001'] } });
    expect(result.kind === 'identity' && result.identity.epk).toHaveLength(96);
  });

  test('keys longer than the container allows are rejected', () => {
    const old = { ...BY_CATEGORY, version: 1 } as const;
    expect(mapped(mappingOf(PRODUCTS, {}, old), { ...MUG, category: 'x'.repeat(102) })).toBe('partitionKeyTooLong');
    expect(mapped(mappingOf(PRODUCTS, {}, old), { ...MUG, category: 'x'.repeat(101) })).toMatchObject({ id: 'p001' });
    expect(mapped(mappingOf(PRODUCTS, {}, BY_CATEGORY), { ...MUG, category: 'ü'.repeat(1025) })).toBe(
      'partitionKeyTooLong',
    );
  });

  test.each<[string, Record<string, unknown>, readonly string[]]>([
    ['nothing at the key path', { columns: { exclude: ['category'] } }, ['/category']],
    [
      'an object at the key path',
      { columns: { rename: { name: '/category/x' }, exclude: ['category'] } },
      ['/category'],
    ],
    ['a path below a text', {}, ['/category/x']],
    ['a path with a wildcard', {}, ['/category/*']],
    ['too few levels', { partitionKey: '${category}' }, ['/category', '/name']],
    ['a template where another column is', { partitionKey: '${name}' }, ['/category']],
    ['a template for /id that is not the id', { partitionKey: '${name}' }, ['/id']],
  ])('refused: %s', (_name, settings, partitionKeyPaths) => {
    expect(errorOf(() => mappingOf(PRODUCTS, settings, { ...BY_ID, partitionKeyPaths })).code).toBe('mappingInvalid');
  });
});

describe('what the rest of the program asks', () => {
  test('columns to read, key columns, and the fields that are written', () => {
    const mapping = mappingOf(
      { ...PRODUCTS, a: 'long', b: 'long' },
      { columns: { include: ['name'] }, where: 'b > 1' },
      { ...BY_ID, partitionKeyPaths: ['/name'] },
    );
    expect(mapping.columns).toEqual(['id', 'name', 'b']);
    expect(mapping.keyColumns).toEqual(['id', 'name', 'b']);
    expect(mapping.fields).toEqual(['id', 'name']);
    expect(mapping.includes({ b: 2 })).toBe(true);
    expect(mapping.includes({ b: null })).toBe(false);
  });

  test('the identity needs the key columns only, and is the one of the whole row', () => {
    const mapping = mappingOf(PRODUCTS, {}, BY_CATEGORY);
    const whole = mapping.mapRow(MUG);
    const part = mapping.identityOf({ id: 'p001', category: 'drinkware' });
    expect(whole.kind === 'document' && identityHash(whole.identity)).toBe(
      part.kind === 'identity' && identityHash(part.identity),
    );
  });

  test('a fault beside the key costs the document, not the identity', () => {
    const columns = { id: 'string', s: struct({ k: 'string', x: 'long' }) } as const;
    const mapping = mappingOf(columns, {}, { ...BY_ID, partitionKeyPaths: ['/s/k'] });
    const row = { id: 'a', s: { k: 'key', x: 2n ** 60n } };
    expect(mapped(mapping, row)).toBe('longTooLarge');
    expect(mapping.identityOf(row)).toMatchObject({ kind: 'identity', identity: { partitionKey: ['key'] } });
  });

  test('a generation is part of the identity and of the document', () => {
    const table = tableConfiguration({ publish: { kind: 'versionFlag' } });
    const mapping = compileMapping({ table, schema: struct(PRODUCTS), target: BY_ID, generation: 7 });
    expect(mapped(mapping, MUG)).toMatchObject({ id: '7|p001', generation: 7 });
    expect(mapping.fields).toContain('generation');
  });

  test('the fingerprint follows settings and target, not the schema; the form follows the schema', () => {
    const mapping = mappingOf(PRODUCTS);
    expect(mappingOf({ ...PRODUCTS, extra: 'long' }).fingerprint).toBe(mapping.fingerprint);
    expect(mappingOf(PRODUCTS, { types: { long: 'string' } }).fingerprint).not.toBe(mapping.fingerprint);
    expect(mappingOf(PRODUCTS, {}, BY_CATEGORY).fingerprint).not.toBe(mapping.fingerprint);
    expect(mappingOf(PRODUCTS, { budget: 'budget', duplicates: 'last' }).fingerprint).toBe(mapping.fingerprint);
  });

  test('a schema change keeps existing documents only when rows map to the same as before', () => {
    const change = (before: object, after: object, settings = {}): boolean =>
      keepsExistingDocuments(
        mappingOf({ ...PRODUCTS, ...before }, settings).form,
        mappingOf({ ...PRODUCTS, ...after }, settings).form,
      );
    expect(change({ n: 'integer' }, { n: 'long' })).toBe(true);
    expect(change({ n: 'float' }, { n: 'double' })).toBe(true);
    expect(change({}, { n: 'long' }, { nulls: 'omit' })).toBe(true);
    expect(change({}, { n: 'long' })).toBe(false);
    expect(change({ n: 'long' }, {})).toBe(false);
    expect(change({ n: 'long' }, { n: 'string' })).toBe(false);
    const decimal = (precision: number, scale: number): object => ({ n: { kind: 'decimal', precision, scale } });
    expect(change(decimal(10, 2), decimal(15, 3))).toBe(true);
    expect(change(decimal(10, 2), decimal(16, 2))).toBe(false);
    expect(change(decimal(20, 2), decimal(20, 3))).toBe(false);
    expect(change(decimal(10, 2), decimal(12, 3), { id: '${id}|${n}' })).toBe(false);
  });
});

type Value = Row[string];
