import { afterAll, beforeAll, expect, test } from 'vitest';
import { DeltaWriter } from '../support/delta-writer.ts';
import { dice, randomOptions, randomStep } from '../support/random-history.ts';
import { SyncWorld } from '../support/sync-harness.ts';

const HISTORIES = Number(process.env['HISTORIES'] ?? 100);
const SEED = Number(process.env['SEED'] ?? 1);

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.start();
});
afterAll(() => world.stop());

test(
  `${HISTORIES} random histories: the container equals the table after every epoch`,
  { timeout: 600_000 },
  async () => {
    for (let seed = SEED; seed < SEED + HISTORIES; seed++)
      await history(seed).catch((cause: unknown) => {
        throw new Error(
          `SEED=${seed} HISTORIES=1 reproduces: ${cause instanceof Error ? cause.message : String(cause)}`,
          { cause },
        );
      });
  },
);

async function history(seed: number): Promise<void> {
  const roll = dice(seed);
  const table = await world.table({
    guards: { maxDeletes: { percent: 100 }, emptySource: 'accept' },
    schemaDrift: { added: 'accept', dropped: 'accept', renamed: 'accept', widened: 'accept', narrowed: 'accept' },
    nulls: roll(2) === 0 ? 'omit' : 'null',
  });
  const writer = await DeltaWriter.create(table.folder, randomOptions(roll));
  let last = 1;
  await writer.insert([{ id: 1, name: 'first', price: '1.00', region: null, seen: null }]);
  for (let step = 0; step < 8; step++) {
    await randomStep(writer, roll, () => ++last);
    if (roll(3) !== 0 && step < 7) continue;
    const outcome = await table.sync();
    expect(outcome, `step ${step}: ${JSON.stringify(outcome)} ${JSON.stringify(table.events.slice(-4))}`).toMatchObject({ kind: 'idle', version: writer.version });
    expect(sorted(await table.documents())).toEqual(
      sorted(table.expected(writer.rows(), { kind: 'struct', fields: writer.columns })),
    );
  }
}

function sorted(documents: ReadonlyMap<string, unknown>): unknown[] {
  return [...documents].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
