import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DataType, Row, StructField } from '../../src/delta/schema.ts';
import { loadSnapshot, type SnapshotAt } from '../../src/delta/snapshot.ts';
import { actionRow, CHECKPOINT_COLUMNS, type Action } from '../support/delta-log-writer.ts';
import { actionLines, add, type HandmadeTable, metaData, protocol, remove } from '../support/handmade-table.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { tableRows } from '../support/read-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
const columns = { id: 'long' };
const start: readonly Action[] = [protocol(3, ['v2Checkpoint', 'deletionVectors']), metaData(columns)];

/** Commit `v` adds the file of row `v`, for 0 to 5. */
beforeEach(async () => {
  table = await temporaryTable();
  for (let id = 0; id <= 5; id++) await table.data(`${id}.parquet`, columns, [{ id }]);
  await table.commits([...start, add('0.parquet')], ...[1, 2, 3, 4, 5].map((id) => [add(`${id}.parquet`)]));
});

const name = (version: number, rest: string): string => `${String(version).padStart(20, '0')}.${rest}`;
const uuid = '80a083e8-7026-4e79-81be-64bd76c43a11';

function field(fieldName: string, type: DataType): StructField {
  return { name: fieldName, type, nullable: true, metadata: {} };
}

const SIDECAR = field('sidecar', {
  kind: 'struct',
  fields: [
    field('path', { kind: 'primitive', name: 'string' }),
    field('sizeInBytes', { kind: 'primitive', name: 'long' }),
  ],
});

function checkpoint(actions: readonly Action[], own: readonly StructField[] = CHECKPOINT_COLUMNS): Uint8Array {
  return parquetBytes(
    own,
    actions.map((action) => actionRow(own, action)),
  );
}

const adds = (...files: readonly number[]): readonly Action[] => files.map((id) => add(`${id}.parquet`));
const sidecar = (path: string): Action => ({ sidecar: { path, sizeInBytes: 1, modificationTime: 1 } });

async function ids(at?: SnapshotAt): Promise<readonly number[]> {
  return (await tableRows(table.store, at)).map((row) => Number(row['id'])).toSorted((a, b) => a - b);
}

async function dropCommits(...versions: readonly number[]): Promise<void> {
  for (const version of versions) await rm(join(table.folder, table.logPath(version)));
}

const at = (version: number): SnapshotAt => ({ kind: 'version', version });

describe('of the checkpoints of a log', () => {
  // What the checkpoint at 3 says differs from the commits, so the rows tell which was read.
  const three = checkpoint([...start, ...adds(1)]);
  const fromThree = [1, 4, 5];

  it.each<readonly [string, () => Promise<void>, readonly number[]]>([
    ['a classic one is used', () => table.log(name(3, 'checkpoint.parquet'), three), fromThree],
    [
      'one of a single part is used',
      () => table.log(name(3, 'checkpoint.0000000001.0000000001.parquet'), three),
      fromThree,
    ],
    [
      'a complete multi-part one is used beside an incomplete one of other parts and a newer incomplete one',
      async () => {
        await table.log(name(3, 'checkpoint.0000000001.0000000002.parquet'), checkpoint(adds(1)));
        await table.log(name(3, 'checkpoint.0000000002.0000000002.parquet'), checkpoint(start));
        await table.log(name(3, 'checkpoint.0000000003.0000000003.parquet'), checkpoint(adds(2)));
        await table.log(name(4, 'checkpoint.0000000001.0000000002.parquet'), checkpoint([...start, ...adds(2)]));
      },
      fromThree,
    ],
    [
      'one with a part numbered 0 is not complete',
      () => table.log(name(3, 'checkpoint.0000000000.0000000001.parquet'), three),
      [0, 1, 2, 3, 4, 5],
    ],
    [
      'the newest is used, whatever the hint says',
      async () => {
        await table.log(name(1, 'checkpoint.parquet'), checkpoint([...start, ...adds(0)]));
        await table.log(name(3, 'checkpoint.parquet'), three);
        await table.log('_last_checkpoint', '{"version":1,"size":9999,"parts":77,"sizeInBytes":1,"checksum":"00"}');
      },
      fromThree,
    ],
    [
      'a hint to one that is gone does no harm',
      async () => {
        await table.log(name(3, 'checkpoint.parquet'), three);
        await table.log('_last_checkpoint', '{"version":4,"size":4}');
      },
      fromThree,
    ],
    [
      'the newer one is passed over when it is garbage',
      async () => {
        await table.log(name(3, 'checkpoint.parquet'), three);
        await table.log(name(4, 'checkpoint.parquet'), 'PAR1 garbage PAR1');
        await table.log(name(5, `checkpoint.${uuid}.json`), '{"protocol":');
        await table.log('_last_checkpoint', '{"version":4,"size":4}');
      },
      fromThree,
    ],
    [
      'names that only look like one are ignored',
      async () => {
        for (const other of [
          name(5, 'checkpoint.parquet.tmp'),
          name(5, 'checkpoint'),
          name(5, 'checkpoint.json'),
          name(5, 'crc'),
          `.${name(5, 'checkpoint.parquet.crc')}`,
          `5.checkpoint.parquet`,
          `_commits/${name(6, `${uuid}.json`)}`,
          `_staged_commits/${name(6, `${uuid}.json`)}`,
          `_sidecars/stray.parquet`,
          `_tmp/${name(6, 'json')}`,
          '_last_checkpoint.tmp',
          '.s3-optimization-0',
          name(6, 'json.tmp'),
        ]) {
          await table.log(other, three);
        }
        await mkdir(join(table.folder, '_delta_log', name(6, 'json')));
      },
      [0, 1, 2, 3, 4, 5],
    ],
  ])('%s', async (_what, write, expected) => {
    await write();
    expect(await ids()).toEqual(expected);
    expect(await ids(at(0)), 'an older version').toEqual([0]);
  });

  it('one at the version that is asked for suffices, even without any commit', async () => {
    await table.log(name(5, 'checkpoint.parquet'), checkpoint([...start, ...adds(1, 2), remove('9.parquet')]));
    await dropCommits(0, 1, 2, 3, 4, 5);
    expect(await ids()).toEqual([1, 2]);
    await expect(ids(at(4))).rejects.toMatchObject({ code: 'versionNotFound' });
  });

  it('none helps when a commit after it is missing, and the ones before it may be gone', async () => {
    await table.log(name(3, 'checkpoint.parquet'), three);
    await dropCommits(0, 2);
    expect(await ids()).toEqual(fromThree);
    await dropCommits(4);
    expect(await ids(at(3))).toEqual([1]);
    await expect(ids()).rejects.toMatchObject({
      code: 'logDamaged',
      message: expect.stringContaining('commit 4 is missing'),
    });
  });
});

describe('a checkpoint of the V2 specification', () => {
  const top = (...sidecars: readonly string[]): readonly Action[] => [
    { checkpointMetadata: { version: 3 } },
    ...sidecars.map(sidecar),
    ...start,
  ];

  beforeEach(async () => {
    await table.log('_sidecars/a.parquet', checkpoint([...adds(1), remove('0.parquet')]));
    await table.log('_sidecars/b c.parquet', checkpoint(adds(3)));
  });

  it.each<readonly [string, readonly string[]]>([
    ['by base name, percent-encoded', ['a.parquet', 'b%20c.parquet']],
    ['by path in the log', ['_delta_log/_sidecars/a.parquet', '_sidecars/b%20c.parquet']],
    [
      'by URI of where the table was',
      [
        'abfss://c@x.dfs.core.windows.net/t/_delta_log/_sidecars/a.parquet',
        'file:/old/_delta_log/_sidecars/b%20c.parquet',
      ],
    ],
    ['twice', ['a.parquet', 'b%20c.parquet', 'a.parquet']],
  ])('may name its sidecars %s', async (_how, paths) => {
    await table.log(name(3, `checkpoint.${uuid}.json`), top(...paths));
    expect(await ids()).toEqual([1, 3, 4, 5]);
    await rm(join(table.folder, '_delta_log', name(3, `checkpoint.${uuid}.json`)));
    const own = [...CHECKPOINT_COLUMNS, SIDECAR];
    for (const file of [`checkpoint.${uuid}.parquet`, 'checkpoint.parquet']) {
      await table.log(name(3, file), checkpoint(top(...paths), own));
      expect(await ids(), file).toEqual([1, 3, 4, 5]);
      await rm(join(table.folder, '_delta_log', name(3, file)));
    }
  });

  it('may hold the files itself, or be of a table without any', async () => {
    await table.log(name(3, `checkpoint.${uuid}.json`), [...top(), ...adds(2), remove('1.parquet')]);
    expect(await ids()).toEqual([2, 4, 5]);
    await table.log(name(3, `checkpoint.${uuid}.json`), top());
    expect(await ids()).toEqual([4, 5]);
  });

  it('is passed over when a sidecar is missing or no Parquet, and refused when the commits are gone, too', async () => {
    for (const [path, content] of [
      ['gone.parquet', undefined],
      ['bad.parquet', 'bad'],
      ['..%2F..%2F..%2Fetc%2Fpasswd', undefined],
      ['..', undefined],
    ] as const) {
      if (content !== undefined) await table.log(`_sidecars/${path}`, content);
      await table.log(name(3, `checkpoint.${uuid}.json`), top('a.parquet', path));
      expect(await ids(), path).toEqual([0, 1, 2, 3, 4, 5]);
    }
    await dropCommits(0);
    await expect(ids()).rejects.toMatchObject({ class: 'refused' });
  });
});

describe('a compacted log', () => {
  const compacted = (from: number, to: number): string =>
    `${String(from).padStart(20, '0')}.${name(to, 'compacted.json')}`;

  it('is used where it lies in the range, and not where it ends past the version or begins before the checkpoint', async () => {
    await table.log(compacted(1, 3), adds(1));
    await table.log(compacted(3, 5), adds(9));
    expect(await ids()).toEqual([0, 1, 4, 5]);
    expect(await ids(at(2))).toEqual([0, 1, 2]);
    expect(await ids(at(3))).toEqual([0, 1]);
    await table.log(name(2, 'checkpoint.parquet'), checkpoint([...start, ...adds(0)]));
    expect(await ids(at(3))).toEqual([0, 3]);
  });

  it('gives place to the commits when it is no reconciled log', async () => {
    for (const text of [
      '',
      '{',
      actionLines([...adds(1), remove('1.parquet')]),
      actionLines([{ commitInfo: {} }, ...adds(1)]),
    ]) {
      await table.log(compacted(1, 3), text);
      expect(await ids(), text).toEqual([0, 1, 2, 3, 4, 5]);
    }
  });
});

describe('rows of a checkpoint', () => {
  const text: DataType = { kind: 'primitive', name: 'string' };
  const long: DataType = { kind: 'primitive', name: 'long' };
  const struct = (fields: Readonly<Record<string, DataType>>): DataType => ({
    kind: 'struct',
    fields: Object.entries(fields).map(([key, type]) => field(key, type)),
  });
  const blank = (type: DataType): Row =>
    Object.fromEntries(
      type.kind === 'struct'
        ? type.fields.map((item) => [item.name, item.type.kind === 'struct' ? blank(item.type) : null])
        : [],
    );

  /** Columns as a writer has them that knows neither 32-bit integers nor null structs. */
  const wide = CHECKPOINT_COLUMNS.filter(({ name: column }) => column !== 'remove' && column !== 'domainMetadata').map(
    (column) => ({ ...column, type: widened(column.type) }),
  );

  function widened(type: DataType): DataType {
    if (type.kind === 'struct')
      return { kind: 'struct', fields: type.fields.map((item) => ({ ...item, type: widened(item.type) })) };
    return type.kind === 'primitive' && type.name === 'integer' ? long : type;
  }

  it('are read when whole numbers have 64 bits, and an absent action is a struct of nulls', async () => {
    const rows = [...adds(1, 2), ...start].map((action) => {
      const row = actionRow(wide, action);
      return Object.fromEntries(wide.map((column) => [column.name, row[column.name] ?? blank(column.type)]));
    });
    await table.log(name(5, 'checkpoint.parquet'), parquetBytes(wide, rows));
    await dropCommits(0);
    expect(await ids()).toEqual([1, 2]);
  });

  it('are read when a deletion vector that is not there has empty text', async () => {
    const nothing = { storageType: '', pathOrInlineDv: '', sizeInBytes: 0, cardinality: 0 };
    await table.log(
      name(4, 'checkpoint.parquet'),
      checkpoint([
        ...start,
        add('1.parquet', { deletionVector: nothing }),
        add('2.parquet', { deletionVector: nothing }),
      ]),
    );
    await table.log(5, [remove('1.parquet')]);
    expect(await ids()).toEqual([2]);
  });

  it('are read when columns are missing, unknown or in another order', async () => {
    const own = [
      field('newAction', struct({ path: text })),
      ...CHECKPOINT_COLUMNS.filter(({ name: column }) => ['add', 'metaData', 'protocol'].includes(column)).toReversed(),
    ];
    await table.log(
      name(5, 'checkpoint.parquet'),
      checkpoint([{ newAction: { path: '9.parquet' } }, ...adds(3), ...start.toReversed()], own),
    );
    await dropCommits(0);
    expect(await ids()).toEqual([3]);
    const snapshot = await loadSnapshot(table.store, { kind: 'latest' });
    expect([snapshot.txns.size, snapshot.domainMetadata.size, (await snapshot.totals()).numFiles]).toEqual([0, 0, 1]);
  });

  it('make no table without protocol and metaData', async () => {
    for (const left of [1, 0] as const) {
      await table.log(name(5, 'checkpoint.parquet'), checkpoint([start[left]!, ...adds(3)]));
      if (left === 1) await dropCommits(0);
      await expect(ids()).rejects.toMatchObject({ code: 'logDamaged' });
    }
  });
});
