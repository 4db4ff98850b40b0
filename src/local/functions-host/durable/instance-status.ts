/** The status of an instance as the management API shows it. */
import { EventType } from './history.ts';
import type { HistoryEvent } from './history.ts';
import type { Instance } from './instance.ts';
import { parseJson } from '../json.ts';
import type { Json, JsonObject } from '../json.ts';

/** What a caller wants to see. */
export interface StatusOptions {
  readonly showInput: boolean;
  readonly showHistory: boolean;
  readonly showHistoryOutput: boolean;
}

/** The JSON of a status; `input` and `output` are always present. */
export function instanceStatus(instanceId: string, instance: Instance, options: StatusOptions): JsonObject {
  const { started } = instance;
  return {
    name: started.Name,
    instanceId,
    runtimeStatus: instance.status,
    input: options.showInput ? valueOf(started.Input) : null,
    customStatus: instance.customStatus,
    output: instance.output,
    createdTime: wholeSeconds(started.Timestamp),
    lastUpdatedTime: wholeSeconds(instance.lastUpdatedTime),
    ...(options.showHistory ? { historyEvents: historyEvents(instance.history, options.showHistoryOutput) } : {}),
  };
}

/** The simplified history: what was scheduled is folded into what it came to. */
function historyEvents(history: readonly HistoryEvent[], showOutput: boolean): readonly JsonObject[] {
  const scheduled = new Map<number, HistoryEvent>();
  const completed = new Set<number>();
  for (const event of history) {
    if (event.EventId >= 0) scheduled.set(event.EventId, event);
    if ('TaskScheduledId' in event) completed.add(event.TaskScheduledId);
  }
  return history.flatMap((event): readonly JsonObject[] => {
    const { EventType: type, EventId, Timestamp, ...fields } = event;
    const name = NAMES.get(type) ?? '';
    switch (event.EventType) {
      case EventType.OrchestratorStarted:
      case EventType.OrchestratorCompleted:
        return [];
      case EventType.ExecutionStarted:
        return [
          {
            EventType: name,
            Input: event.Input,
            Correlation: null,
            ParentTraceContext: null,
            ScheduledStartTime: null,
            Generation: event.Generation,
            GenerateNewTrace: false,
            Timestamp,
            FunctionName: event.Name,
          },
        ];
      case EventType.TaskScheduled:
      case EventType.SubOrchestrationInstanceCreated:
        if (completed.has(EventId)) return [];
        return [{ EventType: name, Name: event.Name, Input: null, ParentTraceContext: null, Tags: null, Timestamp }];
      case EventType.TaskCompleted:
      case EventType.SubOrchestrationInstanceCompleted:
      case EventType.TaskFailed:
      case EventType.SubOrchestrationInstanceFailed: {
        const origin = scheduled.get(event.TaskScheduledId);
        const failed = 'Reason' in event;
        return [
          {
            EventType: name,
            ...(failed ? { Reason: event.Reason, Details: event.Details, FailureDetails: null } : {}),
            ...(!failed && showOutput ? { Result: valueOf(event.Result) } : {}),
            Timestamp,
            ...(origin === undefined ? {} : { ScheduledTime: origin.Timestamp.replace('Z', '+00:00') }),
            ...(origin !== undefined && 'Name' in origin ? { FunctionName: origin.Name } : {}),
            Input: null,
          },
        ];
      }
      case EventType.TimerCreated:
      case EventType.TimerFired:
        return [{ EventType: name, FireAt: event.FireAt, Timestamp }];
      case EventType.EventRaised:
        return [{ EventType: name, Name: event.Name, Input: event.Input, ParentTraceContext: null, Timestamp }];
      case EventType.ExecutionCompleted:
        return [
          {
            EventType: name,
            OrchestrationStatus: event.OrchestrationStatus,
            ...(showOutput
              ? { Result: event.OrchestrationStatus === 'Completed' ? valueOf(event.Result) : event.Result }
              : {}),
            FailureDetails: null,
            Timestamp,
          },
        ];
      case EventType.ExecutionTerminated:
      case EventType.ExecutionSuspended:
      case EventType.ExecutionResumed:
        return [{ EventType: name, ...(fields as JsonObject), Timestamp }];
    }
  });
}

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(EventType).map(([name, number]) => [number, name]));

function valueOf(text: string | null): Json {
  if (text === null) return null;
  return parseJson(text) ?? (text === 'null' ? null : text);
}

function wholeSeconds(timestamp: string): string {
  return timestamp.replace(/\.\d+Z$/, 'Z');
}
