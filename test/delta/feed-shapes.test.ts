import { beforeEach, describe, expect, it } from 'vitest';
import { readChangeFeed } from '../../src/delta/change-feed.ts';
import { encodeZ85 } from '../../src/delta/z85.ts';
import { deletionVectorBytes } from '../support/deletion-vectors.ts';
import type { Action } from '../support/delta-log-writer.ts';
import { add, cdc, FEED_ON, type HandmadeTable, metaData, protocol, remove } from '../support/handmade-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
const columns = { id: 'long' };
const start = [protocol(3, ['deletionVectors']), metaData(columns, FEED_ON)];

/** Files a, b and c hold the rows 1 to 3, 4 to 6 and 7 to 9. */
beforeEach(async () => {
  table = await temporaryTable();
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    await table.data(
      name,
      columns,
      [1, 2, 3].map((id) => ({ id: id + i * 3 })),
    );
  }
});

/** Changed rows as `version type id …`, sorted. */
async function changes(from: number, to?: number): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { version, rows, changeTypes } of readChangeFeed(
    table.store,
    to === undefined ? { from } : { from, to },
  )) {
    for (const [i, row] of rows.entries())
      found.push([version, changeTypes[i], ...Object.values(row).map(String)].join(' '));
  }
  return found.toSorted((a, b) => (a < b ? -1 : 1));
}

const vector = (...rows: readonly number[]) => {
  const bytes = deletionVectorBytes(rows);
  return {
    deletionVector: {
      storageType: 'i',
      pathOrInlineDv: encodeZ85(bytes),
      sizeInBytes: bytes.length,
      cardinality: rows.length,
    },
  };
};
const still = { dataChange: false };

describe('changes of a commit without change files', () => {
  it.each<readonly [string, readonly Action[], readonly Action[], readonly string[]]>([
    ['added files are inserts', [], [add('a')], ['insert 1', 'insert 2', 'insert 3']],
    ['removed files are deletes', [add('a')], [remove('a')], ['delete 1', 'delete 2', 'delete 3']],
    [
      'an overwrite is both',
      [add('a')],
      [remove('a'), add('b', vector(0))],
      ['delete 1', 'delete 2', 'delete 3', 'insert 5', 'insert 6'],
    ],
    ['rearranged rows are none', [add('a')], [remove('a', still), add('b', still), add('c', still)], []],
    [
      'rearranged rows beside changed ones are none',
      [add('a'), add('b')],
      [remove('a', still), remove('b'), add('c', still)],
      ['delete 4', 'delete 5', 'delete 6'],
    ],
    ['a new deletion vector deletes', [add('a')], [add('a', vector(1)), remove('a')], ['delete 2']],
    [
      'a larger deletion vector deletes more',
      [add('a', vector(1))],
      [remove('a', vector(1)), add('a', vector(0, 1))],
      ['delete 1'],
    ],
    [
      'a smaller deletion vector inserts again',
      [add('a', vector(0, 1))],
      [remove('a', vector(0, 1)), add('a', vector(1))],
      ['insert 1'],
    ],
    [
      'another deletion vector does both',
      [add('a', vector(0))],
      [remove('a', vector(0)), add('a', vector(2))],
      ['delete 3', 'insert 1'],
    ],
    [
      'a dropped deletion vector inserts again',
      [add('a', vector(0, 2))],
      [remove('a', vector(0, 2)), add('a')],
      ['insert 1', 'insert 3'],
    ],
    [
      'a file that goes with its deletion vector deletes what was left',
      [add('a', vector(0))],
      [remove('a', vector(0))],
      ['delete 2', 'delete 3'],
    ],
    ['a file that is added again as it was changes nothing', [add('a')], [remove('a'), add('a', { stats: '{}' })], []],
    [
      'an update by deletion vector is a delete and an insert',
      [add('a')],
      [remove('a'), add('a', vector(0)), add('b', vector(1, 2))],
      ['delete 1', 'insert 4'],
    ],
    [
      'a purge of deletion vectors is none',
      [add('a', vector(0))],
      [remove('a', { ...vector(0), ...still }), add('b', still)],
      [],
    ],
    [
      'a commit of other actions is none',
      [],
      [
        { commitInfo: { operation: 'SET' } },
        { txn: { appId: 'x', version: 1 } },
        { domainMetadata: { domain: 'd', configuration: '', removed: false } },
      ],
      [],
    ],
  ])('%s', async (_what, before, commit, expected) => {
    await table.commits([...start, ...before], commit);
    expect(await changes(1)).toEqual(expected.map((change) => `1 ${change}`));
  });

  it('are refused when it names a file twice', async () => {
    await table.commits([...start, add('a')], [add('b', vector(0)), add('b', vector(1))]);
    await expect(changes(1)).rejects.toMatchObject({ code: 'changeFeedUnavailable' });
  });

  it('take partition values of removed files from the snapshot before, whatever their key is called', async () => {
    const rest = { ...FEED_ON, partitionColumns: ['P'] };
    const schema = { id: 'long', P: 'integer' };
    await table.commits(
      [
        protocol(),
        metaData(schema, rest),
        add('a', { partitionValues: { P: '7' } }),
        add('b', { partitionValues: { p: '8' } }),
      ],
      [remove('a'), remove('b')],
    );
    expect(await changes(1)).toEqual([
      '1 delete 1 7',
      '1 delete 2 7',
      '1 delete 3 7',
      '1 delete 4 8',
      '1 delete 5 8',
      '1 delete 6 8',
    ]);
    await table.log(2, [remove('c')]);
    await expect(changes(2)).rejects.toMatchObject({ code: 'logDamaged' });
  });
});

describe('change files', () => {
  const changed = { id: 'long', _change_type: 'string' };

  it('are all that counts in their commit, and may be the added file itself', async () => {
    await table.data('_change_data/x', changed, [
      { id: 1, _change_type: 'update_preimage' },
      { id: 10, _change_type: 'update_postimage' },
    ]);
    await table.data('d', changed, [{ id: 20, _change_type: 'insert' }]);
    await table.commits([...start, add('a')], [remove('a'), add('b'), add('d'), cdc('_change_data/x'), cdc('d')]);
    expect(await changes(1)).toEqual(['1 insert 20', '1 update_postimage 10', '1 update_preimage 1']);
  });

  it('have partition values of the log, missing columns null, other columns ignored and types of their own', async () => {
    await table.data(
      '_change_data/p=1/x%',
      { _change_type: 'string', ID: 'integer', _commit_version: 'long', p: 'string' },
      [{ _change_type: 'odd', ID: 5, _commit_version: 99, p: 'no' }],
    );
    const schema = { id: 'long', missing: 'string', p: 'integer' };
    await table.commits(
      [protocol(), metaData(schema, { ...FEED_ON, partitionColumns: ['p'] })],
      [cdc('_change_data/p=1/x%25', { partitionValues: { p: '1' } })],
    );
    expect(await changes(0)).toEqual(['1 odd 5 null 1']);
  });

  it.each<readonly [string, Readonly<Record<string, string>>, string]>([
    ['a row has no type', changed, 'dataFileDamaged'],
    ['there is no column of types', columns, 'dataFileDamaged'],
    ['a type is a number', { id: 'long', _change_type: 'long' }, 'unsupportedFeature'],
  ])('are refused when %s', async (_what, own, code) => {
    await table.data('_change_data/x', own, [{ id: 1, _change_type: null }]);
    await table.commits(start, [cdc('_change_data/x')]);
    await expect(changes(1)).rejects.toMatchObject({ code });
  });

  it('that VACUUM took are named, and so are removed data files', async () => {
    await table.commits([...start, add('gone')], [cdc('_change_data/gone')], [remove('gone')], [add('a')]);
    for (const version of [0, 1, 2]) {
      await expect(changes(version), String(version)).rejects.toMatchObject({
        code: 'changeFeedUnavailable',
        message: expect.stringContaining('no longer available'),
      });
    }
    expect(await changes(3)).toHaveLength(3);
  });
});
