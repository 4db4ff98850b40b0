import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { DeltaWriter } from '../support/delta-writer.ts';

let folder: string;
let table: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'documents-'));
  table = join(folder, 'table');
  const writer = await DeltaWriter.create(table, {
    columns: [
      { name: 'id', type: { kind: 'primitive', name: 'string' } },
      { name: 'price', type: { kind: 'decimal', precision: 10, scale: 2 } },
      { name: 'stock', type: { kind: 'primitive', name: 'long' } },
    ],
  });
  await writer.insert([
    { id: 'p001', price: '12.95', stock: 3 },
    { id: 'p002', price: null, stock: 2n ** 60n },
    { id: 'a/b', price: null, stock: 1 },
    { id: 'gone', price: '1.00', stock: -1 },
  ]);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function configuration(settings: object = {}, more: object = {}): object {
  const rest = { source: 'table', target: { database: 'db', container: 'c' }, id: '${id}', budget: 'b' };
  return { budgets: { b: { target: 'db/c', share: 0.3 } }, tables: { products: { ...rest, ...settings }, ...more } };
}

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runCommandLine(argv, {
    stdout: { write: (text) => Promise.resolve(void (out += text)) },
    stderr: { write: (text) => Promise.resolve(void (err += text)) },
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

describe('documents', () => {
  test('one a line for every reader of lines: Unicode line ends are escaped', async () => {
    const config = await file('lines.json', configuration({ constants: { note: 'a\u2028b\u0085c' } }));
    const { out } = await run('documents', table, '--config', config, '--limit', '1');
    expect(out).toContain('"note":"a\\u2028b\\u0085c"');
    expect(JSON.parse(out)).toMatchObject({ note: 'a\u2028b\u0085c' });
  });

  test('documents on stdout, rejections with reasons on stderr, filtered rows nowhere', async () => {
    const config = await file('a.json', configuration({ where: 'stock >= 0' }));
    const { code, out, err } = await run('documents', table, '--config', config);
    expect(out).toBe('{"id":"p001","price":12.95,"stock":3}\n');
    expect(err).toContain('1 row rejected, column stock: longTooLarge');
    expect(err).toContain('1 row rejected, column id: idIllegalCharacter');
    expect(err).not.toContain('a/b');
    expect(code).toBe(1);
  });

  test('a mapping that takes every row exits with 0; --limit counts documents', async () => {
    const config = await file('b.json', configuration({ types: { long: 'auto' }, idEscaping: 'escape' }));
    const { code, out } = await run('documents', table, '--config', config, '--limit', '3');
    expect(code).toBe(0);
    expect(out.trimEnd().split('\n')).toEqual([
      '{"id":"p001","price":12.95,"stock":3}',
      '{"id":"p002","price":null,"stock":"1152921504606846976"}',
      '{"id":"a%2Fb","price":null,"stock":1}',
    ]);
  });

  test('the partition key paths of the container count', async () => {
    const config = await file('c.json', configuration({ partitionKey: '${stock}' }));
    const { out } = await run('documents', table, '--config', config, '--partition-key', '/pk', '--limit', '1');
    expect(out).toBe('{"id":"p001","price":12.95,"stock":3,"pk":3}\n');
    expect((await run('documents', table, '--config', config, '--partition-key', '/a,/b')).code).toBe(3);
  });

  test('fixtures: each difference is printed, and the sum', async () => {
    const config = await file('d.json', configuration());
    const fixtures = await file('fixtures.json', [
      { name: 'mug', row: { id: 'x', price: '1.50' }, document: { id: 'x', price: 1.5, stock: null } },
      { name: 'large', row: { id: 'x', stock: '9007199254740993' }, document: { id: 'x' } },
    ]);
    const { code, out, err } = await run('documents', table, '--config', config, '--fixtures', fixtures);
    expect([code, out, err]).toEqual([
      1,
      'large: The row is rejected (longTooLarge), not written.\n',
      '1 passed, 1 failed\n',
    ]);
  });

  test.each<[string, () => Promise<string[]>, number, string]>([
    ['no configuration', async () => [table], 2, '--config'],
    [
      'a configuration that is not there',
      async () => [table, '--config', join(folder, 'no.json')],
      2,
      'configNotFound',
    ],
    [
      'several tables',
      async () => [table, '--config', await file('e.json', configuration({ mode: 'upsert' }, { b: otherTable() }))],
      2,
      '--table',
    ],
    [
      'an unknown table',
      async () => [table, '--config', await file('f.json', configuration()), '--table', 'product'],
      2,
      'Did you mean products?',
    ],
    [
      'an unknown column',
      async () => [table, '--config', await file('g.json', configuration({ where: 'prize > 1' }))],
      3,
      '"price"',
    ],
    ['no Delta table', async () => [folder, '--config', await file('h.json', configuration())], 3, 'notADeltaTable'],
    [
      'fixtures that are not there',
      async () => [table, '--config', await file('i.json', configuration()), '--fixtures', 'no.json'],
      2,
      'configNotFound',
    ],
    [
      'fixtures that are no JSON',
      async () => [table, '--config', await file('j.json', configuration()), '--fixtures', await file('k.json', '[')],
      2,
      'configMalformed',
    ],
  ])('%s', async (_name, argv, code, part) => {
    const result = await run('documents', ...(await argv()));
    expect(result.err).toContain(part);
    expect(result.code).toBe(code);
    expect(result.out).toBe('');
  });
});

describe('config', () => {
  test('validate says that a file is right, or what is wrong', async () => {
    const right = await run('config', 'validate', await file('right.json', configuration()));
    expect([right.code, right.out]).toEqual([0, '']);
    expect(right.err).toContain('1 table under 1 budget');
    const wrong = await run('config', 'validate', await file('wrong.json', configuration({ modee: 'x' })));
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('tables.products.modee (line 1, column ');
    expect((await run('config', 'validate', await file('cut.json', '{'))).err).toContain('line 1, column 2');
  });

  test('schema prints the JSON Schema', async () => {
    const { code, out } = await run('config', 'schema');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toHaveProperty('properties.tables');
  });

  test.each([[[]], [['validate']], [['valdate', 'x']], [['schema', 'x']], [['validate', 'a', 'b']]])(
    'usage: %j',
    async (argv) => {
      expect((await run('config', ...argv)).code).toBe(2);
    },
  );

  test('a file that is not text, and a folder', async () => {
    const path = join(folder, 'binary.json');
    await writeFile(path, new Uint8Array([0xff, 0xfe, 0x00]));
    expect((await run('config', 'validate', path)).err).toContain('configMalformed');
    expect((await run('config', 'validate', folder)).err).toContain('configNotFound');
  });
});

function otherTable(): object {
  return {
    source: 'b',
    target: { database: 'db', container: 'c' },
    id: '${id}',
    budget: 'b',
    mode: 'upsert',
    discriminator: { field: 't', value: 1 },
  };
}
