/**
 * What a holder may believe of its own grant. Pure: a grant counts from the moment its request was sent, shrinks
 * before a smaller one is sent, grows only when a larger one is known to be in the document.
 */
import type { LeaseDocument } from './lease-document.ts';

/** A moment on both clocks, in milliseconds: a monotonic clock may stand still while a machine sleeps, a wall clock may be set. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

/** A write whose fate is not known. */
export interface PendingWrite {
  /** The version it replaces: it failed for good when a later version without it is seen. */
  readonly base: number;
  readonly seq: number;
  /** Hundredths of RU/s. */
  readonly grant: number;
  readonly sent: Instant;
}

export interface Grant {
  /** Hundredths of RU/s that the document is known to have granted. */
  readonly amount: number;
  /** When the request that last confirmed it was sent; null: never, or the entry is gone. */
  readonly sent: Instant | null;
  readonly pending: readonly PendingWrite[];
  /** The newest version of the document that was seen; -1 for none. */
  readonly version: number;
}

/** Before anything was read or written. */
export const NO_GRANT: Grant = { amount: 0, sent: null, pending: [], version: -1 };

/** True until the ttl is over on either clock, counted from when the request was sent. */
export function isAlive(grant: Grant, now: Instant, ttlMs: number): boolean {
  if (grant.sent === null) return false;
  return Math.max(now.monotonic - grant.sent.monotonic, now.wall - grant.sent.wall) < ttlMs;
}

/** Hundredths of RU/s that may be spent at `now`: the least of what is known and what was asked for since. */
export function believed(grant: Grant, now: Instant, ttlMs: number): number {
  if (!isAlive(grant, now, ttlMs)) return 0;
  let amount = grant.amount;
  for (const write of grant.pending) amount = Math.min(amount, write.grant);
  return amount;
}

/** To be called before the write is sent. */
export function propose(grant: Grant, write: PendingWrite): Grant {
  return { ...grant, pending: [...grant.pending, write] };
}

/**
 * Takes over a version of the document: one that was read, or an own write that was acknowledged. Returns null for a
 * version older than one seen before (a stale read), which must not be used for anything.
 */
export function absorb(grant: Grant, document: LeaseDocument, holderId: string): Grant | null {
  if (document.version < grant.version) return null;
  const entry = document.holders.get(holderId);
  const landed = entry && grant.pending.find((write) => write.seq === entry.seq);
  // A later version without it is proof that a conditional write failed; nothing else is.
  const pending = grant.pending.filter((write) => write !== landed && write.base >= document.version);
  if (entry === undefined) return { amount: 0, sent: null, pending, version: document.version };
  if (landed !== undefined) return { amount: landed.grant, sent: landed.sent, pending, version: document.version };
  const amount = pending.length === 0 ? Math.min(grant.amount, entry.grant) : grant.amount;
  return { amount, sent: grant.sent, pending, version: document.version };
}
