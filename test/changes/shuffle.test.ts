import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inHashRange, inIdBucket, splitHashRanges } from '../../src/changes/hash-ranges.ts';
import type { Image } from '../../src/changes/image.ts';
import { readShufflePartition, type ShufflePart } from '../../src/changes/shuffle.ts';
import { ShuffleWriter } from '../../src/changes/shuffle-writer.ts';
import type { JsonObject, PartitionKeyValue } from '../../src/documents/document.ts';
import { effectivePartitionKey } from '../../src/documents/effective-partition-key.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { MemoryPlanStore } from '../support/memory-plan-store.ts';

const RANGES = splitHashRanges([{ start: '', end: 'FF' }], 5);

function imageOf(id: string, key: PartitionKeyValue, rest: Partial<Image> = {}): Image {
  const epk = effectivePartitionKey([key], { kind: 'Hash', version: 2 });
  return {
    side: 'after',
    version: 1,
    identity: { id, partitionKey: [key], epk },
    document: { id },
    position: { path: 'f', row: 0 },
    ...rest,
  };
}

const keys = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constantFrom(null, undefined),
);
const images: fc.Arbitrary<Image> = fc
  .record({
    id: fc.string({ minLength: 1, unit: 'grapheme' }),
    key: keys,
    side: fc.constantFrom('before' as const, 'after' as const),
    version: fc.nat(),
    document: fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      fc.jsonValue({ noUnicodeString: false }),
    ) as fc.Arbitrary<JsonObject>,
    path: fc.constantFrom('a.parquet', 'dir/"b"\n.parquet', 'ü'),
    row: fc.nat(),
    rejected: fc.boolean(),
  })
  .map(({ id, key, side, version, document, path, row, rejected }) =>
    imageOf(id, key === 0 ? 0 : key, {
      side,
      version,
      document: JSON.parse(JSON.stringify(document)) as JsonObject,
      position: { path, row },
      ...(rejected ? { rejection: { kind: 'rejected', code: 'keyNull', reason: 'why', column: 'c' } as const } : {}),
    }),
  );

async function read(store: MemoryPlanStore, part: ShufflePart): Promise<Image[]> {
  const found: Image[] = [];
  for await (const batch of readShufflePartition(store, part)) found.push(...batch);
  return found;
}

function part(blobNames: readonly string[], rangeIndex: number): ShufflePart {
  return { blobNames, rangeIndex, rangeCount: RANGES.length };
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof SyncError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('shuffle', () => {
  test('every image arrives once, unchanged, in the part of its range', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(images, { maxLength: 20 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(0, 500, 1_000_000),
        async (slices, sectionBytes) => {
          const store = new MemoryPlanStore();
          const names: string[] = [];
          const writer = new ShuffleWriter(RANGES, { sectionBytes });
          for (const [index, slice] of slices.entries()) {
            for (const image of slice) writer.add(image);
            const blob = await writer.write(store, `attempt-${index}`);
            names.push(blob.name);
            expect(blob.images.reduce((sum, count) => sum + count, 0)).toBe(slice.length);
            expect(blob.bytes).toBe(store.blobs.get(blob.name)?.length);
          }
          const found: Image[] = [];
          for (const [index, range] of RANGES.entries()) {
            const own = await read(store, part(names, index));
            for (const image of own) expect(inHashRange(range, image.identity)).toBe(true);
            found.push(...own);
          }
          expect(sorted(found)).toEqual(sorted(slices.flat()));
        },
      ),
      { seed: 121, numRuns: 150 },
    );
  });

  test('buckets of a range are disjoint and together the whole, with sections and without', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(images, { maxLength: 40 }),
        fc.constantFrom(0, 1_000_000),
        fc.constantFrom(1, 2, 3, 8, 256, 700),
        async (all, sectionBytes, of) => {
          const store = new MemoryPlanStore();
          const writer = new ShuffleWriter(RANGES, { sectionBytes });
          for (const image of all) writer.add(image);
          await writer.write(store, 'blob');
          const found: Image[] = [];
          for (const range of RANGES.keys()) {
            for (let index = 0; index < of; index++) {
              const bucket = { index, of };
              const own = await read(store, { ...part(['blob'], range), bucket });
              for (const image of own) expect(inIdBucket(bucket, image.identity)).toBe(true);
              found.push(...own);
            }
          }
          expect(sorted(found)).toEqual(sorted(all));
        },
      ),
      { seed: 123, numRuns: 40 },
    );
  });

  test('a pass over a hot partition key reads its own sections, not all of the key', async () => {
    const store = new MemoryPlanStore();
    const writer = new ShuffleWriter(RANGES);
    const text = 'y'.repeat(500);
    for (let index = 0; index < 5000; index++) writer.add(imageOf(`id ${index}`, 'one key', { document: { text } }));
    const { bytes, images: counts } = await writer.write(store, 'blob');
    const rangeIndex = counts.findIndex((count) => count > 0);
    for (let index = 0; index < 8; index++) {
      const own = await read(store, { ...part(['blob'], rangeIndex), bucket: { index, of: 8 } });
      expect(own.length).toBeGreaterThan(400);
    }
    // Index and section table of each pass, and every section once.
    expect(store.bytesRead).toBeLessThan(bytes + 8 * 4_000);
  });

  test('each row is written once, and reading a range reads its own part and the index', async () => {
    const store = new MemoryPlanStore();
    const writer = new ShuffleWriter(RANGES);
    const document = { id: 'x', text: 'y'.repeat(1000) };
    for (let index = 0; index < 2000; index++) writer.add(imageOf(`id ${index}`, index, { document }));
    expect(writer.bytes).toBeGreaterThan(2_000_000);
    const { bytes } = await writer.write(store, 'blob');
    expect(writer.bytes).toBe(0);
    expect(store.bytesWritten).toBe(bytes);
    expect(bytes).toBeLessThan(2000 * 1200);
    await read(store, part(['blob'], 2));
    expect(store.reads).toBe(2);
    expect(store.bytesRead).toBeLessThan(bytes / 4);
  });

  test('the writer says when a blob is large enough', () => {
    const writer = new ShuffleWriter(RANGES, { maxBytes: 10_000 });
    let added = 0;
    while (!writer.full) {
      writer.add(imageOf(`id ${added++}`, added));
      if (added > 1000) break;
    }
    expect(added).toBeGreaterThan(50);
    expect(added).toBeLessThan(200);
  });

  test('an aborted signal stops reading', async () => {
    const store = new MemoryPlanStore();
    await new ShuffleWriter(RANGES).write(store, 'blob');
    const reading = readShufflePartition(store, part(['blob'], 0), AbortSignal.abort());
    await expect(reading.next()).rejects.toThrow('abort');
  });
});

describe('damaged blobs', () => {
  const write = async (sectionBytes: number): Promise<MemoryPlanStore> => {
    const store = new MemoryPlanStore();
    const writer = new ShuffleWriter(RANGES, { sectionBytes });
    for (let index = 0; index < 50; index++) writer.add(imageOf(`id ${index}`, index));
    await writer.write(store, 'blob');
    return store;
  };
  const readAll = async (store: MemoryPlanStore): Promise<void> => {
    for (const index of RANGES.keys()) await read(store, part(['blob'], index));
  };

  test.each([0, 1_000_000])(
    'a flipped bit in index, sections or lines is noticed (sections from %i bytes on)',
    async (sectionBytes) => {
      const store = await write(sectionBytes);
      const sound = store.blobs.get('blob') ?? new Uint8Array();
      await fc.assert(
        // Behind the header, which is for people: every index entry vouches for what it should say.
        fc.asyncProperty(fc.integer({ min: 12, max: sound.length - 1 }), fc.nat(7), async (at, bit) => {
          const damaged = sound.slice();
          damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
          store.blobs.set('blob', damaged);
          expect(await codeOf(readAll(store))).toBe('planDamaged');
        }),
        { seed: 122, numRuns: 300 },
      );
    },
  );

  test('a cut is noticed wherever it is, and so is what never was a shuffle file', async () => {
    const store = await write(1_000_000);
    const sound = store.blobs.get('blob') ?? new Uint8Array();
    for (const length of [0, 1, 15, 16, 40, sound.length - 1]) {
      store.blobs.set('blob', sound.slice(0, length));
      expect(await codeOf(readAll(store))).toBe('planDamaged');
    }
    store.blobs.set('blob', new TextEncoder().encode('{"a": 1}'.repeat(100)));
    expect(await codeOf(readAll(store))).toBe('planDamaged');
  });

  test('a blob written for other ranges is refused, a missing one is not found', async () => {
    const store = await write(1_000_000);
    expect(await codeOf(read(store, { blobNames: ['blob'], rangeIndex: 0, rangeCount: 4 }))).toBe('planDamaged');
    expect(await codeOf(read(store, part(['gone'], 0)))).toBe('storageNotFound');
    expect(await codeOf(read(store, part(['blob'], 5)))).toBe('internal');
  });
});

function sorted(list: readonly Image[]): string[] {
  const text = (image: Image): string =>
    JSON.stringify(image, (_key, value: unknown) => (value === undefined ? 'absent' : value));
  return list.map(text).toSorted();
}
