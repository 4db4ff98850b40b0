/** One physical partition: the documents of a range of effective partition keys, its log and its share of RU/s. */
import type { ChangeHistory } from './change-history.ts';
import { identityOf, type Item } from './item.ts';
import { Throttle } from './throttle.ts';

/** A step back: what a write found, kept while an atomic batch may still fail. */
interface Undo {
  readonly identity: string;
  readonly before: Item | undefined;
  readonly after: Item | undefined;
}

/** Positions of the change log that hold versions since replaced are dropped when they are this many more than the documents. */
const LOG_SLACK = 4096;

export class Partition {
  readonly id: string;
  readonly min: string;
  readonly max: string;
  /** Ids of the partitions this one came from, oldest first. */
  readonly parents: readonly string[];
  readonly throttle = new Throttle();
  /** Budgets of throughput buckets, by bucket id. */
  readonly buckets = new Map<number, Throttle>();
  /** Every change, where the container has a change feed policy. */
  history: ChangeHistory | undefined;
  /** Number of the last write. */
  lsn: number;
  /** In order of creation. An atomic batch leaves undefined where it deleted, so that taking it back keeps the order. */
  private readonly items = new Map<string, Item | undefined>();
  /** First document of each logical partition; the ring of `Item.next` holds the others. */
  private readonly logical = new Map<string, Item>();
  /** Versions in order of their writes; some are no longer live. */
  private log: Item[] = [];
  private undo: Undo[] | undefined;
  /** Changes in the history before the batch. */
  private historyBefore = 0;

  constructor(id: string, min: string, max: string, parents: readonly string[], lsn: number) {
    this.id = id;
    this.min = min;
    this.max = max;
    this.parents = parents;
    this.lsn = lsn;
  }

  /** Stored documents, expired ones included. */
  get count(): number {
    return this.items.size;
  }

  holds(epk: string): boolean {
    return epk >= this.min && epk < this.max;
  }

  get(pk: string, id: string): Item | undefined {
    return this.items.get(identityOf(pk, id));
  }

  /** Any document of the logical partition; saves hashing its key again. */
  anyOf(pk: string): Item | undefined {
    return this.logical.get(pk);
  }

  /** Every stored document, in order of creation. */
  all(): IterableIterator<Item> {
    // Only an atomic batch leaves undefined entries, and only until it ends.
    return this.undo === undefined
      ? (this.items.values() as IterableIterator<Item>)
      : [...this.items.values()].filter((item) => item !== undefined).values();
  }

  /** The documents of one logical partition, in order of creation. */
  *ofKey(pk: string): Generator<Item> {
    const first = this.logical.get(pk);
    if (first === undefined) return;
    const members = [first];
    for (let item = first.next; item !== first; item = item.next) members.push(item);
    // In order already, unless a batch was taken back.
    yield* members.toSorted((a, b) => a.number - b.number);
  }

  /** Stores a version made with `lsn + 1`. */
  put(item: Item): void {
    const identity = identityOf(item.pk, item.id);
    const before = this.items.get(identity);
    this.store(identity, before, item);
    this.lsn = Math.max(this.lsn, item.lsn);
    this.log.push(item);
    if (this.log.length > this.items.size * 2 + LOG_SLACK && this.undo === undefined) {
      this.log = this.log.filter((version) => version.live);
    }
    this.undo?.push({ identity, before, after: item });
    this.history?.add({ lsn: item.lsn, time: item.time, before, after: item, expired: false });
  }

  /** Takes over documents of partitions that this one replaces. */
  adopt(items: readonly Item[]): void {
    // Scans go by creation, the change log by writes.
    for (const item of items.toSorted((a, b) => a.number - b.number)) {
      item.next = item;
      item.previous = item;
      this.store(identityOf(item.pk, item.id), undefined, item);
    }
    this.log = items.toSorted((a, b) => a.lsn - b.lsn);
    this.lsn = Math.max(this.lsn, this.log.at(-1)?.lsn ?? 0);
  }

  /** `expired`: because its time to live had run out. */
  remove(item: Item, time: number, expired: boolean): void {
    const identity = identityOf(item.pk, item.id);
    this.store(identity, item, undefined);
    this.lsn++;
    this.undo?.push({ identity, before: item, after: undefined });
    this.history?.add({ lsn: this.lsn, time, before: item, after: undefined, expired });
  }

  /** From here on writes can be taken back. */
  begin(): void {
    this.undo = [];
    this.historyBefore = this.history?.length ?? 0;
  }

  /** Keeps the writes since `begin`. */
  commit(): void {
    const steps = this.undo ?? [];
    this.undo = undefined;
    for (const { identity, after } of steps) {
      if (after !== undefined) continue;
      // What was created again after its deletion is a new document, and goes to the end.
      const current = this.items.get(identity);
      this.items.delete(identity);
      if (current !== undefined) this.items.set(identity, current);
    }
  }

  /** Takes back the writes since `begin`; returns what each had put and found, the last write first. */
  rollback(): readonly { readonly before: Item | undefined; readonly after: Item | undefined }[] {
    const steps = (this.undo ?? []).toReversed();
    for (const { identity, before, after } of steps) {
      this.store(identity, after, before);
      if (after !== undefined) this.log.pop();
      this.lsn--;
    }
    this.undo = undefined;
    this.history?.takeBack(this.historyBefore);
    for (const { identity } of steps) if (this.items.get(identity) === undefined) this.items.delete(identity);
    return steps;
  }

  /** Live versions with a log number above `lsn`, oldest first, beginning there without reading what lies before. */
  *since(lsn: number): Generator<Item> {
    let low = 0;
    let high = this.log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.log[middle]?.lsn ?? 0) > lsn) high = middle;
      else low = middle + 1;
    }
    for (let i = low; i < this.log.length; i++) {
      const item = this.log[i];
      if (item?.live === true) yield item;
    }
  }

  private store(identity: string, before: Item | undefined, after: Item | undefined): void {
    if (after === undefined) {
      if (this.undo === undefined) this.items.delete(identity);
      else this.items.set(identity, undefined);
      if (before !== undefined) this.unlink(before);
      return;
    }
    this.items.set(identity, after);
    after.live = true;
    if (before !== undefined) this.relink(before, after);
    else this.link(after);
  }

  private link(item: Item): void {
    const first = this.logical.get(item.pk);
    if (first === undefined) {
      item.next = item;
      item.previous = item;
      this.logical.set(item.pk, item);
      return;
    }
    const last = first.previous;
    item.previous = last;
    item.next = first;
    last.next = item;
    first.previous = item;
  }

  private relink(before: Item, after: Item): void {
    before.live = false;
    const alone = before.next === before;
    after.next = alone ? after : before.next;
    after.previous = alone ? after : before.previous;
    after.next.previous = after;
    after.previous.next = after;
    if (this.logical.get(before.pk) === before) this.logical.set(before.pk, after);
    before.next = before;
    before.previous = before;
  }

  private unlink(item: Item): void {
    item.live = false;
    const first = this.logical.get(item.pk);
    if (item.next === item) this.logical.delete(item.pk);
    else {
      item.next.previous = item.previous;
      item.previous.next = item.next;
      if (first === item) this.logical.set(item.pk, item.next);
    }
    item.next = item;
    item.previous = item;
  }
}
