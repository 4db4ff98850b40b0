import { parquetReadObjects } from 'hyparquet';
import { expect, test } from 'vitest';
import { SCENARIO, sampleWriter } from '../../../src/local/sample-table/scenario.ts';
import type { TableFiles } from '../../../src/local/sample-table/table-writer.ts';

interface Action {
  readonly add?: { readonly path: string; readonly size: number };
  readonly remove?: { readonly path: string };
  readonly cdc?: { readonly path: string; readonly size: number };
  readonly metaData?: { readonly configuration: Readonly<Record<string, string>> };
}

function memoryFiles(): TableFiles & { readonly stored: Map<string, Uint8Array> } {
  const stored = new Map<string, Uint8Array>();
  return {
    stored,
    async write(path, bytes) {
      stored.set(path, bytes);
    },
    async commit(path, bytes) {
      if (stored.has(path)) return false;
      stored.set(path, bytes);
      return true;
    },
  };
}

async function rowsOf(bytes: Uint8Array): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file: bytes.slice().buffer });
}

function actions(bytes: Uint8Array): Action[] {
  return new TextDecoder()
    .decode(bytes)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Action);
}

async function writeAll(files: TableFiles): Promise<void> {
  const writer = sampleWriter(files, () => 1_700_000_000_000);
  for (const [version, step] of SCENARIO.entries()) {
    expect((await step.commit(writer)).version).toBe(version);
  }
}

test('replaying the log of the scenario gives the rows it ends with', async () => {
  const files = memoryFiles();
  await writeAll(files);
  const live = new Set<string>();
  for (const [version] of SCENARIO.entries()) {
    const commit = files.stored.get(`_delta_log/${String(version).padStart(20, '0')}.json`);
    for (const action of actions(commit ?? new Uint8Array())) {
      if (action.remove !== undefined) live.delete(action.remove.path);
      if (action.add !== undefined) {
        live.add(action.add.path);
        expect(files.stored.get(action.add.path)?.length).toBe(action.add.size);
      }
    }
  }
  const rows: unknown[] = [];
  for (const path of live) rows.push(...(await rowsOf(files.stored.get(path) ?? new Uint8Array())));
  expect(rows).toHaveLength(2);
  expect(rows).toEqual(
    expect.arrayContaining([
      { id: 'p001', name: 'Contoso Coffee Mug', category: 'drinkware', price: 13.95 },
      { id: 'p003', name: 'Contoso Water Bottle', category: 'outdoor', price: 24.5 },
    ]),
  );
});

test('updates after the feed was turned on write both images of the changed rows, and of no others', async () => {
  const files = memoryFiles();
  await writeAll(files);
  const update = actions(files.stored.get('_delta_log/00000000000000000002.json') ?? new Uint8Array());
  const path = update.find((action) => action.cdc !== undefined)?.cdc?.path ?? '';
  expect(path).toMatch(/^_change_data\//);
  expect(await rowsOf(files.stored.get(path) ?? new Uint8Array())).toEqual([
    { id: 'p001', name: 'Contoso Coffee Mug', category: 'drinkware', price: 12.95, _change_type: 'update_preimage' },
    { id: 'p001', name: 'Contoso Coffee Mug', category: 'drinkware', price: 13.95, _change_type: 'update_postimage' },
  ]);
});

test('a second run over the same files writes no commit again and changes no byte', async () => {
  const files = memoryFiles();
  await writeAll(files);
  const before = new Map(files.stored);
  const writer = sampleWriter(files, () => 1_800_000_000_000);
  for (const step of SCENARIO) expect((await step.commit(writer)).written).toBe(false);
  expect(files.stored).toEqual(before);
});
