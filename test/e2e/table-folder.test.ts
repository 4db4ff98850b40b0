import { chmod, cp, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';
import { gone, LocalRun, MAIN, servicePids, targetDocuments } from './local-run.ts';

// A safety net only: several processes start in each test, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000 });

let folder: string;
let table: string;
let data: string;
let run: LocalRun | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-e2e-'));
  table = join(folder, 'parts');
  data = join(folder, 'data');
});

afterEach(async () => {
  await run?.close();
  run = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function partsTable(rows: number, rowsPerFile = 1000): Promise<DeltaWriter> {
  const columns = primitives({ sku: 'string', category: 'string', stock: 'long' });
  const writer = await DeltaWriter.create(table, { columns, rowsPerFile });
  await writer.insert(Array.from({ length: rows }, (_, i) => ({ sku: `s${i}`, category: `c${i % 7}`, stock: i })));
  return writer;
}

function documentsOf(writer: DeltaWriter): Record<string, unknown>[] {
  return writer
    .rows()
    .map((row) => ({ id: JSON.stringify(row['sku']).slice(1, -1), ...row }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function start(...more: readonly string[]): LocalRun {
  return new LocalRun(['--table', table, '--key', 'sku', '--json', '--data', data, ...more]);
}

describe('npm start -- --table', () => {
  test('loads the table, follows further commits, and a later run continues with what happened meanwhile', async () => {
    const writer = await partsTable(300);
    run = start('--partition-key', 'category');
    const ready = await run.ready();
    await run.event(({ event, version }) => event === 'synced' && version === writer.version);
    expect(await targetDocuments(ready)).toEqual(documentsOf(writer));

    await writer.update(
      (row) => row['category'] === 'c3',
      (row) => ({ ...row, stock: -1 }),
    );
    await writer.delete((row) => row['sku'] === 's1');
    await run.event(({ event, version }) => event === 'synced' && version === writer.version);
    expect(await targetDocuments(ready)).toEqual(documentsOf(writer));
    const followed = run.events().filter(({ event, kind }) => event === 'epoch' && kind === 'changes');
    expect(followed.length).toBeGreaterThan(0);
    run.signal('SIGINT');
    expect(await run.exit).toBe(0);

    await writer.insert([{ sku: 'new', category: 'c1', stock: 1 }]);
    run = start('--partition-key', 'category', '--exit-when-synced');
    expect(await run.exit).toBe(0);
    const epochs = run.events().filter(({ event }) => event === 'epoch');
    expect(epochs).toHaveLength(1);
    expect(epochs[0]).toMatchObject({ kind: 'changes', rows: 1, operations: { upserts: 1 } });
    expect(run.events().at(-1)).toMatchObject({ event: 'synced', version: writer.version, documents: 300 });
  });

  test('launcher killed in the middle of a load: nothing is left behind, and the next run finishes it', async () => {
    const writer = await partsTable(20_000, 5000);
    const killed = start();
    await documentsAppear(await killed.ready());
    const pids = await servicePids(data);
    killed.signal('SIGKILL');
    await killed.exit;
    await gone(pids);
    run = start();
    const ready = await run.ready();
    await run.event(({ event, version }) => event === 'synced' && version === writer.version);
    expect(await targetDocuments(ready)).toEqual(documentsOf(writer));
  });

  test('a person sees what is held and by which plan, and lets it go on with a command that is told the folder', async () => {
    const writer = await partsTable(20);
    run = new LocalRun(['--table', table, '--key', 'sku', '--data', data]);
    await run.line('Watching for further commits');
    expect(run.out.join('\n')).toContain('parts is equal to version 1: 20 documents');
    expect(run.out.join('\n')).toContain(`npm run cli -- verify --local ${data}`);
    await writer.delete((row) => row['stock'] !== 0);
    const told = await run.line('error tooManyDeletes');
    const plan = /\(plan (\S+)\)/.exec(told)?.[1] ?? 'none';
    expect(await runCommandIn(data, 'approve', '--table', 'parts', '--plan', plan)).toBe(0);
    await run.line('parts is equal to version 2: 1 document,');
    run.signal('SIGINT');
    expect(await run.exit).toBe(0);
  });

  async function runCommandIn(data: string, name: string, ...argv: readonly string[]): Promise<number> {
    const child = spawn(process.execPath, [MAIN, name, '--local', data, ...argv], { stdio: 'ignore' });
    return new Promise((resolve) => {
      child.once('close', (code) => resolve(code ?? -1));
    });
  }

  async function documentsAppear(ready: Parameters<typeof targetDocuments>[0]): Promise<void> {
    while ((await targetDocuments(ready)).length === 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }
});

describe('bad input ends with its code, and leaves nothing that a later run takes for truth', () => {
  /** How the run ended: the code in its last event, whether stderr has it too, and whether there is a data folder. */
  async function ending(...args: readonly string[]) {
    run = new LocalRun(args);
    const exit = await run.exit;
    const { event, code } = run.events().at(-1) ?? { event: 'none', code: 'none' };
    const said = run.err.join('\n').includes(`error ${String(code)}:`);
    return { exit, event, code, said, data: (await readdir(folder)).includes('data') };
  }
  const refusal = (code: string, exit: number) => ({ exit, event: 'error', code, said: true, data: false });
  const args = (...more: readonly string[]): string[] => ['--json', '--table', table, '--data', data, ...more];

  test('a flag that does not exist', async () => {
    expect(await ending(...args('--kee', 'sku'))).toEqual(refusal('usage', 2));
    expect(run?.err.join('')).toContain('--key?');
  });

  test('a folder that does not exist', async () => {
    expect(await ending(...args('--key', 'sku'))).toEqual(refusal('storageNotFound', 1));
  });

  test('a folder that is no table', async () => {
    table = folder;
    expect(await ending(...args('--key', 'sku'))).toEqual(refusal('notADeltaTable', 3));
  });

  test.skipIf(process.getuid?.() === 0)('a folder that may not be read', async () => {
    await partsTable(1);
    await chmod(table, 0o000);
    expect(await ending(...args('--key', 'sku'))).toEqual(refusal('storageForbidden', 1));
    await chmod(table, 0o700);
  });

  test('a key column that the table does not have', async () => {
    await partsTable(1);
    expect(await ending(...args('--key', 'skuu'))).toEqual(refusal('columnUnknown', 3));
  });

  test('a reader feature that is not supported', async () => {
    const writer = await partsTable(1);
    const protocol = {
      protocol: {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: ['teleport'],
        writerFeatures: ['teleport'],
      },
    };
    const name = `${String(writer.version + 1).padStart(20, '0')}.json`;
    await writeFile(join(table, '_delta_log', name), `${JSON.stringify(protocol)}\n`);
    expect(await ending(...args('--key', 'sku'))).toEqual(refusal('unsupportedFeature', 3));
  });

  test('a commit that was damaged long ago', async () => {
    const writer = await partsTable(1);
    const name = join(table, '_delta_log', `${String(writer.version).padStart(20, '0')}.json`);
    await writeFile(name, '{"add":{"path":"par');
    await utimes(name, 1_700_000_000, 1_700_000_000);
    expect(await ending(...args('--key', 'sku'))).toEqual(refusal('logDamaged', 3));
  });

  test('a port that is asked for and taken', async () => {
    const writer = await partsTable(1);
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    run = start('--cosmos-port', String(port));
    expect(await run.exit).toBe(1);
    expect(run.events()).toEqual([expect.objectContaining({ event: 'error', code: 'portTaken' })]);
    server.close();
    run = start('--exit-when-synced');
    expect(await run.exit).toBe(0);
    expect(run.events().at(-1)).toMatchObject({ event: 'synced', version: writer.version });
  });

  test('data of another version', async () => {
    await partsTable(1);
    await cp(table, data, { recursive: true });
    await writeFile(join(data, 'format.json'), '{"format":99}');
    const before = await readdir(data, { recursive: true });
    run = start();
    expect(await run.exit).toBe(3);
    expect(run.events()).toEqual([expect.objectContaining({ event: 'error', code: 'dataFolderVersion' })]);
    expect(await readdir(data, { recursive: true })).toEqual(before);
  });

  test('emulator data of another version', async () => {
    await partsTable(1);
    run = start('--exit-when-synced');
    expect(await run.exit).toBe(0);
    const cosmos = join(data, 'cosmos');
    const changed = new Map<string, string>();
    for (const name of await readdir(cosmos)) {
      const text = (await readFile(join(cosmos, name), 'utf8')).replace('"version":1}', '"version":99}');
      changed.set(name, text);
      await writeFile(join(cosmos, name), text);
    }
    run = start('--exit-when-synced');
    expect(await run.exit).not.toBe(0);
    expect(run.events()).toEqual([expect.objectContaining({ event: 'error', code: 'emulatorDataVersion' })]);
    for (const [name, text] of changed) expect(await readFile(join(cosmos, name), 'utf8')).toBe(text);
  });

  test('a data file that is missing', async () => {
    await partsTable(10);
    for (const name of await readdir(table)) if (name.endsWith('.parquet')) await rm(join(table, name));
    run = start('--exit-when-synced');
    expect(await run.exit).toBe(1);
    const error = run.events().find(({ event }) => event === 'error');
    expect(error?.['message']).toMatch(/The data file .* is missing/);
    expect(run.events().some(({ event }) => event === 'synced')).toBe(false);
  });

  test.each([
    ['null', { sku: null, category: 'c', stock: 1 }],
    ['illegal in an id', { sku: 'a/b', category: 'c', stock: 1 }],
  ])('a key that is %s: the other rows arrive, and the run says that one did not', async (_name, row) => {
    const writer = await partsTable(3);
    await writer.insert([row]);
    run = start('--exit-when-synced');
    const ready = run.ready();
    expect(await run.exit).toBe(1);
    await ready;
    expect(run.events()).toContainEqual(expect.objectContaining({ event: 'error', code: 'notSynced' }));
  });

  test('a commit that would delete most documents is held with its code, and nothing is deleted', async () => {
    const writer = await partsTable(20);
    run = start('--exit-when-synced');
    expect(await run.exit).toBe(0);
    await writer.delete((row) => row['stock'] !== 0);
    run = start('--exit-when-synced');
    expect(await run.exit).toBe(1);
    expect(run.events().at(-1)).toMatchObject({ event: 'error', code: 'tooManyDeletes' });
    expect(run.events().some(({ event }) => event === 'epoch' || event === 'synced')).toBe(false);
  });

  test('a second run on a data folder that is in use', async () => {
    await partsTable(1);
    run = start();
    await run.ready();
    const second = start();
    expect(await second.exit).toBe(1);
    expect(second.events()).toEqual([expect.objectContaining({ event: 'error', code: 'dataFolderInUse' })]);
  });

  test('a key that is not unique', async () => {
    const writer = await partsTable(3);
    await writer.insert([{ sku: 's1', category: 'c', stock: 99 }]);
    run = start('--exit-when-synced');
    expect(await run.exit).toBe(1);
    expect(run.events().map(({ event }) => event)).toContain('error');
  });
});
