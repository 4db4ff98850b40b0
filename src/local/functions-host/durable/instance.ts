/** One orchestration instance: a pure fold of the records that its journal holds. */
import { EventType } from './history.ts';
import type { ExecutionStarted, HistoryEvent, InboxEvent } from './history.ts';
import type { Json } from '../json.ts';

export const RUNTIME_STATUSES = [
  'Running',
  'Completed',
  'ContinuedAsNew',
  'Failed',
  'Canceled',
  'Terminated',
  'Pending',
  'Suspended',
] as const;
export type RuntimeStatus = (typeof RUNTIME_STATUSES)[number];

/**
 * A record of the journal.
 * - `generation`: a new execution (start, restart, continueAsNew). Always the first record of a journal.
 * - `arrived`: an event for the inbox.
 * - `episode`: the orchestrator ran; `consumed` inbox events moved to the history, followed by `events`.
 */
export type InstanceRecord =
  | {
      readonly record: 'generation';
      readonly started: ExecutionStarted;
      /** Begin of the history besides ExecutionStarted: filled by continueAsNew only. */
      readonly history: readonly HistoryEvent[];
      readonly inbox: readonly InboxEvent[];
      readonly customStatus: Json;
    }
  | { readonly record: 'arrived'; readonly event: InboxEvent }
  | {
      readonly record: 'episode';
      readonly at: string;
      readonly consumed: number;
      /** OrchestratorStarted, then (in the history) the consumed events, then these. */
      readonly started: HistoryEvent | undefined;
      readonly events: readonly HistoryEvent[];
      readonly status: RuntimeStatus;
      readonly customStatus: Json;
      readonly output: Json;
    };

/** The state of an instance. Arrays grow in place: a copy per event would cost the square of the history. */
export interface Instance {
  readonly started: ExecutionStarted;
  readonly history: HistoryEvent[];
  readonly inbox: InboxEvent[];
  /** True once an episode of this generation has been persisted. */
  ran: boolean;
  status: RuntimeStatus;
  customStatus: Json;
  output: Json;
  lastUpdatedTime: string;
}

const ENDED: ReadonlySet<RuntimeStatus> = new Set(['Completed', 'Failed', 'Canceled', 'Terminated']);

/** True when nothing will happen to an instance of this status any more. */
export function isEnded(status: RuntimeStatus): boolean {
  return ENDED.has(status);
}

/** Applies a record; a `generation` starts over. */
export function applyRecord(instance: Instance | undefined, record: InstanceRecord): Instance | undefined {
  if (record.record === 'generation') {
    return {
      started: record.started,
      history: [...record.history],
      inbox: [...record.inbox],
      ran: false,
      status: record.history.length === 0 ? 'Pending' : 'Running',
      customStatus: record.customStatus,
      output: null,
      lastUpdatedTime: record.started.Timestamp,
    };
  }
  if (instance === undefined) return undefined;
  if (record.record === 'arrived') {
    instance.inbox.push(record.event);
    return instance;
  }
  if (record.started !== undefined) instance.history.push(record.started);
  // The first episode of a generation also takes ExecutionStarted into the history.
  if (!instance.history.some((event) => event.EventType === EventType.ExecutionStarted)) {
    instance.history.push(instance.started);
  }
  instance.history.push(...instance.inbox.splice(0, record.consumed), ...record.events);
  instance.ran = true;
  instance.status = record.status;
  instance.customStatus = record.customStatus;
  instance.output = record.output;
  instance.lastUpdatedTime = record.at;
  return instance;
}

/** What an instance waits for that somebody has to do: found from its history and inbox alone, so also after a crash. */
export interface OpenWork {
  readonly activities: readonly { readonly id: number; readonly name: string; readonly input: string | null }[];
  readonly timers: readonly { readonly id: number; readonly fireAt: string }[];
  readonly subOrchestrations: readonly Extract<
    HistoryEvent,
    { EventType: typeof EventType.SubOrchestrationInstanceCreated }
  >[];
}

/** Open work of an instance; nothing when it has ended. */
export function openWork(instance: Instance): OpenWork {
  if (isEnded(instance.status)) return { activities: [], timers: [], subOrchestrations: [] };
  const completed = completedIds([...instance.history, ...instance.inbox]);
  const open = instance.history.filter((event) => !completed.has(event.EventId));
  return {
    activities: open.flatMap((event) =>
      event.EventType === EventType.TaskScheduled ? [{ id: event.EventId, name: event.Name, input: event.Input }] : [],
    ),
    timers: open.flatMap((event) =>
      event.EventType === EventType.TimerCreated ? [{ id: event.EventId, fireAt: event.FireAt }] : [],
    ),
    subOrchestrations: open.filter((event) => event.EventType === EventType.SubOrchestrationInstanceCreated),
  };
}

function completedIds(events: readonly HistoryEvent[]): ReadonlySet<number> {
  const ids = new Set<number>();
  for (const event of events) {
    if ('TaskScheduledId' in event) ids.add(event.TaskScheduledId);
    else if ('TimerId' in event) ids.add(event.TimerId);
  }
  return ids;
}
