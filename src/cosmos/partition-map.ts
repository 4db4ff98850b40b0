/** Which physical partition holds an effective partition key, and how that is found out again after it changed. */
import { SyncError } from '../shared/errors.ts';
import type { Clock } from '../shared/clock.ts';
import { isHeaderText } from './http-exchange.ts';
import { SharedTask } from './shared-task.ts';

/** One physical partition: a half-open range of effective partition keys ("" and "FF" are the ends). Ids are never reused. */
export interface PartitionRange {
  readonly id: string;
  readonly start: string;
  readonly end: string;
  /** Its share of the container's RU/s. */
  readonly fraction: number;
}

/** The partitions of a container at one moment, in order, without a hole. */
export interface PartitionLayout {
  /** `_rid` of the container. */
  readonly rid: string;
  readonly ranges: readonly PartitionRange[];
}

/** The layout in an answer of `pkranges`; undefined when the answer is none, as it can be in the middle of a split. */
export function parsePartitionLayout(answer: unknown): PartitionLayout | undefined {
  const feed = answer as { readonly _rid?: unknown; readonly PartitionKeyRanges?: unknown } | undefined;
  if (typeof feed?._rid !== 'string' || !Array.isArray(feed.PartitionKeyRanges)) return undefined;
  const all: PartitionRange[] = [];
  const gone = new Set<unknown>();
  for (const entry of feed.PartitionKeyRanges as readonly unknown[]) {
    const { id, minInclusive, maxExclusive, throughputFraction, parents } = (entry ?? {}) as Record<string, unknown>;
    if (
      typeof id !== 'string' ||
      !isHeaderText(id) ||
      typeof minInclusive !== 'string' ||
      typeof maxExclusive !== 'string'
    ) {
      return undefined;
    }
    const stated = typeof throughputFraction === 'number' && throughputFraction > 0 && throughputFraction <= 1;
    const fraction = stated ? throughputFraction : 0;
    all.push({ id, start: minInclusive.toUpperCase(), end: maxExclusive.toUpperCase(), fraction });
    if (Array.isArray(parents)) for (const parent of parents) gone.add(parent);
  }
  // While a split completes the feed may list a parent beside its children.
  const live = all.filter((range) => !gone.has(range.id)).toSorted((a, b) => (a.start < b.start ? -1 : 1));
  let next = '';
  for (const range of live) {
    if (range.start !== next || range.end <= range.start) return undefined;
    next = range.end;
  }
  if (next !== 'FF') return undefined;
  return { rid: feed._rid, ranges: withFractions(live) };
}

/** No partition without a share, which would never be sent anything; together they are the whole. */
function withFractions(ranges: readonly PartitionRange[]): readonly PartitionRange[] {
  const stated = ranges.map(({ fraction }) => (fraction > 0 ? fraction : 1 / ranges.length));
  const sum = stated.reduce((total, fraction) => total + fraction, 0);
  return ranges.map((range, at) => ({ ...range, fraction: (stated[at] ?? 0) / sum }));
}

/** The partition that holds `epk`. */
export function findPartition(layout: PartitionLayout, epk: string): PartitionRange {
  let low = 0;
  let high = layout.ranges.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (epk < (layout.ranges[middle]?.start ?? '')) high = middle - 1;
    else low = middle;
  }
  const found = layout.ranges[low];
  if (found === undefined) throw new SyncError('internal', { problem: 'A container has no partition.' });
  return found;
}

const REFRESH_TRIES = 10;

/** The partitions of one container as last read. */
export class PartitionMap {
  readonly #read: (signal: AbortSignal) => Promise<unknown>;
  readonly #clock: Clock;
  readonly #name: string;
  #layout: PartitionLayout | undefined;
  readonly #reading = new SharedTask((signal) => this.#readUsable(signal));

  /** `read` gets the answer of `pkranges`; `name` is for messages. */
  constructor(read: (signal: AbortSignal) => Promise<unknown>, clock: Clock, name: string) {
    this.#read = read;
    this.#clock = clock;
    this.#name = name;
  }

  /** As last read; read now when it never was. */
  async layout(signal: AbortSignal): Promise<PartitionLayout> {
    return this.#layout ?? (await this.refresh(signal));
  }

  /** The next reading may find another container under the same name. */
  forget(): void {
    this.#layout = undefined;
  }

  /** Reads again. Callers that come while a reading is under way share it. */
  refresh(signal: AbortSignal): Promise<PartitionLayout> {
    return this.#reading.run(signal);
  }

  /**
   * After a 410 for the range `id`: reads again until it is gone, or ten times. It stays when the partition only moved
   * (1008) or when a split (1007) is not visible yet; either way the caller tries again with what is known then.
   */
  async refreshUntilGone(id: string, signal: AbortSignal): Promise<PartitionLayout> {
    let layout = await this.refresh(signal);
    for (let attempt = 1; attempt < REFRESH_TRIES && layout.ranges.some((range) => range.id === id); attempt++) {
      await this.#clock.sleep(Math.min(10 * 2 ** attempt, 400), signal);
      layout = await this.refresh(signal);
    }
    return layout;
  }

  async #readUsable(signal: AbortSignal): Promise<PartitionLayout> {
    for (let attempt = 1; attempt <= REFRESH_TRIES; attempt++) {
      const layout = parsePartitionLayout(await this.#read(signal));
      if (layout !== undefined) {
        this.#checkSame(layout);
        this.#layout = layout;
        return layout;
      }
      await this.#clock.sleep(Math.min(20 * 2 ** attempt, 1_000), signal);
    }
    throw new SyncError('targetUnavailable', {
      problem: `The partitions of the ${this.#name} cannot be read.`,
      reason: 'Cosmos DB lists ranges that do not cover the container.',
    });
  }

  /** A container that was dropped and created again must not be filled by an epoch planned for its predecessor. */
  #checkSame(layout: PartitionLayout): void {
    if (this.#layout === undefined || this.#layout.rid === layout.rid) return;
    throw new SyncError('targetReplaced', {
      problem: `The ${this.#name} was created again.`,
      reason: `Its id at the service was ${this.#layout.rid} and is ${layout.rid}.`,
    });
  }
}
