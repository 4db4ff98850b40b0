/**
 * Port between the batch writer and the RU lease: every request to a mirrored container reserves its estimated cost
 * here before it is sent and settles the real charge when it is answered. Amounts are request units (RU).
 */

/** One physical partition of the container: id of the partition key range and its share of the container's RU/s. */
export interface PartitionShare {
  readonly id: string;
  /** `throughputFraction` of the range, 0 to 1. */
  readonly fraction: number;
}

/** What a request wants to spend. */
export interface RuRequest {
  /** Partition key range id, or null for a request that no single partition serves. */
  readonly partition: string | null;
  readonly estimatedRu: number;
  readonly operations: number;
}

/** RU taken from the grant. Exactly one of settle, lost or release is called, once. */
export interface RuReservation {
  /** Aborts when the grant under which this was reserved ends: the socket must be destroyed. */
  readonly expired: AbortSignal;
  /** The service answered and charged this much; `retryAfterMs` when it throttled (429) any operation of the request. */
  settle(chargedRu: number, retryAfterMs?: number): void;
  /** No answer came, or none that tells the charge: whatever was reserved counts as spent. */
  lost(): void;
  /** The request was never sent. */
  release(): void;
}

/** One table's access to a budget inside this process. */
export interface RuLimiter {
  /** Tells the physical partitions of the target; called again whenever they change. */
  usePartitions(partitions: readonly PartitionShare[]): void;
  /** The most RU one request to `partition` should cost now (80 ms of what the grant allows it); at least one operation may always be sent. */
  batchRu(partition: string | null): number;
  /** Waits until the request may be sent. Rejects with the signal's reason. */
  reserve(request: RuRequest, signal: AbortSignal): Promise<RuReservation>;
  /** Ends this table's use; the last one out makes the holder leave the lease document, its debt paid. */
  close(): Promise<void>;
}

/** Spends without limit: for tools that run against a local emulator and for tests. */
export const unlimited: RuLimiter = {
  usePartitions: () => undefined,
  batchRu: () => Number.POSITIVE_INFINITY,
  reserve: () => Promise.resolve(freeReservation),
  close: () => Promise.resolve(),
};

const freeReservation: RuReservation = {
  expired: new AbortController().signal,
  settle: () => undefined,
  lost: () => undefined,
  release: () => undefined,
};
