/** The Delta corpus: tables that other writers made, and what a correct reader gives for each. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the corpus beside the project. */
export const CORPUS = fileURLToPath(new URL('../../../shared/delta-corpus', import.meta.url));

/** A type in the corpus' short form. */
export type ShortType =
  | string
  | { readonly struct: readonly (readonly [string, ShortType])[] }
  | { readonly array: ShortType }
  | { readonly map: readonly [ShortType, ShortType] };

export type JsonRow = Readonly<Record<string, unknown>>;

export interface Aggregate {
  readonly nulls: number;
  readonly min?: string | number;
  readonly max?: string | number;
  readonly sum?: string | number;
  readonly distinct?: number;
  readonly counts?: Readonly<Record<string, number>>;
}

/** Rows of a version, or their aggregates when there are too many to list. */
export interface ExpectedRows {
  readonly rowCount: number;
  readonly rows: readonly JsonRow[] | null;
  readonly aggregates?: Readonly<Record<string, Aggregate>>;
  readonly sample?: readonly JsonRow[];
}

export interface ExpectedError {
  readonly outcome: 'error';
  readonly errorAbout: string;
}

export interface Expected extends ExpectedRows {
  readonly name: string;
  readonly outcome: 'rows' | 'error' | 'snapshot';
  readonly errorAbout: string;
  readonly mayRefuse?: string;
  readonly latestVersion: number | null;
  readonly readerVersion: number;
  readonly readerFeatures: readonly string[] | null;
  readonly schema?: readonly (readonly [string, ShortType])[];
  readonly partitionColumns?: readonly string[];
  readonly numFiles?: number;
  readonly activeFiles?: readonly string[];
  readonly readErrorAbout?: string;
  readonly ignoreColumns?: readonly string[];
  readonly versions?: Readonly<Record<string, ExpectedRows | ExpectedError>>;
  readonly cdf?: readonly (
    | {
        readonly startVersion: number;
        readonly endVersion: number;
        readonly rows: readonly JsonRow[];
        readonly commitTimestamps?: Readonly<Record<string, string>>;
      }
    | ({ readonly startVersion: number; readonly endVersion: number } & ExpectedError)
  )[];
  readonly txns?: Readonly<Record<string, number>>;
  readonly domainMetadata?: Readonly<Record<string, string>>;
  readonly commitTimestamps?: Readonly<Record<string, number | string>>;
  readonly needsSetup?: boolean;
}

/** Names of the corpus' tables; empty when the corpus is absent. */
export function corpusNames(): readonly string[] {
  const folder = join(CORPUS, 'expected');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -5))
    .toSorted();
}

/** What a correct reader gives for a table. */
export function expectedOf(name: string): Expected {
  return JSON.parse(readFileSync(join(CORPUS, 'expected', `${name}.json`), 'utf8')) as Expected;
}

/** What a refusal must name, by table; from `errorAbout`. */
export const REFUSALS: Readonly<Record<string, RegExp>> = {
  'derived-column-mapping-invalid-mode': /column mapping mode/i,
  'derived-dv-checksum-mismatch': /deletion vector.*checksum/i,
  'derived-dv-file-truncated': /deletion vector.*truncated/i,
  'derived-dv-inline-bad-magic': /deletion vector.*magic/i,
  'derived-missing-data-file': /data file .*missing/i,
  'derived-missing-dv-file-b': /deletion vector.*missing/i,
  'derived-reader-feature-two-unknown': /geospatial, notYetInvented/,
  'derived-shallow-clone-abfss-paths': /outside the table folder/,
  'derived-truncated-commit': /commit 3 is not valid JSON/i,
  'derived-truncated-parquet': /\.parquet/,
  'derived-zero-byte-commit': /commit 3 is empty/i,
  'dremio-malformed-metadata': /metaData/,
  'drs-exotic-table-c': /not contiguous/,
  'drs-exotic-table-d': /catalogOwned/,
  'drs-exotic-table-h': /catalogOwned/,
  'duckdb-null-constraints-lists': /commit \d+ is not valid JSON|not one action per line/i,
  'golden-data-reader-absolute-paths-escaped-chars': /metaData/,
  'golden-deltalog-invalid-protocol-version': /minReaderVersion 99/,
  'golden-deltalog-state-reconstruction-without-metadata': /metaData/,
  'golden-deltalog-state-reconstruction-without-protocol': /protocol/,
  'golden-no-delta-log-folder': /not a Delta table/,
  'golden-versions-not-contiguous': /commit 1 is missing.*not contiguous/,
  'kd-basic-catalog-managed': /catalogManaged.*catalog/,
};
