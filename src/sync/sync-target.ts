/** What a use case works with: one table with its source and target, and the stores all tables share. */
import type { PlanStore } from '../changes/plan-store.ts';
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { LogStore } from '../delta/log-store.ts';
import { SyncError } from '../shared/errors.ts';
import type { Clock } from '../shared/clock.ts';
import type { Log } from '../shared/telemetry.ts';
import type { DocumentWriter } from './document-writer.ts';
import type { Slot } from './publication-state.ts';
import type { RemovedTable } from './removal.ts';
import type { PublicationStore } from './publication.ts';
import type { StateStore } from './state-store.ts';
import type { WorkSizes } from './work-sizes.ts';

export interface SyncTarget {
  readonly tableId: string;
  /** Name of the target's state document: the table's id, with the slot when there are two. */
  readonly id: string;
  readonly configuration: TableConfiguration;
  readonly source: LogStore;
  /** Writes to the container of `configuration`, or of the slot that is meant. */
  readonly writer: DocumentWriter;
  /** A writer of another container of the same database, under the same budget. */
  writerOf(container: string): DocumentWriter;
}

/** The target with the writer of a slot. */
export function atSlot(target: SyncTarget, slot: Slot | null): SyncTarget {
  const same = slot === null || slot.container === target.configuration.target.container;
  return same ? target : { ...target, writer: target.writerOf(slot.container) };
}

export interface SyncDependencies {
  /** A table of the configuration, or a removed one that still has documents to delete. Throws `tableUnknown`. */
  target(tableId: string): Promise<SyncTarget>;
  /** Tables that were taken out of the configuration for good, by their id. */
  readonly removedTables: ReadonlyMap<string, RemovedTable>;
  readonly plans: PlanStore;
  readonly states: StateStore;
  /** Freshness and pointer documents; null when none are configured. */
  readonly publications: PublicationStore | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly sizes: WorkSizes;
  /** Orchestration version of the deployed app. */
  readonly appVersion: string;
}

/** The store of pointer documents. Throws `settingMissing`: the configuration is refused without one where it is needed. */
export function publicationsOf(deps: SyncDependencies): PublicationStore {
  if (deps.publications !== null) return deps.publications;
  throw new SyncError('settingMissing', { problem: 'The configuration names no container for pointer documents.' });
}
