/**
 * Every Parquet file of the corpus (Spark, Databricks, delta-rs, DuckDB, polars, dask, …; data and checkpoints) read twice:
 * by our own decoding and by hyparquet's public reader. Runs where the corpus is present.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openParquet } from '../../src/parquet/parquet-file.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { collect, memorySource } from './memory-source.ts';
import { readNaively } from './naive-reader.ts';
import { ownType } from './own-type.ts';
import { field } from './random-rows.ts';

const CORPUS = fileURLToPath(new URL('../../../shared/delta-corpus/tables', import.meta.url));

/** Every how manieth file; PARQUET_CORPUS_STEP=1 takes all. */
const STEP = Number(process.env['PARQUET_CORPUS_STEP'] ?? 5);
const MOST_BYTES = STEP === 1 ? Number.POSITIVE_INFINITY : 200_000;

/** Files that are damaged on purpose, and what is shredded. */
const REFUSED = /derived-stray-files|derived-truncated-parquet|derived-zero-byte|spark-variant-stats/;

describe.skipIf(!existsSync(CORPUS))('files of the corpus', () => {
  it('give the same rows as hyparquet, or are refused by name', async () => {
    const paths = readdirSync(CORPUS, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.parquet'),
    );
    expect(paths.length).toBeGreaterThan(1000);
    let compared = 0;
    for (const path of paths.toSorted().filter((_, i) => i % STEP === 0)) {
      const bytes = new Uint8Array(readFileSync(join(CORPUS, path)));
      if (bytes.length > MOST_BYTES) continue;
      try {
        const file = await openParquet(memorySource(bytes, path));
        const types = file.schema.children.map((child) => field(child.name, ownType(child)));
        expect(await collect(file, { columns: types })).toHaveLength(file.numRows);
        const naive = await readNaively(bytes, types);
        const own = await collect(file, { columns: naive.fields });
        const at = own.findIndex((row, i) => !isDeepStrictEqual(row, naive.rows[i]));
        if (at >= 0) throw new Error(`row ${at}: ${inspect(own[at])} but hyparquet ${inspect(naive.rows[at])}`);
        compared++;
      } catch (thrown) {
        if (thrown instanceof SyncError && REFUSED.test(path)) continue;
        throw new Error(path, { cause: thrown });
      }
    }
    expect(compared).toBeGreaterThan(200);
  });
});
