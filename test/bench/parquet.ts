/**
 * Parquet to rows beside naive hyparquet (parquetReadObjects, one row group at a time, its compressors): rows a CPU second of
 * a whole process, peak memory, bytes read, and a storage with latency. `node test/bench/parquet.ts [--large]`; --large adds
 * a file of a gigabyte in row groups of 128 MB.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, read, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { ByteSource } from '../../src/parquet/byte-source.ts';
import { openParquet } from '../../src/parquet/parquet-file.ts';
import { readRowBatches } from '../../src/parquet/row-reader.ts';
import { ownType } from '../parquet/own-type.ts';
import { field } from '../parquet/random-rows.ts';
import { writeLarge, writeShape, type Shape } from './parquet/bench-data.ts';

type Mode = 'rows' | 'json' | 'naive-rows' | 'naive-json';

interface Figures {
  readonly rows: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakMegabytes: number;
  /** Bytes read over the size of the file; 0 for naive. */
  readonly bytesRead: number;
  readonly reads: number;
  readonly text: number;
}

const READ = promisify(read);

/** A file; each read waits `latency` milliseconds and for 100 MB a second. */
function fileSource(path: string, latency: number): ByteSource & { bytes: number; reads: number; close(): void } {
  const descriptor = openSync(path, 'r');
  const source = {
    name: path,
    size: fstatSync(descriptor).size,
    bytes: 0,
    reads: 0,
    async read(start: number, end: number): Promise<Uint8Array> {
      source.bytes += end - start;
      source.reads++;
      if (latency > 0) await sleep(latency + (end - start) / 100_000);
      const bytes = new Uint8Array(end - start);
      await READ(descriptor, bytes, 0, bytes.length, start);
      return bytes;
    },
    close: () => closeSync(descriptor),
  };
  return source;
}

async function run(mode: Mode, path: string, latency: number): Promise<Figures> {
  const start = performance.now();
  const source = fileSource(path, latency);
  const done = mode.startsWith('naive') ? await readNaively(mode, path, source.size) : await readOurs(mode, source);
  const { user, system } = process.cpuUsage();
  source.close();
  return {
    ...done,
    cpuSeconds: (user + system) / 1e6,
    wallSeconds: (performance.now() - start) / 1000,
    peakMegabytes: peakKilobytes() / 1024,
    bytesRead: source.bytes / source.size,
    reads: source.reads,
  };
}

/** Linux counts in maxRSS what the parent had before it became this program; VmHWM is this program's own. */
function peakKilobytes(): number {
  const own = existsSync('/proc/self/status') ? /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) : null;
  return own === null ? process.resourceUsage().maxRSS : Number(own[1]);
}

async function readOurs(mode: Mode, source: ByteSource): Promise<{ rows: number; text: number }> {
  const file = await openParquet(source);
  const columns = file.schema.children.map((child) => field(child.name, ownType(child)));
  let rows = 0;
  let text = 0;
  for await (const batch of readRowBatches(file, { columns })) {
    rows += batch.rows.length;
    if (mode === 'json') for (const row of batch.rows) text += JSON.stringify(row).length;
  }
  return { rows, text };
}

async function readNaively(mode: Mode, path: string, size: number): Promise<{ rows: number; text: number }> {
  const descriptor = openSync(path, 'r');
  const slice = (start: number, end = size): Promise<ArrayBuffer> => {
    const bytes = new Uint8Array(end - start);
    readSync(descriptor, bytes, 0, bytes.length, start);
    return Promise.resolve(bytes.buffer);
  };
  const metadata = parquetMetadata(readFileSync(path).buffer);
  let rows = 0;
  let text = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rows + Number(group.num_rows);
    const objects = await parquetReadObjects({
      file: { byteLength: size, slice },
      metadata,
      compressors,
      rowStart: rows,
      rowEnd,
    });
    if (mode === 'naive-json') {
      for (const object of objects) {
        for (const key in object) if (typeof object[key] === 'bigint') object[key] = Number(object[key]);
        text += JSON.stringify(object).length;
      }
    }
    rows = rowEnd;
  }
  closeSync(descriptor);
  return { rows, text };
}

/** Runs a mode in a process of its own. */
function measure(mode: Mode, path: string, latency = 0, flags: readonly string[] = []): Figures {
  const self = fileURLToPath(import.meta.url);
  const child = spawnSync(process.execPath, [...flags, self, 'run', mode, path, String(latency)], { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`${mode} ended with ${child.status}: ${child.stderr}`);
  return JSON.parse(child.stdout) as Figures;
}

function median(runs: number, mode: Mode, path: string): Figures {
  const all = Array.from({ length: runs }, () => measure(mode, path)).toSorted((a, b) => a.cpuSeconds - b.cpuSeconds);
  return all[Math.floor(runs / 2)]!;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const perSecond = (figures: Figures): number => figures.rows / figures.cpuSeconds;
const thousands = (number: number): string => `${(number / 1000).toFixed(0)}k`;

function compare(shape: Shape, path: string): void {
  for (const what of ['rows', 'json'] as const) {
    const ours = median(3, what, path);
    const naive = median(3, `naive-${what}`, path);
    const ratio = (perSecond(ours) / perSecond(naive)).toFixed(2);
    print(
      `${shape.padEnd(9)} ${what.padEnd(5)} ${thousands(perSecond(ours)).padStart(6)} rows/CPU s, naive ` +
        `${thousands(perSecond(naive)).padStart(5)}: ${ratio} times; peak ${ours.peakMegabytes.toFixed(0)} MB, naive ` +
        `${naive.peakMegabytes.toFixed(0)} MB; bytes read ${ours.bytesRead.toFixed(3)} of the file in ${ours.reads} reads`,
    );
  }
}

/** The better of three runs each, taken in turns: other work on the machine falls on both. */
function latency(name: string, path: string): void {
  const pairs = Array.from({ length: 3 }, () => ({ local: measure('rows', path), remote: measure('rows', path, 30) }));
  const least = (one: 'local' | 'remote'): Figures =>
    pairs.map((pair) => pair[one]).reduce((a, b) => (b.wallSeconds < a.wallSeconds ? b : a));
  const local = least('local');
  const remote = least('remote');
  const share = ((local.wallSeconds / remote.wallSeconds) * 100).toFixed(0);
  print(
    `${name.padEnd(9)} 30 ms storage: ${remote.wallSeconds.toFixed(2)} s, local ${local.wallSeconds.toFixed(2)} s: ` +
      `${share} % of local speed, ${remote.reads} reads`,
  );
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'parquet-bench-'));
  try {
    const shapes: [Shape, number, number][] = [
      ['products', 1_000_000, 131_072],
      ['wide', 200_000, 65_536],
      ['narrow', 3_000_000, 131_072],
    ];
    for (const [shape, rows, groupRows] of shapes) {
      const path = join(folder, `${shape}.parquet`);
      await writeShape(path, shape, rows, groupRows);
      compare(shape, path);
      latency(shape, path);
    }
    if (process.argv.includes('--large')) {
      const path = join(folder, 'large.parquet');
      await writeLarge(path, 8);
      for (const flags of [[], ['--max-semi-space-size=16']]) {
        const figures = measure('rows', path, 0, flags);
        print(
          `1 GB      ${flags.join(' ') || 'default flags'}: peak ${figures.peakMegabytes.toFixed(0)} MB, ` +
            `${thousands(perSecond(figures))} rows/CPU s, ${figures.reads} reads, bytes ${figures.bytesRead.toFixed(3)}`,
        );
      }
      latency('1 GB', path);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [, , command, mode, path, wait] = process.argv;
if (command === 'run') print(JSON.stringify(await run(mode as Mode, path!, Number(wait))));
else await main();
