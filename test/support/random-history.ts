/** Random histories of a table by the test writer: the same seed gives the same table. */
import type { Row } from '../../src/delta/schema.ts';
import type { DeltaWriter, DeltaWriterOptions } from './delta-writer.ts';
import { primitives } from './writer-columns.ts';

/** A generator of numbers in [0, bound). */
export type Dice = (bound: number) => number;

/** Deterministic dice (xorshift32). */
export function dice(seed: number): Dice {
  let state = seed | 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

const REGIONS = ['north', 'south/east', 'a b%=c', null] as const;

/** Options drawn from a seed. */
export function randomOptions(roll: Dice): DeltaWriterOptions {
  const columnMapping = (['none', 'name', 'id'] as const)[roll(3)] ?? 'none';
  return {
    columns: primitives({ id: 'long', name: 'string', price: 'decimal(12,2)', region: 'string', seen: 'timestamp' }),
    partitionBy: roll(2) === 0 ? ['region'] : [],
    columnMapping,
    deletionVectors: roll(2) === 0,
    changeFeed: roll(2) === 0,
    inCommitTimestamps: roll(3) === 0,
    v2Checkpoints: roll(3) === 0,
    extendedFileMetadata: roll(3) !== 0,
    rowsPerFile: 3 + roll(20),
    rowGroupRows: 4 + roll(8),
  };
}

function randomRow(roll: Dice, id: number): Row {
  return {
    id,
    name: roll(6) === 0 ? null : `name ${roll(1000)}`,
    price: `${roll(100)}.${String(roll(100)).padStart(2, '0')}`,
    region: REGIONS[roll(REGIONS.length)] ?? null,
    seen: `2026-01-${String(1 + roll(28)).padStart(2, '0')}T00:00:00.${String(roll(1_000_000)).padStart(6, '0')}Z`,
  };
}

/** Values for columns that were added meanwhile. */
function extraValues(writer: DeltaWriter, roll: Dice): Row {
  const added = writer.columns.filter(({ name }) => name.startsWith('extra'));
  return Object.fromEntries(added.map(({ name }) => [name, roll(100)]));
}

/** One random commit (or file of the log) on a table that `randomOptions` made. */
export async function randomStep(writer: DeltaWriter, roll: Dice, nextId: () => number): Promise<void> {
  const rows = (count: number): Row[] => Array.from({ length: count }, () => randomRow(roll, nextId()));
  const some = roll(4) + 2;
  const picked = (row: Row): boolean => Number(row['id']) % some === 0;
  switch (roll(14)) {
    case 0:
    case 1:
    case 2:
      return writer.insert(rows(1 + roll(20)));
    case 3:
    case 4:
      return writer.update(picked, () => ({ name: `renamed ${roll(1000)}`, ...extraValues(writer, roll) }));
    case 5:
    case 6:
      return writer.delete(picked);
    case 7: {
      const ids = writer.rows().map((row) => Number(row['id']));
      const known = ids.length === 0 ? [] : [ids[roll(ids.length)] ?? 0];
      const source = [...new Set(known)].map((id) => randomRow(roll, id)).concat(rows(roll(4)));
      const matched = (['update', 'delete', 'ignore'] as const)[roll(3)] ?? 'update';
      return writer.merge(source, { on: ['id'], matched });
    }
    case 8:
      return roll(3) === 0 ? writer.overwrite(rows(roll(10))) : writer.optimize();
    case 9:
      return writer.restore(Math.max(1, writer.version - roll(4)));
    case 10: {
      const v2 = { kind: 'v2', format: roll(2) === 0 ? 'json' : 'parquet', sidecars: roll(3) } as const;
      const kinds = [{ kind: 'classic' }, { kind: 'multiPart', parts: 2 + roll(2) }, v2] as const;
      const kind = kinds[roll(3)] ?? kinds[0];
      return writer.checkpoint(
        kind.kind === 'v2' && !writer.hasV2Checkpoints ? { kind: 'classic' } : kind,
        roll(3) !== 0,
      );
    }
    case 11: {
      const from = roll(writer.version + 1);
      const to = from + 1 + roll(3);
      return to <= writer.version ? writer.compactLog(from, to) : undefined;
    }
    case 12:
      return changeSchema(writer, roll);
    default:
      return roll(2) === 0
        ? writer.overwrite(
            rows(roll(4)).map((row) => ({ ...row, region: 'north' })),
            (row) => row['region'] === 'north',
          )
        : writer.setProperties({ note: String(roll(100)) });
  }
}

/** Adds a column; with column mapping also renames and drops those that were added. */
async function changeSchema(writer: DeltaWriter, roll: Dice): Promise<void> {
  const extra = writer.columns.filter(({ name }) => name.startsWith('extra'));
  const chosen = extra[roll(Math.max(1, extra.length))];
  const fresh = `extra ${writer.version}`;
  const step = chosen === undefined || !writer.isMapped ? 0 : roll(3);
  if (step === 0 || chosen === undefined)
    return writer.addColumn({ name: fresh, type: { kind: 'primitive', name: 'long' } });
  return step === 1 ? writer.renameColumn(chosen.name, fresh) : writer.dropColumn(chosen.name);
}
