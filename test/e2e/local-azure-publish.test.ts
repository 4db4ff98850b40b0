/** Every way to publish on the local Azure: the pointer, a reader that follows it while loads are switched, rollback, clean-up. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LocalAzureTables, type TableSpec } from './local-azure.ts';
import { becomes, byId, type Document, type LocalTable } from './local-table.ts';

// A safety net only: several processes start, on machines that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000, maxConcurrency: 6 });

const COLUMNS = { id: 'string', batch: 'integer' };
const ROWS = 120;
const rows = (batch: number): { id: string; batch: number }[] =>
  Array.from({ length: ROWS }, (_, i) => ({ id: `p${i}`, batch }));

type Strategy = 'blueGreen' | 'versionFlag';
const publish = (kind: Strategy, id: string, graceSeconds: number): TableSpec => ({
  settings: { publish: { kind, graceSeconds, ...(kind === 'blueGreen' ? { other: `${id}-b` } : {}) } },
  // A load takes long enough to be read meanwhile.
  ruPerSecond: 1_500,
});

const STRATEGIES = ['blueGreen', 'versionFlag'] as const;
let azure: LocalAzureTables;

beforeAll(async () => {
  const specs: Record<string, TableSpec> = { 'in-place': {} };
  for (const kind of STRATEGIES) {
    for (const [use, grace] of [
      ['http', 3600],
      ['cli', 3600],
      ['brief', 1],
      ['moved', 3600],
    ] as const) {
      specs[`${kind}-${use}`] = publish(kind, `${kind}-${use}`, grace);
    }
  }
  const others = Object.keys(specs).flatMap((id) => (id.startsWith('blueGreen') ? [`${id}-b`] : []));
  const more = { freshness: { database: 'shop', container: 'freshness' } };
  azure = await LocalAzureTables.start(specs, more, ['freshness', ...others]);
});
afterAll(() => azure?.stop());

interface Pointer {
  readonly live: string | number;
  readonly version: number;
}

async function pointer(table: LocalTable): Promise<Pointer | undefined> {
  return (await azure.container('freshness').item(table.id, table.id).read<Pointer & Document>()).resource;
}

/** What a reader sees that the pointer sent there. */
async function slot(table: LocalTable, live: string | number): Promise<Document[]> {
  if (typeof live === 'string') return table.documentsOf(azure.container(live));
  const documents = await table.documents();
  return documents.filter(({ generation }) => generation === live);
}

/** What of a document readers use: generations are in ids and in a field. */
function plain(documents: readonly Document[]): Document[] {
  return byId(documents.map(({ id, batch }) => ({ id: String(id).replace(/^\d+\|/, ''), batch }) as const));
}

/** Reads as an application does until `done`: pointer first, then what it names. Gives the batches seen, in order. */
async function readContinuously(table: LocalTable, done: () => boolean): Promise<number[]> {
  const seen: number[] = [];
  while (!done()) {
    const live = (await pointer(table))?.live ?? '';
    const documents = await slot(table, live);
    const batches = new Set(documents.map(({ batch }) => Number(batch)));
    expect({ documents: documents.length, batches: batches.size }).toEqual({ documents: ROWS, batches: 1 });
    seen.push(...batches);
  }
  return seen;
}

/** Another content, loaded beside what readers see. */
async function switchTo(table: LocalTable, batch: number): Promise<void> {
  // Paused, so that the commit does not come as an increment.
  await table.act('pause');
  await table.writer.overwrite(rows(batch));
  await table.act('resync');
  await table.act('resume');
  await table.reached();
}

test('inPlace: the freshness document tells version and container', async () => {
  const table = azure.table('in-place');
  await table.create(COLUMNS, rows(1));
  await table.arrives();
  expect(await pointer(table)).toMatchObject({ table: 'in-place', version: 1, live: 'in-place' });
  await table.writer.delete((row) => row['id'] === 'p0');
  await table.arrives();
  await becomes(async () => (await pointer(table))?.version, 2);
  expect(await pointer(table)).toMatchObject({ live: 'in-place' });
});

describe.concurrent.each(STRATEGIES)('%s', (kind) => {
  test.each(['http', 'cli'] as const)('a reader never sees a mixture; rollback (%s) sends it back', async (by) => {
    const table = azure.table(`${kind}-${by}`);
    const [first, second] = kind === 'blueGreen' ? [table.id, `${table.id}-b`] : [1, 2];
    await table.create(COLUMNS, rows(1));
    await table.arrives();
    expect(await pointer(table)).toMatchObject({ live: first, version: 1 });
    expect(plain(await slot(table, first))).toEqual(byId(rows(1)));

    let done = false;
    const reading = readContinuously(table, () => done);
    await switchTo(table, 2).finally(() => {
      done = true;
    });
    const seen = await reading;
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen[0]).toBe(1);
    expect(await pointer(table)).toMatchObject({ live: second, version: 2 });
    await table.logged('liveSwitched', { live: second });
    expect(plain(await slot(table, second))).toEqual(byId(rows(2)));
    expect(plain(await slot(table, first))).toEqual(byId(rows(1)));

    if (by === 'http') {
      const answer = await table.act('rollback');
      expect(answer).toMatchObject({ phase: 'paused', checkpoint: { version: 1 }, publication: { live: first } });
    } else {
      const end = await azure.command('rollback', '--config', azure.config, '--table', table.id, '--json');
      expect(end.code).toBe(0);
      expect(JSON.parse(end.out)).toMatchObject({ table: table.id, version: 1, publication: { live: first } });
    }
    expect(await pointer(table)).toMatchObject({ live: first, version: 1 });
    // Resumed, what was missed comes into what is read now.
    await table.act('resume');
    await table.reached();
    expect(await pointer(table)).toMatchObject({ live: first, version: 2 });
    expect(plain(await slot(table, first))).toEqual(byId(rows(2)));
  });

  test('a pointer that somebody else changed holds the table until it is put back', async () => {
    const table = azure.table(`${kind}-moved`);
    await table.create(COLUMNS, rows(1));
    await table.arrives();
    const document = await pointer(table);
    await azure.container('freshness').items.upsert({ ...document, live: 'elsewhere' });
    await table.writer.overwrite(rows(2));
    await table.announce();
    await table.logged('epochHeld', { code: 'pointerChanged' });
    expect(plain(await slot(table, document?.live ?? ''))).toEqual(byId(rows(1)));
    expect(await pointer(table)).toMatchObject({ live: 'elsewhere', version: 1 });
    await azure.container('freshness').items.upsert({ ...document });
    await table.arrives();
    expect(plain(await slot(table, document?.live ?? ''))).toEqual(byId(rows(2)));
    if (kind === 'versionFlag') return;
    // The other container of the pair is still read for a while after a switch.
    await table.act('resync');
    await table.until('the other container', ({ publication }) => publication?.live === `${table.id}-b`);
    await table.reached();
    await table.act('resync');
    const { planId } = await table.isHeld('standbyInUse');
    await table.act('approve', planId);
    await table.until('the first container', ({ publication }) => publication?.live === table.id);
    expect(plain(await slot(table, table.id))).toEqual(byId(rows(2)));
  });

  test('what readers left is deleted after the time of grace, and rollback is refused then', async () => {
    const table = azure.table(`${kind}-brief`);
    const first = kind === 'blueGreen' ? table.id : 1;
    await table.create(COLUMNS, rows(1));
    await table.arrives();
    await switchTo(table, 2);
    await becomes(async () => {
      await table.act('sync');
      return slot(table, first);
    }, []);
    await table.logged('epochCompleted', { kind: 'cleanup' });
    await table.reached();
    await expect(table.act('rollback')).rejects.toThrow('nothingToRollBack');
    const refused = await azure.command('rollback', '--config', azure.config, '--table', table.id);
    expect(refused).toMatchObject({ out: '' });
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain('nothingToRollBack');
  });
});
