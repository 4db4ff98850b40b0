import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { KEYS_PER_PASS, UniqueKeys, uniqueKeyPasses } from '../../src/changes/unique-keys.ts';
import type { Identity } from '../../src/documents/document.ts';

/** Rows at even places are of a later commit; within a commit the greater row is later. */
function lastOf(rows: readonly number[]): number {
  const even = rows.filter((at) => at % 2 === 0);
  return Math.max(...(even.length > 0 ? even : rows));
}

function identity(id: string, key: string): Identity {
  return { id, partitionKey: [key], epk: `00${key}` };
}

test('all passes together find exactly the identities that occur twice, with their first two rows', () => {
  const row = fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), key: fc.constantFrom('x', 'y') });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), (rows, of) => {
      const found: unknown[] = [];
      let surplus = 0;
      for (let index = 0; index < of; index++) {
        const keys = new UniqueKeys({ bucket: { index, of }, maxDuplicates: 100, expectedKeys: 10 });
        rows.forEach(({ id, key }, at) =>
          keys.add({ identity: identity(id, key), version: 1 - (at % 2), position: { path: `f${at % 2}`, row: at } }),
        );
        found.push(
          ...keys.duplicates.map(({ identity: { id, partitionKey }, count, positions, last }) => [
            id,
            partitionKey[0],
            count,
            ...positions.map((position) => position.row),
            last.position.row,
          ]),
        );
        surplus += keys.surplusRows;
      }
      const groups = new Map<string, unknown[]>();
      rows.forEach(({ id, key }, at) => groups.set(id + key, [...(groups.get(id + key) ?? [id, key]), at]));
      const expected = [...groups.values()]
        .filter((group) => group.length > 3)
        .map(([id, key, ...at]) => [id, key, at.length, at[0], at[1], lastOf(at as number[])]);
      expect(found).toHaveLength(expected.length);
      expect(found).toEqual(expect.arrayContaining(expected));
      expect(surplus).toBe(rows.length - groups.size);
    }),
    { seed: 141, numRuns: 500 },
  );
});

test('more keys than expected, and more duplicates than are named', () => {
  const keys = new UniqueKeys({ bucket: { index: 0, of: 1 }, maxDuplicates: 3, expectedKeys: 1 });
  for (let row = 0; row < 30_000; row++)
    keys.add({ identity: identity(`id ${row % 20_000}`, 'x'), version: 0, position: { path: 'f', row } });
  expect(keys.surplusRows).toBe(10_000);
  expect(keys.duplicates).toHaveLength(3);
  expect(keys.duplicates[0]?.positions.map(({ row }) => row)).toEqual([0, 20_000]);
});

test('passes by number of rows', () => {
  expect([0, 1, KEYS_PER_PASS, KEYS_PER_PASS + 1].map((rows) => uniqueKeyPasses(rows))).toEqual([1, 1, 1, 2]);
});
