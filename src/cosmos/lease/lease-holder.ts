/** One process in the lease document of a budget: reads, plans, writes, and knows what may be spent. */
import { SyncError, toSyncError } from '../../shared/errors.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/telemetry.ts';
import { fairShare } from './allocation.ts';
import { absorb, believed, isAlive, NO_GRANT, propose } from './grant.ts';
import type { Grant, Instant } from './grant.ts';
import type { ConfiguredBudget } from './configured-budget.ts';
import { HolderWatch } from './holder-watch.ts';
import { LeaseCalls } from './lease-calls.ts';
import { newLeaseDocument } from './lease-document.ts';
import type { LeaseDocument } from './lease-document.ts';
import { planLease } from './lease-plan.ts';
import type { LeasePlan } from './lease-plan.ts';
import type { LeaseStore } from './lease-store.ts';
import type { LeaseLoad } from './lease-load.ts';
import { LEASE_TERMS } from './lease-terms.ts';

/** What a holder needs. */
export interface LeaseHolderOptions {
  /** Unique for the process; terms append a number. */
  readonly processId: string;
  readonly store: LeaseStore;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly load: LeaseLoad;
  readonly configured: ConfiguredBudget;
}

interface Known {
  readonly document: LeaseDocument;
  /** null: not stored yet. */
  readonly etag: string | null;
}

/** A grant this much larger makes what was measured under the old one useless. */
const GROWTH = 1.3;

export class LeaseHolder {
  readonly #options: LeaseHolderOptions;
  readonly #watch = new HolderWatch();
  #term = 1;
  #formerIds = new Set<string>();
  #termEnd = new AbortController();
  #grant: Grant = NO_GRANT;
  #known: Known | null = null;
  #seq = 0;
  #lastSent = Number.NEGATIVE_INFINITY;
  #grewAt = Number.NEGATIVE_INFINITY;
  #leaving = false;
  #activeSince: number | null = null;
  #ideal = 0;
  #running: Promise<void> | null = null;
  #woken: (() => void) | null = null;
  #wakePending = false;
  #expiryWatched = false;
  readonly #closed = new AbortController();
  readonly #calls: LeaseCalls;

  constructor(options: LeaseHolderOptions) {
    this.#options = options;
    this.#calls = new LeaseCalls(options.clock, this.#closed.signal);
  }

  /** Present in the document's `holders` while it has a grant; never used again after it expired, was evicted or ended. */
  get id(): string {
    return `${this.#options.processId}.${this.#term}`;
  }

  /** Aborts when the present term ends: the grant expired or the entry was evicted. */
  get termEnd(): AbortSignal {
    return this.#termEnd.signal;
  }

  /** The newest version of the document that was seen. */
  get document(): LeaseDocument | null {
    return this.#known?.document ?? null;
  }

  /** Hundredths of RU/s that this holder asks for in the document. */
  get asked(): number {
    return this.document?.holders.get(this.id)?.demand ?? 0;
  }

  /** Hundredths of RU/s that would be this holder's with such a demand, by the document as last seen. */
  fairShare(demand: number): number {
    const { document } = this;
    if (document === null) return demand;
    const own = { turn: document.version + 1, ...document.holders.get(this.id), id: this.id, demand };
    const others = Array.from(document.holders, ([id, other]) => ({ ...other, id })).filter(({ id }) => id !== this.id);
    return fairShare({ ...own, operation: this.#options.load.operation() }, others, document.budget).share;
  }

  /** Milliseconds since the last write was sent. */
  get sinceSent(): number {
    return this.#options.clock.monotonic() - this.#lastSent;
  }

  /** Milliseconds since the grant last grew. */
  get sinceGrew(): number {
    return this.#options.clock.monotonic() - this.#grewAt;
  }

  /** Hundredths of RU/s that may be spent now. */
  believed(): number {
    return believed(this.#grant, this.#now(), LEASE_TERMS.ttlMs);
  }

  /** Monotonic milliseconds at which the grant ends unless it is renewed. */
  expiry(): number {
    return this.#grant.sent === null ? Number.NEGATIVE_INFINITY : this.#grant.sent.monotonic + LEASE_TERMS.ttlMs;
  }

  /** There is work, or its amount changed: act now. */
  wake(): void {
    if (this.#closed.signal.aborted) return;
    if (this.#running === null) {
      this.#running = this.#run().finally(() => {
        this.#running = null;
        if (this.#options.load.demand() > 0 && this.#wakePending) this.wake();
      });
      return;
    }
    this.#wakePending = true;
    this.#woken?.();
  }

  /** Resolves when the holder has left the document, or cannot reach it any more and holds nothing. */
  async left(): Promise<void> {
    while (this.#running !== null) {
      this.#woken?.();
      await this.#running;
    }
  }

  /** Stops at once, without leaving: what is in the document expires. */
  abandon(): void {
    this.#closed.abort();
    this.#woken?.();
    if (this.#grant.sent !== null) this.#endTerm();
  }

  async #run(): Promise<void> {
    try {
      this.#wakePending = false;
      await this.#options.configured.begin(this.#closed.signal);
      for (;;) {
        const delay = await this.#cycle();
        if (delay === null || this.#closed.signal.aborted) return;
        this.#options.configured.refresh(this.#closed.signal);
        await this.#pause(delay);
      }
    } catch (thrown) {
      if (this.#closed.signal.aborted) return;
      this.#options.load.failed(toSyncError(thrown));
    }
  }

  /** Reads and writes until the entry is as it should be. Returns milliseconds to the next look, or null after leaving. */
  async #cycle(): Promise<number | null> {
    for (let attempt = 0; !this.#closed.signal.aborted; attempt++) {
      if (attempt > 0) await this.#backOff(attempt);
      this.#checkTerm();
      const known = await this.#readNewest();
      if (known === null) {
        if (this.#options.load.demand() === 0 && !this.#alive()) return null;
        continue;
      }
      this.#checkTerm();
      const plan = this.#plan(known);
      if (plan.kind === 'absent') {
        this.#formerIds.clear();
        return null;
      }
      if (plan.kind === 'keep') {
        this.#ideal = plan.ideal;
        return this.#nextLook();
      }
      this.#leaving = plan.kind === 'leave';
      this.#ideal = plan.kind === 'leave' ? 0 : plan.ideal;
      if (!(await this.#write(known, plan.document, plan.kind === 'leave' ? 0 : plan.grant))) continue;
      this.#options.configured.applied(plan.document.configured);
      if (plan.kind === 'write') return this.#nextLook();
      if (this.#options.load.demand() === 0) return null;
    }
    return null;
  }

  #plan(known: Known): LeasePlan {
    const { load, clock, configured } = this.#options;
    const { document } = known;
    const now = clock.monotonic();
    const own = document.holders.get(this.id);
    return planLease({
      document,
      holderId: this.id,
      formerIds: this.#formerIds,
      expired: this.#watch.expired(document, now),
      demand: Math.min(load.demand(), document.budget),
      operation: load.operation(),
      chargedAtOnce: load.chargedAtOnce(),
      alive: this.#alive(),
      grantAgeMs: this.#grant.sent === null ? Number.POSITIVE_INFINITY : now - this.#grant.sent.monotonic,
      pending: this.#grant.pending.length > 0,
      turnOver: this.#activeSince !== null && now - this.#activeSince >= LEASE_TERMS.turnMs,
      ending: !load.open(),
      configured: configured.proposal(own === undefined),
      seq: this.#seq + 1,
    });
  }

  /** The newest document, or null when no answer or only a stale one came. */
  async #readNewest(): Promise<Known | null> {
    const { clock, store, configured } = this.#options;
    if (this.#calls.takeNews()) return this.#known;
    const etag = this.#known?.etag ?? null;
    const take = (read: Awaited<ReturnType<LeaseStore['read']>>): Known | null => {
      if (read.kind === 'document') return this.#absorb({ document: read.document, etag: read.etag });
      if (read.kind === 'unchanged') return this.#known?.etag === etag ? this.#absorb(this.#known) : null;
      // Whatever was held is forgotten by everybody. What is planned from does not exist yet, so it proves nothing.
      if (this.#grant.sent !== null) this.#endTerm();
      this.#known = { document: newLeaseDocument(configured.figure, clock.now()), etag: null };
      return this.#known;
    };
    const reading = store.read(etag, this.#closed.signal);
    const answer = await this.#calls.answer(reading, (read) => take(read) !== null, true);
    if (answer !== undefined) return take(answer);
    return this.#calls.takeNews() ? this.#known : null;
  }

  /** True when the write is known to be in the document. */
  async #write(known: Known, document: LeaseDocument, amount: number): Promise<boolean> {
    const { store, load } = this.#options;
    const sent = this.#now();
    const id = this.id;
    this.#seq++;
    this.#lastSent = sent.monotonic;
    // A document to be created fails when there is any.
    const base = known.etag === null ? -1 : known.document.version;
    const write = { base, seq: this.#seq, grant: amount, sent };
    this.#grant = propose(this.#grant, write);
    load.grantChanged();
    const landed = (etag: string): boolean => {
      const before = this.#grant.amount;
      if (id !== this.id || this.#absorb({ document, etag }) === null) return false;
      if (amount > before * GROWTH) this.#grewAt = this.#options.clock.monotonic();
      return true;
    };
    const writing = store.replace(document, known.etag, this.#closed.signal);
    const answer = await this.#calls.answer(writing, (late) => late.kind === 'written' && landed(late.etag));
    // A conflict may answer the second copy of a request whose first was applied: only the next read tells.
    return answer?.kind === 'written' && landed(answer.etag);
  }

  #absorb(known: Known): Known | null {
    const held = this.#grant.sent !== null;
    const { ended } = known.document;
    const grant = absorb(this.#grant, known.document, this.id);
    if (grant === null) {
      // Nothing is held and nothing can land any more: a document that went back is the document now.
      if (this.#alive() || this.sinceSent < 2 * LEASE_TERMS.ttlMs) return null;
      this.#grant = NO_GRANT;
      return this.#absorb(known);
    }
    const now = this.#options.clock.monotonic();
    this.#grant = grant;
    this.#known = known;
    this.#watch.observe(known.document, now);
    if ((held && grant.sent === null && !this.#leaving) || ended.includes(this.id)) this.#endTerm();
    if (this.#grant.amount === 0) this.#activeSince = null;
    else this.#activeSince ??= now;
    this.#watchExpiry();
    this.#options.load.grantChanged();
    return known;
  }

  #nextLook(): number {
    const { random, load } = this.#options;
    const hungry = load.demand() > 0 && this.believed() < 0.9 * this.#ideal;
    const [period, jitter] = hungry
      ? [LEASE_TERMS.hungryPeriodMs, LEASE_TERMS.hungryJitter]
      : [LEASE_TERMS.readPeriodMs, LEASE_TERMS.readJitter];
    return period * (1 + jitter * (2 * random() - 1));
  }

  async #backOff(attempt: number): Promise<void> {
    const limit = Math.min(LEASE_TERMS.backoffMaximumMs, LEASE_TERMS.backoffBaseMs * 2 ** Math.min(attempt, 8));
    await this.#calls.sleepOrNews(limit * this.#options.random());
  }

  /** Sleeps until the next look or until woken, but leaves a gap between writes. */
  async #pause(ms: number): Promise<void> {
    if (!this.#wakePending) {
      const woken = new Promise<void>((resolve) => {
        this.#woken = resolve;
      });
      await Promise.race([this.#calls.sleep(ms), woken]);
      this.#woken = null;
    }
    this.#wakePending = false;
    const gap = LEASE_TERMS.minimumGapMs - this.sinceSent;
    if (gap > 0) await this.#calls.sleep(gap);
  }

  #checkTerm(): void {
    if (this.#grant.sent === null || this.#alive()) return;
    this.#options.log.event('leaseLost', { holder: this.id });
    this.#endTerm();
  }

  /** This id never spends again; its entry, if there still is one, may be replaced at once by the next id's. */
  #endTerm(): void {
    this.#formerIds.add(this.id);
    this.#term++;
    this.#grant = { ...NO_GRANT, version: this.#grant.version };
    const ended = this.#termEnd;
    this.#termEnd = new AbortController();
    ended.abort(new SyncError('leaseLost', { problem: 'The RU grant of this process ended.' }));
    this.#options.load.grantChanged();
  }

  #watchExpiry(): void {
    if (this.#expiryWatched || this.#grant.sent === null) return;
    this.#expiryWatched = true;
    void this.#expire().finally(() => {
      this.#expiryWatched = false;
    });
  }

  async #expire(): Promise<void> {
    while (this.#alive() && !this.#closed.signal.aborted) {
      await this.#calls.sleep(Math.max(1, this.expiry() - this.#options.clock.monotonic()));
    }
    this.#checkTerm();
  }

  #now(): Instant {
    return { monotonic: this.#options.clock.monotonic(), wall: this.#options.clock.now() };
  }

  #alive(): boolean {
    return isAlive(this.#grant, this.#now(), LEASE_TERMS.ttlMs);
  }
}
