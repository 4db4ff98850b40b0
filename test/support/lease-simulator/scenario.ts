/** What happens in a simulation: who works, what goes wrong, when. Times in milliseconds, rates in RU/s. */
import type { ClockFaults } from './simulated-process.ts';
import type { NetworkFaults, ServiceShape, Trouble } from './simulated-service.ts';
import { seededRandom } from './virtual-time.ts';
import type { Random } from './virtual-time.ts';

/** What a process wants to spend. */
export type Workload =
  /** Always more than it gets. */
  | { readonly kind: 'saturated' }
  /** Work arrives at this rate. */
  | { readonly kind: 'steady'; readonly ruPerSecond: number }
  /** Always more work, but no faster than this. */
  | { readonly kind: 'cpuBound'; readonly ruPerSecond: number }
  | { readonly kind: 'idle' };

/** Something happens at a time. `holder` counts from the first; one that is gone is passed over. */
export type ScenarioEvent = { readonly at: number } & (
  | { readonly kind: 'join'; readonly workload: Workload }
  | { readonly kind: 'leave' | 'crash'; readonly holder: number }
  | { readonly kind: 'pause'; readonly holder: number; readonly ms: number }
  | { readonly kind: 'workload'; readonly holder: number; readonly workload: Workload }
  | { readonly kind: 'budget'; readonly ruPerSecond: number }
  | { readonly kind: 'operationRu'; readonly ru: number }
);

export interface Scenario {
  readonly seed: number;
  readonly durationMs: number;
  /** RU/s. */
  readonly budget: number;
  readonly service: ServiceShape;
  readonly network: NetworkFaults;
  readonly clocks: ClockFaults;
  readonly trouble: readonly Trouble[];
  /** Processes that start within `staggerMs`. */
  readonly holders: readonly Workload[];
  readonly staggerMs: number;
  readonly events: readonly ScenarioEvent[];
  /** Part of the work on each partition; equal when absent. */
  readonly weights?: readonly number[];
  /** Requests of a process in flight or waiting, per partition. */
  readonly slots: number;
}

export const SATURATED: Workload = { kind: 'saturated' };

/** A quiet day: four partitions, 12 ms, nothing goes wrong. */
export const QUIET: Scenario = {
  seed: 1,
  durationMs: 60_000,
  budget: 6000,
  service: { ruPerSecond: 20_000, partitions: 4, foreground: 0, operationRu: 7 },
  network: {
    dataMs: 12,
    leaseMs: 10,
    spread: 0.5,
    slow: 0.004,
    lostAnswers: 0,
    lostRequests: 0,
    lostData: 0,
    staleReads: 0,
  },
  clocks: { skewMs: 10_000, drift: 1e-4, monotonicStops: false },
  trouble: [],
  holders: [SATURATED],
  staggerMs: 0,
  events: [],
  slots: 4,
};

/** `count` processes that always have work. */
export function saturated(count: number): readonly Workload[] {
  return Array.from({ length: count }, () => SATURATED);
}

/** Everything at once: joins, leaves, crashes, pauses of minutes, lost answers, slow spells, outages, budget changes. */
export function randomScenario(seed: number, durationMs = 60_000, most = 64): Scenario {
  const random = seededRandom(seed * 104_729 + 7);
  const sizes = [1, 2, 4, 8, 16, 32, 64].filter((size) => size <= most);
  const count = sizes[random.below(sizes.length)] ?? 1;
  const budget = count > 16 ? random.pick([6000, 20_000]) : random.pick([1500, 6000, 20_000, 60_000]);
  const ruPerSecond = budget * random.pick([1.2, 2, 3.33]);
  const partitions = Math.max(Math.ceil(ruPerSecond / 10_000), random.pick([1, 2, 4, 8]));
  const mixed: readonly Workload[] = [
    SATURATED,
    { kind: 'steady', ruPerSecond: budget * 0.1 },
    { kind: 'idle' },
    { kind: 'cpuBound', ruPerSecond: budget * 0.15 },
  ];
  const mixes = random.next() < 0.4;
  const holders = Array.from({ length: count }, (_, i) => (mixes ? (mixed[i % mixed.length] ?? SATURATED) : SATURATED));
  const skewed = random.next() < 0.3;
  const weights = Array.from({ length: partitions }, (_, i) => (skewed && i % 2 === 1 ? 0 : 1 / (i + 1)));
  const latency = random.pick([5, 12, 12, 50, 200, 400]);
  return {
    ...QUIET,
    seed,
    durationMs,
    budget,
    service: { ruPerSecond, partitions, foreground: random.pick([0, 0, 0, 0.5]), operationRu: random.between(5, 15) },
    network: {
      dataMs: latency,
      leaseMs: random.pick([5, 10, 10, 50, 200]),
      spread: 0.5,
      slow: random.pick([0.004, 0.05]),
      lostAnswers: random.pick([0, 0.02, 0.1, 0.3]),
      lostRequests: random.pick([0, 0.02, 0.1]),
      lostData: random.pick([0, 0.01]),
      staleReads: random.pick([0, 0, 0.05, 0.3]),
    },
    clocks: { skewMs: 10_000, drift: 2e-4, monotonicStops: random.next() < 0.5 },
    trouble: randomTrouble(random, durationMs),
    holders,
    staggerMs: random.pick([0, 50, 5000]),
    events: randomEvents(random, durationMs, budget, count, most),
    ...(skewed ? { weights } : {}),
  };
}

function randomTrouble(random: Random, durationMs: number): Trouble[] {
  const trouble: Trouble[] = [];
  for (let left = random.below(4); left > 0; left--) {
    const from = random.between(5000, durationMs - 10_000);
    const to = from + random.between(1000, 10_000);
    const only = ([undefined, 'data', 'lease'] as const)[random.below(3)];
    trouble.push({ kind: 'slow', from, to, ...(only === undefined ? {} : { only }) });
  }
  if (random.next() < 0.4) {
    const from = random.between(5000, durationMs * 0.7);
    const to = from + random.between(1000, 30_000);
    trouble.push({ kind: 'leaseOutage', from, to, applies: random.next() < 0.3 });
  }
  if (random.next() < 0.3) {
    const from = random.between(5000, durationMs - 10_000);
    trouble.push({ kind: 'stall', from, to: from + random.between(200, 2000) });
  }
  return trouble;
}

function randomEvents(
  random: Random,
  durationMs: number,
  budget: number,
  count: number,
  most: number,
): ScenarioEvent[] {
  const events: ScenarioEvent[] = [];
  let joined = count;
  for (let left = 5 + random.below(30); left > 0; left--) {
    const at = random.between(1000, durationMs - 3000);
    const holder = random.below(joined);
    const what = random.below(12);
    if (what <= 2) {
      if (joined < most)
        events.push({ at, kind: 'join', workload: random.next() < 0.8 ? SATURATED : { kind: 'idle' } });
      joined++;
    } else if (what === 3) events.push({ at, kind: 'leave', holder });
    else if (what <= 5) events.push({ at, kind: 'crash', holder });
    else if (what <= 8) {
      const ms = random.next() < 0.5 ? random.between(200, 6000) : random.between(6000, 150_000);
      events.push({ at, kind: 'pause', holder, ms });
    } else if (what === 9) events.push({ at, kind: 'workload', holder, workload: { kind: 'idle' } });
    else if (what === 10) {
      const workload: Workload = { kind: 'steady', ruPerSecond: budget * random.next() * 0.5 };
      events.push({ at, kind: 'workload', holder, workload });
    } else if (random.next() < 0.5) {
      events.push({ at, kind: 'budget', ruPerSecond: Math.round(budget * random.between(0.3, 1.2)) });
    }
  }
  return events.toSorted((a, b) => a.at - b.at);
}
