/**
 * Pure replay of an orchestrator's actions against its history, as the Durable extension does it: actions are taken
 * one after another, each is awaited before the next starts, children of WhenAll and WhenAny start together, and ids
 * are handed out in the order in which things are scheduled. What has an id but no event in the history is new.
 */
import type { Json } from '../json.ts';
import { EventType } from './history.ts';
import type { Completion, EventRaised, HistoryEvent } from './history.ts';
import { findMismatch } from './operation.ts';
import type { Operation } from './operation.ts';
import type { Action, RetryOptions } from './orchestrator-result.ts';

/** What a replay shows. */
export interface ReplayOutcome {
  /** Scheduled by the actions and not yet in the history. */
  readonly newOperations: readonly Operation[];
  /** Ids of timers in the history that the orchestrator has cancelled since. */
  readonly canceledTimers: readonly number[];
  /** How many top-level actions are finished. */
  readonly finishedActions: number;
  /** True when every action is finished, so that the orchestrator's end counts. */
  readonly settled: boolean;
  readonly suspended: boolean;
  readonly continueAsNew:
    | { readonly input: Json | undefined; readonly carriedOver: readonly EventRaised[] }
    | undefined;
  /** Set when the history does not fit the actions. */
  readonly nonDeterminism: string | undefined;
}

/** Timers longer than `maximumShort` are cut into pieces of `pieceLength`; milliseconds. */
export interface TimerLimits {
  readonly maximumShort: number;
  readonly pieceLength: number;
}

interface Node {
  done: boolean;
  readonly parent: Node | undefined;
  /** Only of WhenAll and WhenAny. */
  readonly compound?: { readonly any: boolean; readonly children: Node[] };
}

interface OpenOperation {
  readonly operation: Operation;
  readonly node: Node;
  created: boolean;
  completed: boolean;
  /** Runs when a completion arrives; finishes the node or schedules what comes next. */
  readonly onCompletion: (succeeded: boolean) => void;
}

/** Replays `actions` against `history`. */
export function replay(
  history: readonly HistoryEvent[],
  actions: readonly Action[],
  timerLimits: TimerLimits,
): ReplayOutcome {
  return new Replay(actions, timerLimits).run(history);
}

class Replay {
  readonly #actions: readonly Action[];
  readonly #limits: TimerLimits;
  readonly #operations = new Map<number, OpenOperation>();
  readonly #waiters = new Map<string, Node[]>();
  readonly #buffered = new Map<string, number>();
  readonly #carriedOver: EventRaised[] = [];
  #nextId = 0;
  #cursor = 0;
  #current: Node | undefined;
  #now = 0;
  #started = false;
  #suspended = false;
  #whileSuspended: Completion[] = [];
  #continueAsNew: Extract<Action, { kind: 'continueAsNew' }> | undefined;
  #nonDeterminism: string | undefined;

  constructor(actions: readonly Action[], limits: TimerLimits) {
    this.#actions = actions;
    this.#limits = limits;
  }

  run(history: readonly HistoryEvent[]): ReplayOutcome {
    for (const event of history) {
      this.#process(event);
      if (this.#nonDeterminism !== undefined) break;
    }
    const open = [...this.#operations.values()].filter((each) => !each.completed);
    return {
      newOperations: open.filter((each) => !each.created).map((each) => each.operation),
      canceledTimers: open
        .filter((each) => each.created && each.operation.kind === 'timer' && each.operation.isCanceled)
        .map((each) => each.operation.id),
      finishedActions: this.#cursor,
      settled: this.#cursor >= this.#actions.length && this.#started,
      suspended: this.#suspended,
      continueAsNew:
        this.#continueAsNew === undefined
          ? undefined
          : { input: this.#continueAsNew.input, carriedOver: this.#carriedOver },
      nonDeterminism: this.#nonDeterminism,
    };
  }

  #process(event: HistoryEvent): void {
    switch (event.EventType) {
      case EventType.OrchestratorStarted:
        this.#now = Math.max(this.#now, Date.parse(event.Timestamp));
        break;
      case EventType.ExecutionStarted:
        this.#started = true;
        this.#advance();
        break;
      case EventType.TaskScheduled:
        this.#match(event.EventId, 'activity', event.Name);
        break;
      case EventType.SubOrchestrationInstanceCreated:
        this.#match(event.EventId, 'subOrchestration', event.Name);
        break;
      case EventType.TimerCreated:
        this.#match(event.EventId, 'timer', undefined);
        break;
      case EventType.ExecutionSuspended:
        this.#suspended = true;
        break;
      case EventType.ExecutionResumed:
        this.#resume();
        break;
      case EventType.TaskCompleted:
      case EventType.TaskFailed:
      case EventType.SubOrchestrationInstanceCompleted:
      case EventType.SubOrchestrationInstanceFailed:
      case EventType.TimerFired:
      case EventType.EventRaised:
        if (this.#suspended) this.#whileSuspended.push(event);
        else this.#deliver(event);
        break;
      case EventType.ExecutionTerminated:
      case EventType.ExecutionCompleted:
      case EventType.OrchestratorCompleted:
        break;
    }
  }

  #resume(): void {
    this.#suspended = false;
    for (const event of this.#whileSuspended.splice(0)) this.#deliver(event);
  }

  #deliver(event: Completion): void {
    switch (event.EventType) {
      case EventType.TaskCompleted:
      case EventType.SubOrchestrationInstanceCompleted:
        this.#complete(event.TaskScheduledId, true);
        break;
      case EventType.TaskFailed:
      case EventType.SubOrchestrationInstanceFailed:
        this.#complete(event.TaskScheduledId, false);
        break;
      case EventType.TimerFired:
        this.#complete(event.TimerId, true);
        break;
      case EventType.EventRaised:
        this.#raise(event);
        break;
    }
    this.#advance();
  }

  #match(id: number, kind: Operation['kind'], name: string | undefined): void {
    const open = this.#operations.get(id);
    this.#nonDeterminism = findMismatch({ kind, id, name }, open?.operation);
    if (open !== undefined) open.created = true;
  }

  #complete(id: number, succeeded: boolean): void {
    const open = this.#operations.get(id);
    if (open === undefined || open.completed) return;
    open.completed = true;
    open.onCompletion(succeeded);
  }

  #raise(event: EventRaised): void {
    if (this.#continueAsNew !== undefined) {
      this.#carriedOver.push(event);
      return;
    }
    const waiter = this.#waiters.get(event.Name)?.pop();
    if (waiter === undefined) this.#buffered.set(event.Name, (this.#buffered.get(event.Name) ?? 0) + 1);
    else finish(waiter);
  }

  #advance(): void {
    if (!this.#started) return;
    while (this.#continueAsNew === undefined) {
      if (this.#current === undefined) {
        const action = this.#actions[this.#cursor];
        if (action === undefined) return;
        if (action.kind === 'continueAsNew') {
          this.#continueAsNew = action;
          this.#cursor = this.#actions.length;
          return;
        }
        this.#current = this.#begin(action, undefined);
      }
      if (!this.#current.done) return;
      this.#current = undefined;
      this.#cursor += 1;
    }
  }

  #begin(action: Action, parent: Node | undefined): Node {
    const node: Node = { done: false, parent };
    switch (action.kind) {
      case 'callActivity':
        this.#attempt(node, (id) => ({ kind: 'activity', id, name: action.name, input: action.input }), action.retry);
        return node;
      case 'callSubOrchestrator':
        this.#attempt(
          node,
          (id) => ({
            kind: 'subOrchestration',
            id,
            name: action.name,
            instanceId: action.instanceId,
            version: action.version,
            input: action.input,
          }),
          action.retry,
        );
        return node;
      case 'createTimer':
        this.#timer(node, action.fireAt, action.isCanceled);
        return node;
      case 'waitForExternalEvent':
        this.#waitForEvent(node, action.name);
        return node;
      case 'whenAny':
      case 'whenAll': {
        const compound: Node = { done: false, parent, compound: { any: action.kind === 'whenAny', children: [] } };
        for (const child of action.children) compound.compound?.children.push(this.#begin(child, compound));
        settleCompound(compound);
        return compound;
      }
      case 'continueAsNew':
        // Only ever at top level, where #advance takes it; inside a compound it has no meaning.
        node.done = true;
        return node;
    }
  }

  /** Schedules an activity or sub-orchestration; every failure under a retry policy is followed by a timer. */
  #attempt(node: Node, operation: (id: number) => Operation, retry: RetryOptions | undefined, attempt = 1): void {
    this.#open(operation(this.#nextId), node, (succeeded) => {
      if (succeeded || retry === undefined) {
        finish(node);
        return;
      }
      const last = attempt >= retry.maxNumberOfAttempts;
      const delay = Math.min(
        retry.maxRetryIntervalInMilliseconds,
        retry.firstRetryIntervalInMilliseconds * retry.backoffCoefficient ** (attempt - 1),
      );
      const fireAt = this.#now + (last ? 0 : delay);
      this.#open({ kind: 'timer', id: this.#nextId, fireAt, isCanceled: false }, node, () => {
        if (last) finish(node);
        else this.#attempt(node, operation, retry, attempt + 1);
      });
    });
  }

  #timer(node: Node, fireAt: number, isCanceled: boolean): void {
    const pieceEnd = fireAt - this.#now > this.#limits.maximumShort ? this.#now + this.#limits.pieceLength : fireAt;
    this.#open({ kind: 'timer', id: this.#nextId, fireAt: pieceEnd, isCanceled }, node, () => {
      if (pieceEnd < fireAt && this.#now < fireAt) this.#timer(node, fireAt, isCanceled);
      else finish(node);
    });
  }

  #waitForEvent(node: Node, name: string): void {
    const buffered = this.#buffered.get(name) ?? 0;
    if (buffered > 0) {
      this.#buffered.set(name, buffered - 1);
      node.done = true;
      return;
    }
    const waiters = this.#waiters.get(name) ?? [];
    waiters.push(node);
    this.#waiters.set(name, waiters);
  }

  #open(operation: Operation, node: Node, onCompletion: (succeeded: boolean) => void): void {
    this.#nextId += 1;
    this.#operations.set(operation.id, { operation, node, created: false, completed: false, onCompletion });
  }
}

function finish(node: Node): void {
  node.done = true;
  if (node.parent !== undefined) settleCompound(node.parent);
}

function settleCompound(node: Node): void {
  if (node.compound === undefined || node.done) return;
  const { any, children } = node.compound;
  const done = any ? children.some((child) => child.done) : children.every((child) => child.done);
  if (done) finish(node);
}
