/**
 * The difference of two versions by file, from the commits between them: which rows went and which came. What was added
 * and removed again in between is not part of it, so its files need not exist, and a table that every commit rewrites is
 * read twice, not once for each commit. Rows that were only moved to another file are among both.
 */
import { deletionVectorId, type AddFile, type Commit, type DataFile } from './actions.ts';
import type { ChangeSource } from './change-source.ts';
import { dataFile, vectorChanges, withPartitionValues } from './commit-changes.ts';

/** One path at both ends of the range; null where it is not in the table. */
interface FileEnds {
  before: DataFile | null;
  after: AddFile | null;
  /** Physical rows, where statistics say. */
  readonly rows: number | undefined;
  /** An add without data change: a file that compaction made, or one that was there and got new statistics. */
  unsure: boolean;
}

/** Grows with the paths that the commits name. */
export class RangeDifference {
  readonly #files = new Map<string, FileEnds>();
  #last: Pick<Commit, 'version' | 'timestamp'> | null = null;
  #bytes = 0;

  /** Adds the next commit; they come in order. A file that one commit removes and adds has a new deletion vector. */
  add(commit: Commit): void {
    for (const remove of commit.removes) {
      const { path, numRecords } = remove;
      this.#change(path, (known) => ({
        before: known === undefined ? remove : known.before,
        after: null,
        rows: known?.rows ?? numRecords,
        // It was there, or it is gone as if it had never come.
        unsure: known?.unsure ?? false,
      }));
    }
    for (const add of commit.adds) {
      this.#change(add.path, (known) => ({
        before: known?.before ?? null,
        after: add,
        rows: known?.rows ?? add.numRecords,
        unsure: known === undefined ? !add.dataChange : known.unsure,
      }));
    }
    this.#last = { version: commit.version, timestamp: commit.timestamp };
  }

  /** Size of the files to be read, at most. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Physical rows of a file; undefined when no action says. */
  rowsOf(path: string): number | undefined {
    return this.#files.get(path)?.rows;
  }

  /**
   * The sources, all with version and time of the last commit. `earlierFiles` streams the table before the first commit;
   * it is only asked for when actions leave something out. Throws `logDamaged` when a removed file's partition values are
   * not to be found.
   */
  async sources(
    layout: { readonly partitionColumns: readonly string[] },
    earlierFiles: () => AsyncIterable<readonly AddFile[]>,
  ): Promise<readonly ChangeSource[]> {
    const place = this.#last;
    if (place === null) return [];
    await this.#settle(earlierFiles);
    const sources: ChangeSource[] = [];
    for (const { before, after } of this.#files.values()) {
      if (before !== null && after !== null) sources.push(...vectorChanges(place, after, before));
      else if (before !== null)
        sources.push({ ...place, kind: 'delete', file: dataFile(before), select: { kind: 'live' } });
      else if (after !== null)
        sources.push({ ...place, kind: 'insert', file: dataFile(after), select: { kind: 'live' } });
    }
    return withPartitionValues(sources, layout, earlierFiles);
  }

  /** Finds out which of the unsure files were there before. */
  async #settle(earlierFiles: () => AsyncIterable<readonly AddFile[]>): Promise<void> {
    let open = 0;
    for (const { unsure } of this.#files.values()) if (unsure) open++;
    if (open === 0) return;
    for await (const batch of earlierFiles()) {
      for (const file of batch) {
        const ends = this.#files.get(file.path);
        if (ends?.unsure !== true) continue;
        ends.before = file;
        ends.unsure = false;
        open--;
      }
      if (open === 0) return;
    }
  }

  #change(path: string, next: (known: FileEnds | undefined) => FileEnds): void {
    const known = this.#files.get(path);
    const changed = next(known);
    this.#bytes += bytesOf(changed) - (known === undefined ? 0 : bytesOf(known));
    this.#files.set(path, changed);
  }
}

function bytesOf({ before, after }: FileEnds): number {
  if (before !== null && after !== null) {
    return deletionVectorId(before.deletionVector) === deletionVectorId(after.deletionVector) ? 0 : after.size;
  }
  return before?.size ?? after?.size ?? 0;
}
