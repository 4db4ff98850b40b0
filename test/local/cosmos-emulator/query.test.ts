import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonMap } from '../../../src/local/cosmos-emulator/json.ts';
import { documentProjection } from '../../../src/local/cosmos-emulator/document-projection.ts';
import { likePattern } from '../../../src/local/cosmos-emulator/query/like.ts';
import { compileQuery } from '../../../src/local/cosmos-emulator/query/query-compiler.ts';
import { parseQuery } from '../../../src/local/cosmos-emulator/query/query-parser.ts';
import { compareValues, equalValues, type Value } from '../../../src/local/cosmos-emulator/query/values.ts';
import { Refusal } from '../../../src/local/cosmos-emulator/refusal.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** Runs a query over documents as a container would. */
function run(text: string, documents: readonly JsonMap[] = [], parameters: Readonly<Record<string, Value>> = {}): Json {
  const compiled = compileQuery(parseQuery(text), new Map(Object.entries(parameters)), NOW);
  const each = compiled.each;
  const seen = documents.map((document) =>
    compiled.properties === undefined ? document : documentProjection(compiled.properties)(JSON.stringify(document)),
  );
  return each === undefined ? ([...compiled.all(seen)] as Json) : (seen.flatMap((document) => each(document)) as Json);
}

/** Value of an expression; undefined gives an empty list. */
const value = (expression: string): Json => run(`SELECT VALUE ${expression}`);

const shops: JsonMap[] = [
  { id: 'a', kind: 'fruit', price: 3, tags: ['red', 'sweet'], stock: { north: 1, south: 4 } },
  { id: 'b', kind: 'fruit', price: 1, tags: [], sold: null },
  { id: 'c', kind: 'tool', price: 12.5, tags: ['steel'], stock: { north: 0 } },
  { id: 'd', kind: 'tool', tags: ['steel', 'red'], sold: true },
];

describe('filters', () => {
  it.each([
    ['c.price > 2', ['a', 'c']],
    ['c.price >= 1 AND c.price < 4', ['a', 'b']],
    ['NOT (c.price > 2)', ['b']],
    ['c.kind = "tool" OR c.price = 1', ['b', 'c', 'd']],
    ['c.price != 1', ['a', 'c']],
    ['c.sold = null', ['b']],
    ['c.sold != null', ['d']],
    ['IS_DEFINED(c.price)', ['a', 'b', 'c']],
    ['NOT IS_DEFINED(c.price)', ['d']],
    ['c.id IN ("a", "d", "x")', ['a', 'd']],
    ['c.id NOT IN ("a", "d")', ['b', 'c']],
    ['c.price BETWEEN 1 AND 3', ['a', 'b']],
    ['c.price NOT BETWEEN 1 AND 3', ['c']],
    ['c.kind LIKE "f%"', ['a', 'b']],
    ['c.kind NOT LIKE "_ool"', ['a', 'b']],
    ['ARRAY_CONTAINS(c.tags, "red")', ['a', 'd']],
    ['ARRAY_LENGTH(c.tags) = 0', ['b']],
    ['c.stock.north = 0', ['c']],
    ['c["stock"]["south"] = 4', ['a']],
    ['c.tags[0] = "steel"', ['c', 'd']],
    ['EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = "sweet")', ['a']],
    ['c.sold', ['d']],
  ])('%s', (filter, ids) => {
    expect(run(`SELECT VALUE c.id FROM c WHERE ${filter}`, shops)).toEqual(ids);
  });
});

describe('values that are not there', () => {
  it('make comparisons and arithmetic undefined, and leave properties out', () => {
    expect(run('SELECT c.id, c.price FROM c WHERE c.kind = "tool"', shops)).toEqual([
      { id: 'c', price: 12.5 },
      { id: 'd' },
    ]);
    expect(run('SELECT VALUE c.price FROM c WHERE c.id = "d"', shops)).toEqual([]);
    expect(value('undefined = undefined')).toEqual([]);
    expect(value('1 + "a"')).toEqual([]);
    expect(value('undefined ?? 5')).toEqual([5]);
    expect(value('[1, undefined, 2]')).toEqual([[1, 2]]);
    expect(value('{"a": undefined, "b": 1}')).toEqual([{ b: 1 }]);
  });

  it('follow three-valued logic', () => {
    expect(value('undefined AND false')).toEqual([false]);
    expect(value('undefined AND true')).toEqual([]);
    expect(value('undefined OR true')).toEqual([true]);
    expect(value('undefined OR false')).toEqual([]);
    expect(value('NOT undefined')).toEqual([]);
  });

  it('have no order across types', () => {
    expect(value('1 < "1"')).toEqual([]);
    expect(value('1 = "1"')).toEqual([false]);
    expect(value('null = null')).toEqual([true]);
    expect(value('false < true')).toEqual([true]);
  });
});

describe('operators and functions', () => {
  it.each<[string, Json]>([
    ['1 + 2 * 3 - 4 / 2', 5],
    ['7 % 4', 3],
    ['-(2 + 1)', -3],
    ['6 & 3', 2],
    ['6 | 3', 7],
    ['6 ^ 3', 5],
    ['~0', -1],
    ['1 << 4', 16],
    ['-8 >> 1', -4],
    ['"a" || "b"', 'ab'],
    ['true ? 1 : 2', 1],
    ['1 = 2 ? "x" : "y"', 'y'],
    ['{"a": [1, {"b": 2}]} = {"a": [1, {"b": 2}]}', true],
    ["'it''s' = 'x'".replace("''", String.raw`\'`), false],
    ['CONCAT("a", "b", "c")', 'abc'],
    ['CONTAINS("abcDEF", "cde", true)', true],
    ['STARTSWITH("abc", "ab")', true],
    ['ENDSWITH("abc", "BC")', false],
    ['INDEX_OF("abcabc", "c", 3)', 5],
    ['SUBSTRING("abcdef", 2, 3)', 'cde'],
    ['LEFT("abc", 2)', 'ab'],
    ['RIGHT("abc", 2)', 'bc'],
    ['REPLACE("aXbX", "X", "-")', 'a-b-'],
    ['REVERSE("abc")', 'cba'],
    ['LTRIM("  a ")', 'a '],
    ['TRIM("  a ")', 'a'],
    ['UPPER("aé")', 'AÉ'],
    ['LENGTH("abc")', 3],
    ['TOSTRING(1.5)', '1.5'],
    ['TOSTRING([1,"a"])', '[1,"a"]'],
    ['STRINGTONUMBER("1e3")', 1000],
    ['STRINGTOARRAY("[1,2]")', [1, 2]],
    ['STRINGEQUALS("A", "a", true)', true],
    ['REGEXMATCH("ABC", "^a", "i")', true],
    ['ABS(-2)', 2],
    ['ROUND(2.5)', 3],
    ['ROUND(-2.5)', -3],
    ['FLOOR(-1.1)', -2],
    ['POWER(2, 10)', 1024],
    ['TRUNC(-1.9)', -1],
    ['INTDIV(7, 2)', 3],
    ['INTBITLEFTSHIFT(1, 40)', 1_099_511_627_776],
    ['ARRAY_SLICE([1,2,3,4], 1, 2)', [2, 3]],
    ['ARRAY_SLICE([1,2,3,4], -2)', [3, 4]],
    ['ARRAY_CONCAT([1], [2, 3])', [1, 2, 3]],
    ['ARRAY_CONTAINS([{"a": 1, "b": 2}], {"a": 1}, true)', true],
    ['ARRAY_CONTAINS([{"a": 1, "b": 2}], {"a": 1})', false],
    ['SETUNION([1, 2], [2, 3])', [1, 2, 3]],
    ['SETINTERSECT([1, 2], [2, 3])', [2]],
    ['IS_INTEGER(1.5)', false],
    ['IIF(true, "y", "n")', 'y'],
    ['GETCURRENTDATETIME()', '2026-01-02T03:04:05.6780000Z'],
    ['DATETIMEADD("mm", 1, "2024-01-31T00:00:00.0000000Z")', '2024-02-29T00:00:00.0000000Z'],
    ['DATETIMEDIFF("day", "2026-01-01T23:00:00.0000000Z", "2026-01-02T01:00:00.0000000Z")', 1],
    ['DATETIMEPART("hh", "2026-01-01T23:00:00.0000000Z")', 23],
    ['DATETIMETOTIMESTAMP("1970-01-01T00:00:01.0000000Z")', 1000],
    ['TIMESTAMPTODATETIME(1000)', '1970-01-01T00:00:01.0000000Z'],
    ['DATETIMEBIN("2026-01-01T23:59:00.0000000Z", "hh", 6)', '2026-01-01T18:00:00.0000000Z'],
  ])('%s', (expression, expected) => {
    expect(value(expression)).toEqual([expected]);
  });

  it('match LIKE patterns with sets and an escape', () => {
    expect(value('"b1" LIKE "[a-c]_"')).toEqual([true]);
    expect(value('"d1" LIKE "[^a-c]%"')).toEqual([true]);
    expect(value('"10%" LIKE "%!%" ESCAPE "!"')).toEqual([true]);
    expect(value('"a.c" LIKE "a.c"')).toEqual([true]);
    expect(value('"abc" LIKE "a.c"')).toEqual([false]);
    expect(value('"line\\nbreak" LIKE "line%break"')).toEqual([true]);
    expect(value('"" LIKE "%"')).toEqual([true]);
    expect(value('"" LIKE "_"')).toEqual([false]);
    expect(value('"aab" LIKE "%ab"')).toEqual([true]);
    expect(value('"abab" LIKE "%ab%ab%"')).toEqual([true]);
    expect(value('"abb" LIKE "%ab%ab%"')).toEqual([false]);
    expect(value('"x-y" LIKE "x[a-]y"')).toEqual([true]);
    expect(value('"a]" LIKE "[^b]]"')).toEqual([true]);
    expect(value('"[" LIKE "["')).toEqual([true]);
  });

  it('match LIKE patterns as a regular expression would, and in time', () => {
    const part = fc.constantFrom('a', 'b', '%', '_');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.stringMatching(/^[abc]{0,10}$/), (parts, subject) => {
        const source = parts.map((one) => (one === '%' ? '.*' : one === '_' ? '.' : one)).join('');
        expect(likePattern(parts.join(''), undefined)(subject)).toBe(new RegExp(`^${source}$`).test(subject));
      }),
      { seed: 13, numRuns: 2000 },
    );
    expect(likePattern('%a'.repeat(40), undefined)(`${'a'.repeat(20_000)}b`)).toBe(false);
  });
});

describe('selection', () => {
  it('names properties after their path, numbers the others', () => {
    expect(run('SELECT c.stock.north, c["kind"], 1, c.price * 2 AS twice FROM c WHERE c.id = "a"', shops)).toEqual([
      { north: 1, kind: 'fruit', $1: 1, twice: 6 },
    ]);
  });

  it('joins arrays of the same document', () => {
    expect(run('SELECT c.id, t FROM c JOIN t IN c.tags WHERE c.kind = "tool"', shops)).toEqual([
      { id: 'c', t: 'steel' },
      { id: 'd', t: 'steel' },
      { id: 'd', t: 'red' },
    ]);
    expect(run('SELECT VALUE t FROM t IN c.tags', shops)).toEqual(['red', 'sweet', 'steel', 'steel', 'red']);
    expect(run('SELECT VALUE s.north FROM c.stock AS s', shops)).toEqual([1, 0]);
    expect(run('SELECT VALUE n FROM c JOIN (SELECT VALUE COUNT(1) FROM t IN c.tags) AS n', shops)).toEqual([
      2, 0, 1, 2,
    ]);
  });

  it('evaluates subqueries as scalars and arrays', () => {
    expect(
      run('SELECT c.id, ARRAY(SELECT VALUE UPPER(t) FROM t IN c.tags) AS up FROM c WHERE c.id = "a"', shops),
    ).toEqual([{ id: 'a', up: ['RED', 'SWEET'] }]);
    expect(run('SELECT VALUE (SELECT VALUE SUM(x) FROM x IN c.list) FROM c', [{ list: [1, 2, 3] }])).toEqual([6]);
  });

  it('counts, sums, averages and finds extremes', () => {
    expect(
      run('SELECT COUNT(1) AS n, SUM(c.price) AS s, AVG(c.price) AS a, MIN(c.price), MAX(c.id) FROM c', shops),
    ).toEqual([{ n: 4, s: 16.5, a: 5.5, $1: 1, $2: 'd' }]);
    expect(run('SELECT VALUE COUNT(c.price) FROM c', shops)).toEqual([3]);
    expect(run('SELECT VALUE SUM(c.kind) FROM c', shops)).toEqual([]);
    expect(run('SELECT VALUE COUNT(1) FROM c WHERE false', shops)).toEqual([0]);
    expect(run('SELECT VALUE AVG(c.price) FROM c WHERE false', shops)).toEqual([]);
  });

  it('groups, and refuses what has no single value in a group', () => {
    expect(run('SELECT c.kind, COUNT(1) AS n, MAX(c.price) AS top FROM c GROUP BY c.kind', shops)).toEqual([
      { kind: 'fruit', n: 2, top: 3 },
      { kind: 'tool', n: 2, top: 12.5 },
    ]);
    expect(run('SELECT VALUE UPPER(c.kind) FROM c GROUP BY UPPER(c.kind)', shops)).toEqual(['FRUIT', 'TOOL']);
    expect(() => run('SELECT c.id, COUNT(1) FROM c GROUP BY c.kind', shops)).toThrow(/GROUP BY/);
    expect(() => run('SELECT c.id, COUNT(1) FROM c', shops)).toThrow(/aggregate/);
  });

  it('removes duplicates by value, not by text', () => {
    const documents = [{ v: 1 }, { v: 1 }, { v: '1' }, { v: { a: 1, b: 2 } }, { v: { b: 2, a: 1 } }];
    expect(run('SELECT DISTINCT VALUE c.v FROM c', documents)).toEqual([1, '1', { a: 1, b: 2 }]);
  });

  it('takes parameters for values and counts', () => {
    expect(run('SELECT TOP @n VALUE c.id FROM c WHERE c.kind = @k', shops, { '@n': 1, '@k': 'tool' })).toEqual(['c']);
    expect(run('SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(@ids, c.id)', shops, { '@ids': ['b', 'd'] })).toEqual([
      'b',
      'd',
    ]);
    expect(() => run('SELECT * FROM c WHERE c.id = @missing', shops)).toThrow(/@missing/);
  });
});

describe('order', () => {
  it('sorts by type, then value; several keys; with TOP, OFFSET and LIMIT', () => {
    const mixed = [{ v: 'b' }, { v: 2 }, { v: null }, {}, { v: true }, { v: 'a' }, { v: false }, { v: [1] }].map(
      (document, index) => ({ ...document, id: String(index) }),
    );
    expect(run('SELECT VALUE c.id FROM c ORDER BY c.v', mixed)).toEqual(['3', '2', '6', '4', '1', '5', '0', '7']);
    expect(run('SELECT VALUE c.id FROM c ORDER BY c.kind DESC, c.id DESC', shops)).toEqual(['d', 'c', 'b', 'a']);
    expect(run('SELECT VALUE c.id FROM c ORDER BY c.id OFFSET 1 LIMIT 2', shops)).toEqual(['b', 'c']);
    expect(run('SELECT TOP 2 VALUE c.id FROM c ORDER BY c.id DESC', shops)).toEqual(['d', 'c']);
    expect(run('SELECT TOP 0 VALUE c.id FROM c', shops)).toEqual([]);
  });

  it('of strings is that of their code points', () => {
    expect(compareValues('\u{1F600}', '\uFFFD')).toBeGreaterThan(0);
    expect(compareValues('a', 'b')).toBeLessThan(0);
  });

  it('is total and agrees with equality, whatever the values', () => {
    const values = fc.oneof(fc.jsonValue(), fc.constant(undefined)) as fc.Arbitrary<Value>;
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        expect(Math.sign(compareValues(a, b))).toBe(-Math.sign(compareValues(b, a)) + 0);
        if (equalValues(a, b)) expect(compareValues(a, b)).toBe(0);
        if (compareValues(a, b) <= 0 && compareValues(b, c) <= 0) expect(compareValues(a, c)).toBeLessThanOrEqual(0);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe('faulty queries', () => {
  it.each([
    'SELEC * FROM c',
    'SELECT * FRM c',
    'SELECT * FROM c WHERE',
    'SELECT * FROM c WHERE c.a =',
    'SELECT * FROM c WHERE x.a = 1',
    'SELECT NOPE(c.a) FROM c',
    'SELECT ABS() FROM c',
    'SELECT udf.f(c) FROM c',
    'SELECT * FROM c JOIN t IN c.tags',
    'SELECT VALUE COUNT(SUM(c.a)) FROM c',
    'SELECT * FROM c WHERE COUNT(1) > 1',
    'SELECT TOP -1 * FROM c',
    'SELECT "unclosed FROM c',
    'SELECT a FROM c',
    'SELECT c.a AS x, c.b AS x FROM c',
    'SELECT * FROM c # nonsense',
    `SELECT ${'('.repeat(10_000)}1${')'.repeat(10_000)}`,
    `SELECT VALUE ${'NOT '.repeat(10_000)} true`,
    'SELECT TOP 1 * FROM c OFFSET 1 LIMIT 1',
  ])('%s', (text) => {
    expect(() => run(text, shops)).toThrow(Refusal);
  });

  it('never bring down the parser', () => {
    const words = [
      'SELECT',
      '*',
      'FROM',
      'c',
      'WHERE',
      '.',
      'a',
      '=',
      '1',
      '"x"',
      '(',
      ')',
      'IN',
      'JOIN',
      '[',
      ']',
      '@p',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 25 }), (tokens) => {
        try {
          run(`SELECT ${tokens.join(' ')}`, shops, { '@p': 1 });
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Refusal);
        }
      }),
      { seed: 11, numRuns: 2000 },
    );
  });
});

describe('reading only the properties a query names', () => {
  it('reads whole documents where a query uses them whole', () => {
    const document = { id: 'a', b: { c: 1 } };
    expect(run('SELECT * FROM c', [document])).toEqual([document]);
    expect(run('SELECT VALUE c FROM c', [document])).toEqual([document]);
    expect(run('SELECT VALUE {"all": x} FROM c AS x', [document])).toEqual([{ all: document }]);
    expect(run('SELECT VALUE c[@name] FROM c', [document], { '@name': 'id' })).toEqual(['a']);
    expect(run('SELECT VALUE b.c FROM c.b', [document])).toEqual([1]);
    expect(run('SELECT c.id FROM c JOIN (SELECT VALUE c.b.c) AS n WHERE n = 1', [document])).toEqual([{ id: 'a' }]);
  });
});
