import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SyncMode } from '../../src/config/sync-configuration.ts';
import type { Image } from '../../src/changes/image.ts';
import { mergeOperation } from '../../src/changes/operation-decision.ts';
import type { Operation } from '../../src/changes/operation.ts';
import { type Difference, Reconciliation, type ReconcilePolicy, repairDecision } from '../../src/changes/reconcile.ts';
import { type Identity, identityHash, type JsonObject } from '../../src/documents/document.ts';

const POLICY: ReconcilePolicy = {
  mode: 'mirror',
  duplicates: 'error',
  stateKnown: true,
  fields: ['id', 'v'],
  commitTime: () => 'now',
  version: 9,
};

function identity(id: string): Identity {
  return { id, partitionKey: [id], epk: `00${id}` };
}

function row(id: string, v: number, at = 0, version = 1): Image {
  return { side: 'after', version, identity: identity(id), document: { id, v }, position: { path: 'f', row: at } };
}

type Stored = Record<string, JsonObject>;

function compare(
  rows: readonly Image[],
  stored: Stored,
  policy: ReconcilePolicy,
): { differences: Difference[]; both: Reconciliation } {
  const both = new Reconciliation(policy);
  for (const image of rows) both.addRow(image);
  const differences: Difference[] = [];
  for (const [id, document] of Object.entries(stored)) {
    const difference = both.match({ identity: identity(id), etag: 'e', document });
    if (difference !== undefined) differences.push(difference);
  }
  differences.push(...both.rest());
  return { differences, both };
}

function repair(rows: readonly Image[], stored: Stored, policy: ReconcilePolicy): Stored {
  const repaired = { ...stored };
  for (const difference of compare(rows, stored, policy).differences) {
    const decision = repairDecision(difference, policy);
    let operation: Operation | undefined = decision.kind === 'operation' ? decision.operation : undefined;
    if (decision.kind === 'merge') operation = mergeOperation(decision.merge, undefined);
    if (operation === undefined) continue;
    const { id } = operation.identity;
    if (operation.kind === 'delete') delete repaired[id];
    else if (operation.kind === 'patch') {
      const patched: Record<string, JsonObject[string]> = { ...repaired[id] };
      for (const item of operation.steps) if (item.op === 'set') patched[item.path.slice(1)] = item.value;
      repaired[id] = patched;
    } else repaired[id] = operation.document;
  }
  return repaired;
}

describe('comparison', () => {
  test('each identity is equal, missing, different or extra, and the sums agree', () => {
    const stored = { a: { id: 'a', v: 1, _etag: 'x', _ts: 5 }, b: { id: 'b', v: 9 }, x: { id: 'x', v: 1 } };
    const { differences, both } = compare([row('a', 1), row('b', 2), row('c', 3)], stored, POLICY);
    expect(differences.map((difference) => difference.kind)).toEqual(['different', 'extra', 'missing']);
    expect(differences[0]).toMatchObject({ fields: ['v'] });
    expect(both.counts).toEqual({
      equal: 1,
      missing: 1,
      different: 1,
      extra: 1,
      foreign: 0,
      flagged: 0,
      duplicates: 0,
    });
  });

  test('an extra field in the container is a difference, except in mode patch', () => {
    const stored = { a: { id: 'a', v: 1, owned: true } };
    expect(compare([row('a', 1)], stored, POLICY).differences).toMatchObject([
      { kind: 'different', fields: ['owned'] },
    ]);
    expect(compare([row('a', 1)], stored, { ...POLICY, mode: 'patch' }).both.counts.equal).toBe(1);
  });

  test('the version stamp does not count', () => {
    const { both } = compare([row('a', 1)], { a: { id: 'a', v: 1, from: 3 } }, { ...POLICY, sourceVersion: 'from' });
    expect(both.counts.equal).toBe(1);
  });

  test('documents of other tables and generations are not looked at', () => {
    const stored = { a: { id: 'a', type: 'other', generation: 2 }, b: { id: 'b', type: 'mine', generation: 1 } };
    const byType = compare([], stored, { ...POLICY, discriminator: { field: 'type', value: 'mine' } });
    expect(byType.both.counts).toMatchObject({ foreign: 1, extra: 1 });
    const byGeneration = compare([], stored, { ...POLICY, generation: { field: 'generation', value: 2 } });
    expect(byGeneration.both.counts).toMatchObject({ foreign: 1, extra: 1 });
  });

  test('a flagged document without a row is as it should be, with a row it is different', () => {
    const policy: ReconcilePolicy = { ...POLICY, mode: 'softDelete', softDelete: { flag: 'gone', at: 'when' } };
    const stored = { a: { id: 'a', v: 1, gone: true, when: 'then' }, b: { id: 'b', v: 1, gone: true, when: 'then' } };
    const { both, differences } = compare([row('b', 1)], stored, policy);
    expect(both.counts).toMatchObject({ flagged: 1, different: 1 });
    expect(differences).toMatchObject([{ kind: 'different', fields: ['gone', 'when'] }]);
  });

  test('several rows of one identity are neither equal nor missing, or the last one counts', () => {
    const rows = [row('a', 1, 0), row('a', 2, 1), row('b', 1, 0, 5), row('b', 7, 1, 4)];
    const error = compare(rows, { a: { id: 'a', v: 1 } }, POLICY);
    expect(error.differences).toEqual([]);
    expect(error.both.counts.duplicates).toBe(2);
    expect([...error.both.duplicates()].map((change) => change.identity.id)).toEqual(['a', 'b']);
    // The greatest of commit, path and row wins: for b, the row of commit 5.
    const last = compare(rows, { a: { id: 'a', v: 2 }, b: { id: 'b', v: 1 } }, { ...POLICY, duplicates: 'last' });
    expect(last.both.counts.equal).toBe(2);
  });
});

describe('repair', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const rows = fc.uniqueArray(fc.record({ id: fc.constantFrom(...ids), v: fc.nat(2) }), { selector: ({ id }) => id });
  const container = fc.dictionary(
    fc.constantFrom(...ids),
    fc.record({ v: fc.nat(2), owned: fc.boolean() }, { requiredKeys: ['v'] }),
  );

  test('both sides agree afterwards, as far as the mode says', () => {
    fc.assert(
      fc.property(
        rows,
        container,
        fc.constantFrom<SyncMode>('mirror', 'upsert', 'softDelete', 'insertOnly', 'patch'),
        (table, documents, mode) => {
          const policy: ReconcilePolicy = { ...POLICY, mode };
          const stored = Object.fromEntries(Object.entries(documents).map(([id, rest]) => [id, { id, ...rest }]));
          const wanted = Object.fromEntries(table.map(({ id, v }) => [id, { id, v }]));
          const images = table.map(({ id, v }) => row(id, v));
          const result = repair(images, stored, policy);
          if (mode === 'mirror') expect(result).toEqual(wanted);
          if (mode === 'upsert') expect(result).toEqual({ ...stored, ...wanted });
          if (mode === 'insertOnly') expect(result).toEqual({ ...wanted, ...stored });
          if (mode === 'patch') {
            const merged = Object.entries(wanted).map(([id, document]) => [id, { ...stored[id], ...document }]);
            expect(result).toEqual({ ...stored, ...Object.fromEntries(merged) });
          }
          if (mode === 'softDelete') {
            for (const [id, document] of Object.entries(result)) {
              if (wanted[id] === undefined)
                expect(document).toMatchObject({ ...stored[id], deleted: true, deletedAt: 'now' });
              else expect(document).toEqual(wanted[id]);
            }
          }
          // A second comparison finds nothing left to do.
          expect(repair(images, result, policy)).toEqual(result);
          const again = compare(images, result, policy).differences.map((difference) =>
            repairDecision(difference, policy),
          );
          expect(again.filter((decision) => decision.kind === 'operation')).toEqual([]);
        },
      ),
      { seed: 131, numRuns: 1000 },
    );
  });

  test('mode patch leaves extra documents alone unless a discriminator says whose they are', () => {
    const stored = { x: { id: 'x', type: 't' } };
    const policy: ReconcilePolicy = { ...POLICY, mode: 'patch', onDelete: 'delete' };
    expect(repair([], stored, policy)).toEqual(stored);
    expect(repair([], stored, { ...policy, discriminator: { field: 'type', value: 't' } })).toEqual({});
  });

  test('identities are told apart by partition key as well', () => {
    const other = { ...identity('a'), partitionKey: ['z'], epk: 'FF' };
    const both = new Reconciliation(POLICY);
    both.addRow(row('a', 1));
    expect(both.match({ identity: other, etag: 'e', document: { id: 'a', v: 1 } })?.kind).toBe('extra');
    expect(
      [...both.rest()].map((difference) => difference.kind === 'missing' && identityHash(difference.row.identity)),
    ).toEqual(['00a|a']);
  });
});
