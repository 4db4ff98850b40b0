/** What all request handlers share: the account, time, RU model, counters and faults, and the record of changes. */
import type { Account } from './account.ts';
import type { Container } from './container.ts';
import type { Counters } from './counters.ts';
import type { WriteContext } from './document-operations.ts';
import type { FaultAction, Faults, FaultSubject } from './faults.ts';
import type { Item } from './item.ts';
import type { Partition } from './partition.ts';
import type { PreviousVersions } from './previous-versions.ts';
import type { CosmosRequest } from './request.ts';
import type { RequestUnitModel } from './request-units.ts';

/** Keeps changes for good; absent for an emulator in memory. */
export interface ChangeJournal {
  /** Told after each change of documents; `after` is absent for a delete. */
  document(container: Container, before: Item | undefined, after: Item | undefined): void;
  /** Told after a change of databases, containers, partitions or offers. */
  structure(): void;
  /** Called when a request is done and before its answer is sent: its changes are to be kept from now on. */
  flush(): void;
}

export interface Service {
  readonly account: Account;
  readonly counters: Counters;
  readonly faults: Faults;
  readonly model: RequestUnitModel;
  readonly previous: PreviousVersions;
  readonly journal: ChangeJournal | undefined;
  /** Address clients reach the emulator by, with a slash at its end. */
  readonly endpoint: () => string;
  /** The account key; signs resource tokens. */
  readonly key: Buffer;
  /** Simulated wall clock in milliseconds. */
  now(): number;
}

/** Writes go straight to the journal. */
export function writeContext(service: Service): WriteContext {
  const { account, model, previous, journal } = service;
  return {
    now: service.now(),
    model,
    nextWrite: () => ++account.writes,
    changed(container, _partition, before, after) {
      previous.remember(container, before, after);
      journal?.document(container, before, after);
    },
  };
}

/** Faults that strike an operation. */
export function operationFaults(
  service: Service,
  request: CosmosRequest,
  partition: Partition,
  operation: { readonly kind: string; readonly id: string | undefined; readonly pk: string },
): readonly FaultAction[] {
  if (service.faults.idle) return [];
  const subject: FaultSubject = {
    method: request.method,
    kind: request.kind,
    database: request.database,
    container: request.container,
    rangeId: partition.id,
    operation: operation.kind,
    id: operation.id,
    partitionKey: operation.pk,
  };
  return service.faults.strike('operation', subject);
}

/** Partitions in one token at most: clients take headers of a few kilobytes. */
const MAX_SESSION_PARTITIONS = 200;

/**
 * How far a session has seen the partitions (`<range>:-1#<lsn>`), and whose they are: SDKs keep the token by the
 * container's `_rid`, and keep none without it.
 */
export function sessionHeaders(container: Container, partitions: readonly Partition[]): Record<string, string> {
  const seen = partitions.slice(0, MAX_SESSION_PARTITIONS).map((partition) => `${partition.id}:-1#${partition.lsn}`);
  return { 'x-ms-session-token': seen.join(','), 'x-ms-content-path': container.rid };
}
