/** Whether a partition has RU left for a request: its own budget, a shared database's, a throughput bucket's. */
import type { Account } from './account.ts';
import type { Container } from './container.ts';
import type { OperationResult } from './document-operations.ts';
import type { Partition } from './partition.ts';
import { numberHeader, type CosmosRequest } from './request.ts';
import { Refusal, badRequest } from './refusal.ts';
import type { Throttle } from './throttle.ts';

const MESSAGE =
  'Request rate is large. More Request Units may be needed, so no changes were made. Please retry this request later. ' +
  'Learn more: http://aka.ms/cosmosdb-error-429';
const BUCKETS = [1, 2, 3, 4, 5] as const;
/** Substatus of the partition's own budget and of a throughput bucket. */
const RANGE = 3200;
const BUCKET = 3212;

/** The budgets one request draws on in one partition. */
export class Admission {
  private readonly budgets: readonly { readonly throttle: Throttle; readonly substatus: number }[];

  constructor(account: Account, container: Container, partition: Partition, request: CosmosRequest) {
    const budgets = [{ throttle: partition.throttle, substatus: RANGE }];
    const shared = account.databases.get(container.place.database)?.throttle;
    if (shared?.limit !== undefined && partition.throttle.limit === undefined) {
      budgets.push({ throttle: shared, substatus: RANGE });
    }
    const bucket = numberHeader(request, 'x-ms-cosmos-throughput-bucket');
    if (bucket !== undefined) {
      if (!BUCKETS.some((id) => id === bucket)) throw badRequest('The throughput bucket must be 1 to 5.');
      const throttle = container.bucket(partition, bucket);
      if (throttle !== undefined) budgets.unshift({ throttle, substatus: BUCKET });
    }
    this.budgets = budgets;
  }

  /** A 429 when a budget is used up. */
  refusal(now: number): OperationResult | undefined {
    for (const { throttle, substatus } of this.budgets) {
      const wait = throttle.wait(now);
      if (wait > 0) return { status: 429, substatus, charge: 0, retryAfterMs: wait, message: MESSAGE };
    }
    return undefined;
  }

  /** The same, thrown: for requests that are refused as a whole. */
  check(now: number): void {
    const refused = this.refusal(now);
    if (refused !== undefined) throw new Refusal(429, MESSAGE, refused.substatus, refused.retryAfterMs);
  }

  spend(charge: number, now: number): void {
    for (const { throttle } of this.budgets) throttle.spend(charge, now);
  }
}
