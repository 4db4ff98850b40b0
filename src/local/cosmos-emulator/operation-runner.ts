/** Runs operations as a request brings them: admitted by the budgets, struck by faults, counted. */
import { Admission } from './admission.ts';
import type { Container } from './container.ts';
import {
  performOperation,
  type DocumentOperation,
  type OperationResult,
  type WriteContext,
} from './document-operations.ts';
import type { FaultAction } from './faults.ts';
import type { Partition } from './partition.ts';
import type { CosmosRequest } from './request.ts';
import { roundCharge } from './request-units.ts';
import { operationFaults, type Service } from './service.ts';

export class OperationRunner {
  private readonly admission: Admission;
  private readonly service: Service;
  private readonly request: CosmosRequest;
  private readonly container: Container;
  private readonly partition: Partition;
  private readonly context: WriteContext;
  private operations = 0;
  private requestUnits = 0;
  private throttled = 0;

  constructor(
    service: Service,
    request: CosmosRequest,
    container: Container,
    partition: Partition,
    context: WriteContext,
  ) {
    this.service = service;
    this.request = request;
    this.container = container;
    this.partition = partition;
    this.context = context;
    this.admission = new Admission(service.account, container, partition, request);
  }

  /** Refuses the whole request while a budget is used up; all its `operations` then count as throttled. */
  admit(operations: number): void {
    try {
      this.admission.check(this.context.now);
    } catch (thrown) {
      this.operations = operations;
      this.throttled = operations;
      this.count();
      throw thrown;
    }
  }

  /** RU of the operations run so far. */
  get charge(): number {
    return roundCharge(this.requestUnits);
  }

  /** Runs one operation unless a budget or a fault forbids it. */
  run(operation: DocumentOperation): OperationResult {
    this.operations++;
    const refused = this.admission.refusal(this.context.now);
    if (refused !== undefined) {
      this.throttled++;
      return refused;
    }
    const faults = operationFaults(this.service, this.request, this.partition, {
      kind: operation.kind,
      id: operation.id ?? textOf(operation.body?.['id']),
      pk: operation.pk,
    });
    const result = faults.length === 0 ? this.perform(operation) : this.runFaulty(operation, faults);
    const charge = roundCharge(result.charge);
    this.requestUnits += charge;
    this.admission.spend(charge, this.context.now);
    if (result.status === 429) this.throttled++;
    return charge === result.charge ? result : { ...result, charge };
  }

  /** Puts what was run into the counters. */
  count(): void {
    const { database } = this.container.place;
    this.service.counters.served(
      { database, container: this.container.id, rangeId: this.partition.id },
      this.context.now,
      { requests: 1, operations: this.operations, requestUnits: this.requestUnits, throttled: this.throttled },
    );
  }

  private perform(operation: DocumentOperation): OperationResult {
    return performOperation(this.context, this.container, this.partition, operation);
  }

  private runFaulty(operation: DocumentOperation, faults: readonly FaultAction[]): OperationResult {
    for (const fault of faults) {
      switch (fault.kind) {
        case 'answer': {
          const charge = fault.applied === true ? this.perform(operation).charge : 0;
          return {
            status: fault.status,
            substatus: fault.substatus ?? 0,
            charge,
            message: 'Fault on request.',
            ...(fault.retryAfterMs === undefined ? {} : { retryAfterMs: fault.retryAfterMs }),
          };
        }
        case 'staleRead': {
          const stale = this.staleRead(operation);
          if (stale !== undefined) return stale;
          break;
        }
        case 'reset':
          this.request.effects.push({ kind: 'reset', when: 'after' });
          if (fault.when === 'before') return { status: 500, charge: 0, message: 'The connection is reset.' };
          break;
        case 'delay':
        case 'truncate':
          this.request.effects.push(fault);
          break;
        case 'staleRanges':
          break;
      }
    }
    return this.perform(operation);
  }

  /** The version before the last write, as a replica that has not caught up would serve it. */
  private staleRead(operation: DocumentOperation): OperationResult | undefined {
    if (operation.kind !== 'Read' || operation.id === undefined) return undefined;
    const { known, item } = this.service.previous.find(this.container, operation.pk, operation.id);
    if (!known) return undefined;
    if (item === undefined) return { status: 404, charge: this.context.model.missing, message: 'Resource Not Found.' };
    return { status: 200, charge: this.context.model.read(item.size), item };
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
