import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartitionMap, findPartition, parsePartitionLayout } from '../../src/cosmos/partition-map.ts';
import { scaledClock } from '../support/scaled-clock.ts';

interface Entry {
  readonly id: string;
  readonly minInclusive: string;
  readonly maxExclusive: string;
  readonly parents?: readonly string[];
  readonly throughputFraction?: number;
}

function feed(ranges: readonly Entry[], rid = 'r'): unknown {
  return { _rid: rid, PartitionKeyRanges: ranges };
}

/** Ranges that meet at these bounds. */
function rangesAt(bounds: readonly string[]): readonly Entry[] {
  const all = ['', ...bounds, 'FF'];
  return all
    .slice(1)
    .map((maxExclusive, index) => ({ id: String(index), minInclusive: all[index] ?? '', maxExclusive }));
}

const epk = fc.stringMatching(/^[0-3][0-9A-F]{1,31}$/);

describe('the partitions of a container', () => {
  it('hold each key in the one range it lies in', () => {
    fc.assert(
      fc.property(fc.uniqueArray(epk, { maxLength: 40 }), epk, (bounds, key) => {
        const ranges = rangesAt(bounds.toSorted());
        const layout = parsePartitionLayout(feed(ranges.toReversed()));
        const [expected] = ranges.filter(({ minInclusive, maxExclusive }) => key >= minInclusive && key < maxExclusive);
        expect(layout === undefined ? undefined : findPartition(layout, key).id).toBe(expected?.id);
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  it.each([undefined, 0, -1, 7, Number.POSITIVE_INFINITY, null as unknown as undefined])(
    'all have a share of the throughput, and no more than the whole together, when one is said to have %s',
    (throughputFraction) => {
      const [first, second, third] = rangesAt(['10', '20']) as [Entry, Entry, Entry];
      const stated = [
        { ...second, throughputFraction: 0.25 },
        { ...third, throughputFraction: 0.5 },
      ];
      const odd = { ...first, ...(throughputFraction === undefined ? {} : { throughputFraction }) };
      const fractions = parsePartitionLayout(feed([odd, ...stated]))?.ranges.map(({ fraction }) => fraction) ?? [];
      expect(Math.min(...fractions)).toBeGreaterThan(0.2);
      expect(fractions.reduce((sum, fraction) => sum + fraction, 0)).toBeCloseTo(1, 9);
    },
  );

  it('are not taken from a list with a hole, an overlap or something else in it', () => {
    const [first, second] = rangesAt(['10']) as [Entry, Entry];
    for (const answer of [
      undefined,
      null,
      [],
      'ranges',
      feed([]),
      feed([first]),
      feed([second]),
      feed([first, { ...second, minInclusive: '11' }]),
      feed([first, { ...second, minInclusive: '0F' }]),
      feed([first, { ...second, maxExclusive: 'FE' }]),
      { PartitionKeyRanges: [first, second] },
      feed([{ ...first, id: 7 as unknown as string }, second]),
      feed([{ ...first, id: '0\r\nx-ms-version: 1' }, second]),
      feed([null as unknown as Entry, first, second]),
      feed([1 as unknown as Entry, second]),
    ]) {
      expect(parsePartitionLayout(answer)).toBeUndefined();
    }
  });

  it('do not include a parent that is listed beside its children', () => {
    const [left, right] = rangesAt(['10']) as [Entry, Entry];
    const parent = { id: '9', minInclusive: '', maxExclusive: 'FF' };
    const layout = parsePartitionLayout(feed([parent, { ...left, parents: ['9'] }, { ...right, parents: ['9'] }]));
    expect(layout?.ranges.map(({ id }) => id)).toEqual(['0', '1']);
  });

  it('share the RU/s as the service says, or evenly when it does not say', () => {
    const [left, right] = rangesAt(['10']) as [Entry, Entry];
    const said = [
      { ...left, throughputFraction: 0.75 },
      { ...right, throughputFraction: 0.25 },
    ];
    expect(parsePartitionLayout(feed(said))?.ranges.map(({ fraction }) => fraction)).toEqual([0.75, 0.25]);
    expect(parsePartitionLayout(feed([left, right]))?.ranges.map(({ fraction }) => fraction)).toEqual([0.5, 0.5]);
  });
});

describe('reading the partitions again', () => {
  const clock = scaledClock(50);
  const { signal } = new AbortController();

  function mapOf(answers: readonly unknown[]): { readonly map: PartitionMap; readonly reads: () => number } {
    let reads = 0;
    const read = (): Promise<unknown> => Promise.resolve(answers[Math.min(reads++, answers.length - 1)]);
    return { map: new PartitionMap(read, clock, 'container a/b'), reads: () => reads };
  }

  it('goes on until the old id is gone', async () => {
    const before = feed([{ id: '0', minInclusive: '', maxExclusive: 'FF' }]);
    const after = feed([
      { id: '1', minInclusive: '', maxExclusive: '20' },
      { id: '2', minInclusive: '20', maxExclusive: 'FF' },
    ]);
    const { map, reads } = mapOf([before, before, feed([]), before, after]);
    await map.layout(signal);
    const layout = await map.refreshUntilGone('0', signal);
    expect(layout.ranges.map(({ id }) => id)).toEqual(['1', '2']);
    expect(reads()).toBe(5);
  });

  it('ends after ten times when the id stays, as after a migration', async () => {
    const { map, reads } = mapOf([feed([{ id: '0', minInclusive: '', maxExclusive: 'FF' }])]);
    await map.refreshUntilGone('0', signal);
    expect(reads()).toBe(10);
  });

  it('is done once for all who ask at the same time, and one that gives up does not take the others along', async () => {
    let reads = 0;
    let go: (value: unknown) => void = () => undefined;
    const map = new PartitionMap(
      (stop) => {
        reads++;
        return new Promise((resolve, reject) => {
          go = resolve;
          stop.addEventListener('abort', () => reject(stop.reason as Error));
        });
      },
      clock,
      'container a/b',
    );
    const quitter = new AbortController();
    const quits = map.refresh(quitter.signal);
    const others = [map.refresh(signal), map.refresh(new AbortController().signal)];
    quitter.abort(new Error('enough'));
    await expect(quits).rejects.toThrow('enough');
    expect(reads).toBe(2);
    go(feed([{ id: '0', minInclusive: '', maxExclusive: 'FF' }]));
    for (const layout of await Promise.all(others)) expect(layout.ranges).toHaveLength(1);
  });
});
