/** The commands that run use cases, and those that talk to an app, against a local run that is under way. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CosmosClient } from '@azure/cosmos';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';
import { LocalRun, type ReadyEvent } from './local-run.ts';

const MAIN = fileURLToPath(new URL('../../build/cli/main.js', import.meta.url));

let folder: string;
let run: LocalRun;
let ready: ReadyEvent;
let environment: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-e2e-'));
  const writer = await DeltaWriter.create(join(folder, 'parts'), {
    columns: primitives({ id: 'string', stock: 'long' }),
  });
  await writer.insert([1, 2, 3, 4].map((number) => ({ id: `p${number}`, stock: number })));
  const data = join(folder, 'data');
  run = new LocalRun(['--table', join(folder, 'parts'), '--key', 'id', '--json', '--data', data]);
  ready = await run.ready();
  await run.event(({ event }) => event === 'synced');
  const settings = JSON.parse(await readFile(join(data, 'local.settings.json'), 'utf8')) as {
    Values: Record<string, string>;
  };
  environment = settings.Values;
});

afterAll(async () => {
  await run.close();
  await rm(folder, { recursive: true, force: true });
});

interface End {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function command(...argv: string[]): Promise<End> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...argv], { env: { ...process.env, ...environment } });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text: Buffer) => (out += text.toString()));
    child.stderr.on('data', (text: Buffer) => (err += text.toString()));
    child.once('close', (code) => resolve({ code: code ?? -1, out, err }));
  });
}

const config = (): string => environment['SYNC_CONFIG'] ?? '';

async function drift(): Promise<void> {
  const client = new CosmosClient({ endpoint: ready.cosmos.endpoint, key: ready.cosmos.key });
  const [database = '', container = ''] = ready.target.split('/');
  await client.database(database).container(container).item('p2', 'p2').delete();
  client.dispose();
}

describe('commands against a run', () => {
  test('plan has nothing to do, and says so', async () => {
    expect(await command('plan', '--config', config())).toMatchObject({ code: 0, out: 'parts: nothing to do\n' });
  });

  test('verify ends with 1 and counts what is missing; with --repair it is written again', async () => {
    await drift();
    const found = await command('verify', '--config', config());
    expect(found).toMatchObject({ code: 1 });
    expect(found.out).toContain('3 equal, 1 missing, 0 different, 0 extra');
    expect(await command('verify', '--config', config(), '--repair')).toMatchObject({ code: 0 });
    const after = await command('verify', '--config', config());
    expect(after).toMatchObject({ code: 0 });
    expect(after.out).toContain('4 equal, 0 missing');
  });

  test('sync finds the table at its head', async () => {
    const end = await command('sync', '--config', config(), '--json');
    expect(end.code).toBe(0);
    expect(JSON.parse(end.out)).toMatchObject({ table: 'parts', outcome: { kind: 'idle', version: 1 } });
  });

  test('status, pause and resume of the app; a wrong key is refused without being printed', async () => {
    const app = ['--app', ready.functions.url, '--key', ready.functions.masterKey];
    expect((await command('status', ...app)).out).toContain('"phase": "idle"');
    expect((await command('pause', ...app, '--table', 'parts')).out).toContain('"phase": "paused"');
    expect((await command('resume', ...app, '--table', 'parts')).out).not.toContain('"phase": "paused"');
    const refused = await command('status', '--app', ready.functions.url, '--key', 'secret-of-somebody');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('appRefused');
    expect(refused.err).not.toContain('secret-of-somebody');
  });

  test('--local names the run by its data folder, for commands of both kinds', async () => {
    const local = ['--local', join(folder, 'data')];
    expect((await command('status', ...local, '--table', 'parts')).out).toContain('"table": "parts"');
    expect(await command('plan', ...local)).toMatchObject({ code: 0, out: 'parts: nothing to do\n' });
    const none = await command('plan', '--local', folder);
    expect(none).toMatchObject({ code: 1, out: '' });
    expect(none.err).toContain('error appUnavailable: No local run uses the data folder');
    expect(await command('plan', ...local, '--config', config())).toMatchObject({ code: 2 });
    expect(await command('status', ...local, '--app', ready.functions.url)).toMatchObject({ code: 2 });
  });

  test('an approval of nothing, a table that does not exist and a missing configuration end with their codes', async () => {
    const app = ['--app', ready.functions.url, '--key', ready.functions.masterKey];
    const approved = await command('approve', ...app, '--table', 'parts', '--plan', 'e1-v1-000000000000');
    expect(approved.code).toBe(1);
    expect(approved.err).toBe(
      'error nothingHeld: No epoch of parts waits for approval. Look at the status of the table.\n',
    );
    const unknown = await command('pause', ...app, '--table', 'other');
    expect(unknown.code).toBe(2);
    expect(unknown.err).toContain('error tableUnknown: There is no such table');
    expect(await command('plan', '--config', config(), '--table', 'other')).toMatchObject({ code: 2 });
    expect(await command('plan', '--config', join(folder, 'absent.json'))).toMatchObject({ code: 2 });
    expect(await command('plan')).toMatchObject({ code: 2 });
  });
});
