/** A clock that a test moves: sleeps end when it has moved far enough. */
import type { Clock } from '../../../src/shared/clock.ts';

export interface FakeClock extends Clock {
  /** Moves the time on and lets every sleep that is due end, in order. */
  advance(milliseconds: number): Promise<void>;
}

export function fakeClock(start: string): FakeClock {
  let now = Date.parse(start);
  const began = now;
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  return {
    now: () => now,
    monotonic: () => now - began,
    sleep: (milliseconds, signal) =>
      new Promise<void>((resolve, reject) => {
        const sleeper = {
          at: now + milliseconds,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        signal?.addEventListener('abort', () => {
          if (sleepers.delete(sleeper)) reject(signal.reason as Error);
        });
        if (signal?.aborted === true) reject(signal.reason as Error);
        else sleepers.add(sleeper);
      }),
    advance: async (milliseconds) => {
      const end = now + milliseconds;
      await settled();
      for (;;) {
        const [next] = [...sleepers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at);
        if (next === undefined) break;
        now = Math.max(now, next.at);
        next.wake();
        // What was woken gets its turn, and may go to sleep again, before the time moves on.
        await settled();
      }
      now = end;
      await settled();
    },
  };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
