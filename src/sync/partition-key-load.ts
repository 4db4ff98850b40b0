/**
 * Which logical partition keys the writes of an epoch go to. One logical partition serves at most 10,000 RU/s and holds at
 * most 20 GB ("Azure Cosmos DB service quotas", per-partition limits), so a key with a large share of an epoch decides how
 * long it takes, whatever the budget. Memory is bounded: among very many keys the small ones are forgotten.
 */
import type { Operation } from '../changes/operation.ts';
import type { PartitionKeyValue } from '../documents/document.ts';

export const LOGICAL_PARTITION_RU_PER_SECOND = 10_000;
export const LOGICAL_PARTITION_BYTES = 20 * 2 ** 30;

/** A partition key with many of the writes. Among more keys than are remembered the figures are lower bounds. */
export interface PartitionKeyLoad {
  /** Absent levels are null. */
  readonly partitionKey: readonly (PartitionKeyValue | null)[];
  readonly operations: number;
  /** Bytes of the documents that are written, as JSON. */
  readonly bytes: number;
  /** Part of the epoch's RU, 0 to 1: by operations and the size of their documents. */
  readonly share: number;
  /** Null before any cost was measured. */
  readonly estimatedRu: number | null;
  /** More than this the whole epoch cannot use, because of this key. */
  readonly epochRuPerSecondLimit: number;
  /** Bytes written as part of what a logical partition holds, 0 to 1; what is there already is not counted. */
  readonly sizeShare: number;
  /** Takes more than twice the fair share of a physical partition, or fills more than half of a logical one. */
  readonly hot: boolean;
}

export interface LoadFacts {
  /** Of the whole epoch; null when unknown. */
  readonly estimatedRu: number | null;
  readonly physicalPartitions: number;
}

const REMEMBERED = 4_096;
const LISTED = 5;
/** Fewer writes than this heat nothing. */
const MIN_OPERATIONS = 100;
const MIN_SHARE = 0.01;
/** A write costs about as much as this much of its document more. */
const BYTES_PER_UNIT = 1_024;

interface Entry {
  readonly partitionKey: readonly PartitionKeyValue[];
  weight: number;
  operations: number;
  bytes: number;
}

/** Sums up operations by partition key: every key with more than 1/4096 of the weight is kept (Misra and Gries). */
export class PartitionKeyLoads {
  readonly #entries = new Map<string, Entry>();
  readonly #remembered: number;
  #weight = 0;

  constructor(remembered = REMEMBERED) {
    this.#remembered = remembered;
  }

  add(operation: Operation): void {
    const { partitionKey } = operation.identity;
    const bytes = 'document' in operation ? Buffer.byteLength(JSON.stringify(operation.document)) : 0;
    const weight = Math.max(1, bytes / BYTES_PER_UNIT);
    this.#weight += weight;
    const key = JSON.stringify(partitionKey.map((value) => value ?? (value === null ? null : {})));
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#entries.set(key, { partitionKey, weight, operations: 1, bytes });
      if (this.#entries.size >= 2 * this.#remembered) this.#forget();
      return;
    }
    entry.weight += weight;
    entry.operations++;
    entry.bytes += bytes;
  }

  /** The keys that matter, the heaviest first. */
  heaviest({ estimatedRu, physicalPartitions }: LoadFacts): readonly PartitionKeyLoad[] {
    const loads: PartitionKeyLoad[] = [];
    for (const entry of [...this.#entries.values()].toSorted((a, b) => b.weight - a.weight).slice(0, LISTED)) {
      const share = entry.weight / this.#weight;
      if (entry.operations < MIN_OPERATIONS || share < MIN_SHARE) continue;
      const sizeShare = entry.bytes / LOGICAL_PARTITION_BYTES;
      loads.push({
        partitionKey: entry.partitionKey.map((value) => value ?? null),
        operations: entry.operations,
        bytes: entry.bytes,
        share: rounded(share),
        estimatedRu: estimatedRu === null ? null : Math.round(estimatedRu * share),
        epochRuPerSecondLimit: Math.round(LOGICAL_PARTITION_RU_PER_SECOND / share),
        sizeShare: rounded(sizeShare),
        hot: (physicalPartitions > 1 && share * physicalPartitions > 2) || sizeShare > 0.5,
      });
    }
    return loads;
  }

  /** Takes the weight of the first that is too many from all, which leaves the heavier ones. */
  #forget(): void {
    const weights = [...this.#entries.values()].map((entry) => entry.weight).toSorted((a, b) => b - a);
    const taken = weights[this.#remembered] ?? 0;
    for (const [key, entry] of this.#entries) {
      entry.weight -= taken;
      if (entry.weight <= 0) this.#entries.delete(key);
    }
  }
}

function rounded(share: number): number {
  return Math.round(share * 10_000) / 10_000;
}
