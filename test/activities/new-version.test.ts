/** A run of another app version: it ends, and what comes next is left to a hint. */
import type { InvocationContext } from '@azure/functions';
import { expect, test } from 'vitest';
import { createActivities, type ActivityDependencies } from '../../src/activities/activities.ts';
import { SyncError } from '../../src/shared/errors.ts';
import type { LogEvent } from '../../src/shared/telemetry.ts';

const INPUT = { tableId: 'parts', driver: 'sync-parts@1', failure: null };
const CONTEXT = {} as InvocationContext;

function planned(hintLater: ActivityDependencies['hintLater']): {
  readonly plan: (version: string) => Promise<unknown>;
  readonly events: LogEvent[];
} {
  const events: LogEvent[] = [];
  // Planning itself is not reached, or fails at once.
  const deps = {
    appVersion: '1.1',
    log: { event: (name: LogEvent) => void events.push(name) },
    removedTables: new Map(),
    clock: { now: () => 0 },
    target: () => Promise.reject(new SyncError('tableUnknown', { problem: 'None.' })),
    hintLater,
  } as unknown as ActivityDependencies;
  const activities = createActivities((_context, work) => work(deps), new AbortController().signal);
  return { events, plan: (version) => activities.planEpoch({ ...INPUT, version }, CONTEXT) };
}

test('a run of another version leaves a hint that is seen after it has ended', async () => {
  const hints: unknown[] = [];
  const { plan } = planned((...hint) => Promise.resolve(void hints.push(hint)));
  expect(await plan('1.0')).toEqual({ kind: 'newVersion' });
  expect(hints).toEqual([['parts', 10]]);
  expect(await plan('1.1')).toMatchObject({ kind: 'failed', code: 'tableUnknown' });
  expect(hints).toHaveLength(1);
});

test('a queue that is away is logged; the run ends all the same, and the sweep starts the next one', async () => {
  const { plan, events } = planned(() => Promise.reject(new Error('the queue is away')));
  expect(await plan('1.0')).toEqual({ kind: 'newVersion' });
  expect(events).toEqual(['hintFailed']);
});
