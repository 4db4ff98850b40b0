import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));

/** Layers from the lowest to the highest; folders in one entry may import each other. */
const LAYERS: readonly (readonly string[])[] = [
  ['shared'],
  ['config'],
  ['parquet'],
  ['delta'],
  ['documents'],
  ['changes'],
  ['sync'],
  ['cosmos', 'storage'],
  ['orchestration', 'activities'],
  ['triggers', 'cli'],
  ['index.ts'],
];

const PURE = ['parquet', 'delta', 'documents', 'changes', 'sync'];

interface Import {
  readonly file: string;
  readonly folder: string;
  readonly specifier: string;
  readonly target: string | null;
  readonly dynamic: boolean;
}

function imports(): Import[] {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return files.flatMap((name) => {
    const path = join(src, name);
    const text = readFileSync(path, 'utf8');
    const found = [...text.matchAll(/(?:\bfrom\s+|\bimport\s+)'([^']+)'/g)].map((match) => ({
      specifier: match[1] ?? '',
      dynamic: false,
    }));
    const later = [...text.matchAll(/\bimport\(\s*'([^']+)'/g)].map((match) => ({
      specifier: match[1] ?? '',
      dynamic: true,
    }));
    return [...found, ...later].map(({ specifier, dynamic }) => ({
      file: name,
      folder: name.split('/')[0] ?? '',
      specifier,
      target: specifier.startsWith('.') ? relative(src, resolve(dirname(path), specifier)) : null,
      dynamic,
    }));
  });
}

const all = imports();
const rank = (folder: string): number => LAYERS.findIndex((layer) => layer.includes(folder));

test('every folder of src has its place in the layers', () => {
  const folders = new Set(all.map((item) => item.folder));
  expect([...folders].filter((folder) => folder !== 'local' && rank(folder) === -1)).toEqual([]);
});

test('imports go to the own or a lower layer', () => {
  const wrong = all.filter((item) => {
    if (item.target === null || item.folder === 'local') return false;
    const to = item.target.split('/')[0] ?? '';
    if (to === 'local') return item.folder !== 'cli';
    return (
      rank(to) > rank(item.folder) ||
      (rank(to) === rank(item.folder) && to !== item.folder && item.folder !== 'activities')
    );
  });
  expect(wrong.map((item) => `${item.file} imports ${item.specifier}`)).toEqual([]);
});

test('the protocol, documents, changes and use cases know no Azure', () => {
  const wrong = all.filter((item) => PURE.includes(item.folder) && item.specifier.startsWith('@azure/'));
  expect(wrong.map((item) => `${item.file} imports ${item.specifier}`)).toEqual([]);
});

test('durable-functions is used by orchestration, activities, triggers and index only', () => {
  const allowed = ['orchestration', 'activities', 'triggers', 'index.ts'];
  const wrong = all.filter((item) => item.specifier === 'durable-functions' && !allowed.includes(item.folder));
  expect(wrong.map((item) => item.file)).toEqual([]);
});

test('the local Azure uses of the app only shared, the effective partition key and Delta types', () => {
  const wrong = all.filter((item) => {
    if (item.folder !== 'local' || item.target === null) return false;
    const [folder] = item.target.split('/');
    return !(
      folder === 'local' ||
      folder === 'shared' ||
      folder === 'delta' ||
      item.target === 'documents/effective-partition-key.ts'
    );
  });
  expect(wrong.map((item) => `${item.file} imports ${item.specifier}`)).toEqual([]);
});

test('the command line loads the local Azure only when a command needs it', () => {
  const wrong = all.filter(
    (item) => item.folder === 'cli' && item.target?.startsWith('local/') === true && !item.dynamic,
  );
  const typesOnly = wrong.filter((item) => !readFileSync(join(src, item.file), 'utf8').includes(`import type`));
  expect(typesOnly.map((item) => `${item.file} imports ${item.specifier}`)).toEqual([]);
});

test('one file touches the internals of hyparquet', () => {
  const files = new Set(all.filter((item) => item.specifier.startsWith('hyparquet/src/')).map((item) => item.file));
  expect(files.size).toBeLessThanOrEqual(1);
});

test('process.env is read in one place', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !/^(local|cli)\//.test(name),
  );
  const readers = files.filter((name) => readFileSync(join(src, name), 'utf8').includes('process.env'));
  expect(readers.toSorted()).toEqual(['index.ts', 'storage/open-table.ts']);
});
