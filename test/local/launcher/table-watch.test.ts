import { describe, expect, test } from 'vitest';
import type { AppEvent } from '../../../src/local/launcher/app-log.ts';
import type { Progress, SessionEvent } from '../../../src/local/launcher/session-event.ts';
import type { TableStatus } from '../../../src/local/launcher/table-status.ts';
import { TableWatch } from '../../../src/local/launcher/table-watch.ts';
import type { Clock } from '../../../src/shared/clock.ts';

const IDLE: TableStatus = {
  version: undefined,
  head: undefined,
  current: undefined,
  held: undefined,
  requested: false,
  deadLetters: 0,
  documents: 0,
  budget: undefined,
};

/** Time passes only while somebody sleeps. */
function simulatedClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    monotonic: () => now,
    async sleep(milliseconds, signal) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      signal?.throwIfAborted();
      now += milliseconds;
    },
  };
}

function epoch(to: number, deadLettered = 0): AppEvent {
  return {
    kind: 'epochCompleted',
    table: 'products',
    epochKind: 'changes',
    from: to - 1,
    to,
    rows: 1,
    operations: { upserts: 1, deadLettered },
    ru: 10,
    milliseconds: 5,
    committedAt: undefined,
  };
}

function watching(initial: TableStatus = IDLE) {
  let status: TableStatus | undefined = initial;
  const events: SessionEvent[] = [];
  const progress: Progress[] = [];
  const controller = new AbortController();
  const watch = new TableWatch(
    'products',
    {
      status: async () => status,
      countDocuments: async () => 7,
      showsProgress: true,
      report: (event) => events.push(event),
      progress: (shown) => progress.push(shown),
    },
    simulatedClock(),
  );
  const running = watch.run(controller.signal);
  return {
    watch,
    events,
    progress,
    signal: controller.signal,
    setStatus(next: TableStatus | undefined) {
      status = next;
    },
    async stop() {
      controller.abort();
      await running;
    },
  };
}

describe('when a table counts as equal', () => {
  test('the container reached the newest commit, nothing is under way, and the app agrees', async () => {
    const run = watching();
    run.watch.expect(2);
    run.watch.appEvent(epoch(2));
    run.setStatus({ ...IDLE, version: 2 });
    await run.watch.synced(run.signal);
    await run.stop();
    expect(run.events.map((event) => event.kind)).toEqual(['epoch', 'synced']);
    expect(run.events[1]).toMatchObject({ version: 2, documents: 7 });
  });

  test('a status that nobody answers for a while is no obstacle', async () => {
    const run = watching(undefined);
    run.watch.expect(0);
    const synced = run.watch.synced(run.signal);
    run.setStatus({ ...IDLE, version: 0 });
    await synced;
    await run.stop();
    expect(run.watch.obstacle).toBeUndefined();
  });

  test('an epoch of another table says nothing', async () => {
    const run = watching();
    run.watch.appEvent({ ...epoch(3), table: 'other' });
    await run.stop();
    expect(run.events).toEqual([]);
  });

  test('an epoch that is still asked for at the same version is waited for', async () => {
    const run = watching();
    run.watch.expect(1);
    run.setStatus({ ...IDLE, version: 1, requested: true });
    while (run.progress.filter(({ share }) => share === 1).length < 3) await new Promise(setImmediate);
    expect(run.events).toEqual([]);
    run.setStatus({ ...IDLE, version: 1 });
    await run.watch.synced(run.signal);
    await run.stop();
    expect(run.events.filter((event) => event.kind === 'synced')).toHaveLength(1);
  });

  test('each further commit is announced again', async () => {
    const run = watching();
    for (const version of [0, 1]) {
      run.watch.expect(version);
      run.setStatus({ ...IDLE, version });
      await run.watch.synced(run.signal);
    }
    await run.stop();
    expect(run.events.filter((event) => event.kind === 'synced')).toHaveLength(2);
  });
});

describe('progress', () => {
  test('a commit that was noticed is behind until it arrives; RU/s is how fast the spending grows', async () => {
    const run = watching({ ...IDLE, version: 0, budget: { ruPerSecond: 400, used: 100 } });
    run.watch.expect(1);
    expect(run.progress.at(-1)).toMatchObject({ share: 0, lagMilliseconds: 0 });
    const current = { kind: 'changes', from: 0, to: 1, done: 1, of: 4 };
    while (run.progress.at(-1)?.budget === undefined) await new Promise(setImmediate);
    run.setStatus({ ...IDLE, version: 0, current, budget: { ruPerSecond: 400, used: 300 } });
    while (run.progress.at(-1)?.share !== 0.25) await new Promise(setImmediate);
    expect(run.progress.at(-1)).toMatchObject({ epoch: { kind: 'changes', from: 0, to: 1 }, documents: 7 });
    expect(run.progress.map(({ budget }) => budget?.used)).toContain(200);
    run.watch.appEvent(epoch(1));
    expect(run.progress.at(-1)).toMatchObject({ share: 1, lagMilliseconds: undefined });
    await run.stop();
  });
});

describe('what keeps a table from being equal', () => {
  test('a held epoch, with its code', async () => {
    const run = watching();
    run.watch.expect(1);
    const hold = { planId: 'e2-v1-0', code: 'tooManyDeletes', reason: 'R.', remedy: 'S.' };
    run.watch.appEvent({ kind: 'epochHeld', table: 'products', ...hold });
    await run.watch.synced(run.signal);
    await run.stop();
    expect(run.watch.obstacle).toEqual({ code: 'tooManyDeletes', message: 'The epoch is held (plan e2-v1-0). R. S.' });
    expect(run.events).toEqual([
      { kind: 'error', code: 'tooManyDeletes', message: 'The epoch is held (plan e2-v1-0). R. S.' },
    ]);
  });

  test('a final failure at once, one that may pass only when it comes again and again', async () => {
    const run = watching();
    run.watch.expect(1);
    const passing: AppEvent = { kind: 'epochFailed', table: 'products', code: 'storageUnavailable', message: 'busy' };
    for (let count = 0; count < 4; count++) run.watch.appEvent(passing);
    expect(run.watch.obstacle).toBeUndefined();
    run.watch.appEvent(passing);
    expect(run.watch.obstacle?.code).toBe('storageUnavailable');
    await run.stop();
    const other = watching();
    other.watch.appEvent({ ...passing, code: 'dataFileMissing' });
    expect(other.watch.obstacle?.code).toBe('dataFileMissing');
    await other.stop();
  });

  test('dead letters: the version is reached, yet the container is not equal', async () => {
    const run = watching();
    run.watch.expect(1);
    run.watch.appEvent(epoch(1, 3));
    run.setStatus({ ...IDLE, version: 1 });
    await run.watch.synced(run.signal);
    await run.stop();
    expect(run.watch.obstacle?.code).toBe('notSynced');
    expect(run.watch.obstacle?.message).toContain('3 rows');
  });

  test('nothing moves for minutes: said once, instead of waiting for ever', async () => {
    const run = watching();
    run.watch.expect(1);
    await run.watch.synced(run.signal);
    await run.stop();
    expect(run.watch.obstacle?.code).toBe('notSynced');
  });
});
