/**
 * One reading of a Parquet file in a process of its own: `node read-file.ts MODE FILE LATENCY` prints the figures as JSON. The
 * process loads nothing but the two readers, so that its peak memory is theirs.
 */
import { closeSync, existsSync, fstatSync, openSync, read, readFileSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { ByteSource } from '../../../src/parquet/byte-source.ts';
import { openParquet } from '../../../src/parquet/parquet-file.ts';
import { readRowBatches } from '../../../src/parquet/row-reader.ts';
import { field } from '../../parquet/field.ts';
import { ownType } from '../../parquet/own-type.ts';

/** How to read; `naive-` is hyparquet's own way. */
export type Mode = 'rows' | 'json' | 'naive-rows' | 'naive-json';

/** Of one process. */
export interface Figures {
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

const [, , mode, path, latency] = process.argv;
process.stdout.write(JSON.stringify(await run(mode as Mode, path!, Number(latency))));
