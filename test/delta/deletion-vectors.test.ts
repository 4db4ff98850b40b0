import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRoaring64, RoaringFormatError } from '../../src/delta/roaring-bitmap.ts';
import { decodeZ85, encodeZ85 } from '../../src/delta/z85.ts';
import { deletionVectorBytes } from '../support/deletion-vectors.ts';

const SEED = 4711;
const ascending = (rows: readonly number[]): number[] => [...new Set(rows)].toSorted((a, b) => a - b);

/** Rows that make array, bitset and run containers, in several buckets. */
const rowSets = fc
  .array(
    fc.oneof(
      fc.nat(70_000).map((row) => [row]),
      fc.nat(2 ** 31).map((row) => [row]),
      fc.integer({ min: 0, max: 2 ** 40 }).map((row) => [row]),
      fc
        .record({ start: fc.nat(200_000), length: fc.nat(6_000) })
        .map(({ start, length }) => Array.from({ length }, (_none, i) => start + i)),
      fc
        .record({ start: fc.nat(100), step: fc.integer({ min: 2, max: 9 }) })
        .map(({ start, step }) => Array.from({ length: 6_000 }, (_none, i) => start + i * step)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => ascending(parts.flat()));

describe('Z85', () => {
  it('gives back what it encoded, padded to four bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
        padded.set(bytes);
        expect(decodeZ85(encodeZ85(bytes))).toEqual(padded);
      }),
      { seed: SEED },
    );
  });

  it('knows the example of its specification', () => {
    const bytes = Uint8Array.of(0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b);
    expect(encodeZ85(bytes)).toBe('HelloWorld');
    expect(decodeZ85('HelloWorld')).toEqual(bytes);
  });

  it('refuses other lengths, other characters and groups beyond 32 bits', () => {
    for (const text of ['1234', 'abc d', 'abcdé', '#####', '%nSc1', 'a"bcd'])
      expect(decodeZ85(text), text).toBeUndefined();
  });
});

describe('roaring bitmaps', () => {
  it('hold exactly the rows that were written, in every kind of container', () => {
    fc.assert(
      fc.property(rowSets, fc.constantFrom('standard' as const, 'runs' as const), (rows, choice) => {
        const set = decodeRoaring64(deletionVectorBytes(rows, choice).subarray(4));
        expect(set.size).toBe(rows.length);
        expect([...set.rows()]).toEqual(rows);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('mark the same rows in any window', () => {
    fc.assert(
      fc.property(rowSets, fc.nat(210_000), fc.nat(3_000), fc.boolean(), (rows, start, length, runs) => {
        const set = decodeRoaring64(deletionVectorBytes(rows, runs ? 'runs' : 'standard').subarray(4));
        const flags = new Uint8Array(length);
        set.mark(start, flags, 1);
        const marked = [...flags.keys()].filter((i) => flags[i] === 1).map((i) => start + i);
        expect(marked).toEqual(rows.filter((row) => row >= start && row < start + length));
        if (marked.length > 0) expect(set.intersects(start, start + length)).toBe(true);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  it('are refused when they are cut', () => {
    const bytes = deletionVectorBytes([1, 2, 70_000, 2 ** 33], 'standard').subarray(4);
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeRoaring64(bytes.subarray(0, end)), `cut at ${end}`).toThrow(RoaringFormatError);
    }
  });

  it('never fail otherwise than by saying what is wrong with them', () => {
    fc.assert(
      fc.property(rowSets, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), (rows, hits) => {
        const bytes = Uint8Array.from(deletionVectorBytes(rows.slice(0, 200), 'standard').subarray(4));
        for (const [at, value] of hits) bytes[at % bytes.length] = value;
        try {
          decodeRoaring64(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RoaringFormatError);
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
