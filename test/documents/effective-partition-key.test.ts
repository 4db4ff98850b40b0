import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PartitionKeyValue } from '../../src/documents/document.ts';
import { effectivePartitionKey, type PartitionKeyHashing } from '../../src/documents/effective-partition-key.ts';
import { SyncError } from '../../src/shared/errors.ts';

const V1: PartitionKeyHashing = { kind: 'Hash', version: 1 };
const V2: PartitionKeyHashing = { kind: 'Hash', version: 2 };
const MULTI: PartitionKeyHashing = { kind: 'MultiHash', version: 2 };

/** The SDK's own hash, which its exports map hides. */
type Oracle = (values: readonly PartitionKeyValue[], definition: PartitionKeyHashing) => string;
let oracle: Oracle;

beforeAll(async () => {
  const sdk = dirname(createRequire(import.meta.url).resolve('@azure/cosmos/package.json'));
  const file = join(sdk, 'dist', 'esm', 'utils', 'hashing', 'hash.js');
  oracle = ((await import(pathToFileURL(file).href)) as { hashPartitionKey: Oracle }).hashPartitionKey;
});

const text = fc.oneof(
  fc.string({ maxLength: 120 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.stringMatching(/^[a-z]{95,105}$/),
  // Around the 100 characters of version 1, which may cut a pair of surrogates in two.
  fc.string({ unit: 'binary', minLength: 40, maxLength: 110 }),
  // Halves of characters, which only JavaScript holds.
  fc.array(fc.integer({ min: 0xd700, max: 0xe0ff }), { maxLength: 110 }).map((units) => String.fromCharCode(...units)),
);
// Minus zero does not survive JSON, so the service never sees the key that the SDK would hash for it.
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
  fc.integer(),
  fc.maxSafeInteger(),
);
const value: fc.Arbitrary<PartitionKeyValue> = fc.oneof(
  { arbitrary: text, weight: 5 },
  { arbitrary: number, weight: 4 },
  { arbitrary: fc.constantFrom<PartitionKeyValue>(true, false, null, undefined), weight: 1 },
);

describe('effectivePartitionKey', () => {
  it.each<[PartitionKeyValue, string, string]>([
    ['abc', '05C1ED155F4F7C0862636400', '2424691CC38A7EEF2A65ADE404E1F528'],
    [-1.5, '05C1E901090F44054008', '151793206780805FF6E1DCAE6C787B6A'],
    [null, '05C1ED45D7475601', '378867E4430E67857ACE5C908374FE16'],
    [undefined, '05C1D529E345DC00', '11622DAA78F835834610ABE56EFF5CB5'],
  ])('hashes %s as the service does', (key, v1, v2) => {
    expect(effectivePartitionKey([key], V1)).toBe(v1);
    expect(effectivePartitionKey([key], V2)).toBe(v2);
  });

  it('concatenates the levels of a hierarchical key, so that a prefix of the key is a prefix of the hash', () => {
    const full = effectivePartitionKey(['T', 'U', 1], MULTI);
    expect(full).toBe(
      '017A5127EDEAEAFD8E3C9E8C0081CB34179BE6732892B835A99D02FFA3F050F520CD98B339BA78A5D0CF6953B87070B0',
    );
    expect(full.startsWith(effectivePartitionKey(['T', 'U'], MULTI))).toBe(true);
  });

  it('equals the SDK on more than 100,000 random keys of every type, prefixes included', () => {
    const sample = fc.sample(fc.tuple(value, value, value), { numRuns: 20_000, seed: 20261122 });
    expect(unmet(sample.flat())).toEqual([]);
    let compared = 0;
    for (const levels of sample) {
      for (const key of levels) {
        compareWithOracle([key], compared % 2 === 0 ? V2 : V1);
        compared++;
      }
      compareWithOracle([levels[0]], V1);
      compareWithOracle(levels, MULTI);
      compareWithOracle(levels.slice(0, 1 + (compared % 2)), MULTI);
      compared += 3;
    }
    expect(compared).toBe(120_000);
  });

  it('equals the SDK on keys longer than its scratch buffer', () => {
    for (const length of [99, 100, 101, 2_048, 5_000, 70_000]) {
      compareWithOracle(['k'.repeat(length)], V2);
      compareWithOracle(['é'.repeat(length)], V2);
      compareWithOracle(['k'.repeat(length)], V1);
      expect(effectivePartitionKey(['k'.repeat(length)], V2)).toMatch(/^[0-3][0-9A-F]{31}$/);
    }
  });

  it('hashes minus zero as the zero that JSON carries', () => {
    expect(effectivePartitionKey([-0], V2)).toBe(effectivePartitionKey([0], V2));
    expect(effectivePartitionKey([-0], V1)).toBe(effectivePartitionKey([0], V1));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses %s, which JSON cannot carry', (key) => {
    expect(() => effectivePartitionKey([key], V2)).toThrow(SyncError);
  });

  it('refuses a key of several values for a container with one', () => {
    expect(() => effectivePartitionKey(['a', 'b'], V2)).toThrow(SyncError);
  });
});

function compareWithOracle(values: readonly PartitionKeyValue[], hashing: PartitionKeyHashing): void {
  const ours = effectivePartitionKey(values, hashing);
  const theirs = oracle(values, hashing);
  // expect() costs more than both hashes.
  if (ours !== theirs) expect({ values, hashing, epk: ours }).toEqual({ values, hashing, epk: theirs });
}

/** Kinds of keys of which the sample has fewer than 20. */
function unmet(sample: readonly PartitionKeyValue[]): readonly string[] {
  const texts = sample.filter((key) => typeof key === 'string');
  const numbers = sample.filter((key) => typeof key === 'number');
  const counts: Readonly<Record<string, number>> = {
    empty: texts.filter((key) => key === '').length,
    'beyond the basic plane': texts.filter((key) => /[\u{10000}-\u{10ffff}]/u.test(key)).length,
    'half a character': texts.filter((key) => /\p{Surrogate}/u.test(key)).length,
    'cut by version 1': texts.filter((key) => key.length > 100).length,
    'cut by version 1, not ASCII': texts.filter((key) => key.length > 100 && /[^\x20-\x7e]/.test(key)).length,
    'cut in two by version 1': texts.filter((key) => /^[\ud800-\udbff][\udc00-\udfff]$/.test(key.slice(99, 101)))
      .length,
    zero: numbers.filter((key) => key === 0).length,
    negative: numbers.filter((key) => key < 0).length,
    subnormal: numbers.filter((key) => key !== 0 && Math.abs(key) < 2.3e-308).length,
    'the largest': numbers.filter((key) => Math.abs(key) === Number.MAX_VALUE).length,
    'the smallest': numbers.filter((key) => Math.abs(key) === Number.MIN_VALUE).length,
    'beyond 2^52': numbers.filter((key) => Number.isInteger(key) && Math.abs(key) > 2 ** 52).length,
    constants: sample.filter((key) => key === null || key === undefined || typeof key === 'boolean').length,
  };
  return Object.entries(counts)
    .filter(([, count]) => count < 20)
    .map(([kind]) => kind);
}
