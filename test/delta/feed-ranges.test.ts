import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readChangeFeed } from '../../src/delta/change-feed.ts';
import {
  add,
  FEED_ON,
  type HandmadeTable,
  metaData,
  protocol,
  remove,
  type CommitContent,
} from '../support/handmade-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
const columns = { id: 'long' };
const start = [protocol(3, ['deletionVectors']), metaData(columns, FEED_ON)];

/** Files of three rows each. */
beforeEach(async () => {
  table = await temporaryTable();
  for (const name of ['a', 'b', 'c']) await table.data(name, columns, [{ id: 1 }, { id: 2 }, { id: 3 }]);
});

async function changes(from: number, to?: number): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { version, changeTypes } of readChangeFeed(
    table.store,
    to === undefined ? { from } : { from, to },
  )) {
    for (const type of changeTypes) found.push(`${version} ${type}`);
  }
  return found;
}

describe('a range of the feed', () => {
  const off = metaData(columns, { configuration: { 'delta.enableChangeDataFeed': 'false' } });
  const on = metaData(columns, { configuration: { 'delta.enableChangeDataFeed': 'TRUE', more: 'x' } });
  const schema = (own: Readonly<Record<string, string>>, rest = {}) => metaData(own, { ...FEED_ON, ...rest });
  const nested = (type: unknown) =>
    schema(
      {},
      {
        schemaString: JSON.stringify({
          type: 'struct',
          fields: [
            { name: 'id', type: 'long' },
            { name: 's', type },
          ],
        }),
      },
    );
  const struct = (...names: readonly string[]) => ({
    type: 'struct',
    fields: names.map((name) => ({ name, type: 'string' })),
  });

  it.each<readonly [string, readonly CommitContent[], number, number | undefined]>([
    ['has only commits with the feed on', [start, [on, add('a')], [add('b')]], 0, 6],
    ['may begin where the feed was switched on', [[protocol(), off, add('a')], [on], [add('b')]], 1, 3],
    ['may add columns', [[...start, add('a')], [schema({ id: 'long', more: 'string' })], [add('b')]], 0, 6],
    [
      'may reorder columns',
      [
        [protocol(), schema({ more: 'string', id: 'long' }), add('a')],
        [schema({ id: 'long', more: 'string' }), add('b')],
      ],
      0,
      6,
    ],
    [
      'may widen columns',
      [
        [protocol(), schema({ id: 'integer' })],
        [schema({ id: 'long' }), add('b')],
      ],
      0,
      3,
    ],
    [
      'may add fields to structs and lists',
      [
        [protocol(), nested({ type: 'array', elementType: struct('x'), containsNull: true }), add('a')],
        [nested({ type: 'array', elementType: struct('x', 'y'), containsNull: true })],
      ],
      0,
      3,
    ],
    [
      'may switch column mapping on',
      [
        [protocol(2), schema({ id: 'long' }), add('a')],
        [
          schema(
            {},
            {
              configuration: { ...FEED_ON.configuration, 'delta.columnMapping.mode': 'name' },
              schemaString:
                '{"type":"struct","fields":[{"name":"id","type":"long","metadata":{"delta.columnMapping.id":1,"delta.columnMapping.physicalName":"id"}}]}',
            },
          ),
        ],
      ],
      0,
      3,
    ],
    ['may upgrade the protocol', [start, [protocol(3, ['deletionVectors', 'timestampNtz']), add('a')]], 0, 3],
    [
      'may begin before a checkpoint and after changes of the schema',
      [[protocol(), schema({ other: 'date' })], [schema({ id: 'long' })], [add('a')]],
      1,
      3,
    ],

    ['may not begin where the feed was off', [[protocol(), off, add('a')], [on], [add('b')]], 0, undefined],
    ['may not hold a commit that switches the feed off', [start, [off], [on]], 0, undefined],
    [
      'may not drop a column',
      [[protocol(), schema({ id: 'long', more: 'string' })], [schema({ id: 'long' })]],
      0,
      undefined,
    ],
    ['may not change a type', [[protocol(), schema({ id: 'string' })], [schema({ id: 'long' })]], 0, undefined],
    ['may not narrow a type', [[protocol(), schema({ id: 'long' })], [schema({ id: 'integer' })]], 0, undefined],
    ['may not drop a field of a struct', [[protocol(), nested(struct('x', 'y'))], [nested(struct('x'))]], 0, undefined],
    [
      'may not change the partition columns',
      [
        [protocol(), schema({ id: 'long', p: 'long' })],
        [schema({ id: 'long', p: 'long' }, { partitionColumns: ['p'] })],
      ],
      0,
      undefined,
    ],
    [
      'may not change a column there and back',
      [[protocol(), schema({ id: 'long' })], [schema({ id: 'string' })], [schema({ id: 'long' })]],
      0,
      undefined,
    ],
  ])('%s', async (_what, commits, from, rows) => {
    await table.commits(...commits);
    if (rows === undefined)
      await expect(changes(from)).rejects.toMatchObject({ code: 'changeFeedUnavailable', class: 'refused' });
    else expect(await changes(from)).toHaveLength(rows);
  });

  it('has a protocol that is known all the way', async () => {
    await table.commits(start, [protocol(3, ['notYetInvented'])], [protocol(3, ['deletionVectors']), add('a')]);
    await expect(changes(0)).rejects.toMatchObject({
      code: 'unsupportedFeature',
      message: expect.stringContaining('notYetInvented'),
    });
    expect(await changes(2)).toHaveLength(3);
  });

  it('has a start, an end and no gap, and refuses before the first row', async () => {
    await table.commits([...start, add('a')], [add('b')], '', [add('c')]);
    await expect(changes(0, 3)).rejects.toMatchObject({ code: 'logDamaged' });
    expect(await changes(0, 1)).toHaveLength(6);
    await rm(join(table.folder, table.logPath(2)));
    for (const [from, to] of [
      [0, 3],
      [2, 2],
    ] as const)
      await expect(changes(from, to)).rejects.toMatchObject({ class: 'refused' });
    await expect(changes(1, 0)).rejects.toMatchObject({ code: 'usage' });
    await expect(changes(4)).rejects.toMatchObject({ class: 'refused' });
  });

  it('has the time of each commit: its own where it has one, else that of its file, and always ascending', async () => {
    await table.commits([...start, add('a')]);
    await table.log(0, [...start, add('a')], 50_000);
    await table.log(1, [{ commitInfo: { timestamp: 7 } }, remove('a')], 40_000);
    await table.log(2, [add('b')], 60_000);
    await table.log(
      3,
      [
        { commitInfo: { inCommitTimestamp: 61_000 } },
        metaData(columns, {
          configuration: {
            ...FEED_ON.configuration,
            'delta.enableInCommitTimestamps': 'true',
            'delta.inCommitTimestampEnablementVersion': '3',
            'delta.inCommitTimestampEnablementTimestamp': '61000',
          },
        }),
        add('a'),
      ],
      90_000,
    );
    const times = new Map<number, number>();
    for await (const { version, timestamp } of readChangeFeed(table.store, { from: 0 })) times.set(version, timestamp);
    expect([...times]).toEqual([
      [0, 50_000],
      [1, 50_001],
      [2, 60_000],
      [3, 61_000],
    ]);
  });

  it('has in-commit timestamps as they are, even where they go back', async () => {
    const times = [70_000, 60_000, 80_000];
    const configuration = { ...FEED_ON.configuration, 'delta.enableInCommitTimestamps': 'true' };
    for (const [version, inCommitTimestamp] of times.entries()) {
      const first = version === 0 ? [protocol(), metaData(columns, { configuration })] : [];
      await table.log(version, [{ commitInfo: { inCommitTimestamp } }, ...first, add('abc'.charAt(version))]);
    }
    const seen: number[] = [];
    for await (const { timestamp } of readChangeFeed(table.store, { from: 0 })) seen.push(timestamp);
    expect(seen).toEqual(times);
  });
});
