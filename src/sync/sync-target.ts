/** What a use case works with: one table with its source and target, and the stores all tables share. */
import type { PlanStore } from '../changes/plan-store.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { LogStore } from '../delta/log-store.ts';
import type { Clock } from '../shared/clock.ts';
import type { Log } from '../shared/telemetry.ts';
import type { DocumentWriter } from './document-writer.ts';
import type { StateStore } from './state-store.ts';
import type { WorkSizes } from './work-sizes.ts';

export interface SyncTarget {
  readonly tableId: string;
  /** Name of the target's state document: the table's id, with the slot when there are two. */
  readonly id: string;
  readonly configuration: TableConfiguration;
  readonly source: LogStore;
  readonly writer: DocumentWriter;
}

export interface SyncDependencies {
  /** Throws `tableUnknown`. */
  target(tableId: string): Promise<SyncTarget>;
  readonly plans: PlanStore;
  readonly states: StateStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly sizes: WorkSizes;
  /** Orchestration version of the deployed app. */
  readonly appVersion: string;
}
