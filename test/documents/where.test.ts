import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Row, Value } from '../../src/delta/schema.ts';
import { parseWhere } from '../../src/documents/where-parser.ts';
import { compileWhere } from '../../src/documents/where.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { struct } from '../support/mapping-builder.ts';

const SCHEMA = struct({
  n: 'long',
  i: 'integer',
  x: 'double',
  s: 'string',
  b: 'boolean',
  d: 'date',
  t: 'timestamp',
  z: 'timestamp_ntz',
  bin: 'binary',
  m: { kind: 'decimal', precision: 20, scale: 2 },
  inner: struct({ a: 'long' }),
  'a b`c': 'long',
});

function holds(text: string, row: Row): boolean {
  return compileWhere(text, SCHEMA).holds(row);
}

function codeOf(text: string): string {
  try {
    compileWhere(text, SCHEMA);
  } catch (error) {
    if (error instanceof SyncError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('comparisons are exact for the type of the column', () => {
  test.each<[string, Row, boolean]>([
    ['n = 9007199254740993', { n: 9007199254740993n }, true],
    ['n = 9007199254740992', { n: 9007199254740993n }, false],
    ['n > 9007199254740992.5', { n: 9007199254740993n }, true],
    ['n > -0.5', { n: 0 }, true],
    ['n < -0.5', { n: -1 }, true],
    ['n = 1.0', { n: 1 }, true],
    ['n = 1e2', { n: 100 }, true],
    ['n != 1.5', { n: 1 }, true],
    ['5 < n', { n: 6 }, true],
    ['m = 1.5', { m: '1.50' }, true],
    ['m > 999999999999999999.985', { m: '999999999999999999.99' }, true],
    ['m >= 0', { m: '-0.00' }, true],
    ['x > 1e308', { x: Number.NaN }, true],
    ['x = 0', { x: -0 }, true],
    ["s = 'it''s'", { s: "it's" }, true],
    ["s < '\uE000'", { s: '\u{10000}' }, false],
    ["s >= 'a' AND s < 'b'", { s: 'ab' }, true],
    ["d > '2026-01-31'", { d: '+010000-01-01' }, true],
    ["d > '2026-01-31'", { d: '-000001-01-01' }, false],
    ["t = '2026-01-31T12:00:00+02:00'", { t: '2026-01-31T10:00:00.000000Z' }, true],
    ["t > '2026-01-31T10:00:00.000001Z'", { t: '2026-01-31T10:00:00.000002Z' }, true],
    ["t >= '2026-01-31Z'", { t: '2026-01-31T00:00:00.000000Z' }, true],
    ["z < '2026-01-31 10:00'", { z: '2026-01-31T09:59:59.999999' }, true],
    ['b', { b: true }, true],
    ['b = FALSE', { b: false }, true],
    ['not b', { b: null }, false],
    ['inner.a IN (1, 2)', { inner: { a: 2 } }, true],
    ['inner.a IS NULL', { inner: null }, true],
    ['bin IS NOT NULL', { bin: new Uint8Array() }, true],
    ['`a b``c` = 1', { 'a b`c': 1 }, true],
    ['n BETWEEN 1 AND 3 AND i = 1', { n: 3, i: 1 }, true],
    ['n NOT BETWEEN 1 AND 3', { n: 4 }, true],
    ['n NOT IN (1)', { n: null }, false],
    ['n = 1 OR i = 1 AND b', { n: 1, i: null, b: false }, true],
    ['TRUE', {}, true],
  ])('%s', (text, row, expected) => {
    expect(holds(text, row)).toBe(expected);
  });
});

describe('what cannot be used', () => {
  test.each<[string, string]>([
    ['', 'mappingInvalid'],
    ['n =', 'mappingInvalid'],
    ['n = = 1', 'mappingInvalid'],
    ['(n = 1', 'mappingInvalid'],
    ['n = 1)', 'mappingInvalid'],
    ['n = 1 i = 2', 'mappingInvalid'],
    ["s = 'open", 'mappingInvalid'],
    ['n = i', 'mappingInvalid'],
    ["n = 'a'", 'mappingInvalid'],
    ['s = 1', 'mappingInvalid'],
    ["d = '2026-02-31'", 'mappingInvalid'],
    ["t = '2026-01-31T10:00:00'", 'mappingInvalid'],
    ["z = '2026-01-31T10:00:00Z'", 'mappingInvalid'],
    ['x = 1e999', 'mappingInvalid'],
    ['n = 1e9999', 'mappingInvalid'],
    ['n', 'mappingInvalid'],
    ['bin = 1', 'mappingInvalid'],
    ['inner = 1', 'mappingInvalid'],
    ['n.a = 1', 'mappingInvalid'],
    ['n IN ()', 'mappingInvalid'],
    ['n = 1; drop', 'mappingInvalid'],
    ['f(n) = 1', 'mappingInvalid'],
    [`${'('.repeat(100)}n = 1${')'.repeat(100)}`, 'mappingInvalid'],
    ['nn = 1', 'columnUnknown'],
    ['inner.b = 1', 'columnUnknown'],
  ])('%s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  test('the place of the mistake is told', () => {
    expect(() => parseWhere('n = 1 AND ')).toThrow('character 10');
    expect(() => parseWhere('n = 1 AND ~')).toThrow('character 11');
  });

  test('any text is parsed or refused, quickly', () => {
    const pieces = fc.array(
      fc.constantFrom(
        'n',
        's',
        "'a'",
        '1',
        '=',
        '<',
        '(',
        ')',
        'AND',
        'OR',
        'NOT',
        'IS',
        'NULL',
        'IN',
        ',',
        '.',
        '`',
        "'",
        '-',
        ' ',
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        expect(['accepted', 'mappingInvalid', 'columnUnknown']).toContain(codeOf(parts.join(' ')));
      }),
      { seed: 81, numRuns: 2000 },
    );
  });
});

describe('three values', () => {
  type Truth = boolean | null;
  interface Model {
    readonly text: string;
    readonly truth: (row: Row) => Truth;
  }
  const { tree } = fc.letrec<{ tree: Model; leaf: Model }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      tie('leaf'),
      fc.tuple(tie('tree'), tie('tree')).map(([a, b]): Model => ({
        text: `(${a.text}) AND (${b.text})`,
        truth: (row) => and(a.truth(row), b.truth(row)),
      })),
      fc.tuple(tie('tree'), tie('tree')).map(([a, b]): Model => ({
        text: `(${a.text}) OR (${b.text})`,
        truth: (row) => negate(and(negate(a.truth(row)), negate(b.truth(row)))),
      })),
      tie('tree').map((a): Model => ({ text: `NOT (${a.text})`, truth: (row) => negate(a.truth(row)) })),
    ),
    leaf: fc.oneof(
      fc
        .tuple(fc.constantFrom('=', '!=', '<', '<=', '>', '>='), fc.integer({ min: -2, max: 2 }))
        .map(([operator, literal]): Model => ({
          text: `i ${operator} ${literal}`,
          truth: (row) => compareNumbers(row['i'] as number | null, operator, literal),
        })),
      fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1, maxLength: 3 }).map((list): Model => ({
        text: `i IN (${list.join(',')})`,
        truth: (row) => (row['i'] === null ? null : list.includes(row['i'] as number)),
      })),
      fc.constantFrom<Model>(
        { text: 'b', truth: (row) => row['b'] as Truth },
        { text: 's IS NULL', truth: (row) => row['s'] === null },
      ),
    ),
  }));
  const row = fc.record<Record<string, Value>>({
    i: fc.option(fc.integer({ min: -3, max: 3 })),
    b: fc.option(fc.boolean()),
    s: fc.option(fc.constant('x')),
  });

  test('evaluation equals the textbook', () => {
    fc.assert(
      fc.property(tree, row, (model, values) => {
        expect(holds(model.text, values)).toBe(model.truth(values) === true);
      }),
      { seed: 82, numRuns: 1000 },
    );
  });

  function and(a: Truth, b: Truth): Truth {
    if (a === false || b === false) return false;
    return a === null || b === null ? null : true;
  }

  function negate(a: Truth): Truth {
    return a === null ? null : !a;
  }

  function compareNumbers(value: number | null, operator: string, literal: number): Truth {
    if (value === null) return null;
    const tests: Record<string, boolean> = {
      '=': value === literal,
      '!=': value !== literal,
      '<': value < literal,
      '<=': value <= literal,
      '>': value > literal,
      '>=': value >= literal,
    };
    return tests[operator] ?? null;
  }
});
