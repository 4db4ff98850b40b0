import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeltaWriter } from '../support/delta-writer.ts';
import { primitives } from '../support/writer-columns.ts';
import { LocalRun, servicePids, targetDocuments } from './local-run.ts';

const ROWS = 100_000;
const COMMITS = 20;

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

function row(number: number, stock: number) {
  const text = `Part ${number} `.padEnd(160, 'lorem ipsum ');
  return { sku: `s${number}`, category: `c${number % 97}`, stock, text };
}

test(
  '100,000 rows and 20 further commits, host and workers killed during the load: the container is equal',
  { timeout: 300_000 },
  async () => {
    const table = join(folder, 'parts');
    const data = join(folder, 'data');
    const columns = primitives({ sku: 'string', category: 'string', stock: 'long', text: 'string' });
    const writer = await DeltaWriter.create(table, { columns, rowsPerFile: 10_000, changeFeed: true });
    await writer.insert(Array.from({ length: ROWS }, (_, number) => row(number, number)));

    run = new LocalRun(['--table', table, '--key', 'sku', '--workers', '2', '--json', '--data', data]);
    const ready = await run.ready();
    const host = (await servicePids(data)).at(-1) ?? 0;
    // Any progress: the load is under way.
    await fetchStatusUntil(ready, (status) => status.current !== null);
    // One worker dies in the middle of its slice; the host goes on with the other.
    const [worker] = await childPids(host);
    if (worker !== undefined) process.kill(worker, 'SIGKILL');
    await fetchStatusUntil(ready, (status) => status.current !== null);
    // Then the host, and its workers with it.
    process.kill(host, 'SIGKILL');

    for (let commit = 0; commit < COMMITS; commit++) {
      const kind = commit % 3;
      const chosen = new Set([`s${commit * 991}`, `s${commit * 991 + 1}`, `s${commit * 991 + 2}`]);
      const isChosen = (candidate: { readonly [column: string]: unknown }) => chosen.has(candidate['sku'] as string);
      if (kind === 0) await writer.update(isChosen, (changed) => ({ ...changed, stock: -commit }));
      else if (kind === 1) await writer.delete(isChosen);
      else await writer.insert([row(ROWS + commit, commit)]);
    }
    await run.event(({ event, version }) => event === 'synced' && version === writer.version);

    const documents = await targetDocuments(ready);
    const expected = new Map(writer.rows().map((written) => [written['sku'], written]));
    expect(documents).toHaveLength(expected.size);
    // One comparison a document: a difference is shown alone instead of among 100,000.
    const different = documents.filter(({ id, ...fields }) => !sameFields(fields, expected.get(id as string)));
    expect(different.slice(0, 3)).toEqual([]);
    expect(run.events().some(({ event }) => event === 'error')).toBe(false);
  },
);

/** Worker processes of the host, where the system tells (Linux). */
async function childPids(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text
    .split(' ')
    .filter((part) => part !== '')
    .map(Number);
}

function sameFields(fields: Readonly<Record<string, unknown>>, expected: object | undefined): boolean {
  return expected !== undefined && JSON.stringify(fields) === JSON.stringify(expected);
}

interface Status {
  readonly current: unknown;
}

async function fetchStatusUntil(
  ready: Awaited<ReturnType<LocalRun['ready']>>,
  test: (status: Status) => boolean,
): Promise<void> {
  for (;;) {
    const response = await fetch(`${ready.functions.url}/api/tables/parts`, {
      headers: { 'x-functions-key': ready.functions.masterKey },
    });
    if (response.ok && test((await response.json()) as Status)) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}
