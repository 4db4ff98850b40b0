import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePath, isAbsolutePath, normalizeActionPath } from '../../src/delta/file-path.ts';

const segment = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('/'));

describe('paths in actions', () => {
  it('are decoded exactly once, whatever characters they have', () => {
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (segments) => {
        const path = segments.join('/');
        expect(normalizeActionPath(encodePath(`x/${path}`))).toBe(`x/${path}`);
      }),
      { seed: 1 },
    );
  });

  it.each([
    ['part-0.parquet', 'part-0.parquet'],
    ['a=b%20c/x.parquet', 'a=b c/x.parquet'],
    ['a=%253A/x.parquet', 'a=%3A/x.parquet'],
    ['a+b.parquet', 'a+b.parquet'],
    ['./x.parquet', 'x.parquet'],
    ['100%.parquet', '100%.parquet'],
    ['bad%ff.parquet', 'bad%ff.parquet'],
    ['%E2%82%AC.parquet', '€.parquet'],
    ['time=10:00/x.parquet', 'time=10:00/x.parquet'],
    ['file:/a/x', '/a/x'],
    ['file:///a/x', '/a/x'],
    ['/a/x', '/a/x'],
    ['//a/x', '/a/x'],
    ['abfss://c@a.dfs.core.windows.net/t/x%20y', 'abfss://c@a.dfs.core.windows.net/t/x y'],
  ])('%s means %s', (text, path) => {
    expect(normalizeActionPath(text)).toBe(path);
  });

  it('are absolute only with a scheme before a slash, or a slash', () => {
    expect(['/a', 'file:/a', 's3://b/c', 'https://h/x'].every(isAbsolutePath)).toBe(true);
    expect(['a/b', 'time=10:00/x', 'a:b', '..'].some(isAbsolutePath)).toBe(false);
  });
});
