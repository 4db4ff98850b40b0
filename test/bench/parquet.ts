/**
 * Parquet to rows beside naive hyparquet (parquetReadObjects, one row group at a time, its compressors): rows a CPU second of
 * a whole process, peak memory, bytes read, and a storage with latency. `node test/bench/parquet.ts [--large]`; --large adds
 * a file of a gigabyte in row groups of 128 MB.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeLarge, writeShape, type Shape } from './parquet/bench-data.ts';
import type { Figures, Mode } from './parquet/read-file.ts';

const READER = fileURLToPath(new URL('parquet/read-file.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'parquet-bench-'));
/** Processes take the types out of the sources once, in the first one: they run what a build would contain. */
const ENVIRONMENT = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') };

/** Runs a mode in a process of its own. */
function measure(mode: Mode, path: string, latency = 0, flags: readonly string[] = []): Figures {
  const child = spawnSync(process.execPath, [...flags, READER, mode, path, String(latency)], {
    encoding: 'utf8',
    env: ENVIRONMENT,
  });
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
  try {
    const shapes: [Shape, number, number][] = [
      ['products', 1_000_000, 131_072],
      ['wide', 200_000, 65_536],
      ['narrow', 3_000_000, 131_072],
    ];
    for (const [shape, rows, groupRows] of shapes) {
      const path = join(folder, `${shape}.parquet`);
      await writeShape(path, shape, rows, groupRows);
      measure('rows', path);
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

await main();
