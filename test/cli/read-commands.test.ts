import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { parseJson } from '../../src/shared/json.ts';
import {
  add,
  cdc,
  FEED_ON,
  type HandmadeTable,
  metaData,
  protocol,
  remove,
  type CommitContent,
} from '../support/handmade-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
beforeEach(async () => {
  table = await temporaryTable();
});

async function run(command: string, ...argv: readonly string[]) {
  const texts = { stdout: '', stderr: '' };
  const writer = (name: 'stdout' | 'stderr') => ({
    async write(text: string) {
      texts[name] += text;
    },
  });
  const code = await runCommandLine([command, table.folder, ...argv], {
    stdout: writer('stdout'),
    stderr: writer('stderr'),
    signal: new AbortController().signal,
  });
  return { code, out: texts.stdout, err: texts.stderr };
}

/** Lines as programs take them from a pipe. */
async function lines(text: string): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for await (const line of createInterface({ input: Readable.from([text]), crlfDelay: Infinity }))
    found.push(parseJson(line));
  return found;
}

const columns = {
  id: 'long',
  d: 'double',
  n: 'decimal(20,4)',
  b: 'binary',
  ts: 'timestamp',
  f: 'float',
  Name: 'string',
  p: 'string',
};
const awkward = 'a\u2028b\u2029c\u0085d\n"\\\u0000é😈';

async function wide(): Promise<void> {
  await table.data('a.parquet', columns, [
    {
      id: 9007199254740993n,
      d: Number.NaN,
      n: '-1.5000',
      b: Uint8Array.of(1, 255),
      ts: '2024-02-29T23:59:59.123456Z',
      f: Math.fround(3.4),
      Name: awkward,
    },
    { id: -5, d: -Infinity, b: new Uint8Array(), f: -0, Name: '' },
  ]);
  await table.data('c.parquet', { ...columns, _change_type: 'string' }, [
    { id: 1, Name: awkward, _change_type: 'insert' },
  ]);
  const txns = { txn: { appId: '__proto__', version: 3 } };
  const domain = { domainMetadata: { domain: awkward, configuration: awkward, removed: false } };
  await table.log(
    0,
    [
      protocol(),
      metaData(columns, { ...FEED_ON, partitionColumns: ['p'], name: awkward }),
      add('a.parquet', { partitionValues: { p: awkward } }),
      txns,
      domain,
    ],
    1_700_000_000_123,
  );
  await table.log(1, [cdc('c.parquet', { partitionValues: { p: null } })], 1_700_000_001_000);
}

describe('rows', () => {
  const first = {
    id: '9007199254740993',
    d: 'NaN',
    n: '-1.5000',
    b: 'Af8=',
    ts: '2024-02-29T23:59:59.123456Z',
    f: 3.4000000953674316,
    Name: awkward,
    p: awkward,
  };
  const second = { id: -5, d: '-Infinity', n: null, b: '', ts: null, f: -0, Name: '', p: awkward };

  it('gives every value exactly, one object a line for whatever takes the lines', async () => {
    await wide();
    const { code, out, err } = await run('rows');
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n')).toHaveLength(3);
    expect(await lines(out)).toEqual([first, second]);
  });

  it('gives the columns that are asked for, in any case and in that order, and as many rows', async () => {
    await wide();
    expect((await run('rows', '--columns', 'name, ID', '--limit', '2')).out.split('\n')[1]).toBe('{"Name":"","id":-5}');
    expect(await lines((await run('rows', '--limit', '1')).out)).toEqual([first]);
    expect(await run('rows', '--limit', '0')).toEqual({ code: 0, out: '', err: '' });
  });

  it.each<readonly [string, readonly string[], number, string]>([
    ['a column that does not exist', ['--columns', 'nope'], 3, 'columnUnknown'],
    ['a column twice', ['--columns', 'id,ID'], 2, 'usage'],
    ['a version that does not exist', ['--version', '2'], 3, 'versionNotFound'],
    ['a version that is no number', ['--version', 'two'], 2, 'usage'],
    ['a time before the table', ['--timestamp', '2020-01-01'], 3, 'versionNotFound'],
    ['a time that is none', ['--timestamp', 'yesterday'], 2, 'usage'],
    ['a version and a time', ['--version', '0', '--timestamp', '2030-01-01'], 2, 'usage'],
  ])('refuses %s', async (_what, argv, code, name) => {
    await wide();
    const result = await run('rows', ...argv);
    expect([result.code, result.out]).toEqual([code, '']);
    expect(result.err).toMatch(new RegExp(`^error ${name}: [^\n]+\n$`));
  });
});

describe('changes', () => {
  it('gives the change type, version and time of each row after its columns', async () => {
    await wide();
    const { code, out } = await run('changes', '--from', '0');
    expect(code).toBe(0);
    const changes = (await lines(out)) as readonly Record<string, unknown>[];
    expect(
      changes.map((change) => [
        change['_change_type'],
        change['_commit_version'],
        change['_commit_timestamp'],
        change['Name'],
      ]),
    ).toEqual([
      ['insert', 0, '2023-11-14T22:13:20.123000Z', awkward],
      ['insert', 0, '2023-11-14T22:13:20.123000Z', ''],
      ['insert', 1, '2023-11-14T22:13:21.000000Z', awkward],
    ]);
    expect(Object.keys(changes[0]!)).toEqual([
      ...Object.keys(columns),
      '_change_type',
      '_commit_version',
      '_commit_timestamp',
    ]);
    expect(await lines((await run('changes', '--from', '1', '--to', '1')).out)).toHaveLength(1);
  });

  it.each<readonly [readonly string[], number, string]>([
    [[], 2, 'usage'],
    [['--from', '1', '--to', '0'], 2, 'usage'],
    [['--from', '2'], 3, 'versionNotFound'],
    [['--from', '0', '--to', '2'], 3, 'versionNotFound'],
    [['--from', '-1'], 2, 'usage'],
  ])('refuses %j', async (argv, code, name) => {
    await wide();
    const result = await run('changes', ...argv);
    expect([result.code, result.out, result.err.split(':')[0]]).toEqual([code, '', `error ${name}`]);
  });
});

describe('inspect', () => {
  it('gives JSON in which nothing is lost, and text for people', async () => {
    await wide();
    const { code, out } = await run('inspect', '--json', '--files', '--version', '0');
    expect(code).toBe(0);
    const [seen] = (await lines(out)) as readonly Record<string, unknown>[];
    expect(seen).toMatchObject({
      version: 0,
      commitTimestamp: 1_700_000_000_123,
      name: awkward,
      minReaderVersion: 1,
      readerFeatures: [],
      schema: Object.entries(columns),
      partitionColumns: ['p'],
      changeDataFeed: { from: 0, to: 0 },
      numFiles: 1,
      sizeInBytes: 1,
      domainMetadata: { [awkward]: awkward },
      files: ['a.parquet'],
    });
    expect(Object.entries(seen?.['txns'] as object)).toEqual([['__proto__', 3]]);
    const text = (await run('inspect')).out;
    expect(text).toContain('\nchange data feed   versions 0 to 1\n');
    expect(text).toContain('table              a\\u2028b\\u2029c\\u0085d\\u000a"\\\\u0000é😈 handmade\n');
  });

  it('does not fail on old commits that the version does not need', async () => {
    const strange = metaData(
      {},
      { ...FEED_ON, schemaString: '{"type":"struct","fields":[{"name":"x","type":"interval"}]}' },
    );
    for (const old of ['{', [strange]] as const) {
      await table.commits([protocol(), metaData({ id: 'long' }, FEED_ON)], old, [metaData({ id: 'long' }, FEED_ON)]);
      await table.log('00000000000000000001.checkpoint.00000000-0000-0000-0000-000000000000.json', [
        protocol(),
        metaData({ id: 'long' }, FEED_ON),
      ]);
      const { code, out, err } = await run('inspect', '--json');
      expect([code, err]).toEqual([0, '']);
      expect(JSON.parse(out)).toMatchObject({ version: 2, changeDataFeed: { from: 2, to: 2 } });
    }
  });
});

describe('every command that reads', () => {
  const simple = { id: 'long' };
  const start = [protocol(), metaData(simple, FEED_ON)];

  it.each<readonly [string, readonly CommitContent[], string, RegExp]>([
    [
      'an unknown reader feature',
      [[protocol(3, ['notYetInvented']), metaData(simple, FEED_ON)]],
      'unsupportedFeature',
      /notYetInvented/,
    ],
    ['a reader version beyond', [[protocol(4), metaData(simple, FEED_ON)]], 'unsupportedFeature', /minReaderVersion 4/],
    [
      'a catalog-managed table',
      [[protocol(3, ['catalogManaged']), metaData(simple, FEED_ON)]],
      'catalogManaged',
      /catalog/,
    ],
    ['an unknown data type', [[protocol(), metaData({ id: 'geometry' }, FEED_ON)]], 'unsupportedFeature', /geometry/],
    [
      'an unknown mode of column mapping',
      [
        [
          protocol(2),
          metaData(simple, { configuration: { ...FEED_ON.configuration, 'delta.columnMapping.mode': 'both' } }),
        ],
      ],
      'unsupportedFeature',
      /column mapping mode "both"/,
    ],
    ['a table without metadata', [[protocol()]], 'logDamaged', /no metaData action/],
    ['a table without a protocol', [[metaData(simple, FEED_ON)]], 'logDamaged', /no protocol action/],
    ['a commit that is cut', [start, '{"add":{"path":'], 'logDamaged', /Commit 1 is not valid JSON/],
    ['an empty commit', [start, ''], 'logDamaged', /Commit 1 is empty/],
  ])('exits 3 and names %s', async (_what, commits, code, about) => {
    await table.commits(...commits);
    for (const argv of [['inspect'], ['rows'], ['changes', '--from', '0']] as const) {
      const [command, ...rest] = argv;
      const result = await run(command, ...rest);
      expect([result.code, result.out], command).toEqual([3, '']);
      expect(result.err).toMatch(new RegExp(`^error ${code}: [^\n]+\n$`));
      expect(result.err).toMatch(about);
    }
  });

  it.each<readonly [string, CommitContent, string, RegExp]>([
    ['a missing file', [add('gone.parquet')], 'dataFileMissing|changeFeedUnavailable', /gone\.parquet/],
    ['a file that is no Parquet', [add('bad.parquet')], 'dataFileDamaged', /bad\.parquet/],
    ['a file outside of the table', [add('../x.parquet')], 'unsafePath', /outside the table/],
    ['a file of another store', [add('s3://bucket/x.parquet')], 'unsafePath', /s3:\/\/bucket/],
    [
      'a deletion vector that is gone',
      [
        add('bad.parquet', {
          deletionVector: {
            storageType: 'u',
            pathOrInlineDv: 'ab^-aqEH.-t@S}K{vb[*k^',
            offset: 1,
            sizeInBytes: 4,
            cardinality: 1,
          },
        }),
      ],
      'deletionVectorDamaged',
      /d2c639aa/,
    ],
  ])(
    'exits 3 and names %s where its rows are wanted, and describes the table all the same',
    async (_what, commit, code, about) => {
      await table.write('bad.parquet', 'PAR1 no PAR1');
      await table.commits(start, commit);
      expect((await run('inspect', '--files')).code).toBe(0);
      for (const argv of [['rows'], ['changes', '--from', '1']] as const) {
        const [command, ...rest] = argv;
        const result = await run(command, ...rest);
        expect([result.code, result.out], command).toEqual([3, '']);
        expect(result.err).toMatch(new RegExp(`^error (${code}): [^\n]+\n$`));
        expect(result.err).toMatch(about);
      }
    },
  );

  it('says of a folder without a log that it is no table, and of a removed file that the feed has lost it', async () => {
    for (const command of ['inspect', 'rows'])
      expect(await run(command)).toMatchObject({ code: 3, err: expect.stringContaining('notADeltaTable') });
    await table.commits([...start, add('gone.parquet')], [remove('gone.parquet')]);
    expect(await run('rows')).toEqual({ code: 0, out: '', err: '' });
    expect(await run('changes', '--from', '1')).toMatchObject({
      code: 3,
      err: expect.stringContaining('no longer available'),
    });
  });
});
