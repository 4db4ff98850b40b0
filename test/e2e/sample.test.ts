import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { gone, LocalRun, servicePids, targetDocuments } from './local-run.ts';

// A safety net only: several processes start in each test, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000 });

let folder: string;
let run: LocalRun | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-e2e-'));
});

afterEach(async () => {
  await run?.close();
  run = undefined;
  await rm(folder, { recursive: true, force: true });
});

const LAST_VERSION = 5;
const FINAL_DOCUMENTS = [
  { id: 'p001', name: 'Contoso Coffee Mug', category: 'drinkware', price: 13.95 },
  { id: 'p003', name: 'Contoso Water Bottle', category: 'outdoor', price: 24.5 },
];

describe('npm start without arguments', () => {
  test('plain lines tell the whole story, end with the documents, and Ctrl-C stops everything', async () => {
    run = new LocalRun([], {}, folder);
    await run.line('every option');
    const text = run.out.join('\n');
    expect(text).not.toContain('\u001B');
    for (const step of ['v0', 'v1', 'v2', 'v3', 'v4', 'v5']) expect(text).toContain(`\n${step}  `);
    expect(text).toContain('+ p001  Contoso Coffee Mug  drinkware  12.95');
    expect(text).toContain('~ p001  Contoso Coffee Mug  drinkware  13.95');
    expect(text).toContain('- p002  Contoso T-Shirt  apparel  19.99');
    expect(text).toMatch(/in Cosmos [\d.]+ m?s after the commit/);
    expect(text).toContain('p003  Contoso Water Bottle  outdoor     24.5');
    const data = join(folder, '.delta-cosmos', 'sample');
    const pids = await servicePids(data);
    expect(pids.length).toBeGreaterThanOrEqual(3);
    run.signal('SIGINT');
    expect(await run.exit).toBe(0);
    expect(run.err).toEqual([]);
    expect(run.out.at(-1)).toBe('Everything is stopped.');
    await gone(pids);
    for (const name of ['launcher.lock', 'ready.json']) expect(existsSync(join(data, name))).toBe(false);
  });

  test('--json: events with addresses by which container and status can be read', async () => {
    run = new LocalRun(['--json', '--data', join(folder, 'data')]);
    const ready = await run.ready();
    await run.event(({ event, version }) => event === 'synced' && version === LAST_VERSION);
    expect(await targetDocuments(ready)).toEqual(FINAL_DOCUMENTS);
    const response = await fetch(`${ready.functions.url}/api/tables/products`, {
      headers: { 'x-functions-key': ready.functions.masterKey },
    });
    expect(await response.json()).toMatchObject({ checkpoint: { version: LAST_VERSION }, current: null });
    const epochs = run.events().filter(({ event }) => event === 'epoch');
    expect(epochs[0]).toMatchObject({ table: 'products', kind: 'snapshot', from: null, to: 0, rows: 2 });
    expect(epochs.at(-1)).toMatchObject({ kind: 'changes', to: LAST_VERSION, operations: { upserts: 1, deletes: 1 } });
  });

  test('a second run on the same folder goes on where the first stopped, even when that was killed', async () => {
    const data = join(folder, 'data');
    const killed = new LocalRun(['--json', '--data', data]);
    await killed.event(({ event, to }) => event === 'epoch' && to === 2);
    const pids = await servicePids(data);
    killed.signal('SIGKILL');
    await killed.exit;
    await gone(pids);
    run = new LocalRun(['--json', '--exit-when-synced', '--data', data]);
    expect(await run.exit).toBe(0);
    const [first] = run.events().filter(({ event }) => event === 'epoch');
    expect(first?.['from']).toBeGreaterThanOrEqual(2);
    expect(run.events().at(-1)).toMatchObject({ event: 'synced', version: LAST_VERSION, documents: 2 });
  });

  // Ctrl-C, a service manager, a terminal that is closed.
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s in the middle of the story stops everything',
    async (signal) => {
      const data = join(folder, 'data');
      run = new LocalRun(['--json', '--data', data]);
      await run.event(({ event, to }) => event === 'epoch' && to === 1);
      const pids = await servicePids(data);
      run.signal(signal);
      expect(await run.exit).toBe(0);
      await gone(pids);
    },
  );

  test('Ctrl-C while services start stops everything', async () => {
    const data = join(folder, 'data');
    run = new LocalRun(['--json', '--data', data]);
    while (!existsSync(join(data, 'cosmos'))) {
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
    run.signal('SIGINT');
    expect(await run.exit).toBe(0);
    expect(run.out).toEqual([]);
    expect(existsSync(join(data, 'launcher.lock'))).toBe(false);
  });
});

describe('one way from commit to app at a time', () => {
  test.each(['queue', 'blob', 'none'])('--events %s: the whole table arrives', async (events) => {
    run = new LocalRun(['--json', '--exit-when-synced', '--events', events, '--data', join(folder, 'data')]);
    const ready = run.ready();
    expect(await run.exit).toBe(0);
    await ready;
    expect(run.events().at(-1)).toMatchObject({ event: 'synced', version: LAST_VERSION, documents: 2 });
  });
});
