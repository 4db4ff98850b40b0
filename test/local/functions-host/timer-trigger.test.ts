/** Timer functions on a clock that the test moves; the worker is a recorder. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlarmQueue } from '../../../src/local/functions-host/alarm-queue.ts';
import { defineFunction } from '../../../src/local/functions-host/function-definition.ts';
import type { FunctionOf } from '../../../src/local/functions-host/function-definition.ts';
import { OutputWriter } from '../../../src/local/functions-host/output-bindings.ts';
import { AppSettings } from '../../../src/local/functions-host/settings.ts';
import { StorageAccounts } from '../../../src/local/functions-host/storage-accounts.ts';
import { TimerTrigger } from '../../../src/local/functions-host/timer-trigger.ts';
import type { Call, CallOutcome } from '../../../src/local/functions-host/worker-pool.ts';
import { fakeClock } from './fake-clock.ts';
import type { FakeClock } from './fake-clock.ts';
import { recordedInvocations } from './recordings.ts';
import { recordedLog } from './test-host.ts';

interface TimerInfo {
  readonly ScheduleStatus: { readonly Last: string; readonly Next: string } | null;
  readonly IsPastDue: boolean;
}

describe('a timer function', () => {
  let dataFolder: string;
  let stop: AbortController;
  beforeEach(() => {
    dataFolder = mkdtempSync(join(tmpdir(), 'functions-data-'));
    stop = new AbortController();
  });
  afterEach(() => {
    stop.abort();
    rmSync(dataFolder, { recursive: true, force: true });
  });

  /** Starts the function and records its calls with the time of each. */
  function start(
    clock: FakeClock,
    options: Record<string, unknown>,
    answer: (call: Call) => Promise<CallOutcome> = () =>
      Promise.resolve({ kind: 'succeeded', returnValue: null, outputData: [] }),
    retryOptions = {},
  ): {
    readonly calls: { at: string; info: TimerInfo }[];
    readonly alarms: AlarmQueue;
    readonly log: ReturnType<typeof recordedLog>;
  } {
    const calls: { at: string; info: TimerInfo }[] = [];
    const alarms = new AlarmQueue(clock);
    const log = recordedLog();
    const definition = defineFunction({
      name: 'tick',
      bindings: { timer: { type: 'timerTrigger', name: 'timer', direction: 'in', ...options } },
      ...retryOptions,
    }) as FunctionOf<'timer'>;
    const settings = new AppSettings({ EVERY: '0 0 * * * *' });
    const trigger = new TimerTrigger(definition, {
      settings,
      runner: {
        call: (call) => {
          const data = call.inputData[0]?.data ?? {};
          const info = JSON.parse('json' in data ? data.json : '') as TimerInfo;
          calls.push({ at: new Date(clock.now()).toISOString(), info });
          return answer(call);
        },
      },
      inputs: { of: () => [] },
      outputs: new OutputWriter(new StorageAccounts(settings), settings, true, log),
      alarms,
      dataFolder,
      clock,
      log,
      signal: stop.signal,
    });
    trigger.start();
    return { calls, alarms, log };
  }

  it('runs at each occurrence, with the status of the run before', async () => {
    const clock = fakeClock('2026-11-22T09:59:58.500Z');
    const { calls } = start(clock, { schedule: '%EVERY%' });
    await clock.advance(2 * 3_600_000);
    expect(calls.map(({ at }) => at)).toEqual(['2026-11-22T10:00:00.000Z', '2026-11-22T11:00:00.000Z']);
    expect(calls[0]?.info).toMatchObject({
      ScheduleStatus: { Last: '0001-01-01T00:00:00+00:00', Next: '2026-11-22T10:00:00+00:00' },
      IsPastDue: false,
    });
    expect(calls[1]?.info.ScheduleStatus?.Last).toBe('2026-11-22T10:00:00+00:00');
  });

  it('passes what the official host passes', async () => {
    const clock = fakeClock('2026-11-22T17:15:52Z');
    const { calls } = start(clock, { schedule: '0 */1 * * * *' });
    await clock.advance(10_000);
    const recorded = recordedInvocations().find(({ name }) => name === 'minute')?.invocation.inputData[0]?.data ?? {};
    expect(calls[0]?.info).toEqual(JSON.parse(String(recorded['json'])));
    const { calls: often } = start(clock, { schedule: '*/20 * * * * *' });
    await clock.advance(20_000);
    const sub = recordedInvocations().find(({ name }) => name === 'tick')?.invocation.inputData[0]?.data ?? {};
    expect(often[0]?.info).toEqual(JSON.parse(String(sub['json'])));
  });

  it('runs once, as past due, for the occurrences that nobody was there for', async () => {
    const before = fakeClock('2026-11-22T09:30:00Z');
    const { alarms } = start(before, { schedule: '%EVERY%' });
    await before.advance(1000);
    alarms.close();
    const after = fakeClock('2026-11-22T13:30:00Z');
    const { calls } = start(after, { schedule: '%EVERY%' });
    await after.advance(3_600_000);
    expect(calls.map(({ at, info }) => [at, info.IsPastDue])).toEqual([
      ['2026-11-22T13:30:00.000Z', true],
      ['2026-11-22T14:00:00.000Z', false],
    ]);
  });

  it('that was not asked to keep a status is never past due', async () => {
    const before = fakeClock('2026-11-22T09:30:00Z');
    start(before, { schedule: '%EVERY%', useMonitor: false }).alarms.close();
    const after = fakeClock('2026-11-22T13:30:00Z');
    const { calls } = start(after, { schedule: '%EVERY%', useMonitor: false });
    await after.advance(60_000);
    expect(calls).toEqual([]);
  });

  it('runs at the start when it asks for that', async () => {
    const clock = fakeClock('2026-11-22T09:30:00Z');
    const { calls } = start(clock, { schedule: '%EVERY%', runOnStartup: true });
    await clock.advance(0);
    expect(calls.map(({ at }) => at)).toEqual(['2026-11-22T09:30:00.000Z']);
  });

  it('never runs twice at the same time, and skips what it slept through', async () => {
    const clock = fakeClock('2026-11-22T09:59:59Z');
    const { calls } = start(clock, { schedule: '0 * * * * *' }, async () => {
      await clock.sleep(150_000);
      return { kind: 'succeeded', returnValue: null, outputData: [] };
    });
    await clock.advance(300_000);
    expect(calls.map(({ at }) => at.slice(11, 16))).toEqual(['10:00', '10:03']);
  });

  it('is called again under its retry policy, and goes on after failing', async () => {
    const clock = fakeClock('2026-11-22T09:59:59Z');
    const failing: CallOutcome = { kind: 'failed', message: 'no', stack: '' };
    const retry = {
      retryOptions: {
        maxRetryCount: 2,
        retryStrategy: 'exponentialBackoff',
        minimumInterval: { seconds: 1 },
        maximumInterval: { seconds: 60 },
      },
    };
    const { calls, log } = start(clock, { schedule: '%EVERY%' }, () => Promise.resolve(failing), retry);
    await clock.advance(3_610_000);
    expect(calls.map(({ at }) => at.slice(11, 19))).toEqual([
      '10:00:00',
      '10:00:01',
      '10:00:03',
      '11:00:00',
      '11:00:01',
      '11:00:03',
    ]);
    expect(log.events.filter(({ name }) => name === 'functionFailed')).toHaveLength(2);
  });

  it('starts afresh when its status file is damaged', async () => {
    writeFileSync(join(dataFolder, 'timer-tick.json'), '{"Next":');
    const clock = fakeClock('2026-11-22T09:59:59Z');
    const { calls } = start(clock, { schedule: '%EVERY%' });
    await clock.advance(1000);
    expect(calls[0]?.info.IsPastDue).toBe(false);
  });
});
