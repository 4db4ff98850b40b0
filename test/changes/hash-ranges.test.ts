import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type HashRange,
  inHashRange,
  inIdBucket,
  rangeIndexOf,
  splitHashRanges,
} from '../../src/changes/hash-ranges.ts';
import type { Identity } from '../../src/documents/document.ts';
import { effectivePartitionKey } from '../../src/documents/effective-partition-key.ts';

const WHOLE: HashRange[] = [{ start: '', end: 'FF' }];
const QUARTERS: HashRange[] = ['', '10', '20', '30'].map((start, index, all) => ({
  start,
  end: all[index + 1] ?? 'FF',
}));
/** Bounds of a version 1 container with two partitions: the encoded numbers 0, 2^31 and 2^32. */
const V1_HALVES: HashRange[] = [
  { start: '', end: '05C1E0' },
  { start: '05C1E0', end: 'FF' },
];

function identity(key: string | number | null, version: 1 | 2 = 2): Identity {
  return { id: 'x', partitionKey: [key], epk: effectivePartitionKey([key], { kind: 'Hash', version }) };
}

function sizes(ranges: readonly HashRange[], version: 1 | 2): number[] {
  const counts = ranges.map(() => 0);
  for (let index = 0; index < 20_000; index++) {
    const at = rangeIndexOf(ranges, identity(`key ${index}`, version));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

describe('splitting', () => {
  test.each([1, 2, 3, 4, 7, 64, 1000])(
    '%i ranges over four partitions cover everything once, within partitions',
    (count) => {
      const ranges = splitHashRanges(QUARTERS, count);
      expect(ranges).toHaveLength(count);
      expect(ranges[0]?.start).toBe('');
      expect(ranges.at(-1)?.end).toBe('FF');
      ranges.slice(1).forEach((range, index) => {
        expect(range.start).toBe(ranges[index]?.end);
        expect(range.start > (ranges[index]?.start ?? '')).toBe(true);
      });
      if (count >= 4) for (const { start } of QUARTERS) expect(ranges.map((range) => range.start)).toContain(start);
      else for (const { start } of ranges) expect(QUARTERS.map((range) => range.start)).toContain(start);
    },
  );

  test.each<[string, HashRange[], number, 1 | 2]>([
    ['one partition, version 2', WHOLE, 16, 2],
    ['four partitions, version 2', QUARTERS, 16, 2],
    ['one partition, version 1', WHOLE, 16, 1],
    ['two partitions, version 1', V1_HALVES, 16, 1],
  ])('keys spread evenly: %s', (_name, partitions, count, version) => {
    const counts = sizes(splitHashRanges(partitions, count, version), version);
    expect(counts).toHaveLength(count);
    for (const size of counts) expect(Math.abs(size - 20_000 / count)).toBeLessThan(20_000 / count / 4);
  });

  test('partitions in any order, and no partitions at all', () => {
    expect(splitHashRanges(QUARTERS.toReversed(), 8)).toEqual(splitHashRanges(QUARTERS, 8));
    expect(splitHashRanges([], 1)).toEqual(WHOLE);
  });

  test('a version 1 bound comes back from its text', () => {
    // Split in two, the whole space is cut where a container with two partitions is.
    expect(splitHashRanges(WHOLE, 2, 1)).toEqual(V1_HALVES);
  });
});

describe('membership', () => {
  test('every identity is in exactly the range that its index names', () => {
    const keys = fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null));
    const version = fc.constantFrom<1 | 2>(1, 2);
    fc.assert(
      fc.property(
        keys,
        version,
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom(WHOLE, QUARTERS, V1_HALVES),
        (key, hash, count, partitions) => {
          const ranges = splitHashRanges(partitions, count, hash);
          const item = identity(key, hash);
          expect(ranges.map((range) => inHashRange(range, item)).indexOf(true)).toBe(rangeIndexOf(ranges, item));
          expect(ranges.filter((range) => inHashRange(range, item))).toHaveLength(1);
        },
      ),
      { seed: 111, numRuns: 1000 },
    );
  });

  test('hierarchical keys lie where their first level does', () => {
    const epk = effectivePartitionKey(['a', 'b'], { kind: 'MultiHash', version: 2 });
    const ranges = splitHashRanges(QUARTERS, 64);
    const prefix = effectivePartitionKey(['a'], { kind: 'MultiHash', version: 2 });
    expect(rangeIndexOf(ranges, { id: 'x', partitionKey: ['a', 'b'], epk })).toBe(
      rangeIndexOf(ranges, { id: 'y', partitionKey: ['a'], epk: prefix }),
    );
  });

  test('buckets of ids are disjoint and cover everything', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 20 }), (id, of) => {
        const hits = Array.from({ length: of }, (_, index) =>
          inIdBucket({ index, of }, { ...identity('one key'), id }),
        );
        expect(hits.filter(Boolean)).toHaveLength(1);
      }),
      { seed: 112, numRuns: 300 },
    );
  });
});
