/**
 * The difference of two versions by file, from the commits between them: which rows went and which came. What was added
 * and removed again in between is not part of it, so its files need not exist, and a table that every commit rewrites is
 * read twice, not once for each commit. Rows that were only moved to another file are among both.
 */
import { deletionVectorId, type AddFile, type Commit, type DataFile } from './actions.ts';
import type { ChangeSource } from './change-source.ts';
import { dataFile, vectorChanges, withPartitionValues } from './commit-changes.ts';

type Place = Pick<ChangeSource, 'version' | 'timestamp'>;

/** One path at both ends of the range; null where it is not in the table. */
interface FileEnds {
  before: DataFile | null;
  after: AddFile | null;
  /** The last commit that names it. */
  readonly place: Place;
  /** Physical rows, where statistics say. */
  readonly rows: number | undefined;
  /** An add without data change: a file that compaction made, or one that was there and got new statistics. */
  unsure: boolean;
}

/** Grows with the paths that the commits name. */
export class RangeDifference {
  readonly #files = new Map<string, FileEnds>();
  #bytes = 0;
  #rows = 0;

  /** Adds the next commit; they come in order. A file that one commit removes and adds has a new deletion vector. */
  add(commit: Commit): void {
    const place: Place = { version: commit.version, timestamp: commit.timestamp };
    for (const remove of commit.removes) {
      const { path, numRecords } = remove;
      this.#change(path, (known) => ({
        before: known === undefined ? remove : known.before,
        after: null,
        place,
        rows: known?.rows ?? numRecords,
        // It was there, or it is gone as if it had never come.
        unsure: known?.unsure ?? false,
      }));
    }
    for (const add of commit.adds) {
      this.#change(add.path, (known) => ({
        before: known?.before ?? null,
        after: add,
        place,
        rows: known?.rows ?? add.numRecords,
        unsure: known === undefined ? !add.dataChange : known.unsure,
      }));
    }
  }

  /** Size of the files to be read, at most. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Rows in those of them whose statistics say. */
  get rows(): number {
    return this.#rows;
  }

  /** Physical rows of a file; undefined when no action says. */
  rowsOf(path: string): number | undefined {
    return this.#files.get(path)?.rows;
  }

  /**
   * The sources, each with version and time of the last commit that names its file: they stand for the two ends of the
   * range, not for what happened in that commit. `earlierFiles` streams the table before the first commit; it is only
   * asked for when actions leave something out. Throws `logDamaged` when a removed file's partition values are
   * not to be found.
   */
  async sources(
    layout: { readonly partitionColumns: readonly string[] },
    earlierFiles: () => AsyncIterable<readonly AddFile[]>,
  ): Promise<readonly ChangeSource[]> {
    await this.#settle(earlierFiles);
    const sources: ChangeSource[] = [];
    for (const { before, after, place } of this.#files.values()) {
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
    for (const [ends, sign] of [
      [known, -1],
      [changed, 1],
    ] as const) {
      if (ends === undefined || isUnchanged(ends)) continue;
      this.#bytes += sign * (ends.after?.size ?? ends.before?.size ?? 0);
      this.#rows += sign * (ends.rows ?? 0);
    }
    this.#files.set(path, changed);
  }
}

function isUnchanged({ before, after }: FileEnds): boolean {
  if (before === null || after === null) return before === after;
  return deletionVectorId(before.deletionVector) === deletionVectorId(after.deletionVector);
}
