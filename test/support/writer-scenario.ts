/**
 * One random run of the batch writer against the emulator: a container, documents, operations, faults, all from a seed.
 * Afterwards every operation must have been reported once and truthfully, and the container must hold what was reported.
 */
import type { ContainerRequest, CosmosClient } from '@azure/cosmos';
import { openDocumentWriter, type CosmosDocumentWriter } from '../../src/cosmos/batch-writer.ts';
import type { CosmosAccount } from '../../src/cosmos/cosmos-account.ts';
import { unlimited } from '../../src/cosmos/ru-limiter.ts';
import { identityHash, type Identity } from '../../src/documents/document.ts';
import type { CosmosEmulator, FaultRule } from '../../src/local/cosmos-emulator/emulator.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { SyncError } from '../../src/shared/errors.ts';
import type { Operation, Outcome, StoredDocument } from '../../src/sync/document-writer.ts';
import { Random } from './random.ts';
import type { SpoilingProxy } from './spoiling-proxy.ts';
import { StrictLimiter } from './strict-limiter.ts';
import { operationFault, rangesFault, requestFault, wireFault } from './writer-faults.ts';
import { ScenarioRows, type KeyShape } from './writer-rows.ts';
import { pagesOf } from './writer-target.ts';
import { untruths } from './writer-truth.ts';

/** What a run met, for the summary. */
export interface ScenarioReport {
  readonly operations: number;
  readonly ambiguous: number;
  readonly faults: number;
  readonly ended: string;
}

/** What scenarios share. */
export interface ScenarioWorld {
  readonly emulator: CosmosEmulator;
  /** Between the writer and the emulator. */
  readonly proxy: SpoilingProxy;
  /** Straight to the emulator. */
  readonly client: CosmosClient;
  readonly account: CosmosAccount;
  readonly clock: Clock;
  readonly database: string;
}

/** How a run is ended besides by having done everything. */
type Interruption = 'none' | 'abort' | 'leave' | 'sourceFails' | 'target';

let scenarios = 0;

export class Scenario {
  readonly #database: string;
  readonly #random: Random;
  readonly #container: string;
  readonly #emulator: CosmosEmulator;
  readonly #proxy: SpoilingProxy;
  readonly #client: CosmosClient;
  readonly #clock: Clock;
  readonly #account: CosmosAccount;
  readonly #key: KeyShape;
  readonly #rows: ScenarioRows;
  readonly #limiter: StrictLimiter;
  readonly #interruption: Interruption;
  /** Lost requests may land after later ones: grants end, or a request sleeps at the service longer than its time-out. */
  #late: boolean;
  #ranges: readonly string[] = ['0'];
  readonly #faults: number[] = [];
  #message = '';
  readonly #identities: Identity[] = [];
  #first: ReadonlyMap<string, StoredDocument> = new Map();
  readonly #handed: Operation[] = [];
  readonly #outcomes: Outcome[] = [];

  constructor(seed: number, world: ScenarioWorld) {
    const { emulator, proxy, client, account, clock, database } = world;
    const random = new Random(seed);
    this.#random = random;
    this.#container = `run${seed}-${++scenarios}`;
    this.#database = database;
    this.#emulator = emulator;
    this.#proxy = proxy;
    this.#client = client;
    this.#account = account;
    this.#clock = clock;
    this.#key = random.pick<KeyShape>([
      { paths: ['/pk'], kind: 'Hash', version: 2 },
      { paths: ['/pk'], kind: 'Hash', version: 1 },
      { paths: ['/a', '/b', '/c'], kind: 'MultiHash', version: 2 },
    ]);
    this.#rows = new ScenarioRows(random, this.#key);
    this.#interruption = random.chance(0.7)
      ? 'none'
      : random.pick<Interruption>(['abort', 'leave', 'sourceFails', 'target']);
    this.#late = random.chance(0.1);
    this.#limiter = new StrictLimiter({
      clock,
      random,
      delays: random.chance(0.3) ? 0.5 : 0,
      expiries: this.#late ? 0.3 : 0,
      ...(random.chance(0.3) ? { batchRu: random.pick([1, 40, 200]) } : {}),
    });
  }

  async run(): Promise<ScenarioReport> {
    await this.#createContainer();
    await this.#fill();
    const faults = this.#armFaults();
    const writer = this.#writer(this.#limiter);
    const ended = await this.#write(writer);
    for (const id of this.#faults) this.#emulator.faults.remove(id);
    this.#proxy.disarm(this.#container);
    this.#emulator.setThroughput(this.#database, this.#container, undefined);
    const stored = await this.#readAll();
    this.#check(stored, ended, writer);
    await this.#client.database(this.#database).container(this.#container).delete();
    const ambiguous = this.#outcomes.filter((outcome) => outcome.ambiguous).length;
    return { operations: this.#outcomes.length, ambiguous, faults, ended };
  }

  #writer(limiter: typeof unlimited | StrictLimiter): CosmosDocumentWriter {
    return openDocumentWriter({
      account: this.#account,
      database: this.#database,
      container: this.#container,
      limiter,
      clock: this.#clock,
      // A busy machine makes the fast clock's minutes short; giving up is tested elsewhere.
      retryForMs: 600_000,
    });
  }

  // ------------------------------------------------------------------------------------------------------ the container

  async #createContainer(): Promise<void> {
    const random = this.#random;
    const container = {
      id: this.#container,
      partitionKey: this.#key,
      ...(random.chance(0.2) ? { uniqueKeyPolicy: { uniqueKeys: [{ paths: ['/u'] }] } } : {}),
    };
    // The SDK's enums are the same words.
    await this.#client.database(this.#database).containers.create(container as unknown as ContainerRequest);
    for (let splits = random.int(0, 5); splits > 0; splits--) this.#split();
    const identities = random.int(5, 150);
    for (let number = 0; number < identities; number++) this.#identities.push(this.#rows.identity(number));
  }

  /** Splits a random partition. */
  #split(): void {
    const range = this.#random.pick(this.#ranges);
    try {
      const children = this.#emulator.split(this.#database, this.#container, range);
      this.#ranges = [...this.#ranges.filter((id) => id !== range), ...children];
    } catch {
      // Too narrow to be split.
    }
  }

  /** Documents that are there before. */
  async #fill(): Promise<void> {
    const creates: Operation[] = [];
    for (const identity of this.#identities) {
      if (this.#random.chance(0.5)) creates.push({ kind: 'create', identity, document: this.#rows.document(identity) });
    }
    const plain = this.#writer(unlimited);
    for await (const outcomes of plain.write(pagesOf([creates]), new AbortController().signal)) {
      for (const { status, reason } of outcomes) {
        if (status !== 'applied' && status !== 'exists' && reason?.startsWith('uniqueKey') !== true)
          throw new Error(`filling: ${status} ${reason}`);
      }
    }
    this.#first = await this.#readAll();
  }

  /** What is stored, by identity. */
  async #readAll(): Promise<ReadonlyMap<string, StoredDocument>> {
    const { signal } = new AbortController();
    const { documents } = await this.#writer(unlimited).read(this.#identities, signal);
    return new Map(documents.map((document) => [identityHash(document.identity), document]));
  }

  // --------------------------------------------------------------------------------------------------------- the faults

  #armFaults(): number {
    const random = this.#random;
    if (random.chance(0.2)) this.#emulator.setThroughput(this.#database, this.#container, random.pick([2_000, 20_000]));
    const count = random.chance(0.1) ? 0 : random.int(1, 12);
    const match = { database: this.#database, container: this.#container };
    for (let number = 0; number < count; number++) {
      const skip = random.int(0, 6);
      const times = random.chance(0.8) ? 1 : random.int(2, 4);
      const kind = random.pick([
        'request',
        'request',
        'operation',
        'ranges',
        'layout',
        'wire',
        'wire',
        'wire',
      ] as const);
      if (kind === 'ranges')
        this.#arm({ match: { ...match, kind: 'ranges' }, skip, times, action: rangesFault(random) });
      else if (kind === 'layout') this.#changeLayoutLater(skip);
      else if (kind === 'wire') this.#spoil(skip);
      else if (kind === 'operation') {
        const action = operationFault(random);
        // One operation may meet them all, and each 410 costs seconds of looking at ranges that do not change.
        const most = action.kind === 'answer' && action.status === 410 ? 4 : 40;
        this.#arm({ level: 'operation', match, skip: random.int(0, 150), times: random.int(1, most), action });
      } else {
        const action = requestFault(random, this.#late);
        // Six time-outs in a row use up the time in which an operation is sent again.
        const long = action.kind === 'delay' && action.ms > 10_000;
        this.#arm({ match: { ...match, kind: 'batch' }, skip, times: long ? 1 : times, action });
      }
    }
    if (this.#interruption === 'target') {
      const [status, substatus] = random.pick([
        [401, 0],
        [403, 5301],
        [404, 0],
        [404, 1003],
      ] as const);
      this.#arm({
        match: { ...match, kind: 'batch' },
        skip: random.int(0, 4),
        times: 1_000,
        action: { kind: 'answer', status, substatus },
      });
    }
    return count;
  }

  #spoil(skip: number): void {
    const fault = wireFault(this.#random, skip);
    if (fault.spoiler.spoilsNext === true) this.#late = true;
    this.#proxy.arm({ container: this.#container, random: this.#random, ...fault });
  }

  #arm(rule: FaultRule): void {
    this.#faults.push(this.#emulator.faults.add(rule));
  }

  /** Splits or migrates a partition just before the n-th batch from now is looked at. */
  #changeLayoutLater(skip: number): void {
    const migrate = this.#random.chance(0.4);
    let left = skip;
    const match = { container: this.#container, kind: 'batch' } as const;
    this.#arm({
      match,
      when: ({ rangeId }) => {
        if (left-- !== 0) return false;
        if (migrate && rangeId !== undefined)
          this.#arm({
            match: { container: this.#container, kind: 'batch', rangeId },
            times: this.#random.int(1, 4),
            action: { kind: 'answer', status: 410, substatus: 1008 },
          });
        else this.#split();
        return false;
      },
      action: { kind: 'staleRanges' },
    });
  }

  // ------------------------------------------------------------------------------------------------------- the writing

  async #write(writer: CosmosDocumentWriter): Promise<string> {
    const random = this.#random;
    const stop = new AbortController();
    const interruptAt = random.int(0, 300);
    let ended = 'done';
    const writing = (async () => {
      try {
        for await (const outcomes of writer.write(this.#source(interruptAt, stop), stop.signal)) {
          this.#outcomes.push(...outcomes);
          if (this.#interruption === 'leave' && this.#outcomes.length > interruptAt) {
            ended = 'left';
            break;
          }
        }
      } catch (error) {
        if (!(error instanceof SyncError)) throw error;
        ended = error.code;
        this.#message = error.message;
      }
    })();
    const over = new AbortController();
    const hung = this.#clock.sleep(1_500_000, over.signal).then(
      () => {
        throw new Error(`hung: ${this.#outcomes.length} of ${this.#handed.length} operations reported`);
      },
      () => undefined,
    );
    await Promise.race([writing, hung]);
    over.abort();
    return stop.signal.aborted && ended === 'done' ? 'aborted' : ended;
  }

  async *#source(interruptAt: number, stop: AbortController): AsyncGenerator<readonly Operation[], void, undefined> {
    const random = this.#random;
    const total = random.int(1, 700);
    const pageSize = random.pick([1, 10, 100, 1_000]);
    for (let made = 0; made < total;) {
      if (random.chance(0.1)) await this.#clock.sleep(random.int(0, 200));
      const page: Operation[] = [];
      while (page.length < pageSize && made + page.length < total)
        page.push(this.#rows.operation(this.#identities, this.#first));
      made += page.length;
      this.#handed.push(...page);
      yield page;
      if (made < interruptAt) continue;
      if (this.#interruption === 'abort') stop.abort();
      if (this.#interruption === 'sourceFails')
        throw new SyncError('dataFileDamaged', { problem: 'The source broke.' });
    }
  }

  #check(stored: ReadonlyMap<string, StoredDocument>, ended: string, writer: CosmosDocumentWriter): void {
    const problems = [...this.#limiter.problems];
    if (this.#limiter.settledRu > 1e7) problems.push(`${this.#limiter.settledRu} RU are more than anything costs`);
    if (this.#limiter.open !== 0) problems.push(`${this.#limiter.open} reservations were never ended`);
    if (Math.abs(this.#limiter.settledRu - writer.counters.requestUnits) > 0.01) {
      problems.push(`${this.#limiter.settledRu} RU settled, ${writer.counters.requestUnits} counted`);
    }
    if (!ENDS[this.#interruption].includes(ended))
      problems.push(`ended as ${ended} although ${this.#interruption}: ${this.#message}`);
    if (ended !== 'left') {
      problems.push(
        ...untruths({
          identities: this.#identities,
          first: this.#first,
          stored,
          handed: this.#handed,
          outcomes: this.#outcomes,
          late: this.#late,
          ended,
        }),
      );
    }
    if (problems.length > 0) throw new Error(problems.slice(0, 5).join('\n'));
  }
}

/** Codes with which a run may end. */
const ENDS: Readonly<Record<Interruption, readonly string[]>> = {
  none: ['done'],
  abort: ['done', 'aborted'],
  leave: ['done', 'left'],
  sourceFails: ['done', 'dataFileDamaged'],
  target: ['done', 'targetForbidden', 'targetKeyRefused', 'targetMissing'],
};
