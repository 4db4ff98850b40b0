import { describe, expect, it } from 'vitest';
import { absoluteBlobName } from '../../src/storage/blob-log-store.ts';
import { parseTableLocation } from '../../src/storage/table-location.ts';

const blob = (endpoint: string, container: string, folder: string, sas = '') => ({
  kind: 'blob',
  endpoint,
  container,
  folder,
  sas,
});

describe('locations of tables', () => {
  it.each([
    ['/data/table', { kind: 'folder', path: '/data/table' }],
    ['relative/table', { kind: 'folder', path: 'relative/table' }],
    ['file:///data/a%20b', { kind: 'folder', path: '/data/a b' }],
    ['https://acc.blob.core.windows.net/lake/a/b', blob('https://acc.blob.core.windows.net', 'lake', 'a/b')],
    ['https://acc.dfs.core.windows.net/lake/a%20b/', blob('https://acc.blob.core.windows.net', 'lake', 'a b')],
    [
      'https://acc.blob.core.windows.net/lake/t?sv=1&sig=x',
      blob('https://acc.blob.core.windows.net', 'lake', 't', '?sv=1&sig=x'),
    ],
    ['abfss://lake@acc.dfs.core.windows.net/a/b', blob('https://acc.blob.core.windows.net', 'lake', 'a/b')],
    ['wasbs://lake@acc.blob.core.windows.net/a', blob('https://acc.blob.core.windows.net', 'lake', 'a')],
    [
      'abfss://ws@onelake.dfs.fabric.microsoft.com/x.Lakehouse/Tables/t',
      blob('https://onelake.blob.fabric.microsoft.com', 'ws', 'x.Lakehouse/Tables/t'),
    ],
    ['http://127.0.0.1:10000/devstoreaccount1/lake/t', blob('http://127.0.0.1:10000/devstoreaccount1', 'lake', 't')],
  ])('%s', (text, location) => {
    expect(parseTableLocation(text)).toEqual(location);
  });

  it.each([
    's3://bucket/table',
    'http://acc.blob.core.windows.net/lake/t',
    'abfss://acc.dfs.core.windows.net/t',
    'https://acc.blob.core.windows.net/',
    'https://acc.blob.core.windows.net/%zz',
  ])('%s is refused, without its signature', (text) => {
    expect(() => parseTableLocation(text)).toThrow(/is no location of a table/);
    expect(() => parseTableLocation(`${text}?sig=secret`)).toThrow(/^(?!.*secret)/);
  });
});

describe('absolute paths in actions', () => {
  const container = new URL('https://acc.blob.core.windows.net/lake');
  it.each([
    ['part.parquet', undefined],
    ['abfss://lake@acc.dfs.core.windows.net/t/x y.parquet', 't/x y.parquet'],
    ['https://acc.blob.core.windows.net/lake/t/x', 't/x'],
    ['https://ACC.dfs.core.windows.net/lake/t/x', 't/x'],
    ['abfss://other@acc.dfs.core.windows.net/t/x', null],
    ['abfss://lake@else.dfs.core.windows.net/t/x', null],
    ['https://acc.blob.core.windows.net/lakes/t/x', null],
    ['/lake/t/x', null],
    ['s3://lake/t/x', null],
  ])('%s', (path, name) => {
    expect(absoluteBlobName(path, container)).toBe(name);
  });
});
