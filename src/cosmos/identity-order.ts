/** Keeps operations on one identity in the order they were handed in, one under way at a time. */
import type { BatchItem } from './batch-item.ts';
import type { BatchOperation } from './batch-operation.ts';

export class IdentityOrder<T extends BatchOperation> {
  /** The last unfinished operation of each identity; the ones before it point to their successors. */
  readonly #tails = new Map<string, BatchItem<T>>();

  /** True when the item may start at once; otherwise `leave` of its predecessor gives it out. */
  enter(item: BatchItem<T>): boolean {
    const before = this.#tails.get(item.identityKey);
    this.#tails.set(item.identityKey, item);
    if (before === undefined) return true;
    before.next = item;
    return false;
  }

  /** A finished item; the one that may start now, if any. */
  leave(item: BatchItem<T>): BatchItem<T> | undefined {
    if (item.next === undefined) this.#tails.delete(item.identityKey);
    return item.next;
  }
}
