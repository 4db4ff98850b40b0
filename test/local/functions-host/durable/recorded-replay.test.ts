/** Each recorded episode, replayed: what is scheduled next is what the official host scheduled next. */
import { describe, expect, it } from 'vitest';
import { EventType } from '../../../../src/local/functions-host/durable/history.ts';
import type { ExecutionStarted, HistoryEvent } from '../../../../src/local/functions-host/durable/history.ts';
import {
  readOrchestratorFailure,
  readOrchestratorResult,
} from '../../../../src/local/functions-host/durable/orchestrator-result.ts';
import type { OrchestratorResult } from '../../../../src/local/functions-host/durable/orchestrator-result.ts';
import { replay } from '../../../../src/local/functions-host/durable/replay.ts';
import type { Operation } from '../../../../src/local/functions-host/durable/operation.ts';
import type { Json } from '../../../../src/local/functions-host/json.ts';
import { recordedInstances } from '../recordings.ts';
import type { RecordedFunctionCall } from '../recordings.ts';

const NOT_REPLAYED: Readonly<Record<string, string>> = {
  ce1: 'calls an entity: not offered',
};

const LIMITS = { maximumShort: 6 * 86_400_000, pieceLength: 3 * 86_400_000 };

interface Step {
  readonly history: readonly HistoryEvent[];
  readonly execution: string;
  readonly input: string | null;
  readonly result: OrchestratorResult;
}

function steps(calls: readonly RecordedFunctionCall[]): readonly Step[] {
  return calls
    .filter((call) => call.kind === 'orchestrator')
    .map((call) => {
      const { history } = call.request as { history: readonly HistoryEvent[] };
      const started = history.find((event) => event.EventType === EventType.ExecutionStarted) as ExecutionStarted;
      const result =
        call.error === null
          ? readOrchestratorResult(call.response as Json)
          : (readOrchestratorFailure(call.error.message) as OrchestratorResult);
      return { history, execution: started.OrchestrationInstance.ExecutionId, input: started.Input, result };
    });
}

/** What the official host wrote into the history for new operations. */
function scheduledAfter(step: Step, next: Step): readonly object[] {
  return next.history.slice(step.history.length).flatMap((event): readonly object[] => {
    if (event.EventType === EventType.TaskScheduled) {
      return [{ kind: 'activity', id: event.EventId, name: event.Name }];
    }
    if (event.EventType === EventType.SubOrchestrationInstanceCreated) {
      return [{ kind: 'subOrchestration', id: event.EventId, name: event.Name }];
    }
    if (event.EventType !== EventType.TimerCreated) return [];
    return [{ kind: 'timer', id: event.EventId, fireAt: new Date(event.FireAt).toISOString() }];
  });
}

function scheduledBy(operation: Operation): object {
  return operation.kind === 'timer'
    ? { kind: 'timer', id: operation.id, fireAt: new Date(operation.fireAt).toISOString() }
    : { kind: operation.kind, id: operation.id, name: operation.name };
}

describe('recorded episodes', () => {
  const instances = recordedInstances().filter(
    ({ name, calls }) => NOT_REPLAYED[name] === undefined && calls.some((call) => call.kind === 'orchestrator'),
  );

  it.each(instances)('$name continues as on the official host', ({ name, calls }) => {
    const recorded = steps(calls);
    for (const [index, step] of recorded.entries()) {
      const outcome = replay(step.history, step.result.actions, LIMITS);
      const next = recorded[index + 1];
      if (name.startsWith('nd') && next === undefined) {
        expect(outcome.nonDeterminism).toContain('Non-Deterministic workflow detected');
        continue;
      }
      expect(outcome.nonDeterminism).toBeUndefined();
      if (next === undefined) continue;
      if (next.execution === step.execution) {
        expect(outcome.newOperations.map(scheduledBy)).toEqual(scheduledAfter(step, next));
        if (outcome.suspended) continue;
        expect(outcome.continueAsNew).toBeUndefined();
      } else if (outcome.continueAsNew !== undefined) {
        expect(outcome.settled).toBe(true);
        expect(JSON.stringify(outcome.continueAsNew.input)).toBe(next.input);
        const carried = next.history.filter((event) => event.EventType === EventType.EventRaised);
        expect(outcome.continueAsNew.carriedOver).toMatchObject(carried.map(({ Timestamp }) => ({ Timestamp })));
        expect(outcome.continueAsNew.carriedOver).toHaveLength(carried.length);
      }
    }
  });

  it('words a mismatch as the official host does', () => {
    const nd1 = steps(instances.find(({ name }) => name === 'nd1')?.calls ?? []).at(-1);
    const outcome = replay(nd1?.history ?? [], nd1?.result.actions ?? [], LIMITS);
    expect(outcome.nonDeterminism).toBe(
      'Non-Deterministic workflow detected: A previous execution of this orchestration scheduled an activity task ' +
        "with sequence number 1 named 'slow', but the current orchestration replay instead produced a " +
        'CreateTimerOrchestratorAction action with this sequence number. Was a change made to the orchestrator code ' +
        'after this instance had already started running?',
    );
  });
});
