import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeSources, readChangeRows } from '../../src/delta/commit-changes.ts';
import { tableLayout } from '../../src/delta/file-rows.ts';
import { readCommit } from '../../src/delta/log.ts';
import type { LogStore, StoredFile } from '../../src/delta/log-store.ts';
import { loadSnapshot } from '../../src/delta/snapshot.ts';
import type { ByteSource } from '../../src/parquet/byte-source.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { DeltaWriter, type DeltaWriterOptions } from '../support/delta-writer.ts';
import { dice, type Dice } from '../support/random-history.ts';
import { rowTexts, snapshotRows } from '../support/read-table.ts';
import { primitives } from '../support/writer-columns.ts';

const RUNS = Number(process.env['DELTA_MUTATIONS'] ?? '500');
const FIRST_SEED = Number(process.env['DELTA_SEED'] ?? '1');
/** No read of a small table takes this long unless something hangs. */
const SAFETY_MS = 20_000;

type Files = ReadonlyMap<string, Uint8Array>;

/** A table in memory, of which nothing outside can be read. */
class MemoryStore implements LogStore {
  readonly location = 'memory';
  readonly #files: Files;
  /** Paths of the files that were read or opened. */
  readonly asked = new Set<string>();

  constructor(files: Files) {
    this.#files = files;
  }

  async *list(folder: string, from: string): AsyncGenerator<StoredFile> {
    for (const path of [...this.#files.keys()].toSorted()) {
      if (path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes('/') && path >= from)
        yield this.#describe(path);
    }
  }

  async read(path: string): Promise<{ readonly bytes: Uint8Array; readonly file: StoredFile }> {
    this.asked.add(path);
    return { bytes: this.#bytes(path), file: this.#describe(path) };
  }

  async stream(path: string): Promise<{ readonly pieces: AsyncIterable<Uint8Array>; readonly file: StoredFile }> {
    this.asked.add(path);
    const bytes = this.#bytes(path);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.slice(at, at + 1000);
    }
    return { pieces: pieces(), file: this.#describe(path) };
  }

  async open(path: string): Promise<ByteSource> {
    this.asked.add(path);
    const bytes = this.#bytes(path);
    return {
      name: path,
      size: bytes.length,
      async read(start, end) {
        if (start < 0 || end < start || end > bytes.length)
          throw new Error(`read [${start}, ${end}) of ${bytes.length}`);
        return bytes.slice(start, end);
      },
    };
  }

  #bytes(path: string): Uint8Array {
    const bytes = this.#files.get(path);
    if (bytes !== undefined) return bytes;
    throw new SyncError('storageNotFound', { problem: 'absent' });
  }

  #describe(path: string): StoredFile {
    const bytes = this.#bytes(path);
    return { path, size: bytes.length, modifiedAt: 0, etag: `${bytes.length}` };
  }
}

async function load(folder: string): Promise<Files> {
  const files = new Map<string, Uint8Array>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), await readFile(path));
  }
  return files;
}

const HOSTILE_TEXT = [
  '"../../../../etc/passwd"',
  '"/etc/passwd"',
  '"%2e%2e/%2e%2e/etc/passwd"',
  '"file:///etc/passwd"',
  '"__proto__"',
  '1e999',
  '-1',
  '9223372036854775808',
  '2147483647',
  'null',
  '{}',
  '[]',
  '[[[[[[[[1]]]]]]]]',
  '"\\u0000"',
  '""',
  'true',
];

function mutateBytes(bytes: Uint8Array, roll: Dice): Uint8Array {
  const copy = Uint8Array.from(bytes);
  switch (roll(6)) {
    case 0:
      return copy.subarray(0, roll(copy.length + 1));
    case 1: {
      const at = roll(copy.length + 1);
      return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 1 + roll(40)))]);
    }
    case 2: {
      const at = roll(copy.length);
      return Buffer.concat([copy.subarray(0, at), copy.subarray(roll(copy.length)), copy.subarray(at)]);
    }
    case 3: {
      const at = roll(copy.length);
      copy.fill(roll(2) === 0 ? 0xff : 0, at, at + 1 + roll(8));
      return copy;
    }
    default:
      for (let hits = 1 + roll(4); hits > 0 && copy.length > 0; hits--) copy[roll(copy.length)] = roll(256);
      return copy;
  }
}

/** Replaces one JSON value by another one. */
function mutateJson(bytes: Uint8Array, roll: Dice): Uint8Array {
  const text = new TextDecoder().decode(bytes);
  const values = [...text.matchAll(/:("(?:[^"\\]|\\.)*"|-?\d+|true|false|null)/g)];
  const chosen = values[roll(Math.max(1, values.length))];
  if (chosen === undefined) return mutateBytes(bytes, roll);
  const replacement = HOSTILE_TEXT[roll(HOSTILE_TEXT.length)] ?? 'null';
  const end = chosen.index + chosen[0].length;
  return new TextEncoder().encode(`${text.slice(0, chosen.index)}:${replacement}${text.slice(end)}`);
}

function mutate(files: Files, roll: Dice): { readonly files: Files; readonly path: string } {
  const kinds = [
    /^_delta_log\/\d+\.json$/,
    /checkpoint/,
    /_sidecars/,
    /deletion_vector/,
    /_last_checkpoint|compacted/,
    /part-|cdc-/,
  ];
  const kind = kinds[roll(kinds.length)] ?? /./;
  const candidates = [...files.keys()].filter((path) => kind.test(path)).toSorted();
  const path = candidates[roll(Math.max(1, candidates.length))] ?? [...files.keys()][0]!;
  const bytes = files.get(path)!;
  const isText = path.endsWith('.json') || path.endsWith('_last_checkpoint');
  const mutated = isText && roll(3) !== 0 ? mutateJson(bytes, roll) : mutateBytes(bytes, roll);
  return { files: new Map(files).set(path, mutated), path };
}

/** What a reading gave, as text that can be compared: rows, sorted. */
type Reading = (store: LogStore) => Promise<readonly string[]>;

const readEverything: Reading = async (store) => {
  const snapshot = await loadSnapshot(store, { kind: 'latest' });
  const rows = rowTexts(await snapshotRows(store, snapshot), snapshot);
  const { numFiles } = await snapshot.totals();
  return [...rows, `${numFiles} files`];
};

const readChanges: Reading = async (store) => {
  const snapshot = await loadSnapshot(store, { kind: 'latest' });
  const layout = tableLayout(snapshot.metadata, snapshot.protocol);
  const texts: string[] = [];
  for (let version = 0; version <= Math.min(snapshot.version, 12); version++) {
    for (const source of changeSources(await readCommit(store, version))) {
      if (source.file.partitionValues === undefined) continue;
      for await (const batch of readChangeRows(store, source, layout)) {
        expect(batch.rows.length).toBeGreaterThan(0);
        texts.push(...rowTexts(batch.rows, snapshot).map((text) => `${version} ${text}`));
      }
    }
  }
  return texts.toSorted();
};

/**
 * What a reading of a table with one mutated file may give beside a refusal. The log's own files have no checksum: whatever
 * still is JSON or Parquet is believed.
 */
type Bound =
  /** The original rows, and no refusal: the file is not needed, or is a hint. */
  | 'the same'
  /** The original rows: deletion vectors have a checksum. */
  | 'the same or refused'
  /** As many rows: pages have no checksum here, but the footer counts their rows. */
  | 'as many or refused'
  | 'anything';

function boundOf(path: string, asked: ReadonlySet<string>, before: Uint8Array, after: Uint8Array): Bound {
  if (!asked.has(path) || path.endsWith('_last_checkpoint')) return 'the same';
  if (path.includes('deletion_vector')) return 'the same or refused';
  if (!/part-|cdc-/.test(path) || path.startsWith('_delta_log') || after.length !== before.length) return 'anything';
  const footer = before.length - 8 - Buffer.from(before).readUInt32LE(before.length - 8);
  return Buffer.compare(before.subarray(footer), after.subarray(footer)) === 0 ? 'as many or refused' : 'anything';
}

function check(bound: Bound, expected: readonly string[], texts: readonly string[]): void {
  if (bound === 'anything') return;
  expect(texts).toHaveLength(expected.length);
  if (bound !== 'as many or refused') expect(texts).toEqual(expected);
}

const OPTIONS: readonly DeltaWriterOptions[] = [
  {
    columns: primitives({ id: 'long', name: 'string', price: 'decimal(20,4)', at: 'timestamp' }),
    deletionVectors: true,
    v2Checkpoints: true,
    rowsPerFile: 40,
  },
  {
    columns: primitives({ id: 'long', region: 'string', f: 'double', ok: 'boolean' }),
    partitionBy: ['region'],
    columnMapping: 'id',
    changeFeed: true,
    rowsPerFile: 40,
  },
];

let folder: string;
let tables: readonly Files[];
/** By table and reading: what the table as it is gives, and which files that takes. */
let originals: ReadonlyMap<Reading, { readonly texts: readonly string[]; readonly asked: ReadonlySet<string> }>[];
const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeAll(async () => {
  process.on('unhandledRejection', note);
  folder = await mkdtemp(join(tmpdir(), 'delta-hostile-'));
  tables = await Promise.all(
    OPTIONS.map(async (options, i) => {
      const writer = await DeltaWriter.create(join(folder, String(i)), options);
      await writer.insert(
        Array.from({ length: 90 }, (_none, id) => ({
          id,
          name: `name ${id}`,
          region: `r${id % 3}`,
          f: id / 7,
          ok: id % 2 === 0,
          price: `${id}.5000`,
          at: '2026-01-01T00:00:00.000001Z',
        })),
      );
      await writer.delete((row) => Number(row['id']) % 9 === 4);
      await writer.update(
        (row) => Number(row['id']) % 13 === 1,
        () => ({ name: 'changed', f: -1 }),
      );
      if (i === 0) await writer.checkpoint({ kind: 'v2', format: 'parquet', sidecars: 2 });
      else await writer.checkpoint({ kind: 'multiPart', parts: 2 });
      await writer.delete((row) => Number(row['id']) % 9 === 5);
      await writer.insert([{ id: 1000 }]);
      await writer.compactLog(4, 5);
      return load(writer.folder);
    }),
  );
  originals = await Promise.all(
    tables.map(async (files) => {
      const readings = [readEverything, readChanges].map(async (reading) => {
        const store = new MemoryStore(files);
        return [reading, { texts: await reading(store), asked: store.asked }] as const;
      });
      return new Map(await Promise.all(readings));
    }),
  );
});

afterAll(async () => {
  process.off('unhandledRejection', note);
  await rm(folder, { recursive: true, force: true });
});

async function withinSafety<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('hangs')), SAFETY_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

describe('damaged and hostile tables', () => {
  it(`${RUNS} mutations from seed ${FIRST_SEED} give rows or a clear error`, { timeout: Infinity }, async () => {
    let refused = 0;
    const bounds: Record<Bound, number> = {
      'the same': 0,
      'the same or refused': 0,
      'as many or refused': 0,
      anything: 0,
    };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      const roll = dice(seed * 2654435761);
      const table = seed % tables.length;
      const { files, path } = mutate(tables[table]!, roll);
      const reading = seed % 3 === 0 ? readChanges : readEverything;
      const { texts, asked } = originals[table]!.get(reading)!;
      const bound = boundOf(path, asked, tables[table]!.get(path)!, files.get(path)!);
      bounds[bound]++;
      try {
        check(bound, texts, await withinSafety(reading(new MemoryStore(files))));
      } catch (error) {
        refused++;
        const isClear = error instanceof SyncError && error.code !== 'internal';
        if (!isClear || bound === 'the same') {
          throw new Error(`seed ${seed}, ${path}, ${bound}: ${String(error)}`, { cause: error });
        }
      }
    }
    expect(Object.entries(bounds).filter(([, count]) => count < RUNS / 50)).toEqual([]);
    // Nothing is left behind by a read that failed.
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
    expect(refused).toBeGreaterThan(RUNS / 5);
    expect(process.memoryUsage().rss).toBeLessThan(512 * 1024 * 1024);
  });
});
