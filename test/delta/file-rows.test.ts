import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AddFile } from '../../src/delta/actions.ts';
import { readFileRows, tableLayout, type FileReadOptions, type TableLayout } from '../../src/delta/file-rows.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import type { DataType, Row } from '../../src/delta/schema.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { DeltaWriter, type DeltaWriterOptions } from '../support/delta-writer.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { dice } from '../support/random-history.ts';
import { tableRows } from '../support/read-table.ts';
import { primitives } from '../support/writer-columns.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-rows-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const make = (options: DeltaWriterOptions): Promise<DeltaWriter> => DeltaWriter.create(join(folder, 'table'), options);
const text: DataType = { kind: 'primitive', name: 'string' };
const long: DataType = { kind: 'primitive', name: 'long' };

interface Opened {
  readonly store: FolderLogStore;
  readonly files: readonly AddFile[];
  readonly layout: TableLayout;
}

async function open(writer: DeltaWriter): Promise<Opened> {
  const store = new FolderLogStore(writer.folder);
  const snapshot = await loadSnapshot(store, { kind: 'latest' });
  const files: AddFile[] = [];
  for await (const file of snapshot.files()) files.push(file);
  return { store, files, layout: tableLayout(snapshot.metadata, snapshot.protocol) };
}

async function read({ store, layout }: Opened, file: AddFile, options: FileReadOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of readFileRows(store, { file, select: { kind: 'live' } }, layout, options)) {
    expect(batch.rows.length).toBeGreaterThan(0);
    for (const [i, row] of batch.rows.entries()) found.push(`${batch.rowIndexes[i]}:${Number(row['id'])}`);
  }
  return found;
}

describe('rows of a file', () => {
  it('are the same for any split by byte ranges and any cursor, deletion vectors included', async () => {
    const writer = await make({
      columns: primitives({ id: 'long', name: 'string' }),
      deletionVectors: true,
      rowGroupRows: 37,
    });
    await writer.insert(Array.from({ length: 500 }, (_none, id) => ({ id, name: `name ${id}` })));
    await writer.delete((row) => Number(row['id']) % 7 === 3 || (Number(row['id']) > 100 && Number(row['id']) < 190));
    const opened = await open(writer);
    const file = opened.files[0]!;
    const whole = await read(opened, file, {});
    expect(whole).toEqual(writer.rows().map((row) => `${Number(row['id'])}:${Number(row['id'])}`));
    const roll = dice(5);
    for (let run = 0; run < 40; run++) {
      const cuts = [0, file.size, ...Array.from({ length: roll(6) }, () => roll(file.size))].toSorted((a, b) => a - b);
      const parts: string[] = [];
      for (let i = 1; i < cuts.length; i++) {
        parts.push(
          ...(await read(opened, file, { byteRange: { start: cuts[i - 1]!, end: cuts[i]! }, batchRows: 1 + roll(60) })),
        );
      }
      expect(parts, `cuts ${cuts.join(' ')}`).toEqual(whole);
    }
    for (let run = 0; run < 20; run++) {
      const found: string[] = [];
      const batchRows = 1 + roll(90);
      let startRow = 0;
      for (let last = -1; last !== found.length;) {
        last = found.length;
        const batches = readFileRows(opened.store, { file, select: { kind: 'live' } }, opened.layout, {
          startRow,
          batchRows,
        });
        // A reader that stops after one batch and goes on from its cursor.
        const first = await batches.next();
        await batches.return(undefined);
        if (first.done === true) break;
        found.push(...first.value.rows.map((row, i) => `${first.value.rowIndexes[i]}:${Number(row['id'])}`));
        startRow = first.value.nextRow;
      }
      expect(found, `batches of ${batchRows}`).toEqual(whole);
    }
  });

  it('follow columns that were renamed, dropped, added and swapped, nested ones included', async () => {
    const address: DataType = {
      kind: 'struct',
      fields: [
        { name: 'street', type: text, nullable: true, metadata: {} },
        { name: 'no', type: long, nullable: true, metadata: {} },
      ],
    };
    for (const columnMapping of ['name', 'id'] as const) {
      await rm(join(folder, 'table'), { recursive: true, force: true });
      const writer = await make({
        columnMapping,
        columns: [
          ...primitives({ a: 'long', b: 'long', 'dotted.name': 'string', __proto__x: 'string' }),
          { name: 'address', type: address },
          { name: 'tags', type: { kind: 'array', element: address, containsNull: true } },
          { name: 'by', type: { kind: 'map', key: text, value: address, valueContainsNull: true } },
        ],
      });
      const nested = { street: 'Main', no: 9007199254740993n };
      await writer.insert([
        {
          a: 1,
          b: 2,
          'dotted.name': 'x',
          address: nested,
          tags: [nested, null],
          by: [
            ['k', nested],
            ['n', null],
          ],
        },
      ]);
      await writer.renameColumn('a', 'tmp');
      await writer.renameColumn('b', 'a');
      await writer.renameColumn('tmp', 'b');
      await writer.dropColumn('dotted.name');
      await writer.addColumn({ name: 'dotted.name', type: long });
      await writer.insert([{ a: 20, b: 10, 'dotted.name': 7 }]);
      const rows = await tableRows(new FolderLogStore(writer.folder));
      const expected: readonly Row[] = [
        {
          a: 2,
          b: 1,
          __proto__x: null,
          address: nested,
          tags: [nested, null],
          by: [
            ['k', nested],
            ['n', null],
          ],
          'dotted.name': null,
        },
        { a: 20, b: 10, __proto__x: null, address: null, tags: null, by: null, 'dotted.name': 7 },
      ];
      expect(rows.toSorted((x, y) => Number(x['a']) - Number(y['a']))).toEqual(expected);
    }
  });

  it('are refused when columns are mapped by id and the file has no ids', async () => {
    const columns = primitives({ id: 'long' });
    const writer = await make({ columns, columnMapping: 'id' });
    await writer.insert([{ id: 1 }]);
    const { store, files } = await open(writer);
    const fields = columns.map((column) => ({ ...column, nullable: true, metadata: {} }));
    await writeFile(join(writer.folder, files[0]!.path), parquetBytes(fields, [{ id: 1 }]));
    await expect(tableRows(store)).rejects.toMatchObject({ code: 'dataFileDamaged' });
  });

  it('of older files are widened', async () => {
    const writer = await make({
      columns: primitives({ id: 'integer', f: 'float', d: 'date', n: 'decimal(5,2)', s: 'short' }),
    });
    await writer.insert([{ id: 1, f: Math.fround(3.4), d: '2024-02-29', n: '-1.50', s: -7 }]);
    await writer.widenColumn('id', long);
    await writer.widenColumn('f', { kind: 'primitive', name: 'double' });
    await writer.widenColumn('d', { kind: 'primitive', name: 'timestamp_ntz' });
    await writer.widenColumn('n', { kind: 'decimal', precision: 12, scale: 4 });
    await writer.widenColumn('s', { kind: 'decimal', precision: 20, scale: 1 });
    expect(await tableRows(new FolderLogStore(writer.folder))).toEqual([
      { id: 1, f: 3.4000000953674316, d: '2024-02-29T00:00:00.000000', n: '-1.5000', s: '-7.0' },
    ]);
  });

  it('have partition columns where the schema has them, also alone', async () => {
    const writer = await make({
      columns: primitives({ p: 'date', id: 'long', q: 'decimal(6,2)' }),
      partitionBy: ['p', 'q'],
    });
    await writer.insert([
      { p: '2024-01-01', id: 1, q: '1.50' },
      { p: null, id: 2, q: null },
    ]);
    const opened = await open(writer);
    const found: Row[] = [];
    for (const file of opened.files) {
      for await (const { rows } of readFileRows(opened.store, { file, select: { kind: 'live' } }, opened.layout, {
        columns: ['q', 'p'],
      }))
        found.push(...rows);
    }
    expect(found).toHaveLength(2);
    expect(found).toContainEqual({ q: '1.50', p: '2024-01-01' });
    expect(Object.keys(found[0]!)).toEqual(['q', 'p']);
    await expect(read(opened, opened.files[0]!, { columns: ['nope'] })).rejects.toMatchObject({
      code: 'columnUnknown',
    });
  });

  it('are refused when the file is gone or not Parquet', async () => {
    const writer = await make({ columns: primitives({ id: 'long' }) });
    await writer.insert([{ id: 1 }]);
    const opened = await open(writer);
    const file = opened.files[0]!;
    await expect(read(opened, { ...file, path: 'gone.parquet' }, {})).rejects.toMatchObject({
      code: 'dataFileMissing',
    });
    await expect(read(opened, { ...file, path: '_delta_log/00000000000000000000.json' }, {})).rejects.toMatchObject({
      code: 'dataFileDamaged',
    });
    await expect(read(opened, { ...file, path: '../../../etc/passwd' }, {})).rejects.toMatchObject({
      code: 'unsafePath',
    });
  });
});
