/** Every change of a partition's documents, deletes included, kept for the time a container's change feed policy says. */
import type { Item } from './item.ts';

/** One write: `before` is absent for a create, `after` for a delete. */
export interface Change {
  readonly lsn: number;
  /** Wall clock in milliseconds. */
  readonly time: number;
  readonly before: Item | undefined;
  readonly after: Item | undefined;
  /** True for the delete of a document whose time to live had run out. */
  readonly expired: boolean;
}

/** Bytes of documents kept at most; older changes are forgotten before their time. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Forgotten changes at the beginning of the list before it is cut. */
const SLACK = 1024;

export class ChangeHistory {
  /** Milliseconds a change is kept. */
  retention: number;
  /** Changes above this number are all there. */
  private begin: number;
  private changes: Change[] = [];
  /** Changes at the beginning of the list that are forgotten. */
  private forgotten = 0;
  private bytes = 0;

  constructor(begin: number, retention: number) {
    this.begin = begin;
    this.retention = retention;
  }

  /** Number to give to `takeBack`. */
  get length(): number {
    return this.changes.length - this.forgotten;
  }

  add(change: Change): void {
    this.changes.push(change);
    this.bytes += sizeOf(change);
    this.forget(change.time);
  }

  /** Forgets the changes after the first `length`, of a batch that failed. */
  takeBack(length: number): void {
    for (const change of this.changes.splice(this.forgotten + length)) this.bytes -= sizeOf(change);
  }

  /** The changes above a number, oldest first; undefined when some of them are forgotten. */
  since(lsn: number, now: number): readonly Change[] | undefined {
    this.forget(now);
    if (lsn < this.begin) return undefined;
    return this.changes.slice(this.forgotten).filter((change) => change.lsn > lsn);
  }

  /** The history of a part of the partition's documents. */
  of(includes: (item: Item) => boolean): ChangeHistory {
    const part = new ChangeHistory(this.begin, this.retention);
    for (const change of this.changes.slice(this.forgotten)) {
      const item = change.after ?? change.before;
      if (item === undefined || !includes(item)) continue;
      part.changes.push(change);
      part.bytes += sizeOf(change);
    }
    return part;
  }

  private forget(now: number): void {
    let change = this.changes[this.forgotten];
    while (change !== undefined && (change.time < now - this.retention || this.bytes > MAX_BYTES)) {
      this.begin = change.lsn;
      this.bytes -= sizeOf(change);
      change = this.changes[++this.forgotten];
    }
    if (this.forgotten > SLACK && this.forgotten * 2 > this.changes.length) {
      this.changes = this.changes.slice(this.forgotten);
      this.forgotten = 0;
    }
  }
}

function sizeOf({ before, after }: Change): number {
  return (before?.size ?? 0) + (after?.size ?? 0);
}
