/**
 * The Durable engine of one task hub: runs episodes, activities and timers of its instances, event driven. Every record
 * is on disk before its effects start; after a crash `start` finds all open work again.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../shared/clock.ts';
import type { Log } from '../../../shared/telemetry.ts';
import { AlarmQueue } from '../alarm-queue.ts';
import type { FaultPlan } from '../faults.ts';
import type { HostConfiguration } from '../host-json.ts';
import { Limiter } from '../limiter.ts';
import type { ActivityOutcome, ActivityRunner } from './activity-runner.ts';
import { decideEpisode, failed, nextEpisode, prefixed, terminateEpisode, wouldAdvance } from './episode.ts';
import type { Episode, EpisodeDecision } from './episode.ts';
import { EventType } from './history.ts';
import type { ExecutionStarted, InboxEvent, ParentInstance, SubOrchestrationCreated } from './history.ts';
import { isEnded, openWork } from './instance.ts';
import type { Instance } from './instance.ts';
import type { InstanceStore } from './instance-store.ts';
import type { Action } from './orchestrator-result.ts';
import type { OrchestratorRunner } from './orchestrator-runner.ts';
import { childStep, reportToParent } from './sub-orchestrations.ts';
import { versionVerdict } from './version-match.ts';

/** What a task hub is made of. */
export interface TaskHubParts {
  readonly configuration: HostConfiguration['durable'];
  readonly store: InstanceStore;
  readonly orchestrators: OrchestratorRunner;
  readonly activities: ActivityRunner;
  readonly clock: Clock;
  readonly faults: FaultPlan;
  readonly log: Log;
}

/** A new orchestration as a client asks for it; `input` is JSON text. */
export interface StartRequest {
  readonly name: string;
  readonly instanceId: string;
  readonly input: string | null;
  readonly version: string | undefined;
}

/** What happened to an event for an instance. */
export type Delivery = 'accepted' | 'notFound' | 'ended';

const CRASH_RETRY_MILLISECONDS = 500;
const MOST_CRASHES = 10;

/** Runs the orchestrations of a store. */
export class TaskHub {
  readonly #parts: TaskHubParts;
  readonly #alarms: AlarmQueue;
  readonly #limiter: Limiter;
  readonly #busy = new Set<string>();
  readonly #scheduled = new Set<string>();
  readonly #knownActions = new Map<string, readonly Action[]>();
  readonly #crashes = new Map<string, number>();
  #running = false;

  constructor(parts: TaskHubParts) {
    this.#parts = parts;
    this.#alarms = new AlarmQueue(parts.clock);
    this.#limiter = new Limiter(parts.configuration.maxConcurrentOrchestrators);
  }

  /** Takes up all open work of the store. */
  start(): void {
    this.#running = true;
    for (const [instanceId, instance] of this.#parts.store.list()) {
      if (isEnded(instance.status)) this.#reportToParent(instance);
      else this.#takeUp(instanceId, instance);
    }
  }

  /** Begins nothing new; what runs in workers is abandoned and taken up by the next start. */
  stop(): void {
    this.#running = false;
    this.#alarms.close();
  }

  get(instanceId: string): Instance | undefined {
    return this.#parts.store.get(instanceId);
  }

  list(): readonly (readonly [string, Instance])[] {
    return this.#parts.store.list();
  }

  /** Starts an instance, or tells the status of the one that stands in the way. */
  begin(request: StartRequest): { readonly kind: 'started' } | { readonly kind: 'exists'; readonly status: string } {
    const { configuration, store } = this.#parts;
    const existing = store.get(request.instanceId);
    const overridable = configuration.overridableExistingInstanceStates === 'AnyState';
    if (existing !== undefined && !isEnded(existing.status) && !overridable) {
      return { kind: 'exists', status: existing.status };
    }
    const generation = existing === undefined ? 0 : (existing.started.Generation ?? 0) + 1;
    this.#beginExecution(request, request.version ?? configuration.defaultVersion, generation, null);
    return { kind: 'started' };
  }

  /** Delivers an event from outside an orchestration. */
  deliver(instanceId: string, event: InboxEvent): Delivery {
    const instance = this.#parts.store.get(instanceId);
    if (instance === undefined) return 'notFound';
    if (isEnded(instance.status)) return 'ended';
    this.#parts.store.append(instanceId, { record: 'arrived', event });
    this.#schedule(instanceId);
    return 'accepted';
  }

  /** Removes an ended instance. The caller has checked that it ended. */
  purge(instanceId: string): void {
    this.#forget(instanceId);
    this.#parts.store.remove(instanceId);
  }

  #now(): string {
    return new Date(this.#parts.clock.now()).toISOString();
  }

  #beginExecution(
    request: Omit<StartRequest, 'version'>,
    version: string | null,
    generation: number | null,
    parent: ParentInstance | null,
  ): void {
    this.#forget(request.instanceId);
    const started: ExecutionStarted = {
      EventType: EventType.ExecutionStarted,
      EventId: -1,
      Timestamp: this.#now(),
      OrchestrationInstance: { InstanceId: request.instanceId, ExecutionId: randomUUID() },
      ParentInstance: parent,
      Name: request.name,
      Version: version,
      Input: request.input,
      Generation: generation,
    };
    this.#parts.store.append(request.instanceId, {
      record: 'generation',
      started,
      history: [],
      inbox: [],
      customStatus: null,
    });
    this.#schedule(request.instanceId);
  }

  #forget(instanceId: string): void {
    this.#knownActions.delete(instanceId);
    this.#crashes.delete(instanceId);
    this.#alarms.clearAll(`${instanceId}\n`);
  }

  #takeUp(instanceId: string, instance: Instance): void {
    const work = openWork(instance);
    for (const activity of work.activities) this.#runActivity(instanceId, instance, activity);
    for (const timer of work.timers) this.#setTimer(instanceId, timer.id, timer.fireAt);
    for (const child of work.subOrchestrations) this.#startChild(instanceId, instance, child);
    if (!instance.ran || instance.inbox.length > 0) this.#schedule(instanceId);
  }

  #schedule(instanceId: string): void {
    if (!this.#running || this.#scheduled.has(instanceId)) return;
    this.#scheduled.add(instanceId);
    // What arrives in the same turn goes into the same episode.
    setImmediate(() => {
      this.#scheduled.delete(instanceId);
      if (!this.#busy.has(instanceId)) void this.#runEpisodes(instanceId);
    });
  }

  async #runEpisodes(instanceId: string): Promise<void> {
    this.#busy.add(instanceId);
    try {
      while (this.#running && this.#wantsEpisode(instanceId)) {
        if (!(await this.#limiter.run(() => this.#runEpisode(instanceId)))) break;
      }
    } catch (error) {
      this.#parts.log.event('hostProblem', { problem: 'episode failed', instanceId, reason: String(error) });
    } finally {
      this.#busy.delete(instanceId);
    }
  }

  #wantsEpisode(instanceId: string): boolean {
    const instance = this.#parts.store.get(instanceId);
    if (instance === undefined || isEnded(instance.status)) return false;
    if (instance.ran && instance.inbox.length === 0) return false;
    const known = this.#knownActions.get(instanceId);
    return known === undefined || wouldAdvance(nextEpisode(instanceId, instance, this.#now()), known);
  }

  /** False when the instance has to wait before the next try. */
  async #runEpisode(instanceId: string): Promise<boolean> {
    const { store, orchestrators, configuration } = this.#parts;
    const instance = store.get(instanceId);
    if (instance === undefined || isEnded(instance.status)) return false;
    const episode = nextEpisode(instanceId, instance, this.#now());
    const terminated = instance.inbox.find((event) => event.EventType === EventType.ExecutionTerminated);
    if (terminated?.EventType === EventType.ExecutionTerminated) {
      this.#persist(episode, terminateEpisode(episode, terminated.Input, this.#now()));
      return true;
    }
    const verdict = versionVerdict(configuration, instance.started.Version);
    if (verdict.kind === 'fail') {
      this.#persist(episode, failed(episode, verdict.reason, this.#now()));
      return true;
    }
    if (verdict.kind === 'reject') {
      this.#parts.log.event('hostProblem', { problem: 'version rejected', instanceId, reason: verdict.reason });
      return false;
    }
    const answer = await orchestrators.run(episode);
    // Purged, restarted or ended by others while the function ran: the answer is about something that is gone.
    if (store.get(instanceId) !== instance || isEnded(instance.status) || !this.#running) return this.#running;
    if (answer.kind === 'crashed') return this.#crashed(episode, answer.reason);
    this.#crashes.delete(instanceId);
    if (answer.kind === 'failed') {
      this.#persist(episode, failed(episode, prefixed(episode, answer.reason), this.#now()));
      return true;
    }
    const loses = (): boolean =>
      this.#parts.faults.strike('eventsLostOverContinueAsNew', instance.started.Name) !== undefined;
    this.#knownActions.set(instanceId, answer.result.actions);
    this.#persist(episode, decideEpisode(episode, answer.result, this.#now(), randomUUID(), loses));
    return true;
  }

  /** An orchestrator whose worker died runs again after a pause, a bounded number of times. */
  #crashed(episode: Episode, reason: string): boolean {
    const { instanceId } = episode;
    const crashes = (this.#crashes.get(instanceId) ?? 0) + 1;
    this.#crashes.set(instanceId, crashes);
    if (crashes > MOST_CRASHES) {
      this.#persist(episode, failed(episode, prefixed(episode, reason), this.#now()));
      return true;
    }
    const at = this.#parts.clock.now() + CRASH_RETRY_MILLISECONDS;
    this.#alarms.set(`${instanceId}\nretry`, at, () => this.#schedule(instanceId));
    return false;
  }

  #persist(episode: Episode, decision: EpisodeDecision): void {
    const { instanceId } = episode;
    const instance = this.#parts.store.append(instanceId, decision.record);
    for (const id of decision.canceledTimers) this.#alarms.clear(timerKey(instanceId, id));
    if (decision.record.record === 'generation') {
      this.#forget(instanceId);
      return;
    }
    if (isEnded(instance.status)) {
      this.#forget(instanceId);
      if (decision.failure === undefined) this.#parts.log.event('orchestrationCompleted', { instanceId });
      else this.#parts.log.event('orchestrationFailed', { instanceId, reason: decision.failure });
      this.#reportToParent(instance);
      return;
    }
    for (const event of decision.record.events) {
      if (event.EventType === EventType.TaskScheduled) {
        this.#runActivity(instanceId, instance, { id: event.EventId, name: event.Name, input: event.Input });
      } else if (event.EventType === EventType.TimerCreated && !decision.canceledTimers.includes(event.EventId)) {
        this.#setTimer(instanceId, event.EventId, event.FireAt);
      } else if (event.EventType === EventType.SubOrchestrationInstanceCreated) {
        this.#startChild(instanceId, instance, event);
      }
    }
  }

  #runActivity(
    instanceId: string,
    instance: Instance,
    activity: { readonly id: number; readonly name: string; readonly input: string | null },
  ): void {
    const { activities, log } = this.#parts;
    if (!activities.knows(activity.name)) {
      // As on the official host: the instance waits until a deployment brings the function.
      log.event('hostProblem', { problem: 'unknown activity function', functionName: activity.name, instanceId });
      return;
    }
    const report = (outcome: ActivityOutcome): void => {
      if (!this.#isOpen(instance, instanceId, activity.id)) return;
      const base = { EventId: -1, Timestamp: this.#now(), TaskScheduledId: activity.id };
      this.deliver(
        instanceId,
        outcome.kind === 'completed'
          ? { ...base, EventType: EventType.TaskCompleted, Result: outcome.result }
          : { ...base, EventType: EventType.TaskFailed, Reason: outcome.reason, Details: outcome.details },
      );
    };
    activities.run({ instanceId, name: activity.name, input: activity.input }, report).catch((error: unknown) => {
      log.event('hostProblem', { problem: 'activity not reported', instanceId, reason: String(error) });
    });
  }

  /** True while the same execution still waits for the result of an id: late and second results are dropped. */
  #isOpen(instance: Instance, instanceId: string, id: number): boolean {
    if (this.#parts.store.get(instanceId) !== instance || isEnded(instance.status)) return false;
    return ![...instance.inbox, ...instance.history].some(
      (event) => 'TaskScheduledId' in event && event.TaskScheduledId === id,
    );
  }

  #setTimer(instanceId: string, id: number, fireAt: string): void {
    this.#alarms.set(timerKey(instanceId, id), Date.parse(fireAt), () => {
      this.deliver(instanceId, {
        EventType: EventType.TimerFired,
        EventId: -1,
        Timestamp: this.#now(),
        TimerId: id,
        FireAt: fireAt,
      });
    });
  }

  #startChild(parentId: string, parent: Instance, created: SubOrchestrationCreated): void {
    const step = childStep(parent, created, this.#parts.store.get(created.InstanceId), this.#now());
    if (step.kind === 'tell') this.deliver(parentId, step.event);
    if (step.kind !== 'start') return;
    const request = { name: created.Name, instanceId: created.InstanceId, input: created.Input };
    this.#beginExecution(request, step.version, null, step.parent);
  }

  #reportToParent(child: Instance): void {
    const parentId = child.started.ParentInstance?.OrchestrationInstance.InstanceId;
    if (parentId === undefined) return;
    const event = reportToParent(child, this.#parts.store.get(parentId), this.#now());
    if (event !== undefined) this.deliver(parentId, event);
  }
}

function timerKey(instanceId: string, id: number): string {
  return `${instanceId}\n${id}`;
}
