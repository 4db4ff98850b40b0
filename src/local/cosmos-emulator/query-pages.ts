/** Cuts results into pages: documents scanned one after the other, or a list computed as a whole. */
import type { Container } from './container.ts';
import { encodePosition, type Position, type ScanPosition } from './continuation.ts';
import type { Item } from './item.ts';
import { orderedToken, resultsBefore, resultsBeforePoint, type ResumePoint } from './ordered-position.ts';
import type { Partition } from './partition.ts';
import { documentsIn, type QueryScope } from './query-scope.ts';
import { badRequest } from './refusal.ts';

/** Bytes of an answer at most. */
const MAX_PAGE_CHARACTERS = 4 * 1024 * 1024;
/** Reads under way whose place is remembered, so that going on needs no search. */
const MAX_OPEN = 128;

export interface Page {
  /** JSON texts. */
  readonly results: readonly string[];
  readonly continuation: string | undefined;
  /** Bytes of the documents read, by partition. */
  readonly read: ReadonlyMap<Partition, number[]>;
}

/** Documents of a scope from a position on, with a place to go on from after each. */
interface Scan {
  readonly partitions: readonly Partition[];
  readonly steps: Iterator<{ readonly partition: Partition; readonly item: Item }>;
  /** Results of the document at hand, and how many of them were given. */
  results: readonly string[];
  given: number;
  at: { readonly partition: Partition; readonly number: number } | undefined;
}

/** How a list is ordered by properties, and where the client wants to go on in it. */
export interface ListOrder {
  readonly descending: readonly boolean[];
  readonly resume: ResumePoint | undefined;
}

/** A list, and how many of its results were given. */
interface OpenList {
  readonly partitions: readonly Partition[];
  readonly results: readonly string[];
  readonly given: number;
  /** After a split: ids of the partitions whose request got the rest. */
  readonly takenBy?: string;
}

export class QueryPages {
  /** Open reads, by the token that goes on with them. */
  private readonly scans = new Map<string, Scan>();
  private readonly lists = new Map<string, OpenList>();
  /** Makes tokens unique, also over restarts: equal positions of two queries are not the same read. */
  private lastRead = Date.now();

  /** A page of the results that `produce` makes of each document. */
  scan(
    container: Container,
    scope: QueryScope,
    token: string | undefined,
    position: ScanPosition | undefined,
    limit: number,
    now: () => number,
    produce: (item: Item) => readonly string[],
  ): Page {
    // A full page of the only partition promises more without looking whether there is any, as the service's does;
    // among several, clients that merge them count on the truth.
    const looksAhead = container.partitions.length > 1;
    const known = token === undefined ? undefined : this.scans.get(token);
    if (token !== undefined) this.scans.delete(token);
    const reusable = known !== undefined && known.partitions === container.partitions;
    const scan = reusable ? known : openScan(container, scope, position, now);
    const read = new Map<Partition, number[]>();
    const results: string[] = [];
    let characters = 0;
    let skip = reusable ? 0 : (position?.skip ?? 0);
    for (;;) {
      while (scan.given < scan.results.length && results.length < limit && characters < MAX_PAGE_CHARACTERS) {
        const result = scan.results[scan.given++] ?? '';
        results.push(result);
        characters += result.length;
      }
      const full = results.length >= limit || characters >= MAX_PAGE_CHARACTERS;
      if (full && (scan.given < scan.results.length || !looksAhead)) break;
      const step = scan.steps.next();
      if (step.done === true) return { results, continuation: undefined, read };
      const { partition, item } = step.value;
      const sizes = read.get(partition);
      if (sizes === undefined) read.set(partition, [item.size]);
      else sizes.push(item.size);
      scan.results = produce(item);
      scan.given = skip;
      skip = 0;
      scan.at = { partition, number: item.number };
    }
    return { results, continuation: this.keep(container, scan), read };
  }

  /** A page of a list; `list` is called unless the list is still known. `order` is undefined where it has none by properties. */
  list(
    container: Container,
    scope: QueryScope,
    token: string | undefined,
    position: Position | undefined,
    limit: number,
    order: ListOrder | undefined,
    list: () => readonly string[],
  ): Page {
    const { rid, partitions } = container;
    const kept = token === undefined ? undefined : this.lists.get(token);
    if (token !== undefined) this.lists.delete(token);
    // After a split all parts of a partition come with the token of the whole. Keys say where each of them goes on.
    const moved = kept !== undefined && (kept.takenBy !== undefined || kept.partitions !== partitions);
    const known = moved && position?.kind !== 'offset' ? undefined : kept;
    if (moved && known !== undefined && token !== undefined) {
      // A count says it only of the whole: the first part to ask gets the rest, the others nothing.
      const asking = scope.partitions.map((partition) => partition.id).join();
      const takenBy = known.takenBy ?? asking;
      remember(this.lists, token, { ...known, takenBy });
      if (takenBy !== asking) return { results: [], continuation: undefined, read: new Map() };
    }
    const all = known?.results ?? list();
    const offset = Math.max(known?.given ?? givenBefore(all, position, order), resumedBefore(all, order));
    let end = offset;
    let characters = 0;
    while (end < all.length && end - offset < limit && characters < MAX_PAGE_CHARACTERS) {
      characters += all[end]?.length ?? 0;
      end++;
    }
    const results = all.slice(offset, end);
    if (end >= all.length) return { results, continuation: undefined, read: new Map() };
    const read = ++this.lastRead;
    const continuation =
      (order === undefined ? undefined : orderedToken(all, end, order.descending, rid, read)) ??
      encodePosition({ kind: 'offset', rid, read, offset: end });
    remember(this.lists, continuation, { partitions, results: all, given: end });
    return { results, continuation, read: new Map() };
  }

  private keep(container: Container, scan: Scan): string | undefined {
    const { at } = scan;
    if (at === undefined) return undefined;
    const inside = scan.given < scan.results.length;
    const position: Position = {
      kind: 'scan',
      rid: container.rid,
      read: ++this.lastRead,
      min: at.partition.min,
      max: at.partition.max,
      number: inside ? at.number - 1 : at.number,
      skip: inside ? scan.given : 0,
    };
    const token = encodePosition(position);
    remember(this.scans, token, scan);
    return token;
  }
}

function givenBefore(results: readonly string[], position: Position | undefined, order: ListOrder | undefined): number {
  if (position?.kind === 'offset') return position.offset;
  if (position?.kind !== 'ordered') return 0;
  if (order?.descending.length !== position.keys.length) {
    throw badRequest('Invalid Continuation Token: it belongs to a query with another order.');
  }
  return resultsBefore(results, position, order.descending);
}

function resumedBefore(results: readonly string[], order: ListOrder | undefined): number {
  if (order?.resume === undefined) return 0;
  if (order.resume.keys.length !== order.descending.length) {
    throw badRequest('The resume filter belongs to a query with another order.');
  }
  return resultsBeforePoint(results, order.resume, order.descending);
}

/** A read that begins after the position. Documents keep their numbers over a split, and partitions their order. */
function openScan(
  container: Container,
  scope: QueryScope,
  position: ScanPosition | undefined,
  now: () => number,
): Scan {
  return {
    partitions: container.partitions,
    steps: steps(container, scope, position, now),
    results: [],
    given: 0,
    at: undefined,
  };
}

function* steps(
  container: Container,
  scope: QueryScope,
  position: ScanPosition | undefined,
  now: () => number,
): Generator<{ readonly partition: Partition; readonly item: Item }> {
  for (const partition of scope.partitions) {
    if (position !== undefined && partition.max <= position.min) continue;
    const begun = position !== undefined && partition.min < position.max;
    for (const item of documentsIn(container, scope, partition, now)) {
      if (!begun || item.number > position.number) yield { partition, item };
    }
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= MAX_OPEN) return;
    map.delete(oldest);
  }
}
