import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowEncoder } from '../../src/cli/row-text.ts';
import { type Row, Variant } from '../../src/delta/schema.ts';
import { mappingFixtures, testMapping } from '../../src/documents/mapping-fixture.ts';
import { rowFromJson } from '../../src/documents/row-json.ts';
import { mappingOf, primitive, struct } from '../support/mapping-builder.ts';

const COLUMNS = {
  id: 'string',
  price: { kind: 'decimal', precision: 10, scale: 2 },
  stock: 'long',
  active: 'boolean',
} as const;
const mapping = mappingOf(COLUMNS, { where: 'active' });
const ROW = { id: 'p001', price: '12.95', stock: '9007199254740993', active: true };

function run(fixtures: unknown): unknown {
  return testMapping(mapping, struct(COLUMNS), mappingFixtures(fixtures)).map(({ passed, problems }) =>
    passed ? 'passed' : problems,
  );
}

describe('fixtures', () => {
  test('documents, rejections and exclusions', () => {
    expect(
      run([
        { row: { ...ROW, stock: 5 }, document: { id: 'p001', stock: 5, active: true, price: 12.95 } },
        { row: ROW, rejected: 'longTooLarge' },
        { row: { ...ROW, active: false }, excluded: true },
      ]),
    ).toEqual(['passed', 'passed', 'passed']);
  });

  test('what differs is told', () => {
    expect(
      run([
        { row: { ...ROW, stock: 5 }, document: { id: 'p001', stock: 6, extra: null, active: true, price: 12.95 } },
        { row: ROW, document: {} },
        { row: ROW, rejected: 'keyNull' },
        { row: { ...ROW, stock: 5 }, excluded: true },
      ]),
    ).toEqual([
      ['stock is 5, not 6.', 'extra is absent, not null.'],
      ['The row is rejected (longTooLarge), not written.'],
      ['The row is rejected with longTooLarge, not with keyNull.'],
      ['The row is written, not excluded.'],
    ]);
  });

  test.each<[string, unknown, string]>([
    ['no array', {}, 'no array'],
    ['no expectation', [{ row: {} }], 'fixture 1'],
    ['two expectations', [{ name: 'both', row: {}, document: {}, excluded: true }], 'both'],
    ['a document that is none', [{ row: {}, document: 5 }], 'no document'],
    ['a column that is not there', [{ row: { idd: 'x' }, excluded: true }], '"idd"'],
    ['a value of another type', [{ row: { price: 'x' }, excluded: true }], 'price'],
  ])('refused: %s', (_name, fixtures, part) => {
    expect(() => run(fixtures)).toThrow(part);
  });
});

test('a row printed by the command line is read back as it was', () => {
  const schema = struct({
    s: 'string',
    l: 'long',
    x: 'double',
    b: 'binary',
    d: 'date',
    t: 'timestamp',
    z: 'timestamp_ntz',
    n: { kind: 'decimal', precision: 38, scale: 3 },
    a: { kind: 'array', element: primitive('long'), containsNull: true },
    m: { kind: 'map', key: primitive('long'), value: primitive('boolean'), valueContainsNull: true },
    i: struct({ inner: 'integer' }),
    v: 'variant',
  });
  const long = fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
  const decimal = fc.bigInt({ min: -(10n ** 35n), max: 10n ** 35n }).map((value) => `${value}.120`);
  const columns: Record<string, fc.Arbitrary<unknown>> = {
    s: fc.option(fc.string()),
    l: fc.option(long),
    x: fc.option(fc.double().map((value) => value + 0)),
    b: fc.option(fc.uint8Array()),
    d: fc.option(fc.constant('2026-01-31')),
    t: fc.option(fc.constant('+012026-01-31T10:20:30.123456Z')),
    z: fc.option(fc.constant('2026-01-31T10:20:30.123456')),
    n: fc.option(decimal),
    a: fc.option(fc.array(fc.option(long))),
    m: fc.option(fc.array(fc.tuple(long, fc.option(fc.boolean())))),
    i: fc.option(fc.record({ inner: fc.option(fc.integer()) })),
    v: fc.option(fc.constant(new Variant({ a: [1, 'x'] }))),
  };
  const row = fc.record(columns) as fc.Arbitrary<Row>;
  const encode = rowEncoder(schema.fields);
  fc.assert(
    fc.property(row, (values) => {
      expect(rowFromJson(JSON.parse(encode(values)), schema, 'row')).toEqual(values);
    }),
    { seed: 151, numRuns: 300 },
  );
});
