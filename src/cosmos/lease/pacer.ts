/** Decides when a request may be sent under a grant: token bucket, bound on what may be charged at once, partition ceilings. */
import type { PartitionShare } from '../ru-limiter.ts';
import { ChargeWindow } from './charge-window.ts';
import { BUCKET_SECONDS, PartitionPace } from './partition-pace.ts';

/** The grant as it stands. RU/s. */
export interface Pace {
  readonly grant: number;
  readonly budget: number;
  /** All holders' grants together. */
  readonly granted: number;
}

/** Whether a request may go, or why it has to wait and for how long at least. */
export type Verdict =
  | { readonly kind: 'go' }
  | {
      /** `partition`: others may go before it. */
      readonly kind: 'tokens' | 'window' | 'partition';
      readonly waitMs: number;
      /** With a larger grant it would be nearer to being sent. */
      readonly grantShort: boolean;
    };

/** What a request takes. */
export interface PacedRequest {
  readonly container: string;
  readonly partition: string | null;
  readonly cost: number;
  readonly operations: number;
}

const GO: Verdict = { kind: 'go' };
/** An operation is dear when it costs more seconds of the grant. */
const DEAR_SECONDS = 0.25;
/** A request should cost at most this many seconds of the grant. */
const REQUEST_SECONDS = 0.08;

/**
 * The state between grant and requests. Tokens grow from empty at the rate of the grant up to 100 ms of it; what was
 * spent beyond stays as debt. Whatever is sent counts against a window until a second after its answer.
 */
export class Pacer {
  #tokens = 0;
  #last: number | null = null;
  #pace: Pace = { grant: 0, budget: 0, granted: 0 };
  /** Per container, per partition key range. */
  readonly #partitions = new Map<string, Map<string, PartitionPace>>();
  readonly #window = new ChargeWindow();

  /** RU that the service may have charged all at once within the last second: not answered, or answered late. */
  get chargedAtOnce(): number {
    return this.#window.chargedAtOnce;
  }

  /** RU sent and not answered. */
  get unacknowledged(): number {
    return this.#window.unacknowledged;
  }

  /** Requests sent and not answered. */
  get inFlight(): number {
    return this.#window.inFlight;
  }

  /** RU owed; 0 when none. */
  get debt(): number {
    return Math.max(0, -this.#tokens);
  }

  usePartitions(container: string, shares: readonly PartitionShare[]): void {
    const before = this.#partitions.get(container);
    const after = new Map<string, PartitionPace>();
    for (const { id, fraction } of shares) {
      const pace = before?.get(id) ?? new PartitionPace(0);
      pace.fraction = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
      after.set(id, pace);
    }
    this.#partitions.set(container, after);
    this.#paceParts(0);
  }

  /** Brings all buckets to `now` (monotonic). The old grant counts until now, or until `expiry` if that was earlier. */
  refill(now: number, pace: Pace, expiry: number): void {
    const ms = this.#last === null ? 0 : Math.max(0, Math.min(now, expiry) - this.#last);
    this.#last = now;
    this.#tokens += (this.#pace.grant * ms) / 1000;
    this.#pace = pace;
    this.#tokens = Math.min(this.#tokens, BUCKET_SECONDS * pace.grant);
    this.#paceParts(ms);
    this.#window.expire(now);
  }

  /** May this request be sent now? Call refill first. */
  admit(request: PacedRequest, now: number): Verdict {
    const { grant } = this.#pace;
    if (grant <= 0) return { kind: 'tokens', waitMs: Number.POSITIVE_INFINITY, grantShort: true };
    const { cost } = request;
    const needed = Math.min(cost, BUCKET_SECONDS * grant);
    const grantShort = this.#tokens < needed - 1e-9;
    const partitionMs = this.#partition(request)?.waitMs(cost, now) ?? 0;
    if (partitionMs > 0) return { kind: 'partition', waitMs: partitionMs, grantShort };
    if (grantShort) return { kind: 'tokens', waitMs: ((needed - this.#tokens) * 1000) / grant, grantShort };
    // One operation at a time may always go when it is dear: between two of them the window would leave much unused.
    const alone = this.inFlight === 0 && request.operations <= 1 && cost > DEAR_SECONDS * grant;
    const waitMs = this.#window.waitMs(cost, alone ? cost : 0, grant, now);
    if (waitMs > 0) return { kind: 'window', waitMs, grantShort };
    return GO;
  }

  send(request: PacedRequest): void {
    this.#tokens -= request.cost;
    this.#partition(request)?.take(request.cost);
    this.#window.send(request.cost);
  }

  /** The answer charged `ru`; null: no answer, what was reserved counts. Call refill first. */
  settle(request: PacedRequest, ru: number | null, now: number, sentAt: number): void {
    const charged = ru ?? request.cost;
    this.#tokens += request.cost - charged;
    this.#partition(request)?.settle(request.cost, charged, now);
    this.#window.settle(request.cost, charged, now, sentAt);
  }

  /** The request was not sent. */
  release(request: PacedRequest): void {
    this.#window.release(request.cost);
    this.#tokens += request.cost;
    this.#partition(request)?.take(-request.cost);
  }

  throttle(request: PacedRequest, now: number, notBefore: number): void {
    this.#partition(request)?.throttle(now, notBefore);
  }

  /** RU that one request to the partition should cost at most. */
  requestRu(container: string, partition: string | null): number {
    const pace = this.#partition({ container, partition });
    return Math.min(REQUEST_SECONDS * this.#pace.grant, pace?.requestRu ?? Number.POSITIVE_INFINITY);
  }

  #partition(request: { readonly container: string; readonly partition: string | null }): PartitionPace | undefined {
    if (request.partition === null) return undefined;
    const partitions = this.#partitions.get(request.container);
    if (partitions === undefined) return undefined;
    let pace = partitions.get(request.partition);
    if (pace === undefined) {
      // A child of a split whose share nobody told yet: as small as the smallest that is known.
      let fraction = 1;
      for (const known of partitions.values()) fraction = Math.min(fraction, known.fraction);
      pace = new PartitionPace(fraction);
      partitions.set(request.partition, pace);
      pace.refill(0, this.#ceiling());
    }
    return pace;
  }

  /** What the grant is worth in the whole container: by what all hold, so that a lone holder has the whole ceiling. */
  #ceiling(): number {
    const { grant, budget, granted } = this.#pace;
    return grant <= 0 ? 0 : (budget * grant) / Math.max(granted, grant);
  }

  #paceParts(ms: number): void {
    const ceiling = this.#ceiling();
    for (const partitions of this.#partitions.values()) {
      for (const pace of partitions.values()) pace.refill(ms, ceiling);
    }
  }
}
