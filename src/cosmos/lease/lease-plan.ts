/** What a holder writes next into the lease document. Pure. */
import { fairShare, reserveOf, someWait } from './allocation.ts';
import { nextLeaseDocument } from './lease-document.ts';
import type { LeaseDocument, LeaseEntry } from './lease-document.ts';
import { LEASE_TERMS } from './lease-terms.ts';

/** What a holder knows when it plans. Rates in hundredths of RU/s, amounts in hundredths of RU. */
export interface LeaseSituation {
  readonly document: LeaseDocument;
  readonly holderId: string;
  /** Entries of earlier terms of this process: it spends nothing on them any more. */
  readonly formerIds: ReadonlySet<string>;
  /** Other holders that are expired. */
  readonly expired: ReadonlySet<string>;
  /** 0: nothing to do and nothing owed. */
  readonly demand: number;
  readonly operation: number;
  /** What the service may have charged all at once within the last second: not answered, or answered late. */
  readonly chargedAtOnce: number;
  /** False when nothing may be spent now. */
  readonly alive: boolean;
  /** Since the request that last confirmed the grant was sent. */
  readonly grantAgeMs: number;
  /** Writes of unknown fate exist. */
  readonly pending: boolean;
  /** The holder was active for a whole turn. */
  readonly turnOver: boolean;
  /** True when no table of this process uses the budget any more: leaving ends the holder id. */
  readonly ending: boolean;
  /** The budget of the configuration, to be put in force; null keeps what the document says. */
  readonly configured: number | null;
  readonly seq: number;
}

/** `ideal` is the fair share that the holder is heading for. */
export type LeasePlan =
  /** Not in the document and no reason to be. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'keep'; readonly ideal: number }
  | {
      readonly kind: 'write';
      readonly ideal: number;
      readonly grant: number;
      readonly document: LeaseDocument;
      /** Holders taken out because they were expired. */
      readonly evicted: number;
    }
  | { readonly kind: 'leave'; readonly document: LeaseDocument };

/** Plans from a document that was just read. */
export function planLease(situation: LeaseSituation): LeasePlan {
  const { document: read, holderId, demand } = situation;
  const adopts = situation.configured !== null && situation.configured !== read.configured;
  const document = adopts ? { ...read, budget: situation.configured, configured: situation.configured } : read;

  const former = [...situation.formerIds].filter((id) => document.holders.has(id));
  const entry = document.holders.get(holderId);
  const own = entry ?? former.map((id) => document.holders.get(id)).at(-1);
  const evicted = [...situation.expired].filter((id) => id !== holderId && document.holders.has(id));
  const others = new Map<string, LeaseEntry>();
  for (const [id, other] of document.holders) {
    if (id !== holderId && !situation.expired.has(id) && !situation.formerIds.has(id)) others.set(id, other);
  }
  const over = [...new Set([...evicted, ...former])];

  if (demand === 0) {
    if (entry === undefined && former.length === 0 && !situation.pending) return { kind: 'absent' };
    const ended = situation.ending && entry !== undefined ? [...over, holderId] : over;
    return { kind: 'leave', document: nextLeaseDocument(document, others, ended) };
  }

  const { operation, seq } = situation;
  const claims = Array.from(others, ([id, other]) => ({ ...other, id }));
  const claim = { id: holderId, demand, operation, turn: own?.turn ?? document.version + 1 };
  const gaveWay = situation.turnOver && someWait([...claims, claim], document.budget);
  const turn = gaveWay ? document.version + 1 : claim.turn;
  const { share, headroom } = fairShare({ ...claim, turn }, claims, document.budget);
  const grant = nextGrant(situation, document, own, others, share, headroom);
  const due =
    entry === undefined ||
    !situation.alive ||
    situation.grantAgeMs >= LEASE_TERMS.renewAfterMs ||
    over.length > 0 ||
    gaveWay ||
    adopts;
  const before = own?.grant ?? 0;
  const demanded = own?.demand ?? 0;
  const changed =
    Math.abs(grant - before) > Math.max(LEASE_TERMS.grantChange * (share + headroom), 2) ||
    Math.abs(demand - demanded) > LEASE_TERMS.demandChange * Math.max(demand, demanded, 100);
  if (!due && !changed) return { kind: 'keep', ideal: share };

  others.set(holderId, { grant, demand, operation, turn, seq, ttl: LEASE_TERMS.ttlMs });
  return {
    kind: 'write',
    ideal: share,
    grant,
    document: nextLeaseDocument(document, others, over),
    evicted: evicted.length,
  };
}

/** Never more than is free beside the others; a newcomer may take from the reserve, nobody else. */
function nextGrant(
  situation: LeaseSituation,
  document: LeaseDocument,
  own: LeaseEntry | undefined,
  others: ReadonlyMap<string, LeaseEntry>,
  share: number,
  headroom: number,
): number {
  let taken = 0;
  for (const other of others.values()) taken += other.grant;
  const free = document.budget - taken;
  const reserve = reserveOf(document.budget);
  const current = own?.grant ?? 0;
  const newcomer = current * 2 < share;
  const room = Math.max(
    0,
    newcomer ? Math.max(free - reserve, Math.min(free, Math.max(reserve, free) / 2)) : free - reserve,
  );
  const grant = Math.floor(Math.max(0, Math.min(share + headroom, Math.max(room, Math.min(current, free)))));
  if (grant >= current || !situation.alive) return grant;
  // What is in flight may be charged at any moment, and what a stall held back was just charged: it keeps its part of the
  // budget until that moment is a second ago.
  return Math.max(grant, Math.min(current, Math.floor(situation.chargedAtOnce / 1.05)));
}
