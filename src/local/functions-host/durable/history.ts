/**
 * The history of an orchestration as the Durable Functions replay protocol writes it (field names verbatim). Values in
 * `Input` and `Result` are JSON texts. The host keeps an activity's input with its TaskScheduled event, which the wire
 * form does not carry.
 */
import type { JsonObject } from '../json.ts';

/** Numbers of the history event types. */
export const EventType = {
  ExecutionStarted: 0,
  ExecutionCompleted: 1,
  ExecutionTerminated: 3,
  TaskScheduled: 4,
  TaskCompleted: 5,
  TaskFailed: 6,
  SubOrchestrationInstanceCreated: 7,
  SubOrchestrationInstanceCompleted: 8,
  SubOrchestrationInstanceFailed: 9,
  TimerCreated: 10,
  TimerFired: 11,
  OrchestratorStarted: 12,
  OrchestratorCompleted: 13,
  EventRaised: 15,
  ExecutionSuspended: 19,
  ExecutionResumed: 20,
} as const;

export type EventName = keyof typeof EventType;

interface Event<N extends EventName> {
  readonly EventType: (typeof EventType)[N];
  readonly EventId: number;
  /** ISO 8601, UTC. */
  readonly Timestamp: string;
}

/** Who started an orchestration as its sub-orchestration. */
export interface ParentInstance {
  readonly Name: string;
  readonly OrchestrationInstance: { readonly InstanceId: string; readonly ExecutionId: string };
  readonly TaskScheduleId: number;
  readonly Version: string | null;
}

export type ExecutionStarted = Event<'ExecutionStarted'> & {
  readonly OrchestrationInstance: { readonly InstanceId: string; readonly ExecutionId: string };
  readonly ParentInstance: ParentInstance | null;
  readonly Name: string;
  readonly Version: string | null;
  readonly Input: string | null;
  /** Counts restarts of the id; null in generations that continueAsNew began. */
  readonly Generation: number | null;
};
export type TaskScheduled = Event<'TaskScheduled'> & { readonly Name: string; readonly Input: string | null };
export type TaskCompleted = Event<'TaskCompleted'> & {
  readonly TaskScheduledId: number;
  readonly Result: string | null;
};
export type TaskFailed = Event<'TaskFailed'> & {
  readonly TaskScheduledId: number;
  readonly Reason: string;
  readonly Details: string;
};
export type SubOrchestrationCreated = Event<'SubOrchestrationInstanceCreated'> & {
  readonly Name: string;
  readonly Version: string | null;
  readonly InstanceId: string;
  readonly Input: string | null;
};
export type SubOrchestrationCompleted = Event<'SubOrchestrationInstanceCompleted'> & {
  readonly TaskScheduledId: number;
  readonly Result: string | null;
};
export type SubOrchestrationFailed = Event<'SubOrchestrationInstanceFailed'> & {
  readonly TaskScheduledId: number;
  readonly Reason: string;
  readonly Details: string;
};
export type TimerCreated = Event<'TimerCreated'> & { readonly FireAt: string };
export type TimerFired = Event<'TimerFired'> & { readonly TimerId: number; readonly FireAt: string };
export type EventRaised = Event<'EventRaised'> & { readonly Name: string; readonly Input: string | null };
export type ExecutionSuspended = Event<'ExecutionSuspended'> & { readonly Reason: string | null };
export type ExecutionResumed = Event<'ExecutionResumed'> & { readonly Reason: string | null };
export type ExecutionTerminated = Event<'ExecutionTerminated'> & { readonly Input: string | null };
export type ExecutionCompleted = Event<'ExecutionCompleted'> & {
  readonly OrchestrationStatus: 'Completed' | 'Failed' | 'Terminated';
  readonly Result: string | null;
};

/** One entry of a history. */
export type HistoryEvent =
  | ExecutionStarted
  | TaskScheduled
  | TaskCompleted
  | TaskFailed
  | SubOrchestrationCreated
  | SubOrchestrationCompleted
  | SubOrchestrationFailed
  | TimerCreated
  | TimerFired
  | EventRaised
  | ExecutionSuspended
  | ExecutionResumed
  | ExecutionTerminated
  | ExecutionCompleted
  | Event<'OrchestratorStarted'>
  | Event<'OrchestratorCompleted'>;

/** Events that finish something an orchestrator waits for. */
export type Completion =
  | TaskCompleted
  | TaskFailed
  | SubOrchestrationCompleted
  | SubOrchestrationFailed
  | TimerFired
  | EventRaised;

/** Events that reach an instance from outside an episode: they wait in its inbox. */
export type InboxEvent = Completion | ExecutionSuspended | ExecutionResumed | ExecutionTerminated;

const NEVER_PLAYED: ReadonlySet<number> = new Set([
  EventType.OrchestratorStarted,
  EventType.OrchestratorCompleted,
  EventType.TaskScheduled,
  EventType.TimerCreated,
  EventType.SubOrchestrationInstanceCreated,
]);

/** Fields of the wire form that say nothing here. The input of what was scheduled does not travel. */
const WIRE_FIELDS: Partial<Record<number, JsonObject>> = {
  [EventType.ExecutionStarted]: {
    Tags: null,
    Correlation: null,
    ParentTraceContext: null,
    ScheduledStartTime: null,
    GenerateNewTrace: false,
  },
  [EventType.TaskScheduled]: { Version: '', Input: null, ParentTraceContext: null, Tags: null },
  [EventType.SubOrchestrationInstanceCreated]: { Input: null, ClientSpanId: null, Tags: null },
  [EventType.TaskFailed]: { FailureDetails: null },
  [EventType.SubOrchestrationInstanceFailed]: { FailureDetails: null },
  [EventType.EventRaised]: { ParentTraceContext: null },
};

/** The wire form of an event. `played` = it was in the history before this episode. */
export function wireEvent(event: HistoryEvent, played: boolean): JsonObject {
  const base = { ...event, IsPlayed: played && !NEVER_PLAYED.has(event.EventType) };
  return { ...base, ...WIRE_FIELDS[event.EventType] } as unknown as JsonObject;
}
