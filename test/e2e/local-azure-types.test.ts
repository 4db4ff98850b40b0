/** Every type policy on the local Azure: what a table of one value column in each form becomes, and which rows are dead letters. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { DataType, Value } from '../../src/delta/schema.ts';
import { CORPUS } from '../conformance/corpus.ts';
import type { NewColumn } from '../support/writer-columns.ts';
import { LocalAzureTables, type TableSpec } from './local-azure.ts';

// A safety net only: several processes start, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 6 });

interface TypeCase {
  /** Setting in `types`. */
  readonly setting: string;
  readonly type: DataType;
  /** A value, and what it becomes by policy; an error code: the row with this value alone is a dead letter. */
  readonly values: readonly (readonly [Value, Readonly<Record<string, unknown>>])[];
}

/** What an absent field is. */
const ABSENT = Symbol('absent');
const primitive = (name: string): DataType => ({ kind: 'primitive', name }) as DataType;
const bytes = Uint8Array.from([0, 255, 16]);
const beyond = 2n ** 53n + 1n;
const dead = (code: string) => ({ dead: code });

const CASES: Readonly<Record<string, TypeCase>> = {
  decimal: {
    setting: 'decimal',
    type: { kind: 'decimal', precision: 10, scale: 2 },
    values: [['12.50', { auto: 12.5, number: 12.5, string: '12.50' }]],
  },
  'decimal-wide': {
    setting: 'decimal',
    type: { kind: 'decimal', precision: 20, scale: 3 },
    values: [
      ['0.125', { auto: '0.125', number: 0.125, string: '0.125' }],
      ['12345678901234567.891', { auto: '12345678901234567.891', number: dead('decimalInexact') }],
    ],
  },
  long: {
    setting: 'long',
    type: primitive('long'),
    values: [
      [7, { number: 7, auto: 7, string: '7' }],
      [beyond, { number: dead('longTooLarge'), auto: String(beyond), string: String(beyond) }],
    ],
  },
  timestamp: {
    setting: 'timestamp',
    type: primitive('timestamp'),
    values: [
      [
        '2026-01-31T10:20:30.000000Z',
        {
          iso7: '2026-01-31T10:20:30.0000000Z',
          iso: '2026-01-31T10:20:30.000000Z',
          epochMicros: 1_769_854_830_000_000,
          epochMillis: 1_769_854_830_000,
          epochSeconds: 1_769_854_830,
        },
      ],
      [
        '2026-01-31T10:20:30.123456Z',
        {
          iso7: '2026-01-31T10:20:30.1234560Z',
          iso: '2026-01-31T10:20:30.123456Z',
          epochMicros: 1_769_854_830_123_456,
          epochMillis: dead('timestampInexact'),
          epochSeconds: dead('timestampInexact'),
        },
      ],
    ],
  },
  'timestamp-ntz': {
    setting: 'timestampNtz',
    type: primitive('timestamp_ntz'),
    values: [
      ['2026-01-31T10:20:30.123456', { iso7: '2026-01-31T10:20:30.1234560', iso: '2026-01-31T10:20:30.123456' }],
    ],
  },
  date: {
    setting: 'date',
    type: primitive('date'),
    values: [['2026-01-31', { iso: '2026-01-31', epochDays: 20_484 }]],
  },
  binary: { setting: 'binary', type: primitive('binary'), values: [[bytes, { base64: 'AP8Q', hex: '00ff10' }]] },
  double: {
    setting: 'nonFinite',
    type: primitive('double'),
    values: [
      [0.5, { error: 0.5, string: 0.5, null: 0.5 }],
      [Number.NaN, { error: dead('notFinite'), string: 'NaN', null: null }],
      [-Infinity, { error: dead('notFinite'), string: '-Infinity', null: null }],
    ],
  },
  map: {
    setting: 'map',
    type: { kind: 'map', key: primitive('string'), value: primitive('integer'), valueContainsNull: true },
    values: [
      [
        [
          ['x', 1],
          ['y', null],
        ],
        {
          auto: { x: 1, y: null },
          object: { x: 1, y: null },
          pairs: [
            ['x', 1],
            ['y', null],
          ],
        },
      ],
      [[], { auto: {}, object: {}, pairs: [] }],
    ],
  },
  'map-of-numbers': {
    setting: 'map',
    type: { kind: 'map', key: primitive('integer'), value: primitive('string'), valueContainsNull: true },
    values: [[[[1, 'a']], { auto: [[1, 'a']], pairs: [[1, 'a']] }]],
  },
  null: { setting: 'nulls', type: primitive('string'), values: [[null, { null: null, omit: ABSENT }]] },
};

const VARIANT = join(CORPUS, 'tables', 'duckdb-variant-basic');
const hasCorpus = existsSync(VARIANT);

/** Policies of a case, in a column each. */
function policiesOf({ values }: TypeCase): string[] {
  return [...new Set(values.flatMap(([, byPolicy]) => Object.keys(byPolicy)))];
}

function columnsOf(each: TypeCase): NewColumn[] {
  return [
    { name: 'id', type: primitive('string') },
    ...policiesOf(each).map((policy) => ({ name: policy, type: each.type })),
  ];
}

const isDead = (value: unknown): value is { readonly dead: string } =>
  typeof value === 'object' && value !== null && 'dead' in value;

let azure: LocalAzureTables;

beforeAll(async () => {
  const specs: Record<string, TableSpec> = {};
  for (const [id, each] of Object.entries(CASES)) {
    const columns = Object.fromEntries(policiesOf(each).map((policy) => [policy, { [each.setting]: policy }]));
    specs[id] = { settings: { types: { columns } } };
  }
  for (const policy of ['json', 'string']) {
    if (hasCorpus) specs[`variant-${policy}`] = { source: VARIANT, settings: { types: { variant: policy } } };
  }
  specs['by-type'] = {
    settings: {
      nulls: 'omit',
      types: { decimal: 'string', long: 'string', timestamp: 'epochMillis', date: 'epochDays', binary: 'hex' },
    },
  };
  azure = await LocalAzureTables.start(specs);
});
afterAll(() => azure?.stop());

describe.concurrent('type policies of single columns', () => {
  test.each(Object.entries(CASES))('%s', async (id, each) => {
    const table = azure.table(id);
    // One row a value and policy, so that a dead letter takes no other value along.
    const cells = each.values.flatMap(([value, byPolicy], index) =>
      Object.entries(byPolicy).map(([policy, expected]) => ({ id: `${policy}-${index}`, policy, value, expected })),
    );
    await table.create(
      columnsOf(each),
      cells.map(({ id, policy, value }) => ({ id, [policy]: value })),
    );
    const status = await table.arrives();
    const arrived = new Map((await table.documents()).map((document) => [document['id'], document]));
    for (const { id, policy, expected } of cells) {
      if (isDead(expected)) expect(arrived.has(id), id).toBe(false);
      else if (expected === ABSENT) expect(arrived.get(id), id).not.toHaveProperty(policy);
      else expect(arrived.get(id)?.[policy], id).toEqual(expected);
    }
    const letters = cells.flatMap(({ policy, expected }) => (isDead(expected) ? [`${policy} ${expected.dead}`] : []));
    expect(status.deadLetters).toBe(letters.length);
    const found = (await table.deadLetters()).map(({ code, column }) => `${String(column)} ${String(code)}`);
    expect(new Set(found)).toEqual(new Set(letters));
    expect(found).toHaveLength(letters.length);
    expect(arrived.size).toBe(cells.length - letters.length);
  });

  test('a policy for the whole table', async () => {
    const table = azure.table('by-type');
    const columns = {
      id: 'string',
      price: 'decimal(10,2)',
      count: 'long',
      at: 'timestamp',
      day: 'date',
      raw: 'binary',
      note: 'string',
    };
    await table.create(columns, [
      {
        id: 'a',
        price: '1.50',
        count: 3,
        at: '2026-01-31T10:20:30.500000Z',
        day: '1970-01-02',
        raw: bytes,
        note: null,
      },
    ]);
    await table.arrives();
    expect(await table.documents()).toEqual([
      { id: 'a', price: '1.50', count: '3', at: 1_769_854_830_500, day: 1, raw: '00ff10' },
    ]);
  });

  test.skipIf(!hasCorpus).each(['json', 'string'])('variant: %s', async (policy) => {
    const table = azure.table(`variant-${policy}`);
    await table.act('sync');
    await table.reached(1);
    const data = { a: 'test', b: [21, 'test', true, { c: 42 }] };
    expect(await table.documents()).toEqual([{ id: '21', data: policy === 'json' ? data : JSON.stringify(data) }]);
  });
});
