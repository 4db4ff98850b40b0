/** One run of an orchestrator, as plain data: what it is asked, and what its answer makes of the instance. */
import { EventType, wireEvent } from './history.ts';
import type { EventRaised, ExecutionStarted, HistoryEvent } from './history.ts';
import { isEnded } from './instance.ts';
import type { Instance, InstanceRecord, RuntimeStatus } from './instance.ts';
import type { Json } from '../json.ts';
import { parseJson } from '../json.ts';
import type { Action, OrchestratorResult } from './orchestrator-result.ts';
import type { Operation } from './operation.ts';
import { replay } from './replay.ts';
import type { TimerLimits } from './replay.ts';

/** Longest message that may pass between functions, as on the Durable Task Scheduler; bytes of JSON text. */
export const MAXIMUM_MESSAGE_BYTES = 1_048_576;
const MAXIMUM_CUSTOM_STATUS_BYTES = 16_384;

const TIMER_LIMITS: TimerLimits = { maximumShort: 6 * 86_400_000, pieceLength: 3 * 86_400_000 };

/** The history an episode works on. */
export interface Episode {
  readonly instance: Instance;
  readonly instanceId: string;
  /** OrchestratorStarted of this episode; undefined for the one that follows continueAsNew at once. */
  readonly started: HistoryEvent | undefined;
  readonly consumed: number;
  readonly history: readonly HistoryEvent[];
  /** How many events at the begin of `history` are from before this episode. */
  readonly past: number;
}

/** What an episode decided: the record to persist, and timers that need not fire any more. */
export interface EpisodeDecision {
  readonly record: Exclude<InstanceRecord, { record: 'arrived' }>;
  readonly canceledTimers: readonly number[];
  readonly failure: string | undefined;
}

/** The episode that takes in everything that has arrived so far. */
export function nextEpisode(instanceId: string, instance: Instance, now: string): Episode {
  const started: HistoryEvent | undefined =
    instance.ran || instance.history.length === 0
      ? { EventType: EventType.OrchestratorStarted, EventId: -1, Timestamp: now }
      : undefined;
  const first = !instance.history.some((event) => event.EventType === EventType.ExecutionStarted);
  const fresh: HistoryEvent[] = [
    ...(started === undefined ? [] : [started]),
    ...(first ? [instance.started] : []),
    ...instance.inbox,
  ];
  return {
    instance,
    instanceId,
    started,
    consumed: instance.inbox.length,
    history: [...instance.history, ...fresh],
    past: instance.ran ? instance.history.length : 0,
  };
}

/**
 * False when an episode would change nothing: the orchestrator still waits for the same action, and nothing new is to
 * be scheduled. Skipping such episodes keeps a wide fan-out linear.
 */
export function wouldAdvance(episode: Episode, knownActions: readonly Action[]): boolean {
  const lifecycle = episode.instance.inbox.some(
    (event) =>
      event.EventType === EventType.ExecutionSuspended ||
      event.EventType === EventType.ExecutionResumed ||
      event.EventType === EventType.ExecutionTerminated,
  );
  if (lifecycle || !episode.instance.ran) return true;
  const before = replay(episode.instance.history, knownActions, TIMER_LIMITS);
  const after = replay(episode.history, knownActions, TIMER_LIMITS);
  return after.finishedActions !== before.finishedActions || after.newOperations.length > 0;
}

const playedText = new WeakMap<HistoryEvent, string>();

/** The text an orchestrator function is called with. */
export function orchestratorInput(episode: Episode): string {
  const { started } = episode.instance;
  const events = episode.history.map((event, index) => {
    if (index >= episode.past) {
      // Events carried over by continueAsNew stand in the history of the new generation as played.
      const carried =
        !episode.instance.ran && event.EventType === EventType.EventRaised && episode.started === undefined;
      return JSON.stringify(wireEvent(event, carried));
    }
    let text = playedText.get(event);
    if (text === undefined) {
      text = JSON.stringify(wireEvent(event, true));
      playedText.set(event, text);
    }
    return text;
  });
  const rest = JSON.stringify({
    input: started.Input === null ? null : parseJson(started.Input),
    instanceId: episode.instanceId,
    isReplaying: episode.instance.ran,
    parentInstanceId: started.ParentInstance?.OrchestrationInstance.InstanceId ?? null,
    upperSchemaVersion: 1,
    upperSchemaVersionNew: 3,
    longRunningTimerIntervalDuration: '3.00:00:00',
    maximumShortTimerDuration: '6.00:00:00',
    defaultHttpAsyncRequestSleepTimeMillseconds: 30000,
  });
  return `{"history":[${events.join(',')}],${rest.slice(1)}`;
}

/**
 * What the orchestrator's answer makes of the instance. `newExecutionId` is used by continueAsNew;
 * `loseCarriedEvents` is asked when it has events to carry over: a fault.
 */
export function decideEpisode(
  episode: Episode,
  result: OrchestratorResult,
  now: string,
  newExecutionId: string,
  loseCarriedEvents: () => boolean = () => false,
): EpisodeDecision {
  const outcome = replay(episode.history, result.actions, TIMER_LIMITS);
  if (outcome.nonDeterminism !== undefined) return failed(episode, outcome.nonDeterminism, now);
  const tooLong = oversized(result, outcome.newOperations, outcome.continueAsNew?.input);
  if (tooLong !== undefined) return failed(episode, prefixed(episode, tooLong), now);
  const customStatus = result.customStatus ?? null;
  if (outcome.suspended) {
    return { ...going(episode, [], 'Suspended', customStatus, now), canceledTimers: [] };
  }
  if (outcome.continueAsNew !== undefined) {
    const { carriedOver } = outcome.continueAsNew;
    const carried = carriedOver.length > 0 && loseCarriedEvents() ? [] : carriedOver;
    const input = JSON.stringify(outcome.continueAsNew.input ?? null);
    return {
      record: nextGeneration(episode, input, carried, customStatus, now, newExecutionId),
      canceledTimers: [],
      failure: undefined,
    };
  }
  if (outcome.settled && result.error !== undefined) {
    return failed(episode, prefixed(episode, result.error), now, customStatus);
  }
  if (outcome.settled && result.isDone) return ended(episode, 'Completed', result.output, customStatus, now);
  const events = outcome.newOperations.map((operation) => scheduledEvent(operation, episode.instance.started, now));
  return { ...going(episode, events, 'Running', customStatus, now), canceledTimers: outcome.canceledTimers };
}

/** The end of an instance that somebody terminated. */
export function terminateEpisode(episode: Episode, reason: string | null, now: string): EpisodeDecision {
  return ended(episode, 'Terminated', reason, episode.instance.customStatus, now);
}

/** The end of an instance whose orchestrator cannot go on; `output` is the text that its status shows. */
export function failed(
  episode: Episode,
  output: string,
  now: string,
  customStatus: Json = episode.instance.customStatus,
): EpisodeDecision {
  return { ...ended(episode, 'Failed', output, customStatus, now), failure: output };
}

/** `Orchestrator function 'x' failed: …`, as the status of a failed instance begins. */
export function prefixed(episode: Episode, message: string): string {
  return `Orchestrator function '${episode.instance.started.Name}' failed: ${message}`;
}

function going(
  episode: Episode,
  scheduled: readonly HistoryEvent[],
  status: RuntimeStatus,
  customStatus: Json,
  now: string,
): Pick<EpisodeDecision, 'record' | 'failure'> {
  return {
    record: {
      record: 'episode',
      at: now,
      consumed: episode.consumed,
      started: episode.started,
      events: [...scheduled, { EventType: EventType.OrchestratorCompleted, EventId: -1, Timestamp: now }],
      status,
      customStatus,
      output: suspendReason(episode),
    },
    failure: undefined,
  };
}

/** The official status shows the reason of the last suspend or resume as output until the instance ends. */
function suspendReason(episode: Episode): Json {
  let reason: Json = episode.instance.output;
  for (const event of episode.instance.inbox) {
    if (event.EventType === EventType.ExecutionSuspended || event.EventType === EventType.ExecutionResumed) {
      reason = event.Reason;
    }
  }
  return reason;
}

function ended(
  episode: Episode,
  status: 'Completed' | 'Failed' | 'Terminated',
  output: Json,
  customStatus: Json,
  now: string,
): EpisodeDecision {
  if (isEnded(episode.instance.status)) throw new Error('An ended instance cannot end again.');
  return {
    record: {
      record: 'episode',
      at: now,
      consumed: episode.consumed,
      started: episode.started,
      events: [
        {
          EventType: EventType.ExecutionCompleted,
          EventId: -1,
          Timestamp: now,
          OrchestrationStatus: status,
          Result: status === 'Completed' ? JSON.stringify(output) : (output as string | null),
        },
        { EventType: EventType.OrchestratorCompleted, EventId: -1, Timestamp: now },
      ],
      status,
      customStatus,
      output,
    },
    canceledTimers: [],
    failure: undefined,
  };
}

function nextGeneration(
  episode: Episode,
  input: string,
  carriedOver: readonly EventRaised[],
  customStatus: Json,
  now: string,
  executionId: string,
): EpisodeDecision['record'] {
  const previous = episode.instance.started;
  const started: ExecutionStarted = {
    ...previous,
    OrchestrationInstance: { InstanceId: episode.instanceId, ExecutionId: executionId },
    Input: input,
    Generation: null,
    Timestamp: now,
  };
  return {
    record: 'generation',
    started,
    history: [
      { EventType: EventType.OrchestratorStarted, EventId: -1, Timestamp: now },
      started,
      ...carriedOver,
      { EventType: EventType.OrchestratorCompleted, EventId: -1, Timestamp: now },
    ],
    // What arrived while the orchestrator ran stays, unless it answers to the old execution.
    inbox: episode.instance.inbox
      .slice(episode.consumed)
      .filter((event) => !('TaskScheduledId' in event) && !('TimerId' in event)),
    customStatus,
  };
}

function scheduledEvent(operation: Operation, parent: ExecutionStarted, now: string): HistoryEvent {
  const base = { EventId: operation.id, Timestamp: now };
  switch (operation.kind) {
    case 'activity':
      return {
        ...base,
        EventType: EventType.TaskScheduled,
        Name: operation.name,
        Input: activityText(operation.input),
      };
    case 'timer':
      return { ...base, EventType: EventType.TimerCreated, FireAt: new Date(operation.fireAt).toISOString() };
    case 'subOrchestration':
      return {
        ...base,
        EventType: EventType.SubOrchestrationInstanceCreated,
        Name: operation.name,
        Version: operation.version ?? parent.Version,
        InstanceId:
          operation.instanceId ??
          `${parent.OrchestrationInstance.ExecutionId}:${operation.id.toString(16).padStart(8, '0')}`,
        Input: operation.input === undefined ? null : JSON.stringify(operation.input),
      };
  }
}

/**
 * An activity's input as the worker gets it. The SDK has already made JSON text of strings, so those pass as they are;
 * booleans arrive as .NET prints them; null and undefined arrive as nothing.
 */
function activityText(input: Json | undefined): string | null {
  if (input === undefined || input === null) return null;
  if (typeof input === 'string') return input;
  if (typeof input === 'boolean') return input ? 'True' : 'False';
  return JSON.stringify(input);
}

function oversized(
  result: OrchestratorResult,
  operations: readonly Operation[],
  nextInput: Json | undefined,
): string | undefined {
  for (const operation of operations) {
    if (operation.kind !== 'timer' && jsonBytes(operation.input) > MAXIMUM_MESSAGE_BYTES) {
      return messageTooLong(`The input of '${operation.name}'`);
    }
  }
  if (jsonBytes(nextInput) > MAXIMUM_MESSAGE_BYTES) return messageTooLong('The input of continueAsNew');
  if (jsonBytes(result.output) > MAXIMUM_MESSAGE_BYTES) return messageTooLong('The output');
  if (Buffer.byteLength(JSON.stringify(result.customStatus ?? null), 'utf16le') > MAXIMUM_CUSTOM_STATUS_BYTES) {
    return `The custom status is longer than 16 KB (UTF-16).`;
  }
  return undefined;
}

function jsonBytes(value: Json | undefined): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}

/** The refusal of a message above the limit; `what` begins the sentence. */
export function messageTooLong(what: string): string {
  return `${what} is longer than ${MAXIMUM_MESSAGE_BYTES} bytes: pass a reference instead.`;
}
