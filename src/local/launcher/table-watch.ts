/**
 * Watches how far a table is: epochs from the app's log, and its status over HTTP as a net. Decides when the container
 * equals the newest commit that is known.
 */
import type { Clock } from '../../shared/clock.ts';
import { errorCatalogue } from '../../shared/errors.ts';
import type { AppEvent } from './app-log.ts';
import type { Progress, SessionEvent } from './session-event.ts';
import type { TableStatus } from './table-status.ts';

/** Between two looks at the status. */
const STATUS_MS = 1000;
/** … at most, and at least. */
const QUIET_MS = 250;
/** Between two counts of the documents at least; and for how many times as long as one takes. */
const COUNT_MS = 1000;
const COUNT_REST = 20;
/** Failures in a row of a kind that may pass, before they count as final. */
const MAX_PASSING_FAILURES = 5;
/** Nothing moved for so long: it will not any more. */
const STALL_MS = 300_000;

/** Why the table will not get there by itself. */
export interface Obstacle {
  readonly code: string;
  readonly message: string;
}

/** What the watch asks and whom it tells. */
export interface TableWatchPorts {
  /** The status, or undefined while nobody answers. */
  status(signal: AbortSignal): Promise<TableStatus | undefined>;
  countDocuments(signal: AbortSignal): Promise<number>;
  /** Whether anybody sees `progress`; only then documents are counted while a load is under way. */
  readonly showsProgress: boolean;
  report(event: SessionEvent): void;
  progress(progress: Progress): void;
}

/** One table of the run. */
export class TableWatch {
  readonly #table: string;
  readonly #ports: TableWatchPorts;
  readonly #clock: Clock;
  /** Version of the container. */
  #reached = -1;
  /** Newest commit known. */
  #goal = -1;
  #announced = -1;
  /** When each commit that is not in the container became known, on the monotonic clock. */
  readonly #noticed = new Map<number, number>();
  #goalSince: number;
  #rows = 0;
  #deadLetters = 0;
  #passingFailures = 0;
  #obstacle: Obstacle | undefined;
  #movedAt: number;
  #lastStatus = '';
  #status: TableStatus | undefined;
  #counted = 0;
  /** Rows of the first load under way. */
  #plannedLoad: number | undefined;
  #countAt = 0;
  #spending = { used: 0, at: 0, ruPerSecond: 0 };
  #waiting: (() => void)[] = [];

  constructor(table: string, ports: TableWatchPorts, clock: Clock) {
    this.#table = table;
    this.#ports = ports;
    this.#clock = clock;
    this.#movedAt = clock.monotonic();
    this.#goalSince = this.#movedAt;
  }

  /** Why it does not go on, or undefined while it does. */
  get obstacle(): Obstacle | undefined {
    return this.#obstacle;
  }

  /** A commit that the container should show. */
  expect(version: number): void {
    if (version <= this.#goal) return;
    const now = this.#clock.monotonic();
    if (this.#announced >= this.#goal) this.#goalSince = now;
    this.#goal = version;
    if (version > this.#reached) this.#noticed.set(version, now);
    this.#show();
    this.#changed();
  }

  /** An event of the app's log; those of other tables are ignored. */
  appEvent(event: AppEvent): void {
    if (event.table !== this.#table) return;
    switch (event.kind) {
      case 'epochPlanned':
        this.#plannedLoad = event.epochKind === 'snapshot' ? event.rows : undefined;
        break;
      case 'epochCompleted': {
        this.#plannedLoad = undefined;
        const noticed = this.#noticed.get(event.to);
        this.#rows += event.rows;
        this.#deadLetters += event.operations['deadLettered'] ?? 0;
        this.#passingFailures = 0;
        this.#obstacle = undefined;
        const { kind: _, committedAt: __, ...epoch } = event;
        this.#ports.report({
          kind: 'epoch',
          ...epoch,
          lagMilliseconds: noticed === undefined ? undefined : Math.round(this.#clock.monotonic() - noticed),
        });
        this.#reach(event.to);
        break;
      }
      case 'epochHeld':
        this.#meet(heldObstacle(event));
        break;
      case 'epochFailed':
        this.#passingFailures++;
        if (!mayPass(event.code) || this.#passingFailures >= MAX_PASSING_FAILURES) {
          this.#meet({ code: event.code, message: event.message });
        }
        break;
    }
  }

  /** Resolves when the container has at least this version, or an obstacle is met; rejects when the signal aborts. */
  async settled(version: number, signal: AbortSignal): Promise<void> {
    while (this.#reached < version && this.#obstacle === undefined) await this.#change(signal);
  }

  /** Resolves when the container equals the newest commit and that was reported, or an obstacle is met. */
  async synced(signal: AbortSignal): Promise<void> {
    while ((this.#goal < 0 || this.#announced < this.#goal) && this.#obstacle === undefined) await this.#change(signal);
  }

  /** Looks at the status until the signal aborts; reports progress and when the container equals the newest commit. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const status = await this.#ports.status(signal);
        if (status !== undefined) this.#look(status);
        await this.#announce(status, signal);
        await this.#countMeanwhile(signal);
        this.#checkStall();
        await this.#clock.sleep(QUIET_MS, signal);
        // Something happened: look early.
        const early = new AbortController();
        const rest = this.#clock.sleep(STATUS_MS - QUIET_MS, AbortSignal.any([signal, early.signal]));
        await Promise.race([rest, this.#change(signal)]);
        early.abort();
        rest.catch(() => undefined);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  #look(status: TableStatus): void {
    if (status.version !== undefined && status.version > this.#reached) this.#reach(status.version);
    this.#deadLetters = Math.max(this.#deadLetters, status.deadLetters);
    if (status.held !== undefined) {
      this.#meet(heldObstacle(status.held));
    } else if (this.#obstacle?.code !== undefined && status.version === this.#goal) {
      this.#obstacle = undefined;
    }
    const text = JSON.stringify(status);
    if (text !== this.#lastStatus) this.#movedAt = this.#clock.monotonic();
    this.#lastStatus = text;
    this.#status = status;
    this.#measureSpending(status);
    this.#show();
  }

  /** The app counts what it has spent; the display shows how fast. */
  #measureSpending(status: TableStatus): void {
    const used = status.budget?.used ?? 0;
    const at = this.#clock.monotonic();
    const { used: before, at: since } = this.#spending;
    // Another process of the app counts from zero again.
    const seconds = (at - since) / 1000;
    this.#spending = { used, at, ruPerSecond: used >= before && seconds > 0 ? (used - before) / seconds : 0 };
  }

  /** Shows what is known now: of the app by its last status, of the commits by what has been noticed since. */
  #show(): void {
    const oldest = Math.min(...this.#noticed.values());
    const status = this.#status;
    const behind = this.#reached < this.#goal;
    const current = behind ? status?.current : undefined;
    this.#ports.progress({
      table: this.#table,
      epoch: current === undefined ? undefined : { kind: current.kind, from: current.from, to: current.to },
      share: !behind ? 1 : Math.max(share(current?.done ?? 0, current?.of ?? 0), this.#loadedShare()),
      rows: this.#rows,
      documents: !behind && status?.version === this.#reached ? status.documents : this.#counted,
      budget:
        status?.budget === undefined
          ? undefined
          : { ruPerSecond: status.budget.ruPerSecond, used: this.#spending.ruPerSecond },
      lagMilliseconds: Number.isFinite(oldest) ? this.#clock.monotonic() - oldest : undefined,
    });
  }

  /** Of a first load: chunks are few, documents many. */
  #loadedShare(): number {
    return this.#plannedLoad === undefined ? 0 : share(this.#counted, this.#plannedLoad);
  }

  async #announce(status: TableStatus | undefined, signal: AbortSignal): Promise<void> {
    if (this.#goal < 0 || this.#reached < this.#goal || this.#announced >= this.#goal) return;
    if (status === undefined || status.current !== undefined || status.requested) return;
    if ((status.version ?? -1) < this.#goal) return;
    const version = this.#reached;
    const documents = await this.#ports.countDocuments(signal);
    if (this.#reached !== version || this.#goal > version) return;
    if (this.#deadLetters > 0) {
      this.#meet({
        code: 'notSynced',
        message: `${this.#deadLetters} rows of the table could not be written: see the dead letters of the table.`,
      });
    }
    const seconds = Math.round(this.#clock.monotonic() - this.#goalSince) / 1000;
    this.#announced = version;
    this.#counted = documents;
    this.#ports.report({ kind: 'synced', table: this.#table, version, documents, seconds });
    this.#changed();
  }

  /** Counting reads the whole index, so it may take only a small part of the time. */
  async #countMeanwhile(signal: AbortSignal): Promise<void> {
    const started = this.#clock.monotonic();
    if (!this.#ports.showsProgress || this.#reached >= this.#goal || started < this.#countAt) return;
    this.#counted = await this.#ports.countDocuments(signal);
    const ended = this.#clock.monotonic();
    this.#countAt = ended + Math.max(COUNT_MS, (ended - started) * COUNT_REST);
    this.#show();
  }

  #checkStall(): void {
    if (this.#reached >= this.#goal) this.#movedAt = this.#clock.monotonic();
    if (this.#clock.monotonic() - this.#movedAt < STALL_MS) return;
    this.#movedAt = this.#clock.monotonic();
    this.#meet({
      code: 'notSynced',
      message: `Nothing has moved for ${STALL_MS / 60_000} minutes: version ${this.#goal} of the table does not arrive.`,
    });
  }

  #reach(version: number): void {
    this.#reached = Math.max(this.#reached, version);
    this.#goal = Math.max(this.#goal, version);
    for (const noticed of this.#noticed.keys()) if (noticed <= version) this.#noticed.delete(noticed);
    this.#show();
    this.#changed();
  }

  #meet(obstacle: Obstacle): void {
    const known = this.#obstacle;
    if (known?.code === obstacle.code) return;
    this.#obstacle = obstacle;
    this.#ports.report({ kind: 'error', ...obstacle });
    this.#changed();
  }

  #changed(): void {
    this.#movedAt = this.#clock.monotonic();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(() => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
    });
  }
}

function heldObstacle(held: NonNullable<TableStatus['held']>): Obstacle {
  const plan = held.planId === '' ? '' : ` (plan ${held.planId})`;
  return { code: held.code, message: `The epoch is held${plan}. ${held.reason} ${held.remedy}` };
}

function mayPass(code: string): boolean {
  const catalogue: Readonly<Record<string, { readonly retryable: boolean }>> = errorCatalogue();
  return Object.hasOwn(catalogue, code) && catalogue[code]?.retryable === true;
}

function share(done: number, of: number): number {
  return of > 0 ? Math.min(1, done / of) : 0;
}
