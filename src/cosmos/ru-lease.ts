/** The RU budget of a process: its part of the lease document and the limiters of its tables. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '../shared/clock.ts';
import type { Clock } from '../shared/clock.ts';
import { SyncError } from '../shared/errors.ts';
import { silentLog } from '../shared/telemetry.ts';
import type { Log } from '../shared/telemetry.ts';
import { ConfiguredBudget } from './lease/configured-budget.ts';
import { HolderWatch } from './lease/holder-watch.ts';
import { nextLeaseDocument, toHundredths } from './lease/lease-document.ts';
import { LeaseHolder } from './lease/lease-holder.ts';
import type { LeaseStore } from './lease/lease-store.ts';
import { LEASE_TERMS } from './lease/lease-terms.ts';
import { SharedLimiter } from './lease/shared-limiter.ts';
import type { BudgetTable } from './lease/budget-table.ts';
import type { RuLimiter } from './ru-limiter.ts';

export type { BudgetTable } from './lease/budget-table.ts';

export interface RuBudgetOptions {
  /** The place of the budget's lease document. */
  readonly store: LeaseStore;
  /** The configured budget in RU/s. Read before the first work, and when work goes on a minute later. */
  readonly ruPerSecond: (signal: AbortSignal) => Promise<number>;
  /** Names the process in the document; must be unique. Default: random. */
  readonly processId?: string;
  readonly clock?: Clock;
  /** 0 ≤ x < 1; spreads holders in time. */
  readonly random?: () => number;
  readonly log?: Log;
}

/** What the process holds now. RU/s and RU. */
export interface HeldRu {
  readonly holderId: string;
  /** May be spent now. */
  readonly grant: number;
  /** In force, as last seen; 0 before anything was read. */
  readonly budget: number;
  /** All grants together, as last seen. */
  readonly granted: number;
  /** Holders in the document, as last seen. */
  readonly holders: number;
  readonly demand: number;
  /** Since the start. */
  readonly spent: number;
  readonly debt: number;
  readonly waiting: number;
}

/** One holder per process and budget. */
export interface RuBudget {
  /** Opens a table's access; close it when the slice ends. */
  limiterFor(table: BudgetTable): RuLimiter;
  held(): HeldRu;
  /**
   * Resolves when another process's holder id can never spend again: it ended, or its entry stood still for its ttl.
   * An id that is not in the document proves nothing (its process may come back), so this may wait until `signal` aborts.
   */
  holderEnded(holderId: string, signal: AbortSignal): Promise<void>;
  /** Changes the budget in force for everybody, RU/s; lasts until a process joins with another configured figure. */
  changeBudget(ruPerSecond: number, signal: AbortSignal): Promise<void>;
  /** Refuses what waits, leaves the document and stops. */
  close(): Promise<void>;
}

/** Opens the budget. Does no I/O before the first reservation. */
export function openRuBudget(options: RuBudgetOptions): RuBudget {
  const { store, clock = systemClock, random = Math.random, log = silentLog } = options;
  const closing = new AbortController();
  const limiter = new SharedLimiter(clock, random, closing.signal);
  const source = async (signal: AbortSignal): Promise<number> => checkedBudget(await options.ruPerSecond(signal));
  const holder = new LeaseHolder({
    processId: options.processId ?? randomUUID(),
    store,
    clock,
    random,
    log,
    load: limiter,
    configured: new ConfiguredBudget(source, clock),
  });
  limiter.attach(holder);
  const open = new Set<RuLimiter>();

  return {
    limiterFor(table) {
      const inner = limiter.limiterFor(table);
      open.add(inner);
      return {
        ...inner,
        close: async () => {
          open.delete(inner);
          await inner.close();
        },
      };
    },
    held() {
      const { grant, waiting, debt } = limiter.load();
      const { document } = holder;
      return {
        holderId: holder.id,
        grant,
        budget: (document?.budget ?? 0) / 100,
        granted: (document?.sum ?? 0) / 100,
        holders: document?.holders.size ?? 0,
        demand: document === null ? 0 : limiter.demand() / 100,
        spent: limiter.spent,
        debt,
        waiting,
      };
    },
    holderEnded: (holderId, signal) => awaitHolderEnd(store, clock, holderId, signal),
    changeBudget: (ruPerSecond, signal) => changeBudget(store, clock, checkedBudget(ruPerSecond), signal),
    async close() {
      await Promise.all([...open].map((inner) => inner.close()));
      await holder.left();
      closing.abort();
      holder.abandon();
    },
  };
}

function checkedBudget(ruPerSecond: number): number {
  const hundredths = toHundredths(ruPerSecond);
  if (hundredths > 0) return hundredths;
  throw new SyncError('budgetInvalid', {
    problem: `A budget of ${ruPerSecond} RU/s cannot be spent.`,
    reason: 'It must be at least 0.01 RU/s.',
  });
}

async function awaitHolderEnd(store: LeaseStore, clock: Clock, holderId: string, signal: AbortSignal): Promise<void> {
  const watch = new HolderWatch();
  for (;;) {
    try {
      const read = await store.read(null, signal);
      if (read.kind === 'document') {
        const { document, etag } = read;
        const now = clock.monotonic();
        watch.observe(document, now);
        if (document.ended.includes(holderId)) return;
        if (watch.expired(document, now).has(holderId)) {
          // A stale read can look like standing still: taking the entry out succeeds only if it is what the document says.
          const holders = new Map(document.holders);
          holders.delete(holderId);
          const written = await store.replace(nextLeaseDocument(document, holders, [holderId]), etag, signal);
          if (written.kind === 'written') return;
        }
      }
    } catch (thrown) {
      if (!(thrown instanceof SyncError && thrown.retryable) || signal.aborted) throw thrown;
    }
    await clock.sleep(LEASE_TERMS.readPeriodMs, signal);
  }
}

async function changeBudget(store: LeaseStore, clock: Clock, budget: number, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const read = await store.read(null, signal);
    if (read.kind !== 'document') {
      throw new SyncError('leaseUnused', {
        problem: 'Nobody has used this budget yet, so there is nothing to change.',
      });
    }
    const { document, etag } = read;
    const written = await store.replace({ ...document, version: document.version + 1, budget }, etag, signal);
    if (written.kind === 'written') return;
    await clock.sleep(LEASE_TERMS.backoffBaseMs * Math.min(20, attempt + 1), signal);
  }
}
