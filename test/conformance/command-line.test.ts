import { describe, expect, it } from 'vitest';
import { CORPUS, corpusNames, expectedOf } from './corpus.ts';
import { isBuilt, runProcess } from './run-command.ts';
import { checkTable } from './table-checks.ts';

/** One of each kind: rows, aggregates, versions, change feeds, times, refusals, log-only fixtures. */
const SAMPLE = [
  'dat-cdf',
  'dat-multi-partitioned',
  'derived-dv-absolute-path-template',
  'derived-dv-checksum-mismatch',
  'derived-in-commit-timestamp-enabled-mid-life',
  'derived-missing-data-file',
  'derived-partition-all-types-a',
  'derived-zero-byte-commit',
  'drs-checkpoint-cdf-table',
  'drs-checkpoints-vacuumed',
  'drs-table-with-edge-timestamps',
  'golden-no-delta-log-folder',
  'golden-parquet-all-types',
  'golden-time-travel-start-start20-start40',
  'golden-v2-checkpoint-json',
  'kd-basic-catalog-managed',
  'krs-cdf-table-with-dv',
  'krs-table-with-cdf-toggled',
  'krs-type-widening',
  'spark-table-with-dv-large',
];
const names = corpusNames().filter((name) => SAMPLE.includes(name));

describe.skipIf(names.length === 0 || !isBuilt())('the compiled command line on tables of other writers', () => {
  it.each(names)('%s', async (name) => {
    expect(await checkTable(runProcess, expectedOf(name))).toBeUndefined();
  });

  it('ends with 2 when it is used wrongly', async () => {
    for (const argv of [
      ['rows'],
      ['rows', 'x', '--limit', 'many'],
      ['changes', 'x'],
      ['inspect', 'x', '--version', '-1'],
    ]) {
      const end = await runProcess(argv, () => undefined);
      expect(end.exitCode, argv.join(' ')).toBe(2);
      expect(end.stderr).not.toBe('');
    }
  });

  it('prints --columns in their order and at most --limit rows', async () => {
    const lines: string[] = [];
    const argv = ['rows', `${CORPUS}/tables/dat-basic-append`, '--columns', 'number,letter', '--limit', '2'];
    expect((await runProcess(argv, (line) => lines.push(line))).exitCode).toBe(0);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^\{"number":\d,"letter":"."\}$/);
  });
});
