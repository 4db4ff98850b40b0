import { expect, test } from 'vitest';
import { previewText } from '../../src/cli/plan-text.ts';
import { PartitionKeyLoads } from '../../src/sync/partition-key-load.ts';
import type { EpochPreview } from '../../src/sync/preview-epoch.ts';
import { NO_COUNTS } from '../../src/sync/state-store.ts';

const loads = (keys: readonly string[], remembered?: number): PartitionKeyLoads => {
  const sums = new PartitionKeyLoads(remembered);
  keys.forEach((key, index) => {
    const identity = { id: `p${index}`, partitionKey: [key], epk: '00' };
    sums.add({ kind: 'upsert', identity, document: { id: `p${index}`, category: key } });
  });
  return sums;
};

test('a plan names the hot partition key with its share and what it limits the epoch to', () => {
  const keys = Array.from({ length: 1_000 }, (_, index) => (index % 4 === 0 ? `cold ${index}` : 'mugs'));
  const preview: EpochPreview = {
    table: 'products',
    plan: {
      planId: 'e2-v7-0123456789ab',
      kind: 'changes',
      from: 6,
      to: 7,
      why: 'version 7 was committed',
      estimate: { rows: 1_000, bytes: 2_000, deletes: 0 },
      stages: [{ name: 'apply', chunks: 1 }],
    },
    hold: null,
    counts: { ...NO_COUNTS, upserts: 1_000 },
    samples: [{ operation: 'upsert', id: 'p1', before: { id: 'p1', n: 1 }, after: { id: 'p1', n: 2 } }],
    estimatedRu: 10_000,
    estimatedSeconds: 4,
    partitionKeys: loads(keys).heaviest({ estimatedRu: 10_000, physicalPartitions: 4 }),
  };
  const text = previewText(preview).join('\n');
  expect(text).toContain('hot partition key "mugs": 750 writes, 75 % of the RU');
  expect(text).toContain('one logical partition serves 10000 RU/s, so this epoch at most 13333 RU/s');
  expect(text).toContain('about 10000 RU, 4 s');
  expect(text).toContain('    - {"id":"p1","n":1}\n    + {"id":"p1","n":2}');
  expect(text).not.toContain('cold');
  // The same in JSON.
  expect(JSON.parse(JSON.stringify(preview.partitionKeys))).toMatchObject([
    { partitionKey: ['mugs'], operations: 750, share: 0.75, estimatedRu: 7_500, hot: true },
  ]);
});

test('a heavy key is found among more keys than are remembered', () => {
  const keys = Array.from({ length: 5_000 }, (_, index) => (index % 3 === 0 ? 'heavy' : `light ${index}`));
  const [first] = loads(keys, 16).heaviest({ estimatedRu: null, physicalPartitions: 1 });
  expect(first).toMatchObject({ partitionKey: ['heavy'], estimatedRu: null, hot: false });
  expect(first?.operations).toBeLessThanOrEqual(1_667);
  expect(first?.operations).toBeGreaterThan(1_000);
});

test('a handful of writes heats nothing', () => {
  expect(loads(['a', 'a', 'b']).heaviest({ estimatedRu: 30, physicalPartitions: 10 })).toEqual([]);
});
