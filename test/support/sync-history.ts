/**
 * Random histories of a table, synchronised at random moments with random faults, against a model of what the container
 * must hold in each mode. The same seed gives the same history.
 */
import { sameDocument } from '../../src/documents/document-text.ts';
import type { JsonObject } from '../../src/documents/document.ts';
import { advance, beginRun, nextStep, type RunOutcome, type Step, type StepResult } from '../../src/sync/next-step.ts';
import { completeEpoch } from '../../src/sync/complete-epoch.ts';
import { planEpoch } from '../../src/sync/plan-epoch.ts';
import { runSlice } from '../../src/sync/run-slice.ts';
import { sealStage } from '../../src/sync/seal-stage.ts';
import { WORK_SIZES, type WorkSizes } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from './delta-writer.ts';
import { dice, randomOptions, randomStep, type Dice } from './random-history.ts';
import type { SyncTable, SyncWorld } from './sync-harness.ts';

const MODES = ['mirror', 'mirror', 'mirror', 'upsert', 'softDelete', 'insertOnly', 'patch'] as const;
type Mode = (typeof MODES)[number];

const ACCEPT_ALL = { added: 'accept', dropped: 'accept', renamed: 'accept', widened: 'accept', narrowed: 'accept' };

export interface HistoryResult {
  readonly epochs: number;
  readonly failures: readonly string[];
}

/** Runs histories with the seeds [seed, seed + count); a failure names the seed that reproduces it. */
export async function runHistories(world: SyncWorld, seed: number, count: number): Promise<HistoryResult> {
  const failures: string[] = [];
  let epochs = 0;
  for (let at = seed; at < seed + count; at++) {
    try {
      epochs += await new History(world, at).run();
    } catch (error) {
      failures.push(
        `SEED=${at} HISTORIES=1 reproduces: ${error instanceof Error ? (error.stack ?? error.message).slice(0, 1_500) : String(error)}`,
      );
      if (failures.length >= 3) break;
    }
  }
  return { epochs, failures };
}

class History {
  readonly #roll: Dice;
  readonly #world: SyncWorld;
  readonly #mode: Mode;
  #last = 1;
  #epochs = 0;
  /** What the container must hold, by id. */
  #model = new Map<string, JsonObject>();

  constructor(world: SyncWorld, seed: number) {
    this.#world = world;
    this.#roll = dice(seed * 7_919);
    this.#mode = MODES[this.#roll(MODES.length)] ?? 'mirror';
  }

  async run(): Promise<number> {
    const roll = this.#roll;
    const table = await this.#world.table(
      {
        mode: this.#mode,
        guards: { maxDeletes: { percent: 100 }, emptySource: 'accept' },
        schemaDrift: ACCEPT_ALL,
        nulls: roll(2) === 0 ? 'omit' : 'null',
        uniqueKey: roll(4) === 0 ? 'trusted' : 'checked',
        ...(this.#mode === 'patch' ? { onDelete: 'delete' } : {}),
        ...(roll(4) === 0 ? { where: 'id < 40' } : {}),
        ...(roll(3) === 0 ? { limits: { rows: 5 + roll(40) } } : {}),
        ...(roll(4) === 0 ? { sourceVersion: 'v' } : {}),
      },
      '/id',
      roll(2) === 0 ? tinySizes(roll) : WORK_SIZES,
    );
    const writer = await DeltaWriter.create(table.folder, randomOptions(roll));
    await writer.insert([{ id: 1, name: 'first', price: '1.00', region: null, seen: null }]);
    for (let step = 0; step < 10; step++) {
      await this.#step(writer);
      if (roll(3) !== 0 && step < 9) continue;
      if (!(await this.#sync(table, writer))) break;
    }
    return this.#epochs;
  }

  async #step(writer: DeltaWriter): Promise<void> {
    const roll = this.#roll;
    // Modes that keep documents of gone rows cannot be told from the last state alone once history was cut.
    const destructive = this.#mode === 'mirror';
    switch (roll(16)) {
      case 0:
        return writer.setChangeFeed(roll(2) === 0);
      case 1:
        return destructive ? writer.vacuum() : undefined;
      case 2:
        await writer.checkpoint();
        return destructive && writer.version > 2 ? writer.cleanLog(writer.version) : undefined;
      case 3:
        return writer.addColumn({ name: `c${writer.version}`, type: { kind: 'primitive', name: 'string' } });
      default:
        return randomStep(writer, roll, () => ++this.#last).catch((error: unknown) => {
          // Compacting commits that log retention has removed.
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
        });
    }
  }

  /** False when the table has become unreadable. */
  async #sync(table: SyncTable, writer: DeltaWriter): Promise<boolean> {
    const before = new Map(this.#model);
    const outcome = await this.#drive(table);
    // Restoring a version whose files were vacuumed makes a table that nobody can read.
    if (outcome.code === 'chunkFailed' && outcome.message?.includes('is missing') === true) return false;
    if (outcome.kind !== 'idle' || outcome.version !== writer.version) {
      throw new Error(
        `ended with ${JSON.stringify(outcome)} at version ${writer.version}; ${JSON.stringify(table.events.slice(-3))}`,
      );
    }
    const rows = table.expected(writer.rows(), { kind: 'struct', fields: writer.columns });
    this.#model = modelOf(this.#mode, before, rows);
    this.#compare(table, await table.documents(), rows);
    return true;
  }

  /** Drives a run, repeating activities, reordering slices and starting over at random. */
  async #drive(table: SyncTable): Promise<RunOutcome> {
    const roll = this.#roll;
    const deps = table.dependencies;
    const signal = new AbortController().signal;
    const trace: string[] = [];
    let run = beginRun(table.id, `driver-${roll(1_000_000)}`);
    for (let steps = 0; steps < 2_000; steps++) {
      const step = nextStep(run);
      if (step.kind === 'end') {
        // A driver that is refused because the lost one still has its term: the term passes.
        if (step.outcome.kind !== 'busy') return step.outcome;
        table.skewMs += 130_000;
        run = beginRun(table.id, `driver-${roll(1_000_000)}`);
        continue;
      }
      if (step.kind === 'complete') this.#epochs++;
      let result = await perform(deps, step, signal, table, roll);
      if (roll(8) === 0 && step.kind !== 'wait') result = await perform(deps, step, signal, table, roll);
      trace.push(`${step.kind} -> ${JSON.stringify(result).slice(0, 200)}`);
      // The orchestration is lost, the state is not. Not for ever: a stage of many chunks must end once.
      if (steps < 400 && roll(25) === 0) run = beginRun(table.id, `driver-${roll(1_000_000)}`);
      else run = advance(run, step, result);
    }
    throw new Error(`the run does not end: ${trace.slice(-14).join(' | ')}`);
  }

  #compare(table: SyncTable, documents: ReadonlyMap<string, JsonObject>, rows: ReadonlyMap<string, JsonObject>): void {
    const stamp = table.configuration.sourceVersion;
    const plain = (document: JsonObject | undefined): JsonObject | undefined => {
      if (document === undefined) return undefined;
      const { deletedAt: _at, ...rest } = document;
      return stamp === undefined ? rest : Object.fromEntries(Object.entries(rest).filter(([name]) => name !== stamp));
    };
    for (const id of new Set([...documents.keys(), ...this.#model.keys()])) {
      const [actual, wanted] = [plain(documents.get(id)), plain(this.#model.get(id))];
      if (this.#mode === 'upsert' || this.#mode === 'insertOnly' || this.#mode === 'softDelete') {
        // Rows that came and went between two epochs may have left a document or not; live rows may not differ.
        if (!rows.has(id)) {
          if (this.#mode === 'softDelete' && actual !== undefined && actual['deleted'] !== true)
            throw new Error(`${id} is not flagged`);
          continue;
        }
        if (this.#mode === 'insertOnly') {
          if (actual === undefined) throw new Error(`${id} is missing`);
          continue;
        }
      }
      // In mode patch a field that the mapping no longer writes is the application's.
      const seen =
        this.#mode === 'patch' && actual !== undefined && wanted !== undefined ? only(actual, wanted) : actual;
      if (seen === undefined || wanted === undefined || !sameDocument(seen, wanted)) {
        throw new Error(
          `${this.#mode} ${id}: ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}; ${JSON.stringify(table.events.slice(-3))}`,
        );
      }
    }
  }
}

/** The fields of `document` that `model` has. */
function only(document: JsonObject, model: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(document).filter(([name]) => Object.hasOwn(model, name)));
}

/** What a container must hold after an epoch, from what it held and the rows that live now. */
function modelOf(
  mode: Mode,
  before: ReadonlyMap<string, JsonObject>,
  rows: ReadonlyMap<string, JsonObject>,
): Map<string, JsonObject> {
  switch (mode) {
    case 'mirror':
    case 'patch':
      return new Map(rows);
    case 'upsert':
      return new Map([...before, ...rows]);
    case 'insertOnly':
      return new Map([...rows, ...before]);
    case 'softDelete':
      return new Map([...[...before].map(([id, document]) => [id, { ...document, deleted: true }] as const), ...rows]);
  }
}

async function perform(
  deps: SyncTable['dependencies'],
  step: Step,
  signal: AbortSignal,
  table: SyncTable,
  roll: Dice,
): Promise<StepResult> {
  switch (step.kind) {
    case 'plan':
      return planEpoch(deps, step.input, signal);
    case 'slices': {
      const order = step.inputs
        .map((input, index) => ({ input, index, rank: roll(100) }))
        .toSorted((a, b) => a.rank - b.rank);
      const results: Awaited<ReturnType<typeof runSlice>>[] = [];
      for (const { input, index } of order) results[index] = await runSlice(deps, input, signal);
      return results;
    }
    case 'seal':
      return sealStage(deps, step.input, signal);
    case 'complete':
      return completeEpoch(deps, step.input, signal);
    case 'wait':
      table.skewMs += step.ms;
      return null;
    case 'renew':
    case 'end':
      return null;
  }
}

/** Sizes at which a handful of rows is a large epoch. */
function tinySizes(roll: Dice): WorkSizes {
  return {
    ...WORK_SIZES,
    smallRows: roll(10),
    smallBytes: 4_000,
    chunkBytes: 500 + roll(4_000),
    chunkSources: 1 + roll(3),
    rangeRows: 1 + roll(10),
    // From a few identities a pass on, comparisons spill what the container holds.
    passRows: 12 + roll(60),
    keysPerPass: 1 + roll(20),
    batchDecisions: 1 + roll(5),
  };
}
