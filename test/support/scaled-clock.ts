/** Real time, some times faster: retries and time-outs of many seconds pass in a blink, in the order they would. */
import { systemClock, type Clock } from '../../src/shared/clock.ts';

export function scaledClock(scale: number): Clock {
  const wallStart = Date.now();
  const start = performance.now();
  const passed = (): number => (performance.now() - start) * scale;
  return {
    now: () => wallStart + passed(),
    monotonic: passed,
    sleep: (ms, signal) => systemClock.sleep(ms / scale, signal),
  };
}
