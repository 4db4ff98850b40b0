/**
 * Random histories of a table, synchronised at random moments with random faults, against a model of what the container
 * must hold in each mode. The same seed gives the same history.
 */
import { PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { sameDocument } from '../../src/documents/document-text.ts';
import type { JsonObject } from '../../src/documents/document.ts';
import { SyncError } from '../../src/shared/errors.ts';
import { administer, tableStatus } from '../../src/sync/administration.ts';
import { advance, beginRun, nextStep, type RunOutcome } from '../../src/sync/next-step.ts';
import { WORK_SIZES } from '../../src/sync/work-sizes.ts';
import { DeltaWriter } from './delta-writer.ts';
import { MODES, modelOf, only, type Mode } from './history-model.ts';
import { HistoryReader, publishedDocuments } from './history-reader.ts';
import { perform, tinySizes } from './history-steps.ts';
import { LOST, lossy, type Loss } from './lossy-stores.ts';
import { pointer } from './published-table.ts';
import { dice, randomOptions, randomStep, type Dice } from './random-history.ts';
import type { SyncTable, SyncWorld } from './sync-harness.ts';

const ACCEPT_ALL = { added: 'accept', dropped: 'accept', renamed: 'accept', widened: 'accept', narrowed: 'accept' };

const PUBLISH = ['inPlace', 'inPlace', 'blueGreen', 'versionFlag'] as const;
const GRACE_SECONDS = 600;
/** Holds that a person who made the history would approve. */
const MEANT = ['tableRecreated', 'containerReplaced', 'standbyInUse', 'mappingChanged', 'deletesUnread'];

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
        `node test/chaos/histories.ts --seed ${at} --runs 1 reproduces: ${error instanceof Error ? (error.stack ?? error.message).slice(0, 1_500) : String(error)}`,
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
  #publish: (typeof PUBLISH)[number] = 'inPlace';
  #settings: Readonly<Record<string, unknown>> = {};
  #reader: HistoryReader | null = null;
  #kept = false;
  #left = false;
  #last = 1;
  #epochs = 0;
  /** What the container must hold, by id. */
  #model = new Map<string, JsonObject>();

  constructor(world: SyncWorld, seed: number) {
    this.#world = world;
    this.#roll = dice(seed * 7_919);
    this.#mode = MODES[this.#roll(MODES.length)] ?? 'mirror';
    if (this.#mode === 'mirror') this.#publish = PUBLISH[this.#roll(PUBLISH.length)] ?? 'inPlace';
  }

  async run(): Promise<number> {
    const roll = this.#roll;
    const table = await this.#world.table({}, '/id', roll(2) === 0 ? tinySizes(roll) : WORK_SIZES);
    this.#settings = {
      mode: this.#mode,
      guards: { maxDeletes: { percent: 100 }, emptySource: 'accept' },
      schemaDrift: ACCEPT_ALL,
      nulls: roll(2) === 0 ? 'omit' : 'null',
      uniqueKey: roll(4) === 0 ? 'trusted' : 'checked',
      ...(this.#mode === 'mirror' ? { existing: 'adopt' } : {}),
      ...(this.#mode === 'patch' ? { onDelete: 'delete' } : {}),
      ...(roll(4) === 0 ? { where: 'id < 40' } : {}),
      ...(roll(3) === 0 ? { limits: { rows: 5 + roll(40) } } : {}),
      ...(roll(4) === 0 ? { sourceVersion: 'v' } : {}),
      ...(await this.#published(table)),
    };
    table.configure(this.#settings);
    const writer = await DeltaWriter.create(table.folder, randomOptions(roll));
    await writer.insert([{ id: 1, name: 'first', price: '1.00', region: null, seen: null }]);
    for (let step = 0; step < 10; step++) {
      await this.#step(writer, table);
      this.#reader?.add(this.#rows(table, writer));
      if (roll(3) !== 0 && step < 9) continue;
      if (this.#mode === 'mirror') await this.#operate(table);
      if (this.#publish === 'inPlace' && roll(4) === 0) await this.#remap(table);
      if (!(await this.#sync(table, writer))) break;
    }
    return this.#epochs;
  }

  async #published(table: SyncTable): Promise<Readonly<Record<string, unknown>>> {
    if (this.#publish === 'inPlace') return {};
    this.#reader = new HistoryReader(table);
    const verify = (['counts', 'checksums', 'full'] as const)[this.#roll(3)];
    const settings = { kind: this.#publish, graceSeconds: GRACE_SECONDS, verify };
    if (this.#publish === 'versionFlag') return { publish: settings };
    const other = `${table.id}-b`;
    await createContainer(table, other);
    return { publish: { ...settings, other } };
  }

  #rows(table: SyncTable, writer: DeltaWriter): ReadonlyMap<string, JsonObject> {
    return table.expected(writer.rows(), { kind: 'struct', fields: writer.columns });
  }

  async #step(writer: DeltaWriter, table: SyncTable): Promise<void> {
    const roll = this.#roll;
    // Modes that keep documents of gone rows cannot be told from the last state alone once history was cut.
    const destructive = this.#mode === 'mirror' || this.#mode === 'patch';
    switch (roll(18)) {
      case 0:
        return writer.setChangeFeed(roll(2) === 0);
      case 1:
        return destructive ? writer.vacuum() : undefined;
      case 2:
        await writer.checkpoint();
        return destructive && writer.version > 2 ? writer.cleanLog(writer.version) : undefined;
      case 16:
        if (!destructive) return undefined;
        await writer.recreate();
        return writer.insert([{ id: ++this.#last, name: 'again', price: '2.00', region: null, seen: null }]);
      case 17:
        if (!destructive) return undefined;
        await this.#dropContainer(table);
        // An idle table is not looked at but for its log: the next commit shows that the container is another one.
        return writer.insert([{ id: ++this.#last, name: 'next', price: '3.00', region: null, seen: null }]);
      case 3:
        return writer.addColumn({ name: `c${writer.version}`, type: { kind: 'primitive', name: 'string' } });
      default:
        return randomStep(writer, roll, () => ++this.#last).catch((error: unknown) => {
          // Compacting commits that log retention has removed.
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
        });
    }
  }

  /** What a person does with a table that is left to itself otherwise. */
  async #operate(table: SyncTable): Promise<void> {
    const roll = this.#roll;
    const act = (kind: 'resync' | 'verify' | 'rollback' | 'resume'): Promise<unknown> =>
      administer(table.dependencies, table.id, { kind }, 'test');
    switch (roll(10)) {
      case 0:
        return void (await act('resync'));
      case 1:
        return void (await act('verify'));
      case 2:
        table.skewMs += (GRACE_SECONDS + 1) * 1_000;
        return;
      case 3:
        try {
          await act('rollback');
        } catch (error) {
          if (error instanceof SyncError && error.code === 'nothingToRollBack') return;
          throw error;
        }
        this.#reader?.begin(null);
        return void (await act('resume'));
      case 4:
        return this.#remove(table);
      default:
    }
  }

  /** Other settings, while commits wait that were not read under the ones before. */
  async #remap(table: SyncTable): Promise<void> {
    const roll = this.#roll;
    // What a removal kept is adopted by what it looks like.
    if ((await table.state()).checkpoint === null) return;
    const marks = [undefined, { field: 'kind', value: 'a' }, { field: 'kind', value: 'b' }];
    this.#settings = {
      ...this.#settings,
      id: ['${id}', 'k-${id}', 'm-${id}'][roll(3)],
      where: roll(2) === 0 ? undefined : `id < ${10 + roll(40)}`,
      nulls: roll(2) === 0 ? 'omit' : 'null',
      constants: roll(2) === 0 ? undefined : { made: `by ${roll(3)}` },
      discriminator: marks[roll(3)],
    };
    table.configure(this.#settings);
  }

  /** Takes the table out of the configuration and puts it back. */
  async #remove(table: SyncTable): Promise<void> {
    const read = async (): Promise<ReadonlyMap<string, JsonObject>> =>
      this.#reader === null ? table.documents() : publishedDocuments(table);
    const documents = this.#roll(2) === 0 ? 'keep' : 'delete';
    const before = await read();
    this.#reader?.begin(null);
    table.remove(documents);
    const outcome = await this.#drive(table);
    if (outcome.kind !== 'idle') throw new Error(`the removal ended with ${JSON.stringify(outcome)}`);
    const { checkpoint, removal } = await tableStatus(table.dependencies, table.id);
    const known = (await table.dependencies.states.read(table.id)).etag !== null;
    if (checkpoint !== null || (known && removal?.phase !== 'done')) throw new Error('the removal is not done');
    // What an earlier removal kept of a published table is nobody's any more.
    const left = documents === 'keep' || this.#kept ? await read() : await this.#everything(table);
    this.#kept ||= documents === 'keep' && this.#publish !== 'inPlace';
    if (documents === 'keep' ? JSON.stringify([...left]) !== JSON.stringify([...before]) : left.size > 0)
      throw new Error(`the removal (${documents}) left ${left.size} documents`);
    if (documents === 'delete' && (await pointer(table)) !== undefined) throw new Error('the pointer is still there');
    table.configure(this.#settings);
  }

  /** Documents in all containers of the table. */
  async #everything(table: SyncTable): Promise<ReadonlyMap<string, JsonObject>> {
    const other = this.#publish === 'blueGreen' ? table.database.container(`${table.id}-b`) : null;
    const found = (await other?.items.query<JsonObject>('SELECT * FROM c').fetchAll())?.resources ?? [];
    return new Map([
      ...(await table.documents()),
      ...found.map((document) => [`b ${JSON.stringify(document['id'])}`, document] as const),
    ]);
  }

  /** Somebody drops a container of the table and creates it again, empty. */
  async #dropContainer(table: SyncTable): Promise<void> {
    this.#reader?.begin(null);
    const name = this.#publish === 'blueGreen' && this.#roll(2) === 0 ? `${table.id}-b` : table.id;
    await table.database.container(name).delete();
    await createContainer(table, name);
  }

  /** False when the table has become unreadable. */
  async #sync(table: SyncTable, writer: DeltaWriter): Promise<boolean> {
    const before = new Map(this.#model);
    const outcome = await this.#drive(table);
    // Restoring a version whose files were vacuumed makes a table that nobody can read.
    if (outcome.code === 'chunkFailed' && outcome.message?.includes('is missing') === true) return false;
    // Whoever approved it was told that documents stay which nothing tells from those of others any more.
    if (this.#left) return false;
    if (outcome.kind !== 'idle' || outcome.version !== writer.version) {
      throw new Error(
        `ended with ${JSON.stringify(outcome)} at version ${writer.version}; ${JSON.stringify(table.events.slice(-3))}`,
      );
    }
    const rows = this.#rows(table, writer);
    this.#model = modelOf(this.#mode, before, rows);
    const documents = this.#reader === null ? await table.documents() : await publishedDocuments(table);
    this.#compare(table, documents, rows);
    this.#reader?.begin(rows);
    return true;
  }

  /** Drives a run, repeating activities, reordering slices and starting over at random. */
  async #drive(table: SyncTable): Promise<RunOutcome> {
    const roll = this.#roll;
    // Not for ever: what is lost at every attempt never ends.
    const losses = roll(2) === 0 ? 0 : 12;
    let lost = 0;
    const deps = lossy(table.dependencies, (): Loss => {
      if (lost >= losses || roll(30) !== 0) return null;
      lost++;
      return roll(2) === 0 ? 'request' : 'answer';
    });
    const signal = new AbortController().signal;
    const trace: string[] = [];
    let run = beginRun(table.id, `driver-${roll(1_000_000)}`);
    for (let steps = 0; steps < 2_000; steps++) {
      const step = nextStep(run);
      if (step.kind === 'end') {
        // A driver that is refused because the lost one still has its term: the term passes.
        const { kind, code = '' } = step.outcome;
        if (kind === 'held' && MEANT.includes(code)) await this.#approve(table);
        else if (kind !== 'busy' && !(kind === 'failed' && code === LOST)) return step.outcome;
        table.skewMs += 130_000;
        run = beginRun(table.id, `driver-${roll(1_000_000)}`);
        continue;
      }
      if (step.kind === 'complete') this.#epochs++;
      let result = await perform(deps, step, signal, table, roll);
      if (roll(8) === 0 && step.kind !== 'wait') result = await perform(deps, step, signal, table, roll);
      await this.#reader?.look();
      trace.push(`${step.kind} -> ${JSON.stringify(result).slice(0, 200)}`);
      // The orchestration is lost, the state is not. Not for ever: a stage of many chunks must end once.
      if (steps < 400 && roll(25) === 0) run = beginRun(table.id, `driver-${roll(1_000_000)}`);
      else run = advance(run, step, result);
    }
    throw new Error(`the run does not end: ${trace.slice(-14).join(' | ')}`);
  }

  async #approve(table: SyncTable): Promise<void> {
    const { held } = await tableStatus(table.dependencies, table.id);
    // The hold may have been lost with its answer: then the next plan holds it again.
    if (held === null) return;
    if (held.code === 'containerReplaced') this.#reader?.begin(null);
    if (held.reason.endsWith('those stay.')) this.#left = true;
    await administer(table.dependencies, table.id, { kind: 'approve', planId: held.planId }, 'test');
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

async function createContainer(table: SyncTable, id: string): Promise<void> {
  const partitionKey = { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 };
  await table.database.containers.create({ id, partitionKey });
}
