import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSnapshot, type Snapshot } from '../../src/delta/snapshot.ts';
import type { Row } from '../../src/delta/schema.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { CORPUS, corpusNames, expectedOf } from '../conformance/corpus.ts';
import { snapshotRows } from '../support/read-table.ts';
import { SyncWorld, type SyncTable } from '../support/sync-harness.ts';

/** More than this is read elsewhere; here every version is written to a container. */
const MOST_ROWS = 500;
const MOST_VERSIONS = 10;

const KEY_TYPES = new Set(['string', 'long', 'integer', 'short', 'byte', 'date']);

/** Handmade tables whose change files contradict their own adds and removes: feed and snapshot cannot both be right. */
const CONTRADICTORY = new Set(['krs-cdf-table-simple']);

const names = corpusNames().filter((name) => {
  const { outcome, rowCount, mayRefuse, needsSetup } = expectedOf(name);
  return (
    outcome === 'rows' &&
    rowCount <= MOST_ROWS &&
    mayRefuse === undefined &&
    needsSetup !== true &&
    !CONTRADICTORY.has(name)
  );
});

let world: SyncWorld;
let synchronised = 0;
beforeAll(async () => {
  world = await SyncWorld.start(2);
});
afterAll(async () => {
  process.stdout.write(
    `corpus tables synchronised version by version and in one step: ${synchronised} of ${names.length}\n`,
  );
  await world.stop();
});

describe.skipIf(names.length === 0)('tables of other writers, synchronised', () => {
  it.each(names)('%s: version by version, in one step, and without its feed', { timeout: 300_000 }, async (name) => {
    const source = `${CORPUS}/tables/${name}`;
    const store = new FolderLogStore(source);
    const head = await loadSnapshot(store, { kind: 'latest' });
    const rows = await snapshotRows(store, head);
    const key = usableKey(head, rows);
    if (key === null) return;
    const versions = await commitVersions(source);
    const stepwise = await world.table(configuration(head, key));
    const equal = async (table: SyncTable, snapshot: Snapshot): Promise<void> => {
      const rows = await snapshotRows(new FolderLogStore(table.folder), snapshot);
      // Which of several rows wins is the engine's business; the key is only known to be unique at the head.
      if (new Set(rows.map((row) => keyText(row, key))).size < rows.length) return;
      expect(sorted(await table.documents())).toEqual(sorted(table.expected(rows, snapshot.metadata.schema)));
    };
    for (const version of versions.slice(-MOST_VERSIONS)) {
      await copyUpTo(source, stepwise.folder, version, true);
      const at = await loadSnapshot(new FolderLogStore(stepwise.folder), { kind: 'latest' }).catch(() => null);
      // Files of old versions may be gone, or the key may not exist yet: a later version is the start then.
      if (at === null || !usable(at, key)) continue;
      const outcome = await stepwise.sync();
      if (outcome.kind !== 'idle' && version !== versions.at(-1)) {
        await rm(stepwise.folder, { recursive: true, force: true });
        continue;
      }
      expect(outcome).toMatchObject({ kind: 'idle', version: at.version });
      await equal(stepwise, at);
    }
    for (const feed of [true, false]) {
      const once = await world.table(configuration(head, key));
      await copyUpTo(source, once.folder, Number.MAX_SAFE_INTEGER, feed);
      expect(await once.sync()).toMatchObject({ kind: 'idle', version: head.version });
      await equal(once, head);
    }
    synchronised++;
  });
});

/** Key values as text; only scalars are candidates. */
function keyText(row: Row, key: readonly string[]): string {
  return JSON.stringify(key.map((name) => scalarText(row[name])));
}

function scalarText(value: Row[string] | undefined): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? value.toString() : '';
}

/** A column, or two, that tell all rows apart and that a document id can be made of. */
function usableKey(snapshot: Snapshot, rows: readonly Row[]): readonly string[] | null {
  const candidates = snapshot.metadata.schema.fields
    .filter((field) => field.type.kind === 'primitive' && KEY_TYPES.has(field.type.name))
    .map((field) => field.name);
  const keys = [
    ...candidates.map((name) => [name]),
    ...candidates.flatMap((a, i) => candidates.slice(i + 1).map((b) => [a, b])),
  ];
  for (const key of keys.slice(0, 60)) {
    const values = rows.map((row) => key.map((name) => row[name]));
    const sound = values.every((parts) =>
      parts.every((part) => part !== null && part !== '' && !/[/\\?#]|\s$/.test(scalarText(part))),
    );
    if (sound && new Set(values.map((parts) => JSON.stringify(parts.map(scalarText)))).size === rows.length) return key;
  }
  return null;
}

function usable(snapshot: Snapshot, key: readonly string[]): boolean {
  return key.every((name) => snapshot.metadata.schema.fields.some((field) => field.name === name));
}

function configuration(snapshot: Snapshot, key: readonly string[]): Readonly<Record<string, unknown>> {
  const taken = new Set(snapshot.metadata.schema.fields.map((field) => field.name));
  const plainId = key.length === 1 && key[0] === 'id';
  const reserved = ['id', 'ttl', '_ts', '_rid', '_self', '_etag'].filter(
    (name) => taken.has(name) && !(name === 'id' && plainId),
  );
  return {
    id: key.map((name) => `\${${name}}`).join('|'),
    idEscaping: 'escape',
    duplicates: 'last',
    existing: 'adopt',
    guards: { maxDeletes: { percent: 100 }, emptySource: 'accept' },
    schemaDrift: { added: 'accept', dropped: 'accept', renamed: 'accept', widened: 'accept', narrowed: 'accept' },
    types: { long: 'auto', nonFinite: 'string' },
    ...(reserved.length === 0
      ? {}
      : { columns: { rename: Object.fromEntries(reserved.map((name) => [name, `column_${name}`])) } }),
  };
}

async function commitVersions(folder: string): Promise<number[]> {
  const files = await readdir(join(folder, '_delta_log'));
  return files
    .filter((name) => /^\d{20}\.json$/.test(name))
    .map((name) => Number(name.slice(0, 20)))
    .toSorted((a, b) => a - b);
}

/** The table as it was after `version`, as far as its files still exist; `feed: false` leaves the change files out of the log. */
async function copyUpTo(source: string, target: string, version: number, feed: boolean): Promise<void> {
  await mkdir(target, { recursive: true });
  await cp(source, target, {
    recursive: true,
    preserveTimestamps: true,
    filter: (path) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (!path.includes('/_delta_log/')) return true;
      if (name === '_last_checkpoint') return version === Number.MAX_SAFE_INTEGER;
      return !/^\d{20}\./.test(name) || lastVersionOf(name) <= version;
    },
  });
  if (feed) return;
  const log = join(target, '_delta_log');
  for (const name of await readdir(log)) {
    if (!/^\d{20}\.json$/.test(name)) continue;
    const lines = (await readFile(join(log, name), 'utf8')).split('\n');
    if (lines.some((line) => line.startsWith('{"cdc"')))
      await writeFile(join(log, name), lines.filter((line) => !line.startsWith('{"cdc"')).join('\n'));
  }
}

function lastVersionOf(name: string): number {
  const compacted = /^\d{20}\.(\d{20})\.compacted/.exec(name);
  return Number(compacted === null ? name.slice(0, 20) : compacted[1]);
}

function sorted(documents: ReadonlyMap<string, unknown>): unknown[] {
  return [...documents].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
