import type { SchemaElement } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { openParquet } from '../../src/parquet/parquet-file.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { handMadeFile, int32s, type HandMadeColumn } from './hand-made-file.ts';
import { memorySource, openBytes } from './memory-source.ts';
import { field, primitive } from './random-rows.ts';

const columns = [field('n', primitive('integer'))];
const rows = Array.from({ length: 100 }, (_, n) => ({ n }));

describe('opening a file', () => {
  it('describes row groups, chunks and fields', async () => {
    const bytes = parquetBytes(columns, rows, {
      rowGroupRows: 40,
      naming: { name: () => 'col-1', id: () => 7 },
    });
    const file = await openBytes(bytes);
    expect(file.numRows).toBe(100);
    expect(file.rowGroups.map(({ index, firstRow, numRows }) => [index, firstRow, numRows])).toEqual([
      [0, 0, 40],
      [1, 40, 40],
      [2, 80, 20],
    ]);
    expect(file.rowGroups[0]!.startByte).toBe(4);
    expect(file.rowGroups[1]!.startByte).toBe(file.rowGroups[0]!.endByte);
    expect(file.schema.children).toMatchObject([
      { name: 'col-1', fieldId: 7, physical: 'INT32', leafIndex: 0, definitionLevel: 1, repetitionLevel: 0 },
    ]);
  });

  it('takes one read, or two when the footer is long, and never one beyond the file', async () => {
    const small = memorySource(parquetBytes(columns, rows));
    await openParquet(small);
    expect(small.reads).toEqual([{ start: 0, end: small.size }]);
    const many = Array.from({ length: 3000 }, (_, i) => field(`a column with a long name ${i}`, primitive('integer')));
    const wide = memorySource(parquetBytes(many, [{}]));
    await openParquet(wide);
    expect(wide.reads).toHaveLength(2);
    expect(wide.reads[1]!.end).toBe(wide.reads[0]!.start);
    const read = wide.reads.reduce((sum, { start, end }) => sum + end - start, 0);
    expect(read).toBeLessThan(wide.size);
  });

  it.each([
    ['empty', new Uint8Array(0), 'dataFileDamaged'],
    ['of eleven bytes', Buffer.from('PAR1...PAR1'), 'dataFileDamaged'],
    ['no Parquet', Buffer.alloc(1000), 'dataFileDamaged'],
    ['encrypted', Buffer.from(`PARE${'x'.repeat(20)}PARE`), 'unsupportedFeature'],
    ['of a footer beyond its start', Buffer.from('PAR1....\xff\xff\xff\x7fPAR1', 'latin1'), 'dataFileDamaged'],
    ['of an empty footer', Buffer.from('PAR1....\x00\x00\x00\x00PAR1', 'latin1'), 'dataFileDamaged'],
  ])('that is %s is refused', async (_, bytes, code) => {
    const opening = openBytes(bytes);
    await expect(opening).rejects.toBeInstanceOf(SyncError);
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringContaining('part-0.parquet') as string });
  });

  it.each<[string, HandMadeColumn[]]>([
    ['without a chunk for a column', []],
    ['with a chunk of another column', [{ path: ['m'], pages: [] }]],
  ])('%s is refused', async (_, chunks) => {
    const schema: SchemaElement[] = [
      { name: 'root', num_children: 1 },
      { name: 'n', type: 'INT32', repetition_type: 'REQUIRED' },
    ];
    await expect(openBytes(handMadeFile(schema, 1, chunks))).rejects.toMatchObject({ code: 'dataFileDamaged' });
  });

  it('whose schema is nested without end is refused', async () => {
    const schema = [
      ...Array.from({ length: 100 }, (_, i) => ({ name: `g${i}`, num_children: 1 })),
      { name: 'n', type: 'INT32' as const },
    ];
    const path = [...Array.from({ length: 99 }, (_, i) => `g${i + 1}`), 'n'];
    const page = { kind: 'v1', values: 1, encoding: 'PLAIN', body: int32s(1) } as const;
    await expect(openBytes(handMadeFile(schema, 1, [{ path, pages: [page] }]))).rejects.toMatchObject({
      code: 'unsupportedFeature',
    });
  });

  it('that shrank since it was listed is told from damage', async () => {
    const source = memorySource(parquetBytes(columns, rows));
    const shrunk = { ...source, read: () => Promise.resolve(new Uint8Array(3)) };
    await expect(openParquet(shrunk)).rejects.toMatchObject({ code: 'storageChanged', retryable: true });
  });
});
