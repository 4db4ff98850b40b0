/**
 * What epochs cost: a nightly overwrite of ROWS rows of which 1 % changed, and a small commit to a table of many files.
 * The use cases on the emulator in one process. `node test/bench/epochs.ts`
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { tableHistory } from '../../src/sync/administration.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';

const ROWS = Number(process.env['ROWS'] ?? 1_000_000);
const FILES = Number(process.env['FILES'] ?? 10_000);
const PER_FILE = 100_000;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const world = await SyncWorld.start(4);
try {
  await overwrite();
  await manyFiles();
} finally {
  await world.stop();
}

/** Every row is written again by the engine; one in a hundred is different. */
async function overwrite(): Promise<void> {
  const table = await world.table();
  const first = await writeVersion(table, 0, []);
  await timed(table);
  await writeVersion(table, 1, first);
  const seconds = await timed(table);
  const [epoch] = await tableHistory(table.dependencies, table.id, 1);
  const counts = epoch?.counts;
  const difference = Math.ceil(ROWS / 100);
  const ratio = (counts?.upserts ?? 0) / difference;
  say(
    `overwrite  ${ROWS} rows, ${difference} different: ${counts?.upserts} writes (${ratio.toFixed(3)} times the difference), ${counts?.skipped} skipped, ${Math.round(counts?.requestUnits ?? 0)} RU, ${seconds.toFixed(1)} s, ${rssMb()} MB RSS`,
  );
}

/** 100 changed rows in a table of FILES files: only what changed is read. */
async function manyFiles(): Promise<void> {
  const table = await world.table();
  const log = join(table.folder, '_delta_log');
  await mkdir(log, { recursive: true });
  const lines: unknown[] = [...head()];
  for (let file = 0; file < FILES; file++) {
    const name = `f${file}.parquet`;
    const bytes = await writeRows(table, name, [file], 0);
    lines.push(add(name, bytes, 1));
  }
  await commit(log, 0, lines);
  await timed(table);
  const changed = Array.from({ length: 100 }, (_, i) => i * 7);
  const removed = changed.map((file) => ({
    remove: {
      path: `f${file}.parquet`,
      deletionTimestamp: 1,
      dataChange: true,
      extendedFileMetadata: true,
      partitionValues: {},
      size: 1,
      stats: JSON.stringify({ numRecords: 1 }),
    },
  }));
  const bytes = await writeRows(table, 'changed.parquet', changed, 7);
  await commit(log, 1, [...removed, add('changed.parquet', bytes, changed.length)]);
  const seconds = await timed(table);
  const [epoch] = await tableHistory(table.dependencies, table.id, 1);
  say(
    `increment  100 changed rows in a table of ${FILES} files: ${(seconds * 1_000).toFixed(0)} ms from hint to checkpoint, ${epoch?.counts.rows} rows read, ${epoch?.counts.upserts} writes`,
  );
}

async function timed(table: SyncTable): Promise<number> {
  const started = performance.now();
  const outcome = await table.sync();
  if (outcome.kind !== 'idle') throw new Error(JSON.stringify(outcome));
  return (performance.now() - started) / 1_000;
}

/** Writes a version that replaces the files `before`; returns the names of its own. */
async function writeVersion(table: SyncTable, version: number, before: readonly string[]): Promise<string[]> {
  const log = join(table.folder, '_delta_log');
  await mkdir(log, { recursive: true });
  const names: string[] = [];
  const lines: unknown[] =
    version === 0
      ? [...head()]
      : before.map((path) => ({
          remove: {
            path,
            deletionTimestamp: 1,
            dataChange: true,
            extendedFileMetadata: true,
            partitionValues: {},
            size: 1,
            stats: JSON.stringify({ numRecords: PER_FILE }),
          },
        }));
  for (let start = 0; start < ROWS; start += PER_FILE) {
    const name = `v${version}-${start}.parquet`;
    const ids = Array.from({ length: Math.min(PER_FILE, ROWS - start) }, (_, i) => start + i);
    lines.push(add(name, await writeRows(table, name, ids, version), ids.length));
    names.push(name);
  }
  await commit(log, version, lines);
  return names;
}

async function writeRows(table: SyncTable, name: string, ids: readonly number[], version: number): Promise<number> {
  const bytes = new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'id', data: ids.map((id) => `id-${id}`), type: 'STRING' },
        { name: 'name', data: ids.map((id) => `name of ${id} with some more text to it`), type: 'STRING' },
        { name: 'price', data: ids.map((id) => (id % 100 === 0 || version > 1 ? id + version : id)), type: 'DOUBLE' },
      ],
    }),
  );
  await writeFile(join(table.folder, name), bytes);
  return bytes.length;
}

function head(): readonly unknown[] {
  const field = (name: string, type: string): unknown => ({ name, type, nullable: true, metadata: {} });
  const schemaString = JSON.stringify({
    type: 'struct',
    fields: [field('id', 'string'), field('name', 'string'), field('price', 'double')],
  });
  return [
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    {
      metaData: {
        id: 'bench',
        format: { provider: 'parquet', options: {} },
        schemaString,
        partitionColumns: [],
        configuration: {},
      },
    },
  ];
}

function add(path: string, size: number, numRecords: number): unknown {
  return {
    add: {
      path,
      partitionValues: {},
      size,
      modificationTime: 0,
      dataChange: true,
      stats: JSON.stringify({ numRecords }),
    },
  };
}

async function commit(log: string, version: number, lines: readonly unknown[]): Promise<void> {
  await writeFile(
    join(log, `${String(version).padStart(20, '0')}.json`),
    lines.map((line) => JSON.stringify(line)).join('\n'),
  );
}

function rssMb(): number {
  return Math.round(process.resourceUsage().maxRSS / 1_024);
}
