import { ChunkBytes } from './chunk-bytes.ts';
import type { ColumnReader } from './column-reader.ts';
import { pageJumps, type PageJump } from './page-jump.ts';
import type { ParquetFile, RowGroup } from './parquet-file.ts';
import { ReadAhead, ReadWindow } from './read-ahead.ts';
import { planWindows } from './read-windows.ts';
import type { LeafPlan } from './row-plan.ts';

/** Rows [start, end) of a row group, counted within it. */
export interface GroupRows {
  readonly group: RowGroup;
  readonly start: number;
  readonly end: number;
}

/** Windows of a row group, once in the order in which they are wanted and once by column, in file order. */
interface PlannedGroup {
  readonly windows: readonly ReadWindow[];
  readonly byColumn: readonly (readonly ReadWindow[])[];
}

/**
 * The windows of every column through the wanted row groups. While one row group is decoded, one more row group may be read
 * ahead than have been decoded: who wants a few rows reads little more, who wants all of many small row groups never waits
 * for the next one.
 */
export class GroupWindows {
  readonly ahead: ReadAhead;
  private readonly file: ParquetFile;
  private readonly leaves: readonly LeafPlan[];
  private readonly groups: readonly GroupRows[];
  private readonly budgetBytes: number;
  private readonly planned = new Map<number, PlannedGroup>();
  /** Of the first row group, by column. */
  private jumps: readonly (PageJump | undefined)[] = [];
  /** The row group in use, and the window that is read ahead next. */
  private current = 0;
  private aheadGroup = 0;
  private aheadWindow = 0;

  constructor(
    file: ParquetFile,
    leaves: readonly LeafPlan[],
    groups: readonly GroupRows[],
    budgetBytes: number,
    signal: AbortSignal,
  ) {
    this.file = file;
    this.leaves = leaves;
    this.groups = groups;
    this.budgetBytes = budgetBytes;
    this.ahead = new ReadAhead(file.source, signal, budgetBytes, () => this.upcoming());
  }

  /** Finds where to start in a first row group that is not wanted from its start. */
  async jumpInto(signal: AbortSignal): Promise<void> {
    const first = this.groups[0];
    if (first === undefined || first.start === 0) return;
    const bytes = this.leaves.reduce((sum, { leaf }) => {
      const chunk = first.group.columns[leaf.leafIndex]!;
      return sum + chunk.end - chunk.start;
    }, 0);
    // What fits the windows is read in one go anyway.
    if (bytes > this.budgetBytes / 2) {
      this.jumps = await pageJumps(this.file, this.leaves, first.group, first.start, signal);
    }
  }

  /** Starts every column on the row group at `index` of the wanted ones. */
  start(index: number, readers: readonly ColumnReader[]): void {
    this.current = index;
    this.planned.delete(index - 1);
    const { group } = this.groups[index]!;
    const { byColumn } = this.windows(index);
    for (const [column, reader] of readers.entries()) {
      const chunk = group.columns[reader.leaf.leafIndex]!;
      const bytes = new ChunkBytes(byColumn[column]!, chunk.start, chunk.end);
      const rowEntries = chunk.numValues / Math.max(1, group.numRows);
      reader.start(bytes, chunk.codec, rowEntries, index === 0 ? this.jumps[column] : undefined);
    }
    this.ahead.proceed();
  }

  private upcoming(): ReadWindow | undefined {
    if (this.aheadGroup < this.current) [this.aheadGroup, this.aheadWindow] = [this.current, 0];
    while (this.aheadGroup < this.groups.length && this.aheadGroup <= 2 * this.current + 1) {
      const window = this.windows(this.aheadGroup).windows[this.aheadWindow++];
      if (window !== undefined) return window;
      this.aheadGroup++;
      this.aheadWindow = 0;
    }
    return undefined;
  }

  private windows(index: number): PlannedGroup {
    const known = this.planned.get(index);
    if (known !== undefined) return known;
    const { columns } = this.groups[index]!.group;
    const spans = this.leaves.flatMap(({ leaf }, column) => {
      const { start, end } = columns[leaf.leafIndex]!;
      const jump = index === 0 ? this.jumps[column] : undefined;
      if (jump === undefined) return [{ start, end, column }];
      return [
        { start, end: jump.from, column },
        { start: jump.to, end, column },
      ];
    });
    const byColumn: ReadWindow[][] = this.leaves.map(() => []);
    const windows = planWindows(spans, this.budgetBytes).map((plan) => {
      const window = new ReadWindow(this.ahead, plan);
      for (const column of plan.columns) byColumn[column]!.push(window);
      return window;
    });
    for (const own of byColumn) own.sort((a, b) => a.start - b.start);
    const made = { windows, byColumn };
    this.planned.set(index, made);
    return made;
  }
}
