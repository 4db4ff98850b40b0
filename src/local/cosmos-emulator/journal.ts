/**
 * Keeps an account in a data folder. Every request's changes are appended in one piece, ended by a commit line, before
 * its answer is sent: a killed process loses nothing that was acknowledged. (Nothing is forced onto the disk before the
 * end, so a crash of the machine may lose the last seconds.)
 */
import { closeSync, fsyncSync, writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Account } from './account.ts';
import type { Container } from './container.ts';
import type { DataFolder } from './data-folder.ts';
import type { Item } from './item.ts';
import { saveStructure } from './saved-structure.ts';
import type { ChangeJournal } from './service.ts';

/** Ends the lines of one request. */
export const COMMIT = 'C';
const COMPACT_BYTES = 64 * 1024 * 1024;
const COMPACT_CHUNK = 2000;
const MAX_FILES = 16;

export class Journal implements ChangeJournal {
  private readonly folder: DataFolder;
  private readonly account: Account;
  private readonly compactBytes: number;
  private descriptor: number;
  private number: number;
  private pending = '';
  /** Bytes written since the last base, and bytes of that base. */
  private written: number;
  private baseBytes: number;
  private failure: unknown;
  private compaction: Promise<void> | undefined;
  private closed = false;

  /** `compactBytes`: bytes of journals at least before they are replaced by a base. */
  constructor(folder: DataFolder, account: Account, compactBytes = COMPACT_BYTES) {
    this.compactBytes = compactBytes;
    this.folder = folder;
    this.account = account;
    const sizes = folder.sizes();
    this.baseBytes = sizes.base;
    // Many starts leave many journals: then they are put together even if they are small.
    this.written = sizes.files > MAX_FILES ? Number.POSITIVE_INFINITY : sizes.journals;
    this.number = folder.nextNumber();
    this.descriptor = folder.openJournal(this.number);
    this.structure();
    this.flush();
  }

  document(container: Container, before: Item | undefined, after: Item | undefined): void {
    if (after !== undefined) this.pending += putLine(container, after);
    else if (before !== undefined) {
      this.pending += `D\t${container.rid}\t${before.pk}\t${JSON.stringify(before.id)}\n`;
    }
  }

  structure(): void {
    this.pending += structureLine(this.account);
  }

  /** Appends what a request changed. */
  flush(): void {
    // After a failed write the end of the file is not known, so nothing more may be added to it.
    if (this.failure !== undefined) throw this.failure;
    if (this.pending === '') return;
    const bytes = Buffer.from(`${this.pending}${COMMIT}\n`, 'utf8');
    this.pending = '';
    try {
      writeAll(this.descriptor, bytes);
    } catch (thrown) {
      this.failure = thrown;
      throw thrown;
    }
    this.written += bytes.length;
    if (this.written > Math.max(this.compactBytes, 2 * this.baseBytes) && this.compaction === undefined) {
      this.compaction = this.compact()
        .catch((thrown: unknown) => {
          this.failure = thrown;
        })
        .finally(() => {
          this.compaction = undefined;
        });
    }
  }

  async close(): Promise<void> {
    if (this.failure === undefined) this.flush();
    this.closed = true;
    await this.compaction;
    fsyncSync(this.descriptor);
    closeSync(this.descriptor);
  }

  /**
   * Writes a base of all there is and drops older files. New changes go to a new journal meanwhile; a stored version
   * never changes, so the base can be written bit by bit.
   */
  private async compact(): Promise<void> {
    const number = this.number + 1;
    const journal = this.folder.openJournal(number);
    closeSync(this.descriptor);
    this.descriptor = journal;
    this.number = number;
    this.written = 0;
    const structure = structureLine(this.account);
    const items: [Container, Item][] = [];
    for (const database of this.account.databases.values()) {
      for (const container of database.containers.values()) {
        for (const partition of container.partitions) for (const item of partition.all()) items.push([container, item]);
      }
    }
    const base = this.folder.openBase(number);
    let bytes = writeAll(base, Buffer.from(structure, 'utf8'));
    for (let start = 0; start < items.length; start += COMPACT_CHUNK) {
      // What was not finished counts for nothing: the journals are all there.
      if (this.closed) {
        closeSync(base);
        return;
      }
      let lines = '';
      for (const [container, item] of items.slice(start, start + COMPACT_CHUNK)) lines += putLine(container, item);
      bytes += writeAll(base, Buffer.from(lines, 'utf8'));
      await nextTurn();
    }
    bytes += writeAll(base, Buffer.from(`${COMMIT}\n`));
    this.folder.completeBase(number, base);
    this.baseBytes = bytes;
  }
}

function structureLine(account: Account): string {
  return `S\t${JSON.stringify(saveStructure(account))}\n`;
}

/** JSON texts hold no tab and no line end, so they can stand in a line as they are. */
function putLine(container: Container, item: Item): string {
  const { id, pk, epk, size, terms, write, time, number, lsn, ttl } = item;
  const meta = JSON.stringify([id, pk, epk, size, terms, write, time, number, lsn, ttl ?? null]);
  return `P\t${container.rid}\t${meta}\t${item.text}\n`;
}

function writeAll(descriptor: number, bytes: Buffer): number {
  let offset = 0;
  while (offset < bytes.length) offset += writeSync(descriptor, bytes, offset);
  return bytes.length;
}
