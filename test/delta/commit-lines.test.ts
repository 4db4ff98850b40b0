import { beforeEach, describe, expect, it } from 'vitest';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import {
  add,
  actionLines,
  type HandmadeTable,
  metaData,
  protocol,
  remove,
  type CommitContent,
} from '../support/handmade-table.ts';
import { tableRows } from '../support/read-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
beforeEach(async () => {
  table = await temporaryTable();
  for (const id of [1, 2, 3]) await table.data(`${id}.parquet`, { id: 'long' }, [{ id }]);
});

const columns = { id: 'long' };
const start = [protocol(), metaData(columns)];
const whole = actionLines([...start, add('1.parquet')]);

async function ids(): Promise<readonly number[]> {
  return (await tableRows(table.store)).map((row) => Number(row['id'])).toSorted((a, b) => a - b);
}

describe('a commit is read when', () => {
  it.each([
    ['its last line has no end', whole.trimEnd()],
    [
      'its lines end in CRLF, some are blank, and it ends in blanks',
      whole.replaceAll('\n', '\r\n\r\n  \t\n') + '\n\n ',
    ],
    ['it begins with a byte order mark', `\ufeff${whole}`],
    [
      'it has unknown actions, and actions that are null',
      `{"checkpointHint":{"path":"x"}}\n{"add":null}\n{"add":null,"txn":null,"notYetInvented":[1]}\n{}\n${whole}`,
    ],
    [
      'its actions have fields that are unknown or null',
      whole.replace(
        '"add":{',
        '"add":{"newField":{"path":"9.parquet"},"tags":null,"deletionVector":null,"stats":null,"baseRowId":null,',
      ),
    ],
    [
      'its numbers are beyond 2^53 or in other forms',
      whole
        .replace('"size":1', '"size":9223372036854775807,"baseRowId":-9223372036854775808')
        .replace('"modificationTime":1,', '"modificationTime":1.7E12,'),
    ],
    [
      'a key is there twice, and the last counts',
      whole.replace('"path":"1.parquet"', '"path":"9.parquet","path":"1.parquet"'),
    ],
    ['its statistics are no JSON', whole.replace('"size":1', '"size":1,"stats":"{\\"numRecords\\":"')],
    [
      'several actions share a line',
      `${JSON.stringify(Object.assign({}, ...start))}\n${JSON.stringify(add('1.parquet'))}`,
    ],
    ['an add is there twice', whole + actionLines([add('1.parquet')])],
    [
      'an add has neither size, times nor dataChange',
      actionLines([...start, { add: { path: '1.parquet', partitionValues: {} } }]),
    ],
  ])('%s', async (_what, text) => {
    await table.commits(text);
    expect(await ids()).toEqual([1]);
  });
});

describe('a commit is refused as damaged when', () => {
  it.each([
    ['two actions share a line without being one object', whole.replace('}\n{', '}{')],
    ['it is pretty-printed', JSON.stringify({ ...start[0], ...start[1] }, null, 2)],
    ['a line is an array', `${whole}[]\n`],
    ['a line is a number', `${whole}7\n`],
    ['it holds blank lines only', '\n \r\n'],
    ['it is an HTML page', '<html></html>'],
    ['its text goes on after an action', `${whole.trimEnd()} x`],
    ['an add has no path', actionLines([...start, { add: { partitionValues: {}, size: 1 } }])],
    ['an add has an empty path', actionLines([...start, add('')])],
    ['the protocol has no versions', actionLines([{ protocol: {} }, metaData(columns)])],
    [
      'a deletion vector is incomplete',
      actionLines([...start, add('1.parquet', { deletionVector: { storageType: 'u', pathOrInlineDv: 'ab' } })]),
    ],
  ])('%s', async (_what, text) => {
    await table.commits(text);
    await expect(ids()).rejects.toMatchObject({ code: 'logDamaged' });
  });
});

describe('commits are reconciled', () => {
  const reconciled = async (...commits: readonly CommitContent[]): Promise<readonly number[]> => {
    await table.commits(...commits);
    return ids();
  };

  it('whatever the order of actions in a commit', async () => {
    expect(await reconciled([remove('1.parquet'), add('2.parquet'), ...start.toReversed()])).toEqual([2]);
  });

  it('with a re-added file live, a removed one gone, and a remove of an unknown file ignored', async () => {
    const later = [
      [remove('1.parquet')],
      [remove('9.parquet')],
      [add('1.parquet', { dataChange: false })],
      [remove('2.parquet')],
    ];
    expect(await reconciled([...start, add('1.parquet'), add('2.parquet')], ...later)).toEqual([1]);
  });

  it('with dataChange=false meaning nothing to the state of the table', async () => {
    expect(
      await reconciled(
        [...start, add('1.parquet', { dataChange: false })],
        [remove('1.parquet', { dataChange: false }), add('2.parquet', { dataChange: false })],
      ),
    ).toEqual([2]);
  });

  it('by decoded path: other escapes of it are the same file', async () => {
    await table.data('a b.parquet', columns, [{ id: 4 }]);
    expect(
      await reconciled(
        [...start, add('a%20b.parquet'), add('%31.parquet')],
        [remove('./1.parquet'), add('a b.parquet')],
      ),
    ).toEqual([4]);
  });

  it('with the newest metaData replacing the whole of the older one', async () => {
    await table.commits(
      [...start, add('1.parquet')],
      [metaData({ id: 'long', x: 'string' }, { configuration: { a: '1', b: '2' }, name: 'old' })],
      [metaData({ id: 'long', x: 'string' }, { configuration: { b: '3' } })],
      [{ commitInfo: { operation: 'nothing' } }],
    );
    const { metadata, version } = await loadSnapshot(table.store, { kind: 'latest' });
    expect({ ...metadata.configuration, name: metadata.name, version }).toEqual({
      b: '3',
      name: undefined,
      version: 3,
    });
    expect(await tableRows(table.store)).toEqual([{ id: 1, x: null }]);
    expect(await tableRows(table.store, { kind: 'version', version: 0 })).toEqual([{ id: 1 }]);
  });

  it('with the latest transaction and domain of each name, removed domains left out', async () => {
    const domain = (name: string, configuration: string, removed = false) => ({
      domainMetadata: { domain: name, configuration, removed },
    });
    const txn = (appId: string, version: unknown) => ({ txn: { appId, version } });
    const text = actionLines([txn('b', 'VERSION')]).replace('"VERSION"', '9007199254740993');
    await table.commits(
      [...start, txn('a', 7), txn('__proto__', 1), domain('x', '1'), domain('y', '1')],
      [txn('a', 3), domain('x', '2'), domain('y', '', true)],
      text,
    );
    const { txns, domainMetadata } = await loadSnapshot(table.store, { kind: 'latest' });
    expect(txns).toEqual(
      new Map<string, number | bigint>([
        ['b', 9007199254740993n],
        ['a', 3],
        ['__proto__', 1],
      ]),
    );
    expect([...domainMetadata]).toEqual([['x', '2']]);
  });
});
