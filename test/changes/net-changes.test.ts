import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Image } from '../../src/changes/image.ts';
import { type Change, NetChanges } from '../../src/changes/net-changes.ts';
import { decideOperation, mergeOperation, type OperationPolicy } from '../../src/changes/operation-decision.ts';
import type { Operation } from '../../src/changes/operation.ts';
import { type Identity, identityHash, type JsonObject, type JsonValue } from '../../src/documents/document.ts';
import type { SyncMode } from '../../src/config/sync-configuration.ts';

const POLICY: Omit<OperationPolicy, 'mode'> = {
  duplicates: 'error',
  stateKnown: true,
  fields: ['id', 'v', 'w'],
  commitTime: (version) => `time ${version}`,
};

function identity(id: string): Identity {
  return { id, partitionKey: [id], epk: `00${id}` };
}

function image(side: Image['side'], version: number, id: string, v: JsonValue, row = 0, path = 'f'): Image {
  return { side, version, identity: identity(id), document: { id, v }, position: { path, row } };
}

function net(images: readonly Image[], options = { beforeKnown: true }): Change[] {
  const changes = new NetChanges(options);
  for (const item of images) changes.add(item);
  return [...changes.changes()];
}

describe('netting', () => {
  test('an update over two commits: the first before, the last after', () => {
    const [change] = net([
      image('before', 1, 'a', 1),
      image('after', 1, 'a', 2, 1),
      image('before', 2, 'a', 2),
      image('after', 2, 'a', 3, 1),
    ]);
    expect(change).toMatchObject({
      version: 2,
      before: { known: true, count: 1, images: [{ document: { v: 1 } }] },
      after: { count: 1, images: [{ document: { v: 3 } }] },
    });
  });

  test('a row that appears and goes again has neither side', () => {
    const [change] = net([image('after', 1, 'a', 1), image('before', 2, 'a', 1)]);
    expect(change).toMatchObject({ before: { count: 0 }, after: { count: 0 } });
  });

  test('an updated key is a row gone and a new row', () => {
    const changes = net([image('before', 1, 'a', 1), image('after', 1, 'b', 1)]);
    expect(changes.map((change) => [change.identity.id, change.before.count, change.after.count])).toEqual([
      ['a', 1, 0],
      ['b', 0, 1],
    ]);
  });

  test('rewriting a file, rows unchanged, leaves one equal image on each side', () => {
    const [change] = net([image('after', 4, 'a', 1, 0, 'new'), image('before', 4, 'a', 1, 7, 'old')]);
    expect(change).toMatchObject({ before: { count: 1 }, after: { count: 1 } });
    expect(change === undefined || decideOperation(change, { ...POLICY, mode: 'mirror' })).toEqual({
      kind: 'none',
      why: 'unchanged',
    });
  });

  test('the same row twice counts once', () => {
    const [change] = net([image('after', 1, 'a', 1, 5), image('after', 1, 'a', 1, 5)]);
    expect(change?.after.count).toBe(1);
  });

  test('equal rows at two positions are two rows', () => {
    const [change] = net([image('after', 1, 'a', 1, 5), image('after', 1, 'a', 1, 6)]);
    expect(change?.after).toMatchObject({ count: 2, images: [{ position: { row: 6 } }, { position: { row: 5 } }] });
  });

  test('a million rows of one identity keep two images and a count', () => {
    const changes = new NetChanges({ beforeKnown: true });
    for (let row = 0; row < 1_000_000; row++) changes.add(image('after', 1, 'a', row, row));
    const [change] = [...changes.changes()];
    expect(change?.after.count).toBe(1_000_000);
    expect(change?.after.images.map(({ position }) => position.row)).toEqual([999_999, 999_998]);
  });

  test('rows of a snapshot do not replace each other by commit, and nothing is known before', () => {
    const [change] = net([image('after', 1, 'a', 'old'), image('after', 7, 'a', 'new')], { beforeKnown: false });
    expect(change).toMatchObject({
      version: 7,
      before: { known: false },
      after: { count: 2, images: [{ document: { v: 'new' } }, {}] },
    });
  });
});

/** One commit: what happens to rows, each with an identity and a content. */
interface Row {
  readonly id: string;
  readonly v: number;
}
type Step =
  | { readonly kind: 'insert'; readonly row: Row }
  | { readonly kind: 'delete'; readonly at: number }
  | { readonly kind: 'update'; readonly at: number; readonly row: Row }
  | { readonly kind: 'rewrite'; readonly at: number };

const ids = ['a', 'b', 'c', 'd'];
const row = fc.record({ id: fc.constantFrom(...ids), v: fc.nat(3) });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), row }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(9) }),
  fc.record({ kind: fc.constant('update' as const), at: fc.nat(9), row }),
  fc.record({ kind: fc.constant('rewrite' as const), at: fc.nat(9) }),
);
const history = fc.record({
  start: fc.array(row, { maxLength: 4 }),
  commits: fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
});

/** Plays a history; `unique` drops steps that would give two rows one identity. */
function play(
  input: { start: readonly Row[]; commits: readonly (readonly Step[])[] },
  unique: boolean,
): { before: Row[]; after: Row[]; images: Image[] } {
  let rows: Row[] = [];
  const fits = (candidate: Row, others: readonly Row[]): boolean =>
    !unique || !others.some((other) => other.id === candidate.id);
  for (const candidate of input.start) if (fits(candidate, rows)) rows.push(candidate);
  const before = [...rows];
  const images: Image[] = [];
  let position = 0;
  input.commits.forEach((steps, index) => {
    const version = index + 1;
    // Within one commit each row is touched at most once, as in a real one; images name the state at its two ends.
    const touched = new Set<Row>();
    for (const action of steps) {
      const old = action.kind === 'insert' ? undefined : rows[action.at];
      if (action.kind !== 'insert' && (old === undefined || touched.has(old))) continue;
      const next =
        action.kind === 'insert' || action.kind === 'update'
          ? { ...action.row }
          : action.kind === 'rewrite' && old !== undefined
            ? { ...old }
            : undefined;
      const others = rows.filter((other) => other !== old);
      if (next !== undefined && !fits(next, others)) continue;
      if (old !== undefined) images.push(image('before', version, old.id, old.v, position++));
      if (next !== undefined) images.push(image('after', version, next.id, next.v, position++));
      rows = next === undefined ? others : [...others, next];
      if (next !== undefined) touched.add(next);
    }
  });
  return { before, after: rows, images };
}

function naive(images: readonly Image[]): Map<string, { before: string[]; after: string[] }> {
  const grouped = new Map<string, Image[]>();
  for (const item of images) grouped.set(item.identity.id, [...(grouped.get(item.identity.id) ?? []), item]);
  return new Map(
    [...grouped].map(([id, own]) => {
      const versions = own.map(({ version }) => version);
      const side = (name: Image['side'], version: number): string[] =>
        own
          .filter((item) => item.side === name && item.version === version)
          .map((item) => JSON.stringify(item.document))
          .toSorted();
      return [id, { before: side('before', Math.min(...versions)), after: side('after', Math.max(...versions)) }];
    }),
  );
}

/** A container that does what Cosmos DB does, as far as these operations go. */
class Container {
  readonly documents = new Map<string, JsonObject>();
  writes = 0;

  run(operation: Operation): 'applied' | 'exists' | 'missing' {
    const key = identityHash(operation.identity);
    const stored = this.documents.get(key);
    this.writes++;
    switch (operation.kind) {
      case 'create':
        if (stored !== undefined) return 'exists';
        this.documents.set(key, operation.document);
        return 'applied';
      case 'upsert':
      case 'replace':
        this.documents.set(key, operation.document);
        return 'applied';
      case 'delete':
        this.documents.delete(key);
        return 'applied';
      case 'patch': {
        if (stored === undefined) return 'missing';
        expect(operation.steps.length).toBeLessThanOrEqual(10);
        const changed: Record<string, JsonValue> = { ...stored };
        for (const item of operation.steps) if (item.op === 'set') changed[item.path.slice(1)] = item.value;
        this.documents.set(key, changed);
        return 'applied';
      }
    }
  }
}

function synchronise(container: Container, changes: readonly Change[], policy: OperationPolicy, forced = false): void {
  for (const change of changes) {
    const decision = decideOperation(change, policy, forced);
    const merge =
      decision.kind === 'merge'
        ? decision.merge
        : decision.kind === 'operation' && container.run(decision.operation) !== 'applied'
          ? decision.otherwise
          : undefined;
    if (merge === undefined) continue;
    const document = container.documents.get(identityHash(merge.identity));
    const operation = mergeOperation(
      merge,
      document === undefined ? undefined : { document, etag: 'e' },
      policy.sourceVersion,
    );
    if (operation !== undefined) expect(container.run(operation)).toBe('applied');
  }
}

const key = (id: string): string => identityHash(identity(id));
const contents = (container: Container): Record<string, JsonObject> => Object.fromEntries(container.documents);
const tableContents = (rows: readonly Row[]): Record<string, JsonObject> =>
  Object.fromEntries(rows.map(({ id, v }): [string, JsonObject] => [key(id), { id, v }]));

function filled(rows: readonly Row[], extra: JsonObject = {}): Container {
  const container = new Container();
  for (const { id, v } of rows) container.documents.set(key(id), { ...extra, id, v });
  return container;
}

describe('properties', () => {
  test('any order of images gives the sets that the definition names', () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat()), (input, order) => {
        const { images } = play(input, false);
        const shuffled = images
          .map((item) => ({ item, rank: order.next().value as number }))
          .toSorted((a, b) => a.rank - b.rank)
          .map(({ item }) => item);
        const expected = naive(images);
        const changes = net(shuffled);
        expect(changes.length).toBe(expected.size);
        for (const change of changes) {
          const sets = expected.get(change.identity.id);
          expect(change.before.count).toBe(sets?.before.length);
          expect(change.after.count).toBe(sets?.after.length);
          for (const side of ['before', 'after'] as const) {
            for (const kept of change[side].images) expect(sets?.[side]).toContain(JSON.stringify(kept.document));
            expect(change[side].images.length).toBe(Math.min(2, change[side].count));
          }
        }
      }),
      { seed: 101, numRuns: 1000 },
    );
  });

  test('mirror: the container equals the table, also when some writes were done before, and unchanged rows cost nothing', () => {
    fc.assert(
      fc.property(history, fc.boolean(), (input, stateKnown) => {
        const { before, after, images } = play(input, true);
        const container = filled(before);
        const changes = net(images);
        synchronise(container, changes, { ...POLICY, mode: 'mirror', stateKnown });
        expect(contents(container)).toEqual(tableContents(after));
        if (stateKnown) {
          const different = new Set(
            [...before, ...after].filter((item) => !(has(before, item) && has(after, item))).map(({ id }) => id),
          );
          expect(container.writes).toBe(different.size);
        }
        // Once more, as after a crash: nothing changes.
        synchronise(container, changes, { ...POLICY, mode: 'mirror', stateKnown });
        expect(contents(container)).toEqual(tableContents(after));
      }),
      { seed: 102, numRuns: 1000 },
    );
  });

  test('forced identities are right whatever the container holds', () => {
    const any = fc.dictionary(fc.constantFrom(...ids), fc.nat(3));
    fc.assert(
      fc.property(history, any, fc.constantFrom<SyncMode>('mirror', 'patch'), (input, junk, mode) => {
        const { after, images } = play(input, true);
        const container = filled(Object.entries(junk).map(([id, v]) => ({ id, v })));
        const changes = net(images);
        synchronise(container, changes, { ...POLICY, mode, onDelete: 'delete' }, true);
        const wanted = tableContents(after);
        for (const { identity: touched } of changes) {
          expect(container.documents.get(identityHash(touched))).toEqual(wanted[identityHash(touched)]);
        }
      }),
      { seed: 103, numRuns: 500 },
    );
  });

  test('upsert keeps what went, insertOnly keeps what was, softDelete flags what went', () => {
    fc.assert(
      fc.property(history, (input) => {
        const { before, after, images } = play(input, true);
        const run = (mode: SyncMode): Record<string, JsonObject> => {
          const container = filled(before);
          synchronise(container, net(images), {
            ...POLICY,
            mode,
            softDelete: { flag: 'gone', at: 'when', ttlSeconds: 5 },
          });
          return contents(container);
        };
        const old = tableContents(before);
        const now = tableContents(after);
        expect(run('upsert')).toEqual({ ...old, ...now });
        expect(run('insertOnly')).toEqual({ ...now, ...old });
        const soft = run('softDelete');
        expect(Object.keys(soft).toSorted()).toEqual(Object.keys({ ...old, ...now }).toSorted());
        for (const [name, document] of Object.entries(soft)) {
          if (now[name] !== undefined) expect(document).toEqual(now[name]);
          else expect(document).toMatchObject({ gone: true, ttl: 5, v: old[name]?.['v'] });
        }
      }),
      { seed: 104, numRuns: 500 },
    );
  });

  test('patch keeps the fields of the application', () => {
    fc.assert(
      fc.property(history, fc.boolean(), (input, stateKnown) => {
        const { before, after, images } = play(input, true);
        const container = filled(before, { owned: 'by the application' });
        synchronise(container, net(images), { ...POLICY, mode: 'patch', onDelete: 'delete', stateKnown });
        for (const [name, document] of Object.entries(contents(container))) {
          expect(document).toMatchObject(tableContents(after)[name] ?? { never: true });
        }
        const survivors = after.filter(
          ({ id }) => before.some((item) => item.id === id) && !images.some((item) => item.identity.id === id),
        );
        for (const { id } of survivors) expect(container.documents.get(key(id))).toHaveProperty('owned');
        expect(container.documents.size).toBe(after.length);
      }),
      { seed: 105, numRuns: 500 },
    );
  });
});

function has(rows: readonly Row[], wanted: Row): boolean {
  return rows.some(({ id, v }) => id === wanted.id && v === wanted.v);
}
