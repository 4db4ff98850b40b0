/**
 * A log of 1,000,000 files in a checkpoint and 1,000 commits after it: `inspect` beside merely decoding the columns of the
 * checkpoint that it needs. Each is a process of its own; prints times, their ratio and the peak memory.
 * `node test/bench/log-scale.ts [FILES] [COMMITS]`
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { inspectCommand } from '../../src/cli/inspect.ts';
import { headVersion } from '../../src/delta/log.ts';
import type { LogStore } from '../../src/delta/log-store.ts';
import type { DataType } from '../../src/delta/schema.ts';
import { openParquet } from '../../src/parquet/parquet-file.ts';
import { readRowBatches } from '../../src/parquet/row-reader.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { actionRow, CHECKPOINT_COLUMNS, type Action } from '../support/delta-log-writer.ts';
import { parquetColumns } from '../support/parquet-rows.ts';

const CHECKPOINT_VERSION = 100;
const GROUP_ROWS = 50_000;
const logFile = (version: number, end: string): string => `_delta_log/${String(version).padStart(20, '0')}.${end}`;
const CHECKPOINT = logFile(CHECKPOINT_VERSION, 'checkpoint.parquet');

function add(path: string): Action {
  const range = { id: 1_000_000, name: 'a name of some length', price: 12.5, updated: '2026-01-01T00:00:00.000Z' };
  const nullCount = { id: 0, name: 12, price: 0, updated: 0 };
  const stats = JSON.stringify({ numRecords: 12_345, minValues: range, maxValues: range, nullCount });
  const partitionValues = { day: '2026-01-01' };
  return {
    add: { path, partitionValues, size: 123_456_789, modificationTime: 1_767_225_600_000, dataChange: false, stats },
  };
}

const newPath = (): string => `day=2026-01-01/part-00000-${randomUUID()}.c000.snappy.parquet`;

async function makeTable(folder: string, files: number, commits: number): Promise<void> {
  await mkdir(join(folder, '_delta_log'), { recursive: true });
  const schemaString = JSON.stringify({
    type: 'struct',
    fields: ['id', 'name', 'day'].map((name) => ({ name, type: 'string', nullable: true, metadata: {} })),
  });
  const state: Action[] = [
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    {
      metaData: {
        id: 't',
        format: { provider: 'parquet', options: {} },
        schemaString,
        partitionColumns: ['day'],
        configuration: {},
      },
    },
  ];
  let writer: ParquetWriter | undefined;
  const removable: string[] = [];
  for (let at = 0; at < files; at += GROUP_ROWS) {
    const actions = Array.from({ length: Math.min(GROUP_ROWS, files - at) }, () => {
      const path = newPath();
      if (removable.length < commits) removable.push(path);
      return add(path);
    });
    const rows = [...(at === 0 ? state : []), ...actions].map((action) => actionRow(CHECKPOINT_COLUMNS, action));
    const { schema, columnData } = parquetColumns(CHECKPOINT_COLUMNS, rows);
    writer ??= new ParquetWriter({ writer: fileWriter(join(folder, CHECKPOINT)), schema });
    await writer.write({ columnData, rowGroupSize: GROUP_ROWS * 2 });
  }
  await writer?.finish();
  await writeFile(
    join(folder, '_delta_log/_last_checkpoint'),
    JSON.stringify({ version: CHECKPOINT_VERSION, size: files }),
  );
  for (let i = 1; i <= commits; i++) {
    const actions: Action[] = [
      { commitInfo: { operation: 'WRITE', timestamp: 0 } },
      add(newPath()),
      { remove: { path: removable[i - 1], dataChange: true, deletionTimestamp: 0 } },
    ];
    const lines = actions.map((action) => `${JSON.stringify(action)}\n`).join('');
    await writeFile(join(folder, logFile(CHECKPOINT_VERSION + i, 'json')), lines);
  }
}

const silent = { write: () => Promise.resolve() };

async function inspect(folder: string): Promise<void> {
  const stdout = { write: (text: string) => Promise.resolve(void process.stderr.write(text.slice(0, 60))) };
  await inspectCommand.run([folder, '--json'], { stdout, stderr: silent, signal: new AbortController().signal });
}

/** Only the columns that `inspect` needs, state first, then files, and nothing done with them. */
async function decode(folder: string): Promise<void> {
  const type = (name: 'string' | 'long' | 'integer'): DataType => ({ kind: 'primitive', name });
  const field = (name: string, fieldType: DataType) => ({ name, type: fieldType, nullable: true, metadata: {} });
  const vector = ['storageType', 'pathOrInlineDv'].map((name) => field(name, type('string')));
  const vectorType: DataType = { kind: 'struct', fields: [...vector, field('offset', type('integer'))] };
  const fields = [field('path', type('string')), field('size', type('long')), field('deletionVector', vectorType)];
  const file = await openParquet(await new FolderLogStore(folder).open(CHECKPOINT));
  const state = CHECKPOINT_COLUMNS.filter(({ name }) => name !== 'add' && name !== 'remove');
  let rows = 0;
  for (const columns of [state, [field('add', { kind: 'struct', fields })]]) {
    for await (const batch of readRowBatches(file, { columns })) rows += batch.rows.length;
  }
  process.stderr.write(`${rows} rows decoded\n`);
}

/** How many list calls it takes to find that nothing changed. */
async function head(folder: string, commits: number): Promise<void> {
  const inner = new FolderLogStore(folder);
  let calls = 0;
  const store: LogStore = {
    location: inner.location,
    read: (path) => inner.read(path),
    stream: (path) => inner.stream(path),
    open: (path) => inner.open(path),
    list: (path, from) => {
      calls++;
      return inner.list(path, from);
    },
  };
  const version = await headVersion(store, CHECKPOINT_VERSION + commits);
  process.stderr.write(`head ${version} found with ${calls} list call(s)\n`);
}

const WORK: Readonly<Record<string, (folder: string, commits: number) => Promise<void>>> = { inspect, decode, head };

/** Runs one kind of work in a process of its own. */
function measure(kind: string, folder: string, commits: number): { readonly ms: number; readonly rssMb: number } {
  const argv = [fileURLToPath(import.meta.url), '--work', kind, folder, String(commits)];
  const child = spawnSync(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`${kind} ended with ${child.status}`);
  return JSON.parse(child.stdout) as { ms: number; rssMb: number };
}

async function main(files: number, commits: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'delta-scale-'));
  try {
    await makeTable(folder, files, commits);
    const { size } = await stat(join(folder, CHECKPOINT));
    process.stdout.write(
      `${files} files in a checkpoint of ${(size / 1e6).toFixed(0)} MB, ${commits} commits after it\n`,
    );
    const results = { decode: measure('decode', folder, commits), inspect: measure('inspect', folder, commits) };
    for (const [kind, { ms, rssMb }] of Object.entries(results)) {
      process.stdout.write(`${kind.padEnd(8)} ${ms.toFixed(0)} ms, peak RSS ${rssMb.toFixed(0)} MB\n`);
    }
    process.stdout.write(`inspect / decode ${(results.inspect.ms / results.decode.ms).toFixed(2)}\n`);
    measure('head', folder, commits);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const [first, kind = '', folder = '', commits = '0'] = process.argv.slice(2);
if (first === '--work') {
  const start = performance.now();
  await WORK[kind]?.(folder, Number(commits));
  const ms = performance.now() - start;
  process.stdout.write(JSON.stringify({ ms, rssMb: process.resourceUsage().maxRSS / 1024 }));
} else {
  await main(Number(first ?? 1_000_000), Number(kind === '' ? 1_000 : kind));
}
