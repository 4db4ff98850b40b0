import type { SchemaElement } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import type { SourceOf } from '../../src/parquet/row-request.ts';
import type { DataType, Row, StructField } from '../../src/parquet/value-type.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { handMadeFile, int32s, runs, type HandMadeColumn } from './hand-made-file.ts';
import { readBytes } from './memory-source.ts';
import { field, primitive } from './random-rows.ts';

const integer = primitive('integer');
const text = primitive('string');
const struct = (...fields: readonly StructField[]): DataType => ({ kind: 'struct', fields });
const array = (element: DataType): DataType => ({ kind: 'array', element, containsNull: true });
const map = (key: DataType, value: DataType): DataType => ({ kind: 'map', key, value, valueContainsNull: true });

const int = (name: string, more: Partial<SchemaElement> = {}): SchemaElement => ({
  name,
  type: 'INT32',
  repetition_type: 'REQUIRED',
  ...more,
});
const group = (name: string, children: number, more: Partial<SchemaElement> = {}): SchemaElement => ({
  name,
  num_children: children,
  repetition_type: 'OPTIONAL',
  ...more,
});

/** A column of plain integers with the levels given as runs. */
function column(
  path: readonly string[],
  numbers: readonly number[],
  levels: { repetition?: readonly [number, number][]; definition?: readonly [number, number][] } = {},
): HandMadeColumn {
  const { repetition, definition } = levels;
  const entries = definition?.reduce((sum, [count]) => sum + count, 0) ?? numbers.length;
  const body = Buffer.concat([
    repetition === undefined ? Buffer.alloc(0) : runs(repetition),
    definition === undefined ? Buffer.alloc(0) : runs(definition),
    int32s(...numbers),
  ]);
  return { path, pages: [{ kind: 'v1', values: entries, encoding: 'PLAIN', body }] };
}

describe('columns are found', () => {
  const fields = [field('id', integer), field('Name', text), field('s', struct(field('x', integer), field('y', text)))];
  const rows: Row[] = [
    { id: 1, Name: 'a', s: { x: 1, y: 'p' } },
    { id: 2, Name: null, s: null },
    { id: null, Name: 'c', s: { x: null, y: null } },
  ];

  it('by name, else by the name in another case; what is missing is null at every depth', async () => {
    const bytes = parquetBytes(fields, rows);
    const columns = [
      field('NAME', text),
      field('later', text),
      field('s', struct(field('z', integer), field('y', text))),
      field('gone', struct(field('x', integer))),
      field('list', array(integer)),
    ];
    expect(await readBytes(bytes, { columns })).toEqual([
      { NAME: 'a', later: null, s: { z: null, y: 'p' }, gone: null, list: null },
      { NAME: null, later: null, s: null, gone: null, list: null },
      { NAME: 'c', later: null, s: { z: null, y: null }, gone: null, list: null },
    ]);
  });

  it('so that a struct none of whose wanted fields is in the file is still null only where it is null', async () => {
    const bytes = parquetBytes(
      [field('l', array(struct(field('x', array(integer)))))],
      [{ l: [{ x: [1, 2] }, null, { x: null }, { x: [] }] }, { l: null }, { l: [] }],
    );
    const columns = [field('l', array(struct(field('later', text))))];
    expect(await readBytes(bytes, { columns })).toEqual([
      { l: [{ later: null }, null, { later: null }, { later: null }] },
      { l: null },
      { l: [] },
    ]);
    expect(await readBytes(bytes, { columns: [field('l', array(primitive('void')))] })).toEqual([
      { l: [null, null, null, null] },
      { l: null },
      { l: [] },
    ]);
  });

  it('by other names and by field ids at every depth', async () => {
    const ids = new Map([
      ['id', 7],
      ['Name', 3],
      ['s', 11],
      ['x', 12],
      ['y', 13],
    ]);
    const naming = { name: (one: StructField) => `col-${one.name}`, id: (one: StructField) => ids.get(one.name) };
    const bytes = parquetBytes(fields, rows, { naming });
    const byName: SourceOf = (one) => ({ kind: 'name', name: `col-${one.name}` });
    const byId: SourceOf = (one) => ({ kind: 'id', id: ids.get(one.name) ?? 99 });
    expect(await readBytes(bytes, { columns: fields, sourceOf: byName })).toEqual(rows);
    expect(await readBytes(bytes, { columns: fields, sourceOf: byId })).toEqual(rows);
    const later = [field('later', text), field('id', integer)];
    expect((await readBytes(bytes, { columns: later, sourceOf: byId }))[1]).toEqual({ later: null, id: 2 });
  });

  it('by position, so that a dot in a name is an ordinary character', async () => {
    const dotted = [field('x.y', integer), field('x', struct(field('y', integer)))];
    const rows = [{ 'x.y': 2, x: { y: 3 } }];
    expect(await readBytes(parquetBytes(dotted, rows), { columns: dotted })).toEqual(rows);
  });

  it('under names that objects have already', async () => {
    const fields = ['__proto__', 'constructor', 'toString'].map((name) => field(name, integer));
    const bytes = parquetBytes(fields, [Object.fromEntries(fields.map(({ name }, i) => [name, i]))]);
    const [row] = await readBytes(bytes, { columns: [field('s', struct(...fields)), ...fields] });
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(Object.entries(row!)).toEqual([
      ['s', null],
      ['__proto__', 0],
      ['constructor', 1],
      ['toString', 2],
    ]);
  });

  it('once only: two fields of one name are refused, unless neither is wanted', async () => {
    const schema = [group('root', 3), int('a'), int('a'), int('b')];
    const columns = [column(['a'], [1]), column(['a'], [2]), column(['b'], [3])];
    const bytes = handMadeFile(schema, 1, columns);
    await expect(readBytes(bytes, { columns: [field('a', integer)] })).rejects.toMatchObject({
      code: 'unsupportedFeature',
      message: expect.stringContaining('two fields of the name a') as string,
    });
    expect(await readBytes(bytes, { columns: [field('b', integer)] })).toEqual([{ b: 3 }]);
    const similar = handMadeFile([group('root', 2), int('a'), int('A')], 1, [column(['a'], [1]), column(['A'], [2])]);
    expect(await readBytes(similar, { columns: [field('A', integer)] })).toEqual([{ A: 2 }]);
  });
});

describe('lists', () => {
  const list = (name: string): SchemaElement => group(name, 1, { converted_type: 'LIST' });
  /** [1, 2], null, [], [3] */
  const levels = {
    repetition: [
      [1, 0],
      [1, 1],
      [3, 0],
    ] as [number, number][],
    definition: [
      [2, 2],
      [1, 0],
      [1, 1],
      [1, 2],
    ] as [number, number][],
  };
  const expected = [{ l: [1, 2] }, { l: null }, { l: [] }, { l: [3] }];

  it.each(['array', 'bag', 'l_tuple', 'element'])('of two levels, the repeated field named %s', async (name) => {
    const schema = [group('root', 1), list('l'), int(name, { repetition_type: 'REPEATED' })];
    const bytes = handMadeFile(schema, 4, [column(['l', name], [1, 2, 3], levels)]);
    expect(await readBytes(bytes, { columns: [field('l', array(integer))] })).toEqual(expected);
  });

  it.each([
    ['list', 'element'],
    ['bag', 'array_element'],
    ['array', 'item'],
  ])('of three levels, named %s and %s', async (middle, last) => {
    const repeated = group(middle, 1, { repetition_type: 'REPEATED' });
    const schema = [group('root', 1), list('l'), repeated, int(last)];
    const bytes = handMadeFile(schema, 4, [column(['l', middle, last], [1, 2, 3], levels)]);
    expect(await readBytes(bytes, { columns: [field('l', array(integer))] })).toEqual(expected);
  });

  it.each(['array', 'l_tuple'])('of structs in two levels, the repeated group named %s', async (name) => {
    const repeated = group(name, 1, { repetition_type: 'REPEATED' });
    const schema = [group('root', 1), list('l'), repeated, int('x')];
    const bytes = handMadeFile(schema, 4, [column(['l', name, 'x'], [1, 2, 3], levels)]);
    expect(await readBytes(bytes, { columns: [field('l', array(struct(field('x', integer))))] })).toEqual([
      { l: [{ x: 1 }, { x: 2 }] },
      { l: null },
      { l: [] },
      { l: [{ x: 3 }] },
    ]);
  });

  it('annotated by the logical type only', async () => {
    const schema = [
      group('root', 1),
      group('l', 1, { logical_type: { type: 'LIST' } }),
      group('list', 1, { repetition_type: 'REPEATED' }),
      int('element'),
    ];
    const bytes = handMadeFile(schema, 4, [column(['l', 'list', 'element'], [1, 2, 3], levels)]);
    expect(await readBytes(bytes, { columns: [field('l', array(integer))] })).toEqual(expected);
  });

  it('of a bare repeated field, which are empty and never null', async () => {
    const schema = [group('root', 1), int('l', { repetition_type: 'REPEATED' })];
    const bare = {
      repetition: levels.repetition.slice(0, 2).concat([[2, 0]]),
      definition: [
        [2, 1],
        [1, 0],
        [1, 1],
      ] as [number, number][],
    };
    const bytes = handMadeFile(schema, 3, [column(['l'], [1, 2, 3], bare)]);
    expect(await readBytes(bytes, { columns: [field('l', array(integer))] })).toEqual([
      { l: [1, 2] },
      { l: [] },
      { l: [3] },
    ]);
  });

  it('whose rows go on over V1 pages', async () => {
    const schema = [group('root', 1), list('l'), int('array', { repetition_type: 'REPEATED' })];
    const page = (repetition: [number, number][], ...numbers: number[]): HandMadeColumn['pages'][number] => ({
      kind: 'v1',
      values: numbers.length,
      encoding: 'PLAIN',
      body: Buffer.concat([runs(repetition), runs([[numbers.length, 2]]), int32s(...numbers)]),
    });
    const pages = [
      page(
        [
          [1, 0],
          [1, 1],
        ],
        1,
        2,
      ),
      page([[2, 1]], 3, 4),
      page(
        [
          [1, 1],
          [1, 0],
        ],
        5,
        6,
      ),
    ];
    const bytes = handMadeFile(schema, 2, [{ path: ['l', 'array'], pages }]);
    const request = { columns: [field('l', array(integer))] };
    expect(await readBytes(bytes, request)).toEqual([{ l: [1, 2, 3, 4, 5] }, { l: [6] }]);
    expect(await readBytes(bytes, { ...request, rowRange: { start: 1, end: 2 } })).toEqual([{ l: [6] }]);
  });
});

describe('maps', () => {
  it('are pairs in file order: keys that look like numbers, dates, decimals, duplicates', async () => {
    const fields = [
      field('m', map(text, integer)),
      field('d', map(primitive('date'), array(integer))),
      field('e', map({ kind: 'decimal', precision: 5, scale: 2 }, struct(field('x', integer)))),
    ];
    const rows: Row[] = [
      {
        m: [
          ['10', 1],
          ['9', 2],
          ['__proto__', null],
          ['10', 3],
        ],
        d: [['2024-02-29', [1, null]]],
        e: [['1.10', { x: null }]],
      },
      { m: [], d: null, e: [['-0.01', null]] },
    ];
    expect(await readBytes(parquetBytes(fields, rows), { columns: fields })).toEqual(rows);
  });

  it('annotated MAP_KEY_VALUE with other names inside', async () => {
    const schema = [
      group('root', 1),
      group('m', 1, { converted_type: 'MAP_KEY_VALUE' }),
      group('map', 2, { repetition_type: 'REPEATED' }),
      int('k'),
      int('v', { repetition_type: 'OPTIONAL' }),
    ];
    const repetition: [number, number][] = [
      [1, 0],
      [1, 1],
    ];
    const bytes = handMadeFile(schema, 1, [
      column(['m', 'map', 'k'], [1, 2], { repetition, definition: [[2, 2]] }),
      column(['m', 'map', 'v'], [5], {
        repetition,
        definition: [
          [1, 3],
          [1, 2],
        ],
      }),
    ]);
    expect(await readBytes(bytes, { columns: [field('m', map(integer, integer))] })).toEqual([
      {
        m: [
          [1, 5],
          [2, null],
        ],
      },
    ]);
  });
});

describe('a group is refused', () => {
  const bytes = parquetBytes(
    [field('s', struct(field('x', integer))), field('l', array(integer)), field('i', integer)],
    [{ s: { x: 1 }, l: [1], i: 1 }],
  );
  it.each([
    ['s', array(integer)],
    ['s', map(integer, integer)],
    ['s', integer],
    ['s', primitive('variant')],
    ['l', struct(field('x', integer))],
    ['l', map(integer, integer)],
    ['i', struct(field('x', integer))],
    ['i', array(integer)],
  ] as const)('%s as %j', async (name, type) => {
    await expect(readBytes(bytes, { columns: [field(name, type)] })).rejects.toMatchObject({
      code: 'unsupportedFeature',
      message: expect.stringContaining(`Column ${name} of Parquet file`) as string,
    });
  });
});
