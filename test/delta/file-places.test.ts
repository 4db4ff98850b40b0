import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeZ85 } from '../../src/delta/z85.ts';
import { deletionVectorBytes, deletionVectorFile } from '../support/deletion-vectors.ts';
import { add, HandmadeTable, metaData, protocol, remove } from '../support/handmade-table.ts';
import { tableRows } from '../support/read-table.ts';
import { temporaryTable } from '../support/temporary-table.ts';

let table: HandmadeTable;
beforeEach(async () => {
  table = await temporaryTable();
});

const columns = { id: 'long' };
const start = [protocol(3, ['deletionVectors']), metaData(columns)];

async function ids(): Promise<readonly number[]> {
  return (await tableRows(table.store)).map((row) => Number(row['id'])).toSorted((a, b) => a - b);
}

describe('the path of a data file', () => {
  it.each([
    ['p=a%20b/x.parquet', 'p=a b/x.parquet'],
    ['p=a%2520b/x.parquet', 'p=a%20b/x.parquet'],
    ['t=2024-01-01%2000%253A00%253A00/x.parquet', 't=2024-01-01 00%3A00%3A00/x.parquet'],
    ['t=10:00:00/x.parquet', 't=10:00:00/x.parquet'],
    ["a+b c&d=e,f;g@h$i!j'k(l)~/x.parquet", "a+b c&d=e,f;g@h$i!j'k(l)~/x.parquet"],
    ['%23%3F%5B%5D%7B%7D%5E%60%7C%22%3C%3E%5C.parquet', '#?[]{}^`|"<>\\.parquet'],
    ['raw#hash?query[1].parquet', 'raw#hash?query[1].parquet'],
    ['%C3%A9%E2%82%AC%F0%9F%98%88.parquet', 'é€😈.parquet'],
    ['é€😈.parquet', 'é€😈.parquet'],
    ['100%.parquet', '100%.parquet'],
    ['test%25file%25prefix-x.parquet', 'test%file%prefix-x.parquet'],
    ['a%2Fb.parquet', 'a/b.parquet'],
    ['./x.parquet', 'x.parquet'],
    ['_hidden/.x.parquet', '_hidden/.x.parquet'],
    ['no-extension', 'no-extension'],
  ])('%s is decoded once', async (path, stored) => {
    await table.data(stored, columns, [{ id: 1 }]);
    await table.commits([...start, add(path)]);
    expect(await ids()).toEqual([1]);
    await table.log(1, [remove(path)]);
    expect(await ids()).toEqual([]);
  });

  it.each([
    ['a path', (path: string) => path],
    ['a file: URI', (path: string) => `file:${path}`],
    ['a file:/// URI', (path: string) => `file://${path}`],
  ])('may be %s of the table itself', async (_what, absolute) => {
    await table.data('a b.parquet', columns, [{ id: 1 }]);
    await table.commits([...start, add(absolute(`${table.folder}/a%20b.parquet`))]);
    expect(await ids()).toEqual([1]);
    // All spellings of an absolute path are one file.
    await table.log(1, [remove(`file:${table.folder}/a%20b.parquet`)]);
    expect(await ids()).toEqual([]);
  });

  it.each([
    ['of another folder', '/somewhere/else/x.parquet'],
    ['of a sibling', '../other/x.parquet'],
    ['of a sibling, escaped', '%2E%2E/other/x.parquet'],
    ['through the table and out', 'p=1/../../other/x.parquet'],
    ['of a file: URI elsewhere', 'file:///somewhere/else/x.parquet'],
    ['of S3', 's3://bucket/table/x.parquet'],
    ['of another account', 'abfss://c@other.dfs.core.windows.net/table/x.parquet'],
    ['of a shallow clone', 'https://account.blob.core.windows.net/lake/source/x.parquet'],
    ['of DBFS', 'dbfs:/user/hive/warehouse/x.parquet'],
    ['of a link out of the table', 'link/x.parquet'],
    ['with a zero byte', 'x%00.parquet'],
  ])('%s is refused by name', async (_where, path) => {
    const folder = dirname(table.folder);
    await new HandmadeTable(folder).data('other/x.parquet', columns, [{ id: 1 }]);
    await mkdir(table.folder, { recursive: true });
    await symlink(join(folder, 'other'), join(table.folder, 'link'));
    await table.commits([...start, add(path)]);
    const place = path.replace('file://', '').replace('%2E%2E', '..').replace('%00', '\\u0000');
    await expect(ids()).rejects.toMatchObject({ code: 'unsafePath', message: expect.stringContaining(place) });
  });
});

describe('a deletion vector', () => {
  const marked = deletionVectorBytes([1, 3]);
  const other = deletionVectorBytes([0]);
  const uuid = Buffer.from('d2c639aa8816431aaaf6d3fe2512ff61', 'hex');
  const name = 'deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin';
  const size = { sizeInBytes: marked.length, cardinality: 2 };

  beforeEach(() =>
    table.data(
      '1.parquet',
      columns,
      [0, 1, 2, 3, 4].map((id) => ({ id })),
    ),
  );

  const commit = (deletionVector: object, first = start) =>
    table.commits([...first, add('1.parquet', { deletionVector })]);

  it('marks rows from a file of its UUID, with and without a folder, and beside others', async () => {
    const { bytes, offsets } = deletionVectorFile([other, marked]);
    for (const prefix of ['', 'ab', 'x y%z']) {
      await table.write(join(prefix, name), bytes);
      await commit({ storageType: 'u', pathOrInlineDv: prefix + encodeZ85(uuid), offset: offsets[1], ...size });
      expect(await ids(), prefix).toEqual([0, 2, 4]);
    }
  });

  it('marks rows from an absolute place in the table, and is refused by name outside of it', async () => {
    await table.write('dv file.bin', deletionVectorFile([marked]).bytes);
    await commit({ storageType: 'p', pathOrInlineDv: `file://${table.folder}/dv%20file.bin`, offset: 1, ...size });
    expect(await ids()).toEqual([0, 2, 4]);
    await commit({ storageType: 'p', pathOrInlineDv: 's3://bucket/dv.bin', offset: 1, ...size });
    await expect(ids()).rejects.toMatchObject({
      class: 'refused',
      message: expect.stringContaining('s3://bucket/dv.bin'),
    });
  });

  it('marks rows from the log itself', async () => {
    await commit({ storageType: 'i', pathOrInlineDv: encodeZ85(marked), ...size });
    expect(await ids()).toEqual([0, 2, 4]);
  });

  it('is the first of its file when the log does not say where, with a version byte before it or without', async () => {
    const { bytes } = deletionVectorFile([marked]);
    for (const content of [bytes, bytes.subarray(1)]) {
      await table.write(name, content);
      await commit({ storageType: 'u', pathOrInlineDv: encodeZ85(uuid), ...size });
      expect(await ids()).toEqual([0, 2, 4]);
    }
  });

  it('counts whether or not the protocol and the properties speak of deletion vectors, and may mark every row or none', async () => {
    for (const [rows, left] of [
      [[], [0, 1, 2, 3, 4]],
      [[0, 1, 2, 3, 4], []],
    ] as const) {
      const bytes = deletionVectorBytes(rows);
      const vector = {
        storageType: 'i',
        pathOrInlineDv: encodeZ85(bytes),
        sizeInBytes: bytes.length,
        cardinality: rows.length,
      };
      await commit(vector, [
        protocol(1),
        metaData(columns, { configuration: { 'delta.enableDeletionVectors': 'false' } }),
      ]);
      expect(await ids()).toEqual(left);
    }
  });

  it.each<readonly [string, (bytes: Uint8Array) => Uint8Array, object]>([
    ['the size differs', (bytes) => bytes, { sizeInBytes: marked.length - 1 }],
    ['the size is beyond the file', (bytes) => bytes, { sizeInBytes: 2 ** 40 }],
    ['the offset is wrong', (bytes) => bytes, { offset: 2 }],
    ['the cardinality differs', (bytes) => bytes, { cardinality: 3 }],
    ['the checksum is wrong', (bytes) => bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1), {}],
    ['the data were changed', (bytes) => bytes.with(bytes.length - 6, bytes.at(-6)! ^ 1), {}],
    ['the file is of another version', (bytes) => bytes.with(0, 2), {}],
    ['the file ends early', (bytes) => bytes.subarray(0, -1), {}],
    ['the file is empty', () => new Uint8Array(), {}],
    ['the file is missing', (bytes) => bytes, { pathOrInlineDv: encodeZ85(uuid.toReversed()) }],
    ['the name is no UUID', (bytes) => bytes, { pathOrInlineDv: 'short' }],
    ['its storage type is unknown', (bytes) => bytes, { storageType: 'r' }],
    ['its storage type is a word', (bytes) => bytes, { storageType: 'uuid' }],
    ['it lies in the log and is no Z85', (bytes) => bytes, { storageType: 'i', pathOrInlineDv: '"""""' }],
    [
      'it lies in the log and is short',
      (bytes) => bytes,
      { storageType: 'i', pathOrInlineDv: encodeZ85(marked.subarray(0, 8)) },
    ],
    [
      'it lies in the log and has another magic number',
      (bytes) => bytes,
      { storageType: 'i', pathOrInlineDv: encodeZ85(marked.with(0, 0)) },
    ],
  ])('is refused when %s', async (_what, change, rest) => {
    await table.write(name, change(Uint8Array.from(deletionVectorFile([marked]).bytes)));
    await commit({ storageType: 'u', pathOrInlineDv: encodeZ85(uuid), offset: 1, ...size, ...rest });
    await expect(ids()).rejects.toMatchObject({ class: 'refused', message: expect.stringMatching(/deletion vector/i) });
  });

  it('makes a file another one: replaced, dropped and put back', async () => {
    const vector = (bytes: Uint8Array, cardinality: number) => ({
      deletionVector: { storageType: 'i', pathOrInlineDv: encodeZ85(bytes), sizeInBytes: bytes.length, cardinality },
    });
    const one = vector(other, 1);
    const two = vector(deletionVectorBytes([0, 4]), 2);
    await table.commits(
      [...start, add('1.parquet')],
      [add('1.parquet', one), remove('1.parquet')],
      [remove('1.parquet', one), add('1.parquet', two)],
      [add('1.parquet'), remove('1.parquet', two)],
      [remove('1.parquet')],
    );
    const at = async (version: number) =>
      (await tableRows(table.store, { kind: 'version', version })).map((row) => row['id']);
    expect([await at(0), await at(1), await at(2), await at(3), await at(4)]).toEqual([
      [0, 1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3],
      [0, 1, 2, 3, 4],
      [],
    ]);
  });
});
