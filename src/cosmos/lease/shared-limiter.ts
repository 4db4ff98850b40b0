/** The limiter of one process for one budget: the requests of its tables under the grant of its lease holder. */
import type { Clock } from '../../shared/clock.ts';
import { toSyncError } from '../../shared/errors.ts';
import type { SyncError } from '../../shared/errors.ts';
import type { PartitionShare, RuLimiter, RuRequest, RuReservation } from '../ru-limiter.ts';
import { follow, tableUse } from './budget-table.ts';
import type { BudgetTable, TableUse } from './budget-table.ts';
import { demandOf, LoadMeter } from './demand.ts';
import type { Load } from './demand.ts';
import type { LeaseHolder } from './lease-holder.ts';
import type { LeaseLoad } from './lease-load.ts';
import { toHundredths } from './lease-document.ts';
import { Pacer } from './pacer.ts';
import type { PacedRequest } from './pacer.ts';
import { RequestQueue } from './request-queue.ts';

interface Waiting extends PacedRequest {
  readonly table: TableUse;
  readonly estimate: number;
  readonly grant: (reservation: RuReservation) => void;
  readonly refuse: (error: unknown) => void;
}

/** Timers are at most this far apart while something waits, whatever was computed. */
const WAIT_MAXIMUM_MS = 250;

export class SharedLimiter implements LeaseLoad {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #closing: AbortSignal;
  readonly #pacer = new Pacer();
  readonly #meter = new LoadMeter();
  readonly #queue = new RequestQueue<Waiting>();
  readonly #tables = new Set<TableUse>();
  #holder: LeaseHolder | null = null;
  #operation = 0;
  #spent = 0;
  #wakeAt = Number.POSITIVE_INFINITY;
  #heldSince: { readonly at: number; readonly grantShort: boolean } | null = null;
  #ticking = false;

  constructor(clock: Clock, random: () => number, closing: AbortSignal) {
    this.#clock = clock;
    this.#random = random;
    this.#closing = closing;
  }

  /** The holder works for this limiter and the limiter under its grant: tied together once, before use. */
  attach(holder: LeaseHolder): void {
    this.#holder = holder;
  }

  /** RU spent since the start, lost answers at their estimate. */
  get spent(): number {
    return this.#spent;
  }

  get debt(): number {
    return this.#pacer.debt;
  }

  limiterFor(table: BudgetTable): RuLimiter {
    const use = tableUse(table);
    this.#tables.add(use);
    const container = table.container ?? '';
    return {
      usePartitions: (partitions: readonly PartitionShare[]) => this.#pacer.usePartitions(container, partitions),
      batchRu: (partition) => {
        this.#refill();
        return this.#pacer.requestRu(container, partition) / use.correction;
      },
      reserve: (request, signal) => this.#reserve(use, container, request, signal),
      close: () => this.#close(use),
    };
  }

  // What the lease holder asks.

  demand(): number {
    return Math.ceil(demandOf(this.load()) * 100);
  }

  operation(): number {
    return Math.ceil(this.#operation * 100);
  }

  chargedAtOnce(): number {
    return Math.ceil(this.#pacer.chargedAtOnce * 100);
  }

  open(): boolean {
    return this.#tables.size > 0;
  }

  grantChanged(): void {
    this.#pump();
  }

  failed(error: SyncError): void {
    for (const waiting of this.#queue.ordered()) {
      this.#queue.remove(waiting);
      waiting.refuse(error);
    }
  }

  load(): Load {
    this.#refill();
    return {
      waiting: this.#queue.cost,
      short: this.#heldSince?.grantShort === true,
      unacknowledged: this.#pacer.inFlight > 0 ? this.#pacer.unacknowledged : 0,
      usage: this.#meter.usage,
      held: this.#meter.held,
      grantShort: this.#meter.grantShort,
      grant: this.#grant(),
      budget: (this.#holder?.document?.budget ?? toHundredths(Number.MAX_SAFE_INTEGER)) / 100,
      operation: this.#operation,
      debt: this.#pacer.debt,
      sinceGrewMs: this.#holder?.sinceGrew ?? Number.POSITIVE_INFINITY,
      open: this.#tables.size > 0,
    };
  }

  #grant(): number {
    return (this.#holder?.believed() ?? 0) / 100;
  }

  #refill(): void {
    const { document } = this.#holder ?? {};
    const grant = this.#grant();
    const pace = {
      grant,
      budget: Math.max(grant, (document?.budget ?? 0) / 100),
      granted: Math.max(grant, (document?.sum ?? 0) / 100),
    };
    this.#pacer.refill(this.#clock.monotonic(), pace, this.#holder?.expiry() ?? Number.POSITIVE_INFINITY);
  }

  #reserve(use: TableUse, container: string, request: RuRequest, signal: AbortSignal): Promise<RuReservation> {
    return new Promise<RuReservation>((resolve, reject) => {
      if (signal.aborted || use.closed || this.#closing.aborted) {
        reject(signal.aborted ? signal.reason : new DOMException('The RU limiter is closed.', 'AbortError'));
        return;
      }
      // Nothing is free: a request without a cost would wait for a grant that nobody asks for.
      const estimate = Number.isFinite(request.estimatedRu) ? Math.max(1, request.estimatedRu) : 1;
      const stop = (): void => {
        if (this.#queue.remove(waiting)) reject(signal.reason as Error);
        this.#pump();
      };
      const waiting: Waiting = {
        table: use,
        container,
        partition: request.partition,
        operations: request.operations,
        estimate,
        cost: estimate * use.correction,
        grant: (reservation) => {
          signal.removeEventListener('abort', stop);
          resolve(reservation);
        },
        refuse: (error) => {
          signal.removeEventListener('abort', stop);
          reject(error);
        },
      };
      signal.addEventListener('abort', stop, { once: true });
      const first = this.#queue.length === 0;
      this.#queue.add(waiting);
      this.#pump();
      if (first && this.#queue.length > 0) {
        const none = this.#grant() <= 0;
        if (none) this.#meter.begin();
        if (none || this.#hungry()) this.#holder?.wake();
      }
      this.#tick();
    });
  }

  /** Sends what may be sent, and sees to it that it is called again when more may be. */
  #pump(): void {
    const holder = this.#holder;
    if (holder === null) return;
    const now = this.#clock.monotonic();
    if (this.#heldSince !== null) this.#meter.hold(now - this.#heldSince.at, this.#heldSince.grantShort);
    this.#heldSince = null;
    this.#refill();
    for (let next = this.#next(holder, now); next !== null; next = this.#next(holder, now)) {
      this.#queue.serve(next);
      this.#pacer.send(next);
      next.grant(this.#reservation(next, holder.termEnd, now));
    }
  }

  /** The request to be sent now, or null after arranging the next look. */
  #next(holder: LeaseHolder, now: number): Waiting | null {
    let waitMs = Number.POSITIVE_INFINITY;
    let grantShort = false;
    const blocked = new Set<string>();
    for (const waiting of this.#queue.ordered()) {
      const place = `${waiting.container}\n${waiting.partition}`;
      if (blocked.has(place) || !this.#registered(waiting.table, holder)) continue;
      const verdict = this.#pacer.admit(waiting, now);
      if (verdict.kind === 'go') return waiting;
      waitMs = Math.min(waitMs, verdict.waitMs);
      grantShort ||= verdict.grantShort;
      if (verdict.kind !== 'partition') break;
      blocked.add(place);
    }
    if (this.#queue.length > 0) {
      this.#heldSince = { at: now, grantShort };
      this.#wakeIn(Math.max(1, Math.min(WAIT_MAXIMUM_MS, waitMs)), now);
    }
    return null;
  }

  /** True when the table is registered under the present holder id, or need not be. Starts the registration otherwise. */
  #registered(use: TableUse, holder: LeaseHolder): boolean {
    const { register } = use.table;
    if (register === undefined || use.registeredAs === holder.id) return true;
    if (use.registering || holder.believed() <= 0) return false;
    use.registering = true;
    void this.#register(use, register, holder);
    return false;
  }

  async #register(
    use: TableUse,
    register: NonNullable<BudgetTable['register']>,
    { id, termEnd }: Pick<LeaseHolder, 'id' | 'termEnd'>,
  ): Promise<void> {
    try {
      await register(id, termEnd);
      use.registeredAs = id;
    } catch (thrown) {
      // A term that ended meanwhile is no fault of the table: it registers in the next one.
      if (!termEnd.aborted) this.#refuse(use, toSyncError(thrown));
    } finally {
      use.registering = false;
    }
    this.#pump();
  }

  #refuse(use: TableUse, error: unknown): void {
    for (const waiting of this.#queue.ordered()) {
      if (waiting.table !== use) continue;
      this.#queue.remove(waiting);
      waiting.refuse(error);
    }
  }

  #reservation(request: Waiting, expired: AbortSignal, sentAt: number): RuReservation {
    let done = false;
    const once = (end: (now: number) => void): void => {
      if (done) return;
      done = true;
      this.#refill();
      end(this.#clock.monotonic());
      this.#pump();
    };
    const settle = (now: number, ru: number | null): void => {
      this.#pacer.settle(request, ru, now, sentAt);
      this.#spent += ru ?? request.cost;
      this.#meter.spend(ru ?? request.cost);
    };
    return {
      expired,
      settle: (chargedRu, retryAfterMs) =>
        once((now) => {
          const charged = Number.isFinite(chargedRu) && chargedRu >= 0 ? chargedRu : null;
          settle(now, charged);
          if (retryAfterMs !== undefined) {
            const wait = Number.isFinite(retryAfterMs) ? Math.max(0, retryAfterMs) : 0;
            this.#pacer.throttle(request, now, now + wait * (1 + 0.1 * this.#random()));
          } else if (charged !== null) {
            this.#operation = follow(request.table, { ...request, charged }, this.#operation);
          }
        }),
      lost: () => once((now) => settle(now, null)),
      release: () => once(() => this.#pacer.release(request)),
    };
  }

  #wakeIn(ms: number, now: number): void {
    if (this.#wakeAt <= now + ms && this.#wakeAt > now) return;
    const at = now + ms;
    this.#wakeAt = at;
    void this.#later(ms, () => {
      // An earlier look was arranged meanwhile: it also arranged the next one.
      if (this.#wakeAt !== at) return;
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#pump();
    });
  }

  /** Measures the load while there is any, and wakes the holder when its grant and its demand are far apart. */
  #tick(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    void this.#later(LoadMeter.tickMs, () => {
      this.#ticking = false;
      this.#pump();
      this.#meter.tick();
      const { waiting, grant, budget } = this.load();
      const demand = this.demand() / 100;
      if (demand === 0 && grant <= 0) return;
      this.#tick();
      const idle = (this.#holder?.asked ?? 0) / 100 > 2 * demand + 0.01 * budget && grant > 0.02 * budget;
      if (idle || this.#hungry() || demand === 0 || (waiting > 0 && grant <= 0)) this.#holder?.wake();
    });
  }

  /** The grant is far from the demand, and from what there is for it. */
  #hungry(): boolean {
    const demand = this.demand();
    const grant = this.#holder?.believed() ?? 0;
    return demand > 1.3 * grant && grant < 0.9 * Math.min(demand, this.#holder?.fairShare(demand) ?? demand);
  }

  /** Runs `work` after a while, unless the budget is closed before. */
  async #later(ms: number, work: () => void): Promise<void> {
    try {
      await this.#clock.sleep(ms, this.#closing);
    } catch {
      return;
    }
    work();
  }

  async #close(use: TableUse): Promise<void> {
    if (use.closed) return;
    use.closed = true;
    this.#refuse(use, new DOMException('The RU limiter is closed.', 'AbortError'));
    this.#tables.delete(use);
    if (this.#tables.size > 0) return;
    this.#tick();
    await this.#holder?.left();
  }
}
