import { beforeEach, describe, expect, it } from 'vitest';
import type { Row } from '../../src/delta/schema.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import {
  add,
  FEED_ON,
  type HandmadeTable,
  metaData,
  protocol,
  remove,
  type Columns,
} from '../support/handmade-table.ts';
import { commitRows, tableRows } from '../support/read-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
beforeEach(async () => {
  table = await temporaryTable();
});

const all = protocol(3, ['columnMapping', 'timestampNtz', 'typeWidening', 'variantType']);
const schemaOf = (fields: readonly unknown[]) => ({ schemaString: JSON.stringify({ type: 'struct', fields }) });
const field = (name: string, type: unknown, metadata: object = {}) => ({ name, type, nullable: true, metadata });
const physical = (name: string, type: unknown, id: unknown, physicalName: string) =>
  field(name, type, { 'delta.columnMapping.id': id, 'delta.columnMapping.physicalName': physicalName });

/** Rows of a one-file table: columns and rows of the file, fields of the schema. */
async function read(
  file: Columns,
  rows: readonly Row[],
  fields: readonly unknown[],
  rest: object = {},
  own: object = {},
): Promise<readonly Row[]> {
  await table.data('1.parquet', file, rows);
  await table.commits([all, metaData({}, { ...schemaOf(fields), ...rest }), add('1.parquet', { ...own })]);
  return tableRows(table.store);
}

describe('a schema may', () => {
  it.each<readonly [string, readonly unknown[]]>([
    ['name its types as engines do', [field('s', 'char(7)'), field('l', 'bigint'), field('v', 'unknown')]],
    ['have types in objects', [field('s', 'string'), field('l', 'long'), field('v', { type: 'variant' })]],
    [
      'leave out nullable and metadata',
      [
        { name: 's', type: 'string' },
        { name: 'l', type: 'long' },
        { name: 'v', type: 'void' },
      ],
    ],
    [
      'carry defaults, generation, identity, constraints and collations',
      [
        field('s', 'string', {
          CURRENT_DEFAULT: "'x'",
          __COLLATIONS: { s: 'icu.UNICODE_CI' },
          __CHAR_VARCHAR_TYPE_STRING: 'varchar(3)',
        }),
        field('l', 'long', {
          'delta.identity.start': 1,
          'delta.identity.highWaterMark': 9,
          'delta.generationExpression': 'abs(1)',
          'delta.invariants': '{',
        }),
        field('v', 'null'),
      ],
    ],
  ])('%s', async (_what, fields) => {
    expect(await read({ s: 'string', l: 'long' }, [{ s: 'a', l: 7 }], fields)).toEqual([{ s: 'a', l: 7, v: null }]);
  });

  it.each<readonly [string, readonly unknown[], string, string]>([
    ['a type that nobody knows', [field('x', 'interval day')], 'unsupportedFeature', 'interval day'],
    ['a geometry', [field('x', 'geometry(OGC:CRS84)')], 'unsupportedFeature', 'geometry'],
    ['a decimal beyond 38 digits', [field('x', 'decimal(39,0)')], 'unsupportedFeature', 'decimal(39,0)'],
    ['two columns that differ in case', [field('id', 'long'), field('ID', 'long')], 'logDamaged', '"ID"'],
    [
      'two such fields in a struct',
      [field('s', { type: 'struct', fields: [field('a', 'long'), field('A', 'long')] })],
      'logDamaged',
      '"A"',
    ],
    ['a field without a type', [{ name: 'x' }], 'logDamaged', 'type'],
  ])('not have %s', async (_what, fields, code, about) => {
    await expect(read({ id: 'long' }, [], fields)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(about),
    });
  });

  it('not name a partition column that it does not have', async () => {
    await expect(read({ id: 'long' }, [], [field('id', 'long')], { partitionColumns: ['p'] })).rejects.toMatchObject({
      code: 'logDamaged',
    });
  });
});

describe('columns of a file are found', () => {
  it('in any order and case, with others beside them, and missing ones are null', async () => {
    const file = { _change_type: 'string', B: 'string', _row_id: 'long', extra: 'double', a: 'long' };
    const fields = [
      field('A', 'long'),
      field('b', 'string'),
      field('missing', 'date'),
      field('nested', { type: 'struct', fields: [field('x', 'long')] }),
    ];
    const configuration = {
      'delta.rowTracking.materializedRowIdColumnName': '_row_id',
      'delta.enableRowTracking': 'true',
    };
    expect(
      await read(file, [{ _change_type: 'insert', B: 'x', _row_id: 3, extra: 1, a: 2 }], fields, { configuration }),
    ).toEqual([{ A: 2, b: 'x', missing: null, nested: null }]);
  });

  it('by exact name first where the file has names that differ in case', async () => {
    expect(await read({ A: 'long', a: 'long' }, [{ A: 1, a: 2 }], [field('a', 'long')])).toEqual([{ a: 2 }]);
    await expect(read({ AB: 'long', Ab: 'long' }, [{ AB: 1, Ab: 2 }], [field('ab', 'long')])).rejects.toMatchObject({
      class: 'refused',
    });
  });

  it.each(['a.b', 'a`b', 'a b', 'ü,;{}()=\t', '__proto__', 'constructor', ''])('with the name %j', async (name) => {
    const rows = await read(
      [{ name, type: { kind: 'primitive', name: 'long' } }],
      [Object.fromEntries([[name, 5]])],
      [field(name, 'long')],
    );
    expect(rows.map((row) => Object.entries(row))).toEqual([[[name, 5]]]);
  });

  it('by the wider type of the schema, nested ones included', async () => {
    const integer = { kind: 'primitive', name: 'integer' } as const;
    const file: Columns = [
      { name: 'list', type: { kind: 'array', element: { kind: 'primitive', name: 'date' }, containsNull: true } },
      {
        name: 'map',
        type: {
          kind: 'map',
          key: integer,
          value: { kind: 'decimal', precision: 6, scale: 2 },
          valueContainsNull: true,
        },
      },
      {
        name: 'struct',
        type: {
          kind: 'struct',
          fields: [{ name: 'f', type: { kind: 'primitive', name: 'float' }, nullable: true, metadata: {} }],
        },
      },
      { name: 'b', type: { kind: 'primitive', name: 'byte' } },
    ];
    const fields = [
      field('list', { type: 'array', elementType: 'timestamp_ntz', containsNull: true }),
      field('map', { type: 'map', keyType: 'long', valueType: 'decimal(10,4)', valueContainsNull: true }),
      field('struct', { type: 'struct', fields: [field('f', 'double')] }),
      field('b', 'decimal(12,2)'),
    ];
    const row = { list: ['2024-02-29', null], map: [[7, '-1.25']], struct: { f: 0.5 }, b: -3 } as const;
    expect(await read(file, [row], fields)).toEqual([
      { list: ['2024-02-29T00:00:00.000000', null], map: [[7, '-1.2500']], struct: { f: 0.5 }, b: '-3.00' },
    ]);
  });

  it('and refused by type where a value could be lost', async () => {
    for (const [stored, wanted] of [
      ['long', 'integer'],
      ['double', 'float'],
      ['string', 'long'],
      ['timestamp', 'date'],
      ['decimal(10,4)', 'decimal(10,2)'],
      ['long', 'double'],
      ['boolean', 'string'],
      ['decimal(5,2)', 'double'],
    ] as const) {
      const name = `${stored}/${wanted}`;
      await expect(read({ x: stored }, [{ x: null }], [field('x', wanted)]), name).rejects.toMatchObject({
        class: 'refused',
      });
    }
  });
});

describe('column mapping', () => {
  const byName = { configuration: { 'delta.columnMapping.mode': 'name' } };

  it('finds columns by physical name only, never by logical name', async () => {
    const fields = [
      physical('a', 'long', 1, 'b'),
      physical('b', 'long', 2, 'a'),
      physical('new', 'long', 3, 'col-3'),
      physical('col-3', 'string', 4, 'x.y'),
    ];
    const file = { a: 'long', b: 'long', new: 'long', 'x.y': 'string' };
    expect(await read(file, [{ a: 1, b: 2, new: 3, 'x.y': 'z' }], fields, byName)).toEqual([
      { a: 2, b: 1, new: null, 'col-3': 'z' },
    ]);
  });

  it('takes partition values by physical name, also of renamed columns, with partition columns by logical name', async () => {
    const fields = [
      physical('id', 'long', 1, 'col-1'),
      physical('renamed', 'string', 2, 'col-2'),
      physical('other', 'integer', 3, 'renamed'),
    ];
    const rest = { ...byName, partitionColumns: ['renamed', 'OTHER'] };
    const own = { partitionValues: { 'col-2': 'x', renamed: '7' } };
    expect(await read({ 'col-1': 'long' }, [{ 'col-1': 1 }], fields, rest, own)).toEqual([
      { id: 1, renamed: 'x', other: 7 },
    ]);
  });

  it('means nothing in reader version 1, and is read in whatever case the mode is written', async () => {
    const fields = [physical('a', 'long', 1, 'b'), physical('b', 'long', 2, 'a')];
    const rest = { ...schemaOf(fields), configuration: { 'delta.columnMapping.mode': 'NAME' } };
    await table.data('1.parquet', { a: 'long', b: 'long' }, [{ a: 1, b: 2 }]);
    await table.commits(
      [protocol(1), metaData({}, rest), add('1.parquet')],
      [protocol(2)],
      [metaData({}, { ...rest, configuration: { 'delta.columnMapping.mode': 'none' } })],
    );
    const at = (version: number) => tableRows(table.store, { kind: 'version', version });
    expect([await at(0), await at(1), await at(2)]).toEqual([[{ a: 1, b: 2 }], [{ a: 2, b: 1 }], [{ a: 1, b: 2 }]]);
  });

  it.each<readonly [string, readonly unknown[], string]>([
    ['of an unknown mode', [physical('a', 'long', 1, 'a')], 'ID+NAME'],
    ['without a physical name', [field('a', 'long')], 'name'],
    [
      'without a physical name in a struct',
      [physical('a', { type: 'struct', fields: [field('b', 'long')] }, 1, 'a')],
      'name',
    ],
    ['without an id, by id', [field('a', 'long', { 'delta.columnMapping.physicalName': 'a' })], 'id'],
    ['with an id that no file can have', [physical('a', 'long', 2 ** 31, 'a')], 'id'],
    ['with an id that is text', [physical('a', 'long', '1', 'a')], 'name'],
    ['with an id that is null', [physical('a', 'long', null, 'a')], 'name'],
    ['of two columns to one place', [physical('a', 'long', 1, 'x'), physical('b', 'long', 2, 'x')], 'name'],
  ])('is refused: %s', async (_what, fields, mode) => {
    await expect(
      read({ a: 'long' }, [{ a: 1 }], fields, { configuration: { 'delta.columnMapping.mode': mode } }),
    ).rejects.toMatchObject({ class: 'refused' });
  });
});

describe('partition values', () => {
  const partitioned = async (type: string, partitionValues: unknown, name = 'p'): Promise<unknown> => {
    const fields = [field('id', 'long'), field('P', type)];
    const [row] = await read(
      { id: 'long', P: 'string' },
      [{ id: 1, P: 'in the file' }],
      fields,
      { partitionColumns: [name] },
      { partitionValues },
    );
    return row?.['P'];
  };

  it('win over a column of the file, and their keys and the partition columns may differ in case', async () => {
    expect(await partitioned('string', { P: 'x' }, 'P')).toBe('x');
    expect(await partitioned('string', { p: 'x' })).toBe('x');
    expect(await partitioned('string', { p: 'wrong', P: 'x' })).toBe('x');
  });

  it('that are null or empty are null, and so are absent ones that the file lacks, too', async () => {
    for (const values of [{ P: null }, { P: '' }]) expect(await partitioned('integer', values)).toBeNull();
    const fields = [field('id', 'long'), field('P', 'integer')];
    for (const partitionValues of [{}, { other: '1' }, undefined, null]) {
      const rows = await read({ id: 'long' }, [{ id: 1 }], fields, { partitionColumns: ['P'] }, { partitionValues });
      expect(rows).toEqual([{ id: 1, P: null }]);
    }
  });

  it('of a file from before a change of partitioning are where they were then', async () => {
    const schema = { id: 'long', p: 'integer', q: 'integer' };
    await table.data('old.parquet', { id: 'long', q: 'integer' }, [{ id: 1, q: 3 }]);
    await table.data('new.parquet', { id: 'long', p: 'integer' }, [{ id: 2, p: 4 }]);
    const by = (column: string) => metaData(schema, { ...FEED_ON, partitionColumns: [column] });
    await table.commits(
      [protocol(), by('p'), add('old.parquet', { partitionValues: { p: '2' } })],
      [
        by('q'),
        remove('old.parquet', { partitionValues: { p: '2' } }),
        add('new.parquet', { partitionValues: { q: '5' } }),
      ],
    );
    const snapshot = await loadSnapshot(table.store, { kind: 'latest' });
    expect(await commitRows(table.store, 1, snapshot)).toEqual([
      { row: { id: 2, p: 4, q: 5 }, type: 'insert' },
      { row: { id: 1, p: 2, q: 3 }, type: 'delete' },
    ]);
  });

  it.each([
    ['byte', 'long', '-7', -7],
    ['float', 'double', '3.4', 3.4],
    ['short', 'double', '12', 12],
    ['integer', 'decimal(12,2)', '-5', '-5.00'],
    ['decimal', 'decimal(12,4)', '1.25', '1.2500'],
    ['date', 'timestamp_ntz', '2024-02-29', '2024-02-29T00:00:00.000000'],
  ])('of a column that was %s are widened to %s', async (_from, to, text, value) => {
    expect(await partitioned(to, { P: text })).toBe(value);
  });

  it('that are no values of their type are refused without being shown', async () => {
    await expect(partitioned('long', { P: 'secret' })).rejects.toMatchObject({
      code: 'logDamaged',
      message: expect.not.stringContaining('secret'),
    });
  });
});
