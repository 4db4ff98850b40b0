/** Every check of one corpus table, through the commands `inspect`, `rows` and `changes`. */
import { cp, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CORPUS, REFUSALS, type Expected, type ExpectedRows, type JsonRow, type ShortType } from './corpus.ts';
import { RowCheck } from './row-comparison.ts';

/** How a command ended. */
export interface CommandEnd {
  readonly exitCode: number;
  readonly stderr: string;
}

/** Runs a command of `delta-cosmos`, giving each line of stdout to `onLine`. */
export type RunCommand = (argv: readonly string[], onLine: (line: string) => void) => Promise<CommandEnd>;

const REFUSED = 3;

class Mismatch extends Error {}

function must(condition: boolean, problem: string): void {
  if (!condition) throw new Mismatch(problem);
}

function mustEqual(actual: unknown, expected: unknown, what: string): void {
  must(
    isDeepStrictEqual(actual, expected),
    `${what}: ${JSON.stringify(actual)?.slice(0, 500)}, not ${JSON.stringify(expected)?.slice(0, 500)}`,
  );
}

interface Inspection {
  readonly version: number;
  readonly minReaderVersion: number;
  readonly readerFeatures: readonly string[];
  readonly schema: readonly (readonly [string, ShortType])[];
  readonly partitionColumns: readonly string[];
  readonly numFiles: number;
  readonly files: readonly string[];
  readonly txns: Readonly<Record<string, number>>;
  readonly domainMetadata: Readonly<Record<string, string>>;
  readonly commitTimestamp: number;
}

class TableCheck {
  readonly #run: RunCommand;
  readonly #table: string;
  readonly #expected: Expected;

  constructor(run: RunCommand, table: string, expected: Expected) {
    this.#run = run;
    this.#table = table;
    this.#expected = expected;
  }

  async check(): Promise<void> {
    const expected = this.#expected;
    if (expected.outcome === 'error') {
      await this.#refuses(['rows', this.#table], REFUSALS[expected.name]);
      return;
    }
    const seen = await this.#inspect([]);
    if (seen === 'refused') return;
    this.#checkState(seen);
    if (expected.outcome === 'snapshot') {
      if (expected.numFiles !== 0) await this.#refuses(['rows', this.#table], /./);
    } else if ((await this.#rows([], expected)) === 'refused') return;
    for (const [version, wanted] of Object.entries(expected.versions ?? {})) {
      if ('outcome' in wanted) await this.#refuses(['rows', this.#table, '--version', version], /./);
      else await this.#rows(['--version', version], wanted);
    }
    for (const range of expected.cdf ?? []) await this.#changes(range);
    await this.#checkTimes();
  }

  async #inspect(flags: readonly string[]): Promise<Inspection | 'refused'> {
    const lines: string[] = [];
    const end = await this.#run(['inspect', this.#table, '--json', '--files', ...flags], (line) => lines.push(line));
    if (this.#mayRefuse(end)) return 'refused';
    mustEqual(end.exitCode, 0, `inspect: ${end.stderr}`);
    return JSON.parse(lines.join('\n')) as Inspection;
  }

  #mayRefuse({ exitCode }: CommandEnd): boolean {
    return exitCode === REFUSED && this.#expected.mayRefuse !== undefined;
  }

  #checkState(seen: Inspection): void {
    const expected = this.#expected;
    // Unknown for tables with a broken checkpoint: there the rows decide.
    if (expected.latestVersion !== null) mustEqual(seen.version, expected.latestVersion, 'version');
    mustEqual(seen.minReaderVersion, expected.readerVersion, 'minReaderVersion');
    mustEqual(seen.readerFeatures.toSorted(), (expected.readerFeatures ?? []).toSorted(), 'readerFeatures');
    if (expected.schema !== undefined) mustEqual(seen.schema, expected.schema, 'schema');
    if (expected.partitionColumns !== undefined)
      mustEqual(seen.partitionColumns, expected.partitionColumns, 'partitions');
    if (expected.numFiles !== undefined) mustEqual(seen.numFiles, expected.numFiles, 'numFiles');
    mustEqual(seen.files.length, seen.numFiles, 'files');
    // Of many files the corpus lists some.
    const seenFiles = new Set(seen.files);
    for (const path of expected.activeFiles ?? []) must(seenFiles.has(path), `${path} is not among the files`);
    if (expected.txns !== undefined) mustEqual(seen.txns, expected.txns, 'txns');
    if (expected.domainMetadata !== undefined)
      mustEqual(seen.domainMetadata, expected.domainMetadata, 'domainMetadata');
  }

  #columns(rows: ExpectedRows): readonly (readonly [string, ShortType])[] {
    const ignored = this.#expected.ignoreColumns ?? [];
    const [first] = rows.rows ?? rows.sample ?? [];
    const known = new Map(this.#expected.schema);
    // An older version may have other columns; only rows tell which.
    const names = first === undefined ? [...known.keys()] : Object.keys(first);
    return names.filter((name) => !ignored.includes(name)).map((name) => [name, known.get(name) ?? 'string'] as const);
  }

  async #rows(flags: readonly string[], wanted: ExpectedRows): Promise<'refused' | undefined> {
    const check = new RowCheck(wanted, this.#columns(wanted));
    const end = await this.#run(['rows', this.#table, ...flags], (line) => check.add(JSON.parse(line) as JsonRow));
    if (this.#mayRefuse(end)) return 'refused';
    mustEqual(end.exitCode, 0, `rows ${flags.join(' ')}: ${end.stderr}`);
    const problem = check.problem();
    must(problem === undefined, `rows ${flags.join(' ')}: ${problem}`);
    return undefined;
  }

  async #changes(range: NonNullable<Expected['cdf']>[number]): Promise<void> {
    const argv = ['changes', this.#table, '--from', String(range.startVersion), '--to', String(range.endVersion)];
    if ('outcome' in range) {
      await this.#refuses(argv, /change data feed/i);
      return;
    }
    const wanted = { rowCount: range.rows.length, rows: range.rows };
    const check = new RowCheck(wanted, this.#columns(wanted));
    const times: Record<string, string> = {};
    const end = await this.#run(argv, (line) => {
      const row = JSON.parse(line) as JsonRow;
      times[String(row['_commit_version'])] = String(row['_commit_timestamp']);
      check.add(row);
    });
    if (this.#mayRefuse(end)) return;
    mustEqual(end.exitCode, 0, `${argv.slice(2).join(' ')}: ${end.stderr}`);
    const problem = check.problem();
    must(problem === undefined, `changes ${argv.slice(2).join(' ')}: ${problem}`);
    for (const [version, time] of Object.entries(range.commitTimestamps ?? {})) {
      const seen = times[version];
      if (seen !== undefined) mustEqual(Date.parse(seen), Date.parse(time), `_commit_timestamp of ${version}`);
    }
  }

  async #refuses(argv: readonly string[], about: RegExp | undefined): Promise<void> {
    let lines = 0;
    const end = await this.#run(argv, () => lines++);
    must(
      end.exitCode === REFUSED,
      `${argv.slice(2).join(' ')} exits ${end.exitCode} with ${lines} lines: ${end.stderr}`,
    );
    must(about?.test(end.stderr) === true, `the refusal says ${end.stderr}`);
  }

  /** The copy's commit files have the times that upstream set. */
  async #checkTimes(): Promise<void> {
    const times = Object.entries(this.#expected.commitTimestamps ?? {});
    for (const [version, time] of times) {
      if (typeof time !== 'number') continue;
      const seen = await this.#inspect(['--version', version]);
      must(
        seen !== 'refused' && seen.commitTimestamp === time,
        `commit timestamp of ${version}: ${JSON.stringify(seen)}`,
      );
      for (const at of [time, time + 1]) {
        const then = await this.#inspect(['--timestamp', String(at)]);
        must(then !== 'refused' && then.version === Number(version), `the version at ${at} is ${JSON.stringify(then)}`);
      }
    }
    const [first] = times;
    if (first === undefined || typeof first[1] !== 'number') return;
    await this.#refuses(['rows', this.#table, '--timestamp', String(first[1] - 1)], /before the first commit/);
  }
}

/** Copies a table that must be prepared: a path template, or times that version control does not keep. */
async function prepare(expected: Expected, folder: string): Promise<void> {
  await cp(join(CORPUS, 'tables', expected.name), folder, { recursive: true });
  const log = join(folder, '_delta_log');
  for (const name of await readdir(log)) {
    if (expected.needsSetup === true && name.endsWith('.json')) {
      const text = await readFile(join(log, name), 'utf8');
      await rm(join(log, name));
      await writeFile(join(log, name), text.replaceAll('{{TABLE_URI}}', `file://${folder}`));
    }
    const version = /^(\d{20})\.json$/.exec(name)?.[1];
    const time = version === undefined ? undefined : commitTime(expected, String(Number(version)));
    if (time !== undefined) await utimes(join(log, name), time / 1000, time / 1000);
  }
}

/** Modification time that a commit file had upstream, in milliseconds. */
function commitTime(expected: Expected, version: string): number | undefined {
  const time = expected.commitTimestamps?.[version];
  if (typeof time === 'number') return time;
  const feed = expected.cdf?.find((range) => 'commitTimestamps' in range);
  const text = feed !== undefined && 'commitTimestamps' in feed ? feed.commitTimestamps?.[version] : undefined;
  return text === undefined ? undefined : Date.parse(text);
}

/** Checks a table; undefined when everything is as expected, else the first thing that is not. */
export async function checkTable(run: RunCommand, expected: Expected): Promise<string | undefined> {
  const hasTimes = expected.cdf?.some((range) => 'commitTimestamps' in range) ?? false;
  const isCopied = expected.needsSetup === true || expected.commitTimestamps !== undefined || hasTimes;
  const folder = isCopied ? await mkdtemp(join(tmpdir(), 'delta-corpus-')) : undefined;
  try {
    if (folder !== undefined) await prepare(expected, join(folder, 'table'));
    const table = folder === undefined ? join(CORPUS, 'tables', expected.name) : join(folder, 'table');
    await new TableCheck(run, table, expected).check();
    return undefined;
  } catch (error) {
    if (error instanceof Mismatch) return error.message;
    throw error;
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}
