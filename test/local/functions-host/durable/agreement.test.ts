/**
 * Replay and SDK agree: random orchestrations run by the SDK's own Orchestrator against this engine's pure part, with
 * completions in random order and the state rebuilt from its records now and then. A disagreement about ids shows as a
 * result in the wrong place, a mismatch, or an orchestration that waits for ever.
 */
import { createRequire } from 'node:module';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activityFailure } from '../../../../src/local/functions-host/durable/activity-failure.ts';
import {
  decideEpisode,
  nextEpisode,
  orchestratorInput,
  wouldAdvance,
} from '../../../../src/local/functions-host/durable/episode.ts';
import { EventType } from '../../../../src/local/functions-host/durable/history.ts';
import type { InboxEvent } from '../../../../src/local/functions-host/durable/history.ts';
import { applyRecord, isEnded, openWork } from '../../../../src/local/functions-host/durable/instance.ts';
import type { Instance, InstanceRecord } from '../../../../src/local/functions-host/durable/instance.ts';
import { readOrchestratorResult } from '../../../../src/local/functions-host/durable/orchestrator-result.ts';
import type { Action } from '../../../../src/local/functions-host/durable/orchestrator-result.ts';
import type { Json } from '../../../../src/local/functions-host/json.ts';

type Leaf =
  | { readonly kind: 'activity'; readonly fails: boolean }
  | { readonly kind: 'retried'; readonly failures: number }
  | { readonly kind: 'timer'; readonly days: number }
  | { readonly kind: 'event'; readonly name: string };
type Step = Leaf | { readonly kind: 'all' | 'any'; readonly children: readonly Step[] };

interface Task {
  readonly isCompleted: boolean;
}
interface Context {
  readonly df: {
    readonly currentUtcDateTime: Date;
    callActivity(name: string, input: unknown): Task;
    callActivityWithRetry(name: string, options: object, input: unknown): Task;
    createTimer(at: Date): Task;
    waitForExternalEvent(name: string): Task;
    readonly Task: { all(tasks: readonly Task[]): Task; any(tasks: readonly Task[]): Task };
  };
}
type Generator = (context: Context) => globalThis.Generator<Task, unknown, unknown>;

const load = createRequire(import.meta.url);
const { Orchestrator } = load('durable-functions/lib/src/orchestrations/Orchestrator.js') as {
  Orchestrator: new (generator: Generator) => { handle(trigger: object, context: object): Promise<object> };
};
const { RetryOptions } = load('durable-functions') as { RetryOptions: new (first: number, attempts: number) => object };

const ATTEMPTS = 4;
const DAY = 86_400_000;

/** Numbers the leaves, so that every activity has a name and a result of its own. */
function orchestrator(steps: readonly Step[]): Generator {
  return function* generator(context) {
    let sequence = 0;
    const taskOf = (step: Step): Task => {
      switch (step.kind) {
        case 'activity':
          return context.df.callActivity(`a${sequence}`, { n: sequence++, failures: step.fails ? 99 : 0 });
        case 'retried': {
          const input = { n: sequence, failures: step.failures };
          return context.df.callActivityWithRetry(`a${sequence++}`, new RetryOptions(10, ATTEMPTS), input);
        }
        case 'timer':
          return context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + step.days * DAY));
        case 'event':
          return context.df.waitForExternalEvent(step.name);
        case 'all':
          return context.df.Task.all(step.children.map(taskOf));
        case 'any':
          return context.df.Task.any(step.children.map(taskOf));
      }
    };
    const results: unknown[] = [];
    for (const step of steps) {
      try {
        const result = yield taskOf(step);
        // A timer that was cut into pieces gives an array of nothings.
        if (step.kind === 'timer') results.push(null);
        else results.push(step.kind === 'any' ? 'any' : (result ?? null));
      } catch {
        results.push('failed');
      }
    }
    return results;
  };
}

/** What the results must be, whatever the order of completions. */
function expected(steps: readonly Step[]): readonly unknown[] {
  let sequence = 0;
  const valueOf = (step: Step): unknown => {
    switch (step.kind) {
      case 'activity':
        sequence += 1;
        return step.fails ? 'failed' : `r${sequence - 1}`;
      case 'retried':
        sequence += 1;
        return step.failures >= ATTEMPTS ? 'failed' : `r${sequence - 1}`;
      case 'timer':
        return null;
      case 'event':
        return step.name;
      case 'all': {
        const values = step.children.map(valueOf);
        return values.includes('failed') ? 'failed' : values;
      }
      case 'any':
        for (const child of step.children) valueOf(child);
        return 'any';
    }
  };
  return steps.map(valueOf);
}

/**
 * Steps on which the SDK and the official host agree themselves: nothing that fails or is retried inside Task.all or
 * Task.any, where ids drift in the SDK (the retry hazard).
 */
const safe: fc.Arbitrary<Leaf> = fc.oneof(
  fc.constant<Leaf>({ kind: 'activity', fails: false }),
  fc.record({ kind: fc.constant('timer' as const), days: fc.integer({ min: 0, max: 20 }) }),
  fc.record({ kind: fc.constant('event' as const), name: fc.constantFrom('E', 'F') }),
);
const plain: fc.Arbitrary<Leaf> = fc.oneof(
  safe,
  fc.constant<Leaf>({ kind: 'activity', fails: true }),
  fc.record({ kind: fc.constant('retried' as const), failures: fc.integer({ min: 0, max: 5 }) }),
);
const short = safe.filter((leaf) => leaf.kind !== 'timer' || leaf.days <= 6);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: plain },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('all' as const),
      children: fc.array(short, { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('any' as const),
      children: fc.array(fc.constant<Leaf>({ kind: 'activity', fails: false }), { minLength: 1, maxLength: 3 }),
    }),
  },
);

interface Run {
  readonly status: string;
  readonly output: Json;
}

/** Runs to the end; `choose(n)` picks one of n possibilities. */
async function run(steps: readonly Step[], choose: (count: number) => number): Promise<Run> {
  const records: InstanceRecord[] = [];
  let instance: Instance | undefined;
  let now = Date.parse('2026-01-01T00:00:00Z');
  const stamp = (): string => new Date(now).toISOString();
  const append = (record: InstanceRecord): Instance => {
    // Through text, as the journal does it.
    records.push(JSON.parse(JSON.stringify(record)) as InstanceRecord);
    instance = applyRecord(instance, records.at(-1) as InstanceRecord);
    return instance as Instance;
  };
  append({
    record: 'generation',
    started: {
      EventType: EventType.ExecutionStarted,
      EventId: -1,
      Timestamp: stamp(),
      OrchestrationInstance: { InstanceId: 'i', ExecutionId: 'e' },
      ParentInstance: null,
      Name: 'random',
      Version: null,
      Input: '{}',
      Generation: 0,
    },
    history: [],
    inbox: [],
    customStatus: null,
  });
  const attempts = new Map<number, number>();
  let known: readonly Action[] | undefined;
  for (let turn = 0; turn < 400; turn += 1) {
    now += 1;
    let current = instance as unknown as Instance;
    if (choose(8) === 0) {
      instance = undefined;
      for (const record of records) instance = applyRecord(instance, record);
      current = instance as unknown as Instance;
      known = undefined;
    }
    const episode = nextEpisode('i', current, stamp());
    const wants = !current.ran || (current.inbox.length > 0 && (known === undefined || wouldAdvance(episode, known)));
    if (wants && (choose(3) > 0 || !current.ran)) {
      const answer = await new Orchestrator(orchestrator(steps)).handle(
        JSON.parse(orchestratorInput(episode)) as object,
        {},
      );
      const result = readOrchestratorResult(JSON.parse(JSON.stringify(answer)) as Json);
      known = result.actions;
      current = append(decideEpisode(episode, result, stamp(), 'next').record);
      if (isEnded(current.status)) return { status: current.status, output: current.output };
    }
    const event = completion(current, attempts, choose, stamp());
    if (event === undefined && !wants) throw new Error('It waits for something that nobody does.');
    if (event !== undefined) {
      if ('FireAt' in event) now = Math.max(now, Date.parse(event.FireAt));
      append({ record: 'arrived', event: { ...event, Timestamp: stamp() } });
    }
  }
  throw new Error('It does not come to an end.');
}

/** The end of something that is open, or an event that may be waited for. */
function completion(
  instance: Instance,
  attempts: Map<number, number>,
  choose: (count: number) => number,
  now: string,
): InboxEvent | undefined {
  const work = openWork(instance);
  const base = { EventId: -1, Timestamp: now };
  const raised = [...instance.history, ...instance.inbox].filter((event) => event.EventType === EventType.EventRaised);
  const choices: (() => InboxEvent)[] = [
    ...work.activities.map(({ id, name, input }) => () => {
      const { n, failures } = JSON.parse(input ?? '{}') as { n: number; failures: number };
      const failed = attempts.get(n) ?? 0;
      if (failed >= failures) {
        return { ...base, EventType: EventType.TaskCompleted, TaskScheduledId: id, Result: `"r${n}"` };
      }
      attempts.set(n, failed + 1);
      const { reason, details } = activityFailure(name, { kind: 'failed', message: 'no', stack: '' });
      return { ...base, EventType: EventType.TaskFailed, TaskScheduledId: id, Reason: reason, Details: details };
    }),
    ...work.timers.map(({ id, fireAt }) => () => ({
      ...base,
      EventType: EventType.TimerFired,
      TimerId: id,
      FireAt: fireAt,
    })),
    // Enough events that nobody waits in vain; those that come early are buffered.
    ...['E', 'F'].flatMap((name) =>
      raised.filter((event) => 'Name' in event && event.Name === name).length < 30
        ? [() => ({ ...base, EventType: EventType.EventRaised, Name: name, Input: JSON.stringify(name) })]
        : [],
    ),
  ];
  return choices[choose(choices.length)]?.();
}

describe('the SDK and the replay', () => {
  it('agree on every id, whatever completes first and whenever the host restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.nat({ max: 1_000_000 })),
        async (steps, stream) => {
          const numbers = stream[Symbol.iterator]();
          const choose = (count: number): number => (count === 0 ? 0 : Number(numbers.next().value) % count);
          expect(await run(steps, choose)).toEqual({ status: 'Completed', output: expected(steps) });
        },
      ),
      { seed: Number(process.env['SEED'] ?? 11), numRuns: Number(process.env['RUNS'] ?? 300) },
    );
  });
});
