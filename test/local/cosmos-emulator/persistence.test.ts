import { spawn, type ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Account } from '../../../src/local/cosmos-emulator/account.ts';
import { DataFolder } from '../../../src/local/cosmos-emulator/data-folder.ts';
import { startCosmosEmulator } from '../../../src/local/cosmos-emulator/emulator.ts';
import { Journal } from '../../../src/local/cosmos-emulator/journal.ts';
import { replayFolder } from '../../../src/local/cosmos-emulator/journal-replay.ts';
import { Item } from '../../../src/local/cosmos-emulator/item.ts';
import { raw, running, sdkClient } from './client.ts';

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'emulator-data-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

const main = fileURLToPath(new URL('../../../src/local/cosmos-emulator/main.ts', import.meta.url));

interface Ready {
  readonly type: string;
  readonly endpoint: string;
  readonly key: string;
  readonly caCertificate?: string;
}

/** Starts the emulator's own process; it ends with the test. */
async function start(...args: readonly string[]): Promise<{ readonly child: ChildProcess; readonly ready: Ready }> {
  const child = spawn(process.execPath, [main, '--parent-pipe', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const ready = await new Promise<Ready>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(JSON.parse(text) as Ready);
    });
    child.once('exit', (code) => {
      reject(new Error(`the emulator ended with ${code}`));
    });
  });
  return { child, ready };
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    child.once('exit', (code) => {
      resolve(code);
    });
  });

async function everything(
  emulator: { readonly endpoint: string; readonly key: string },
  container: string,
): Promise<unknown> {
  const client = sdkClient(emulator);
  const target = client.database('db').container(container);
  const state = {
    definition: (await target.read()).resource,
    ranges: (await target.readPartitionKeyRanges().fetchAll()).resources,
    documents: (await target.items.readAll().fetchAll()).resources,
    offer: (await target.readOffer()).resource,
  };
  client.dispose();
  return state;
}

describe('a data folder', () => {
  it('keeps everything that was acknowledged when the process is killed', async () => {
    const folder = temporaryFolder();
    const first = await start('--data', folder, '--partitions', '3');
    const client = sdkClient(first.ready);
    const { database } = await client.databases.create({ id: 'db' });
    const { container } = await database.containers.create({
      id: 'c',
      partitionKey: '/pk',
      throughput: 400_000,
      uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/mail'] }] },
    });
    const { container: dropped } = await database.containers.create({ id: 'dropped', partitionKey: '/pk' });
    await dropped.items.create({ id: 'x', pk: 'p' });
    await dropped.delete();
    for (let n = 0; n < 30; n++)
      await container.items.create({ id: `i${n}`, pk: `k${n % 5}`, mail: n, text: 'é\n\t"' });
    await container.item('i3', 'k3').delete();
    await fetch(new URL('_emulator/split', first.ready.endpoint), {
      method: 'POST',
      body: JSON.stringify({ database: 'db', container: 'c', rangeId: '1' }),
    });
    await container.items.upsert({ id: 'i4', pk: 'k4', mail: 'new' });
    await container.items.batch([{ operationType: 'Upsert', resourceBody: { id: 'b', pk: 'k1', mail: 'b' } }], 'k1');
    const before = await everything(first.ready, 'c');
    client.dispose();
    first.child.kill('SIGKILL');
    await ended(first.child);

    const second = await start('--data', folder);
    expect(await everything(second.ready, 'c')).toEqual(before);
    const again = sdkClient(second.ready).database('db');
    await expect(again.container('c').items.create({ id: 'dup', pk: 'k0', mail: 0 })).rejects.toMatchObject({
      code: 409,
    });
    await expect(again.container('dropped').read()).rejects.toMatchObject({ code: 404 });
    second.child.stdin?.end();
    expect(await ended(second.child)).toBe(0);
  });

  it('forgets a request that was cut off while it was written, and only that', async () => {
    const folder = temporaryFolder();
    {
      await using run = await running({ dataFolder: folder });
      const container = await run.container({ id: 'c', partitionKey: '/pk' });
      await container.items.create({ id: 'a', pk: 'p' });
      await container.items.create({ id: 'b', pk: 'p' });
    }
    const journal = join(folder, readdirSync(folder).find((name) => name.startsWith('journal-')) ?? '');
    const whole = readFileSync(journal, 'utf8');
    // From the end of a's commit on, every cut leaves a and not b.
    const begin = whole.indexOf('\nC\n', whole.indexOf('"a"')) + 3;
    for (const cut of [whole.length - 1, whole.length - 2, whole.length - 3, begin + 5, begin]) {
      truncateSync(journal, cut);
      const emulator = await startCosmosEmulator({ dataFolder: folder });
      const answer = await raw(emulator, 'GET', '/dbs/db/colls/c/docs');
      expect((answer.json as { Documents: { id: string }[] }).Documents.map((one) => one.id)).toEqual(['a']);
      await emulator.close();
    }
  });

  it('is refused when another version wrote it, or nobody knows what', async () => {
    for (const [header, code] of [
      ['{"format":"delta-cosmos-emulator","version":2}\n', 'emulatorDataVersion'],
      ['{"format":"something else","version":1}\n', 'emulatorDataVersion'],
      ['not even JSON\n', 'emulatorDataVersion'],
      ['{"format":"delta-cosmos-emulator","version":1}\nX\tnonsense\nC\n', 'emulatorDataDamaged'],
      ['{"format":"delta-cosmos-emulator","version":1}\nP\trid\t[]\t{}\nC\n', 'emulatorDataDamaged'],
    ] as const) {
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'journal-1.log'), header);
      await expect(startCosmosEmulator({ dataFolder: folder })).rejects.toMatchObject({ code });
      expect(readdirSync(folder)).toEqual(['journal-1.log']);
    }
  });

  it('belongs to one emulator at a time, and to the next after a kill', async () => {
    const folder = temporaryFolder();
    const { child } = await start('--data', folder);
    await expect(startCosmosEmulator({ dataFolder: folder })).rejects.toMatchObject({ code: 'dataFolderInUse' });
    child.kill('SIGKILL');
    await ended(child);
    const emulator = await startCosmosEmulator({ dataFolder: folder });
    await expect(startCosmosEmulator({ dataFolder: folder })).rejects.toMatchObject({ code: 'dataFolderInUse' });
    await emulator.close();
    expect(readdirSync(folder)).not.toContain('lock');
    // The id in a lock may long be another process's.
    writeFileSync(join(folder, 'lock'), JSON.stringify({ id: 1, started: 'never' }));
    await (await startCosmosEmulator({ dataFolder: folder })).close();
  });

  it('keeps the certificate, so that clients need not learn a new one', async () => {
    const folder = temporaryFolder();
    const one = await startCosmosEmulator({ dataFolder: folder, https: true });
    await one.close();
    const two = await startCosmosEmulator({ dataFolder: folder, https: true });
    await two.close();
    expect(two.caCertificate).toBe(one.caCertificate);
    expect(statSync(join(folder, 'certificate.json')).mode & 0o077).toBe(0);
  });

  it('replaces many journals by one base without losing order or content', async () => {
    const folder = temporaryFolder();
    let expected: unknown;
    for (let round = 0; round < 20; round++) {
      await using run = await running({ dataFolder: folder, partitions: 2 });
      const container =
        round === 0 ? await run.container({ id: 'c', partitionKey: '/pk' }) : run.client.database('db').container('c');
      await container.items.create({ id: `i${round}`, pk: `k${round % 3}` });
      await container.items.upsert({ id: 'i0', pk: 'k0', round });
      if (expected !== undefined && round > 1) await container.item(`i${round - 1}`, `k${(round - 1) % 3}`).delete();
      expected = await everything(run.emulator, 'c');
    }
    expect(readdirSync(folder).some((name) => name.startsWith('base-'))).toBe(true);
    expect(readdirSync(folder).length).toBeLessThan(20);
    await using run = await running({ dataFolder: folder });
    expect(await everything(run.emulator, 'c')).toEqual(expected);
  });

  it('brings back the same account after any history, read from the start or from a base', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), id: fc.nat(12), pk: fc.nat(3) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), id: fc.nat(12), pk: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('split' as const), range: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const) }) },
    );
    let bases = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        const path = mkdtempSync(join(tmpdir(), 'emulator-data-'));
        const settings = { partitions: 2, ruPerSecond: undefined, throttling: true, serverless: false };
        let account = new Account(settings);
        account.createDatabase({ id: 'db' }, undefined, 1);
        account.createContainer('db', { id: 'c', partitionKey: { paths: ['/pk'], version: 2 } }, undefined, 1);
        // Small enough that bases are written all the time, and while changes go on.
        let journal = new Journal(new DataFolder(path), account, 1500);
        const dump = (of: Account): unknown => {
          const container = of.container('db', 'c');
          return container.partitions.map((partition) => ({
            range: [partition.id, partition.min, partition.max, partition.parents, partition.lsn],
            items: [...partition.all()].map(({ id, pk, text, number, lsn, write }) => [
              id,
              pk,
              text,
              number,
              lsn,
              write,
            ]),
            feed: [...partition.since(0)].map((item) => item.lsn),
            keys: [0, 1, 2, 3].map((pk) => [...partition.ofKey(`["k${pk}"]`)].map((item) => item.id)),
          }));
        };
        const reopen = async (): Promise<void> => {
          await journal.close();
          bases += readdirSync(path).filter((name) => name.startsWith('base-')).length;
          const before = dump(account);
          account = new Account(settings);
          replayFolder(new DataFolder(path), account);
          expect(dump(account)).toEqual(before);
          journal = new Journal(new DataFolder(path), account, 1500);
        };
        for (const one of steps) {
          const container = account.container('db', 'c');
          if (one.kind === 'reopen') await reopen();
          else if (one.kind === 'pause') await nextTurn();
          else if (one.kind === 'split') {
            const partition = container.partitions[one.range % container.partitions.length];
            if (partition !== undefined && container.split(partition.id) !== undefined) journal.structure();
          } else {
            const pk = `["k${one.pk}"]`;
            const epk = container.hash([`k${one.pk}`]);
            const partition = container.route(epk);
            const before = partition.get(pk, `i${one.id}`);
            if (one.kind === 'put') {
              const number = before?.number ?? ++container.documents;
              const write = ++account.writes;
              const item = new Item(
                `i${one.id}`,
                pk,
                epk,
                `{"id":"i${one.id}","w":${write}}`,
                20,
                1,
                write,
                1,
                number,
                partition.lsn + 1,
                undefined,
              );
              partition.put(item);
              journal.document(container, before, item);
            } else if (before !== undefined) {
              partition.remove(before, 0, false);
              journal.document(container, before, undefined);
            }
          }
          journal.flush();
        }
        await reopen();
        await journal.close();
        rmSync(path, { recursive: true, force: true });
      }),
      { seed: 5, numRuns: 60 },
    );
    expect(bases).toBeGreaterThan(20);
  });
});

describe('the process', () => {
  it('says that its port is taken, and ends with an error', async () => {
    const other = await startCosmosEmulator();
    const { port } = new URL(other.endpoint);
    const child = spawn(process.execPath, [main, '--port', port], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    expect(await ended(child)).toBe(1);
    expect(JSON.parse(text)).toMatchObject({ type: 'error', code: 'portTaken' });
    await expect(startCosmosEmulator({ port: Number(port) })).rejects.toMatchObject({ code: 'portTaken' });
    await other.close();
  });

  it('refuses arguments it does not know, with the exit code of wrong usage', async () => {
    for (const args of [
      ['--what'],
      ['--port', 'x'],
      ['--partitions', '0'],
      ['--ru', '-1'],
      ['positional'],
      ['--key', 'a'],
    ]) {
      const child = spawn(process.execPath, [main, ...args], { stdio: 'ignore' });
      expect(await ended(child)).toBe(2);
    }
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends cleanly on %s', async (signal) => {
    const { child, ready } = await start('--https', '--any-token');
    expect(ready).toMatchObject({ type: 'ready', caCertificate: /BEGIN CERTIFICATE/ });
    child.kill(signal);
    expect(await ended(child)).toBe(0);
  });
});

// A journal line may follow a torn one only in a new file, which every start makes.
it('leaves a torn line alone when it goes on writing', async () => {
  const folder = temporaryFolder();
  {
    await using run = await running({ dataFolder: folder });
    await run.container({ id: 'c', partitionKey: '/pk' });
  }
  const journal = join(folder, readdirSync(folder).find((name) => name.startsWith('journal-')) ?? '');
  appendFileSync(journal, 'P\ttorn');
  {
    await using run = await running({ dataFolder: folder });
    await run.client.database('db').container('c').items.create({ id: 'a', pk: 'p' });
  }
  await using run = await running({ dataFolder: folder });
  expect((await run.client.database('db').container('c').item('a', 'p').read()).statusCode).toBe(200);
});
