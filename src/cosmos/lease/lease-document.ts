/** The document that divides a budget among holders. Every amount is an integer, in hundredths of an RU/s. */
import { SyncError } from '../../shared/errors.ts';

/** One holder's part. */
export interface LeaseEntry {
  /** Hundredths of RU/s it may spend until the entry expires. */
  readonly grant: number;
  /** Hundredths of RU/s it would like. */
  readonly demand: number;
  /** Hundredths of RU that one of its operations costs. */
  readonly operation: number;
  /** Place in the queue of small budgets: the document's version when the holder joined or last gave way. Lower is earlier. */
  readonly turn: number;
  /** Counts the holder's writes; an entry whose seq stands still for `ttl` is expired. */
  readonly seq: number;
  /** Milliseconds. */
  readonly ttl: number;
}

/**
 * The lease document. Changed only by a conditional replace, `version` + 1 each time. Invariant: `sum` is the sum of
 * all grants, and no write makes it larger than `budget` (a cut of the budget may leave it larger until entries shrink).
 */
export interface LeaseDocument {
  readonly version: number;
  /** Hundredths of RU/s in force. */
  readonly budget: number;
  /** Hundredths of RU/s of the configuration that was last applied; `budget` differs after a live change. */
  readonly configured: number;
  readonly sum: number;
  readonly holders: ReadonlyMap<string, LeaseEntry>;
  /** Holders that were evicted or ended, newest last: such an id never spends again. */
  readonly ended: readonly string[];
}

/** How many ended holders a document remembers. */
const ENDED_KEPT = 32;
const HOLDERS_MAXIMUM = 1000;
const TTL_MAXIMUM_MS = 60_000;
const HUNDREDTHS_MAXIMUM = 1e13;

/** Hundredths of RU/s, rounded down, from RU/s. */
export function toHundredths(ruPerSecond: number): number {
  return Math.min(HUNDREDTHS_MAXIMUM, Math.max(0, Math.floor(ruPerSecond * 100 + 1e-6)));
}

/** A document without holders. Versions start at the wall clock, so that a document created anew is newer than the lost one. */
export function newLeaseDocument(configured: number, wallNow: number): LeaseDocument {
  return { version: Math.floor(wallNow), budget: configured, configured, sum: 0, holders: new Map(), ended: [] };
}

/** The next version of `document` with these holders; `ended` adds to those that are over. */
export function nextLeaseDocument(
  document: LeaseDocument,
  holders: ReadonlyMap<string, LeaseEntry>,
  ended: readonly string[],
): LeaseDocument {
  let sum = 0;
  for (const entry of holders.values()) sum += entry.grant;
  return {
    version: document.version + 1,
    budget: document.budget,
    configured: document.configured,
    sum,
    holders,
    ended: ended.length === 0 ? document.ended : [...document.ended, ...ended].slice(-ENDED_KEPT),
  };
}

/** JSON form, without the properties that the container adds. */
export function leaseDocumentToJson(document: LeaseDocument): Record<string, unknown> {
  return {
    version: document.version,
    budget: document.budget,
    configured: document.configured,
    sum: document.sum,
    holders: Object.fromEntries(document.holders),
    ended: document.ended,
  };
}

/** Checks and takes over what a container returned. Throws `leaseDamaged`. */
export function leaseDocumentFromJson(json: unknown): LeaseDocument {
  if (!isRecord(json)) throw damaged('it is not an object');
  const holders = new Map<string, LeaseEntry>();
  if (!isRecord(json['holders'])) throw damaged('holders is not an object');
  const entries = Object.entries(json['holders']);
  if (entries.length > HOLDERS_MAXIMUM) throw damaged(`it has more than ${HOLDERS_MAXIMUM} holders`);
  let sum = 0;
  for (const [id, value] of entries) {
    if (!isRecord(value)) throw damaged('a holder is not an object');
    const entry: LeaseEntry = {
      grant: amount(value, 'grant'),
      demand: amount(value, 'demand'),
      operation: amount(value, 'operation'),
      turn: amount(value, 'turn', Number.MAX_SAFE_INTEGER),
      seq: amount(value, 'seq', Number.MAX_SAFE_INTEGER),
      ttl: amount(value, 'ttl', TTL_MAXIMUM_MS),
    };
    sum += entry.grant;
    holders.set(id, entry);
  }
  const ended = json['ended'];
  if (!Array.isArray(ended) || ended.length > ENDED_KEPT || ended.some((id) => typeof id !== 'string')) {
    throw damaged('ended is not a short list of ids');
  }
  if (amount(json, 'sum') !== sum) throw damaged('sum is not the sum of the grants');
  return {
    version: amount(json, 'version', Number.MAX_SAFE_INTEGER - 1),
    budget: amount(json, 'budget'),
    configured: amount(json, 'configured'),
    sum,
    holders,
    ended: ended as string[],
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function amount(record: Record<string, unknown>, name: string, maximum = HUNDREDTHS_MAXIMUM): number {
  const value = record[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > maximum) {
    throw damaged(`${name} is not an integer from 0 to ${maximum}`);
  }
  return value;
}

function damaged(reason: string): SyncError {
  return new SyncError('leaseDamaged', {
    problem: 'The RU lease document cannot be read.',
    reason: `In it, ${reason}.`,
  });
}
