/**
 * Damaged files: a clear refusal or rows, never a crash, a hang, an unhandled rejection or a big allocation; other rows than the
 * original's only where the mutation hit bytes that no check covers (see mutation-oracle.ts).
 */
import { zstdCompressSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { openParquet, type ParquetFile } from '../../src/parquet/parquet-file.ts';
import { readRowBatches } from '../../src/parquet/row-reader.ts';
import type { DataType, Row, StructField } from '../../src/parquet/value-type.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { parquetBytes } from '../support/parquet-rows.ts';
import { Random } from '../support/random.ts';
import { byteArrays, handMadeFile, int32s, runs } from './hand-made-file.ts';
import { memorySource } from './memory-source.ts';
import { judge, original, type Original, type Outcome, type Verdict } from './mutation-oracle.ts';
import { field, primitive } from './random-rows.ts';

const RUNS = Number(process.env['PARQUET_MUTATIONS'] ?? 2000);
const SEED = Number(process.env['PARQUET_SEED'] ?? 20_261_122);
/** A mutated row count may promise any number of nulls; the consumer of a stream may stop. */
const ENOUGH_ROWS = 50_000;

const decimal: DataType = { kind: 'decimal', precision: 20, scale: 2 };
const nested: DataType = {
  kind: 'array',
  containsNull: true,
  element: { kind: 'struct', fields: [field('a', primitive('long')), field('b', primitive('string'))] },
};
const tags: DataType = { kind: 'map', key: primitive('string'), value: primitive('double'), valueContainsNull: true };
const fields: readonly StructField[] = [
  field('id', primitive('long')),
  field('name', primitive('string')),
  field('at', primitive('timestamp')),
  field('price', decimal),
  field('flag', primitive('boolean')),
  field('nested', nested),
  field('tags', tags),
];
const rows: Row[] = Array.from({ length: 60 }, (_, i) => ({
  id: i,
  name: i % 5 === 0 ? null : `name ${i % 7}`,
  at: `2024-01-01T00:00:00.${String(i).padStart(6, '0')}Z`,
  price: `${i}.50`,
  flag: i % 3 === 0,
  nested: i % 4 === 0 ? null : [{ a: i, b: null }, null, { a: null, b: 'x' }],
  tags: [[`k${i % 3}`, i / 4]],
}));

const strings = [field('c', primitive('string'))];
const integers = [field('c', primitive('integer'))];
const v1Page = Buffer.concat([
  runs([
    [4, 1],
    [2, 0],
  ]),
  int32s(1, 2, 3, 4),
]);
/** Every page has a checksum: dictionary, V1 and V2. */
const summed = handMadeFile(
  [
    { name: 'root', num_children: 2 },
    { name: 'c', type: 'INT32', repetition_type: 'REQUIRED' },
    { name: 's', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  ],
  60,
  [
    {
      path: ['c'],
      pages: [0, 20, 40].map((from) => ({
        kind: from === 20 ? 'v2' : 'v1',
        values: 20,
        encoding: 'PLAIN',
        body: int32s(...Array.from({ length: 20 }, (_, i) => from + i)),
        crc: true,
      })),
    },
    {
      path: ['s'],
      pages: [
        { kind: 'dictionary', values: 3, encoding: 'PLAIN', body: byteArrays('red', 'green', 'blue'), crc: true },
        {
          kind: 'v1',
          values: 60,
          encoding: 'RLE_DICTIONARY',
          body: Buffer.concat([
            Uint8Array.of(2),
            runs(
              Array.from({ length: 30 }, (_, i) => [2, i % 3] as const),
              true,
            ),
          ]),
          crc: true,
        },
      ],
    },
  ],
);
const files: readonly { readonly bytes: Uint8Array; readonly columns: readonly StructField[] }[] = [
  { bytes: parquetBytes(fields, rows, { rowGroupRows: 25, pageBytes: 100 }), columns: fields },
  { bytes: parquetBytes(fields, rows, { codec: 'UNCOMPRESSED' }), columns: fields },
  {
    bytes: parquetBytes(fields, rows, { codec: 'ZSTD', compress: (bytes) => zstdCompressSync(bytes) }),
    columns: fields,
  },
  ...(['DELTA_BYTE_ARRAY', 'DELTA_LENGTH_BYTE_ARRAY'] as const).map((encoding) => ({
    bytes: parquetBytes(
      strings,
      rows.map((row) => ({ c: row['name']! })),
      { codec: 'UNCOMPRESSED', encoding: () => encoding },
    ),
    columns: strings,
  })),
  ...(['DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT'] as const).map((encoding) => ({
    bytes: parquetBytes(
      integers,
      rows.map((row) => ({ c: row['id']! })),
      { codec: 'UNCOMPRESSED', encoding: () => encoding },
    ),
    columns: integers,
  })),
  {
    bytes: handMadeFile(
      [
        { name: 'root', num_children: 1 },
        { name: 'c', type: 'INT32', repetition_type: 'OPTIONAL' },
      ],
      6,
      [{ path: ['c'], pages: [{ kind: 'v1', values: 6, encoding: 'PLAIN', body: v1Page }] }],
    ),
    columns: integers,
  },
  { bytes: summed, columns: [...integers, field('s', primitive('string'))] },
];
let originals: readonly Original[];

beforeAll(async () => {
  originals = await Promise.all(files.map(({ bytes, columns }) => original(bytes, columns)));
});

function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice();
  const footer = Math.max(0, copy.length - 600);
  const times = random.int(1, 4);
  for (let i = 0; i < times; i++) {
    const at = random.chance(0.5) ? random.int(footer, copy.length - 1) : random.int(0, copy.length - 1);
    const kind = random.int(0, 3);
    if (kind === 0) copy[at] = copy[at]! ^ (1 << random.int(0, 7));
    else if (kind === 1) copy[at] = random.int(0, 255);
    else if (kind === 2) copy.fill(random.pick([0, 0xff, 0x80]), at, at + random.int(1, 12));
    else copy.copyWithin(at, random.int(0, copy.length - 1), copy.length - 1);
  }
  return random.chance(0.1) ? copy.slice(random.int(0, copy.length)) : copy;
}

async function outcome(bytes: Uint8Array, columns: readonly StructField[]): Promise<Outcome> {
  let file: ParquetFile | undefined;
  try {
    file = await openParquet(memorySource(bytes));
    const read: Row[] = [];
    for await (const batch of readRowBatches(file, { columns })) {
      read.push(...batch.rows);
      if (read.length > ENOUGH_ROWS) break;
    }
    return { file, rows: read };
  } catch (thrown) {
    if (!(thrown instanceof SyncError)) throw thrown;
    expect(['dataFileDamaged', 'unsupportedFeature']).toContain(thrown.code);
    return { file, rows: undefined };
  }
}

describe('mutated files', () => {
  it(`end in rows or a refusal (${RUNS} from seed ${SEED}; PARQUET_MUTATIONS sets the number)`, async () => {
    const random = new Random(SEED);
    const verdicts: Record<Verdict, number> = {
      'all rows are checked': 0,
      'some values are checked': 0,
      'nothing is checked': 0,
    };
    let refused = 0;
    let slowest = 0;
    for (let run = 0; run < RUNS; run++) {
      const before = random.pick(originals);
      const bytes = mutate(before.bytes, random);
      // Some columns only: then there are bytes that are not read.
      const some = before.columns.filter(() => random.chance(0.5));
      const columns = some.length === 0 ? before.columns : some;
      const start = performance.now();
      try {
        const after = await outcome(bytes, columns);
        verdicts[judge(before, bytes, columns, after)]++;
        if (after.rows === undefined) refused++;
      } catch (thrown) {
        throw new Error(`mutation ${run} of seed ${SEED}`, { cause: thrown });
      }
      slowest = Math.max(slowest, performance.now() - start);
    }
    expect(refused).toBeGreaterThan(0);
    expect(verdicts['all rows are checked']).toBeGreaterThan(RUNS / 50);
    expect(verdicts['some values are checked']).toBeGreaterThan(RUNS / 50);
    // Safety nets: a second for some thousand bytes, and the memory of the whole test process.
    expect(slowest).toBeLessThan(20_000);
    expect(process.memoryUsage().rss).toBeLessThan(768 * 1024 * 1024);
  });

  it('with checksums give the original rows or none, whatever bit of a page is flipped', async () => {
    const before = originals.at(-1)!;
    const counts = { same: 0, refused: 0 };
    for (const { start, end } of before.file.rowGroups[0]!.columns) {
      for (let at = start; at < end; at++) {
        const bytes = before.bytes.slice();
        bytes[at]! ^= 1 << (at % 8);
        const after = await outcome(bytes, before.columns);
        judge(before, bytes, before.columns, after);
        counts[after.rows === undefined ? 'refused' : 'same']++;
      }
    }
    expect(counts.refused).toBeGreaterThan(counts.same);
  });

  it('cut at every length are refused', async () => {
    const { bytes, columns } = files.at(-2)!;
    for (let length = 0; length < bytes.length; length++) {
      expect((await outcome(bytes.slice(0, length), columns)).rows).toBeUndefined();
    }
  });
});
