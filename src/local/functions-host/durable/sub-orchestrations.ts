/** Sub-orchestrations: which instance a parent starts, and what the child's end tells it. */
import { EventType } from './history.ts';
import type {
  ParentInstance,
  SubOrchestrationCompleted,
  SubOrchestrationCreated,
  SubOrchestrationFailed,
} from './history.ts';
import { isEnded, openWork } from './instance.ts';
import type { Instance } from './instance.ts';

/** What is to be done about a child that a parent's history says was created. */
export type ChildStep =
  | { readonly kind: 'start'; readonly parent: ParentInstance; readonly version: string | null }
  /** It runs: its end will be told. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'tell'; readonly event: SubOrchestrationCompleted | SubOrchestrationFailed };

/** The next step for a child; `existing` is the instance that has its id now. */
export function childStep(
  parent: Instance,
  created: SubOrchestrationCreated,
  existing: Instance | undefined,
  now: string,
): ChildStep {
  const { Name, OrchestrationInstance, Version } = parent.started;
  const link = existing?.started.ParentInstance;
  const isOurs =
    link?.OrchestrationInstance.ExecutionId === OrchestrationInstance.ExecutionId &&
    link.TaskScheduleId === created.EventId;
  if (existing !== undefined && isOurs) {
    return isEnded(existing.status)
      ? { kind: 'tell', event: childEnd(existing, created.EventId, now) }
      : { kind: 'wait' };
  }
  if (existing !== undefined && !isEnded(existing.status)) {
    const reason = `Sub-orchestration '${created.Name}' failed: instance ${created.InstanceId} already runs.`;
    const base = { EventId: -1, Timestamp: now, TaskScheduledId: created.EventId };
    const event = { ...base, EventType: EventType.SubOrchestrationInstanceFailed, Reason: reason, Details: reason };
    return { kind: 'tell', event };
  }
  return {
    kind: 'start',
    parent: { Name, OrchestrationInstance, TaskScheduleId: created.EventId, Version },
    version: created.Version ?? Version,
  };
}

/** What an ended instance has to tell its parent; undefined when there is none that waits for it. */
export function reportToParent(
  child: Instance,
  parent: Instance | undefined,
  now: string,
): SubOrchestrationCompleted | SubOrchestrationFailed | undefined {
  const link = child.started.ParentInstance;
  const sameExecution = parent?.started.OrchestrationInstance.ExecutionId === link?.OrchestrationInstance.ExecutionId;
  if (link === null || parent === undefined || !sameExecution) return undefined;
  const waiting = openWork(parent).subOrchestrations.some((each) => each.EventId === link.TaskScheduleId);
  return waiting ? childEnd(child, link.TaskScheduleId, now) : undefined;
}

function childEnd(child: Instance, id: number, now: string): SubOrchestrationCompleted | SubOrchestrationFailed {
  const base = { EventId: -1, Timestamp: now, TaskScheduledId: id };
  if (child.status === 'Completed') {
    return {
      ...base,
      EventType: EventType.SubOrchestrationInstanceCompleted,
      Result: JSON.stringify(child.output),
    };
  }
  const text = typeof child.output === 'string' ? child.output : JSON.stringify(child.output);
  const { Name, OrchestrationInstance } = child.started;
  return {
    ...base,
    EventType: EventType.SubOrchestrationInstanceFailed,
    Reason: `Sub-orchestration '${Name}' (${OrchestrationInstance.InstanceId}) failed: ${text}`,
    Details: text,
  };
}
