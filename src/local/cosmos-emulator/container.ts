/** A container: its settings, its physical partitions and what spans them. */
import { ChangeHistory } from './change-history.ts';
import type { ContainerDefinition } from './container-definition.ts';
import type { Item } from './item.ts';
import type { JsonMap } from './json.ts';
import { END_KEY, FIRST_KEY, evenBounds, middleKey } from './key-ranges.ts';
import { Partition } from './partition.ts';
import { hashKey } from './partition-key.ts';
import { containerRidBytes, documentRids, encode, etagText } from './resource-id.ts';
import { Refusal } from './refusal.ts';
import { Throttle } from './throttle.ts';
import { UniqueKeys } from './unique-keys.ts';

/** Where a container stands in the account: numbers that make its resource ids, and the paths built from them. */
export interface ContainerPlace {
  readonly database: string;
  readonly databaseNumber: number;
  readonly databaseSelf: string;
  readonly number: number;
}

export class Container {
  definition: ContainerDefinition;
  readonly place: ContainerPlace;
  readonly rid: string;
  /** `_self`: `dbs/<rid>/colls/<rid>/`. */
  readonly self: string;
  readonly documentRid: (number: number) => string;
  readonly uniqueKeys: UniqueKeys;
  /** Physical partitions in key order. */
  partitions: Partition[];
  /** The partitions before the last split, for tests of stale routing maps. */
  formerPartitions: readonly Partition[];
  /** Number of the last document created. */
  documents = 0;
  /** Write number and time of the last change of the definition. */
  write: number;
  time: number;
  private nextRange: number;
  private bucketPercents: ReadonlyMap<number, number> = new Map();
  private ruPerSecond: number | undefined;

  constructor(place: ContainerPlace, definition: ContainerDefinition, partitions: number, write: number, time: number) {
    this.place = place;
    this.definition = definition;
    const ridBytes = containerRidBytes(place.databaseNumber, place.number);
    this.rid = encode(ridBytes);
    this.self = `${place.databaseSelf}colls/${this.rid}/`;
    this.documentRid = documentRids(ridBytes);
    this.uniqueKeys = new UniqueKeys(definition.uniqueKeys);
    const bounds = [FIRST_KEY, ...evenBounds(definition.partitionKey, partitions), END_KEY];
    this.partitions = bounds
      .slice(1)
      .map((max, index) => new Partition(String(index), bounds[index] ?? FIRST_KEY, max, [], 0));
    this.formerPartitions = this.partitions;
    this.nextRange = this.partitions.length;
    this.write = write;
    this.time = time;
  }

  get id(): string {
    return this.definition.id;
  }

  /** Sets RU/s of the whole container; each partition has an equal share. Undefined is without limit. */
  limit(ruPerSecond: number | undefined): void {
    this.ruPerSecond = ruPerSecond;
    for (const partition of this.partitions) {
      partition.throttle.limit = ruPerSecond === undefined ? undefined : ruPerSecond / this.partitions.length;
    }
  }

  /** Sets the throughput buckets: a maximum percentage of the RU/s by bucket id; an id without one is without limit. */
  setBuckets(percents: ReadonlyMap<number, number>): void {
    this.bucketPercents = percents;
  }

  /** The budget of a bucket in a partition; undefined when the bucket has no maximum. */
  bucket(partition: Partition, id: number): Throttle | undefined {
    const percent = this.bucketPercents.get(id);
    if (percent === undefined || partition.throttle.limit === undefined) return undefined;
    let throttle = partition.buckets.get(id);
    if (throttle === undefined) partition.buckets.set(id, (throttle = new Throttle()));
    throttle.limit = (partition.throttle.limit * percent) / 100;
    return throttle;
  }

  /** The partition that holds this effective partition key. */
  route(epk: string): Partition {
    let low = 0;
    let high = this.partitions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.partitions[middle]?.min ?? FIRST_KEY) <= epk) low = middle;
      else high = middle - 1;
    }
    const partition = this.partitions[low];
    if (partition === undefined) throw new Refusal(500, 'The container has no partition.');
    return partition;
  }

  /** The partition with this range id, or 410/1002 when a split has ended it or it never was. */
  partition(rangeId: string): Partition {
    const partition = this.partitions.find((candidate) => candidate.id === rangeId);
    if (partition === undefined) {
      throw new Refusal(410, `The requested resource is no longer available at the server. Range ${rangeId}.`, 1002);
    }
    return partition;
  }

  /** True when the document's time to live has not run out. */
  visible(item: Item, now: number): boolean {
    const fallback = this.definition.defaultTtl;
    if (fallback === undefined) return true;
    const ttl = item.ttl ?? fallback;
    return ttl === -1 || now < item.time + ttl * 1000;
  }

  /**
   * Splits a partition in two; both name it and its own parents. Returns the ids of the children, or undefined when its
   * range cannot be cut.
   */
  split(rangeId: string): readonly [string, string] | undefined {
    const parent = this.partition(rangeId);
    const definition = this.definition.partitionKey;
    const keys: string[] = [];
    if (definition.version === 1) for (const item of parent.all()) keys.push(item.epk);
    const middle = middleKey(definition, parent.min, parent.max, keys);
    if (middle === undefined) return undefined;
    this.splitAt(parent, middle);
    return [String(this.nextRange - 2), String(this.nextRange - 1)];
  }

  /** Splits at a given key. */
  splitAt(parent: Partition, middle: string): void {
    const parents = [...parent.parents, parent.id];
    const left = new Partition(String(this.nextRange++), parent.min, middle, parents, parent.lsn);
    const right = new Partition(String(this.nextRange++), middle, parent.max, parents, parent.lsn);
    const items = [...parent.all()];
    left.adopt(items.filter((item) => item.epk < middle));
    right.adopt(items.filter((item) => item.epk >= middle));
    left.history = parent.history?.of((item) => item.epk < middle);
    right.history = parent.history?.of((item) => item.epk >= middle);
    this.formerPartitions = this.partitions;
    this.partitions = this.partitions.flatMap((partition) => (partition === parent ? [left, right] : [partition]));
    this.limit(this.ruPerSecond);
  }

  /** Begins or ends to keep every change, as the definition says. What was before is not known: not on disk either. */
  keepHistory(): void {
    const { versionRetention } = this.definition;
    for (const partition of this.partitions) {
      if (versionRetention === undefined) partition.history = undefined;
      else if (partition.history !== undefined) partition.history.retention = versionRetention;
      else partition.history = new ChangeHistory(partition.lsn, versionRetention);
    }
  }

  /** Sets the partitions to those of a saved container. */
  restorePartitions(partitions: Partition[], nextRange: number): void {
    this.partitions = partitions;
    this.formerPartitions = partitions;
    this.nextRange = nextRange;
  }

  /** Id that the next partition will get. */
  get nextRangeId(): number {
    return this.nextRange;
  }

  /** Effective partition key of canonical key values. */
  hash(values: Parameters<typeof hashKey>[1]): string {
    return hashKey(this.definition.partitionKey, values);
  }

  /** The container as it is given out. */
  resource(): JsonMap {
    return {
      ...this.definition.properties,
      id: this.definition.id,
      _rid: this.rid,
      _ts: Math.floor(this.time / 1000),
      _self: this.self,
      _etag: etagText(this.write, this.time),
      _docs: 'docs/',
      _sprocs: 'sprocs/',
      _triggers: 'triggers/',
      _udfs: 'udfs/',
      _conflicts: 'conflicts/',
    };
  }

  /** The partition key ranges as they are given out; `former` gives those before the last split. */
  rangeResources(former: boolean): JsonMap[] {
    const partitions = former ? this.formerPartitions : this.partitions;
    return partitions.map((partition) => ({
      _rid: this.documentRid(0),
      id: partition.id,
      _etag: etagText(this.write, this.time),
      minInclusive: partition.min,
      maxExclusive: partition.max,
      ridPrefix: Number(partition.id),
      _self: `${this.self}pkranges/${partition.id}/`,
      throughputFraction: 1 / partitions.length,
      status: 'online',
      parents: [...partition.parents],
      ownedArchivalPKRangeIds: [],
      _ts: Math.floor(this.time / 1000),
      lsn: partition.lsn,
    }));
  }
}
