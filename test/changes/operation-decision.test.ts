import { describe, expect, test } from 'vitest';
import type { Image } from '../../src/changes/image.ts';
import type { Change } from '../../src/changes/net-changes.ts';
import {
  decideOperation,
  type Merge,
  mergeOperation,
  type OperationPolicy,
} from '../../src/changes/operation-decision.ts';
import type { JsonObject } from '../../src/documents/document.ts';

const IDENTITY = { id: 'a', partitionKey: ['a'], epk: '00' };
const ALL: OperationPolicy = {
  mode: 'mirror',
  duplicates: 'error',
  stateKnown: true,
  fields: ['id', 'v'],
  commitTime: (version) => `time ${version}`,
};

function images(documents: readonly JsonObject[], side: Image['side']): Image[] {
  return documents.map((document, row) => ({
    side,
    version: 3,
    identity: IDENTITY,
    document,
    position: { path: 'f', row },
  }));
}

function change(before: readonly JsonObject[], after: readonly JsonObject[], known = true): Change {
  return {
    identity: IDENTITY,
    version: 3,
    before: { known, images: images(before, 'before'), count: before.length },
    after: { images: images(after, 'after'), count: after.length },
  };
}

const OLD = { id: 'a', v: 1 };
const NEW = { id: 'a', v: 2 };
const done = (operation: object): object => ({ kind: 'operation', operation: { identity: IDENTITY, ...operation } });
const none = (why: string): object => ({ kind: 'none', why });

describe('mode by what happened', () => {
  const upsert = done({ kind: 'upsert', document: NEW });
  test.each<[OperationPolicy['mode'], string, Change, Partial<OperationPolicy>, object]>([
    ['mirror', 'new', change([], [NEW]), {}, upsert],
    ['mirror', 'changed', change([OLD], [NEW]), {}, upsert],
    ['mirror', 'unchanged', change([OLD], [OLD]), {}, none('unchanged')],
    ['mirror', 'unchanged, names in another order', change([{ v: 1, id: 'a' }], [OLD]), {}, none('unchanged')],
    ['mirror', 'unchanged, state not known', change([NEW], [NEW]), { stateKnown: false }, upsert],
    ['mirror', 'unchanged, before not known', change([NEW], [NEW], false), {}, upsert],
    ['mirror', 'two rows before', change([NEW, NEW], [NEW]), {}, upsert],
    ['mirror', 'gone', change([OLD], []), {}, done({ kind: 'delete' })],
    ['mirror', 'come and gone', change([], []), {}, none('neverWritten')],
    ['mirror', 'come and gone, state not known', change([], []), { stateKnown: false }, done({ kind: 'delete' })],
    ['upsert', 'changed', change([OLD], [NEW]), {}, upsert],
    ['upsert', 'gone', change([OLD], []), {}, none('deleteIgnored')],
    ['softDelete', 'changed', change([OLD], [NEW]), {}, upsert],
    [
      'softDelete',
      'gone',
      change([OLD], []),
      {},
      done({ kind: 'patch', steps: [step('deleted', true), step('deletedAt', 'time 3')] }),
    ],
    [
      'softDelete',
      'gone, named fields',
      change([OLD], []),
      { softDelete: { flag: 'x/y', at: 't', ttlSeconds: 9 } },
      done({ kind: 'patch', steps: [step('x~1y', true), step('t', 'time 3'), step('ttl', 9)] }),
    ],
    ['insertOnly', 'new', change([], [NEW]), {}, done({ kind: 'create', document: NEW })],
    ['insertOnly', 'changed', change([OLD], [NEW]), {}, none('notInserted')],
    ['insertOnly', 'before not known', change([], [NEW], false), {}, done({ kind: 'create', document: NEW })],
    ['insertOnly', 'gone', change([OLD], []), {}, none('deleteIgnored')],
    ['patch', 'new', change([], [NEW]), {}, { ...done({ kind: 'create', document: NEW }), otherwise: merge(NEW) }],
    [
      'patch',
      'changed',
      change([OLD], [NEW]),
      {},
      { ...done({ kind: 'patch', steps: [step('v', 2)] }), otherwise: merge(NEW) },
    ],
    ['patch', 'unchanged', change([OLD], [OLD]), {}, none('unchanged')],
    ['patch', 'state not known', change([OLD], [NEW]), { stateKnown: false }, { kind: 'merge', merge: merge(NEW) }],
    ['patch', 'a field goes', change([{ ...OLD, w: 1 }], [OLD]), {}, { kind: 'merge', merge: merge(OLD) }],
    ['patch', 'gone', change([OLD], []), {}, { kind: 'held', identity: IDENTITY }],
    ['patch', 'gone, delete', change([OLD], []), { onDelete: 'delete' }, done({ kind: 'delete' })],
    ['patch', 'gone, keep', change([OLD], []), { onDelete: 'keep' }, none('deleteIgnored')],
  ])('%s: %s', (mode, _what, item, policy, expected) => {
    expect(decideOperation(item, { ...ALL, ...policy, mode })).toEqual(expected);
  });

  test.each([10, 11])('patch: %i changed fields', (count) => {
    const wide = (value: number): JsonObject =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, value]));
    const decision = decideOperation(change([wide(1)], [wide(2)]), { ...ALL, mode: 'patch' });
    expect(decision.kind).toBe(count > 10 ? 'merge' : 'operation');
  });

  test('forced identities are written in every mode', () => {
    const kinds = (['mirror', 'upsert', 'softDelete', 'insertOnly', 'patch'] as const).map((mode) => {
      const decision = decideOperation(change([NEW], [NEW]), { ...ALL, mode }, true);
      return decision.kind === 'operation' ? decision.operation.kind : decision.kind;
    });
    expect(kinds).toEqual(['upsert', 'upsert', 'upsert', 'create', 'merge']);
  });
});

describe('several live rows of one identity', () => {
  test('error: both positions are named, nothing is written', () => {
    expect(decideOperation(change([OLD], [NEW, OLD]), ALL)).toEqual({
      kind: 'duplicates',
      identity: IDENTITY,
      positions: [
        { path: 'f', row: 0 },
        { path: 'f', row: 1 },
      ],
      count: 2,
    });
  });

  test('last: the first image, which has the greatest position, is written although nothing may have changed', () => {
    expect(decideOperation(change([NEW], [NEW, OLD]), { ...ALL, duplicates: 'last' })).toEqual(
      done({ kind: 'upsert', document: NEW }),
    );
  });
});

describe('the version stamp', () => {
  const stamped = { ...ALL, sourceVersion: 'from' };

  test('is written with every change and is no change by itself', () => {
    expect(decideOperation(change([OLD], [NEW]), stamped)).toEqual(
      done({ kind: 'upsert', document: { ...NEW, from: 3 } }),
    );
    expect(decideOperation(change([OLD], [OLD]), stamped)).toEqual(none('unchanged'));
    const patch = decideOperation(change([OLD], [NEW]), { ...stamped, mode: 'patch' });
    expect(patch.kind === 'operation' && patch.operation).toMatchObject({ steps: [step('v', 2), step('from', 3)] });
  });

  test('a merge that would only change the stamp writes nothing', () => {
    const stored = { document: { ...OLD, from: 1, owned: true, _etag: 'x', _ts: 5 }, etag: 'x' };
    expect(mergeOperation(merge({ ...OLD, from: 3 }), stored, 'from')).toBeUndefined();
    expect(mergeOperation(merge({ ...NEW, from: 3 }), stored, 'from')).toEqual({
      kind: 'replace',
      identity: IDENTITY,
      ifMatch: 'x',
      document: { ...NEW, from: 3, owned: true },
    });
  });
});

describe('merging', () => {
  test('mapped fields that the row does not have go, others stay', () => {
    const merged = mergeOperation(
      { ...merge({ id: 'a', v: 2 }), fields: ['id', 'v', 'w'] },
      { document: { id: 'a', w: 1, owned: 1 }, etag: 'e' },
    );
    expect(merged).toMatchObject({ kind: 'replace', document: { id: 'a', v: 2, owned: 1 } });
    expect(merged?.kind === 'replace' && 'w' in merged.document).toBe(false);
  });

  test('a missing document is created', () => {
    expect(mergeOperation(merge(NEW), undefined)).toEqual({ kind: 'create', identity: IDENTITY, document: NEW });
  });
});

function merge(document: JsonObject): Merge {
  return { identity: IDENTITY, document, fields: ALL.fields };
}

function step(name: string, value: unknown): object {
  return { op: 'set', path: `/${name}`, value };
}
