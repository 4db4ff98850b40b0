/** What the difference of two versions reads, from commits written down by hand. */
import { describe, expect, it } from 'vitest';
import type { AddFile, Commit, DeletionVectorDescriptor, RemoveFile } from '../../src/delta/actions.ts';
import { RangeDifference } from '../../src/delta/range-difference.ts';

const NEVER = (): never => {
  throw new Error('the earlier snapshot is not needed');
};

function vector(name: string, cardinality: number): DeletionVectorDescriptor {
  return { storageType: 'u', pathOrInlineDv: name, offset: 1, sizeInBytes: 40, cardinality };
}

function add(path: string, more: Partial<AddFile> = {}): AddFile {
  return {
    kind: 'add',
    path,
    partitionValues: {},
    size: 100,
    deletionVector: null,
    modificationTime: 0,
    dataChange: true,
    numRecords: 10,
    baseRowId: undefined,
    defaultRowCommitVersion: undefined,
    ...more,
  };
}

function remove(path: string, more: Partial<RemoveFile> = {}): RemoveFile {
  return {
    kind: 'remove',
    path,
    partitionValues: {},
    size: 100,
    deletionVector: null,
    deletionTimestamp: 0,
    dataChange: true,
    numRecords: 10,
    ...more,
  };
}

function difference(...commits: readonly (readonly (AddFile | RemoveFile)[])[]): RangeDifference {
  const range = new RangeDifference();
  for (const [index, actions] of commits.entries()) {
    const commit: Commit = {
      version: 5 + index,
      etag: '',
      contentHash: '',
      timestamp: 1_000 + index,
      metadata: null,
      protocol: null,
      adds: actions.filter((action) => action.kind === 'add'),
      removes: actions.filter((action) => action.kind === 'remove'),
      cdc: [],
      operation: undefined,
    };
    range.add(commit);
  }
  return range;
}

async function read(range: RangeDifference, earlier: readonly AddFile[] | typeof NEVER = NEVER): Promise<string[]> {
  const stream =
    typeof earlier === 'function'
      ? earlier
      : async function* () {
          yield earlier;
        };
  const sources = await range.sources({ partitionColumns: [] }, stream);
  return sources.map(({ kind, file, select }) => {
    const rows = select.kind === 'live' ? 'live' : `masked except ${select.except?.pathOrInlineDv ?? 'none'}`;
    return `${kind} ${file.path}${file.deletionVector === null ? '' : `-${file.deletionVector.pathOrInlineDv}`} ${rows}`;
  });
}

describe('the difference of two versions', () => {
  it('leaves out what came and went', async () => {
    const range = difference([remove('a'), add('b')], [remove('b'), add('c')], [remove('c'), add('d')]);
    expect(await read(range)).toEqual(['delete a live', 'insert d live']);
    expect(range.bytes).toBe(200);
    expect(range.rowsOf('d')).toBe(10);
    const sources = await range.sources({ partitionColumns: [] }, NEVER);
    expect(sources.map(({ version, timestamp }) => [version, timestamp])).toEqual([
      [5, 1_000],
      [7, 1_002],
    ]);
  });

  it('is empty when a file comes back, and when one goes that came', async () => {
    expect(await read(difference([remove('a')], [add('a')], [add('b')], [remove('b')]))).toEqual([]);
    expect(await read(difference())).toEqual([]);
  });

  it('of deletion vectors goes from the first to the last', async () => {
    const [one, two] = [vector('one', 1), vector('two', 2)];
    const range = difference(
      [remove('a'), add('a', { deletionVector: one })],
      [remove('a', { deletionVector: one }), add('a', { deletionVector: two })],
    );
    expect(await read(range)).toEqual(['delete a-two masked except none']);
    const back = difference(
      [remove('a', { deletionVector: one }), add('a', { deletionVector: two })],
      [remove('a', { deletionVector: two }), add('a', { deletionVector: one })],
    );
    expect(await read(back)).toEqual([]);
    const gone = difference(
      [remove('a', { deletionVector: one }), add('a', { deletionVector: two })],
      [remove('a', { deletionVector: two })],
    );
    expect(await read(gone)).toEqual(['delete a-one live']);
  });

  it('follows compaction, whose rows later commits take away', async () => {
    const compacted = add('c', { dataChange: false });
    const range = difference(
      [remove('a', { dataChange: false }), remove('b', { dataChange: false }), compacted],
      [remove('c'), add('d')],
    );
    expect(await read(range, [add('a'), add('b')])).toEqual(['delete a live', 'delete b live', 'insert d live']);
  });

  it('asks the earlier snapshot about files that got new statistics', async () => {
    const again = add('a', { dataChange: false });
    expect(await read(difference([again]), [add('a')])).toEqual([]);
    expect(await read(difference([again], [remove('a')]), [add('a')])).toEqual(['delete a live']);
    expect(await read(difference([again]), [add('other')])).toEqual(['insert a live']);
  });

  it('takes partition values that a remove left out from the earlier snapshot', async () => {
    const range = difference([remove('a', { partitionValues: undefined })]);
    const earlier = [add('a', { partitionValues: { p: '1' } })];
    const [source] = await range.sources({ partitionColumns: ['p'] }, async function* () {
      yield earlier;
    });
    expect(source?.file.partitionValues).toEqual({ p: '1' });
    const lost = range.sources({ partitionColumns: ['p'] }, async function* () {
      yield [];
    });
    await expect(lost).rejects.toMatchObject({ code: 'logDamaged' });
  });
});
