/** What tests may do to a running emulator, in code and over HTTP alike. */
import type { Container } from './container.ts';
import type { Counters } from './counters.ts';
import type { Faults } from './faults.ts';
import { Refusal } from './refusal.ts';
import type { Service } from './service.ts';

export interface EmulatorControl {
  readonly faults: Faults;
  readonly counters: Counters;
  /** Splits a physical partition; returns the ids of its children. */
  split(database: string, container: string, rangeId: string): readonly [string, string];
  /** The next requests to the range are answered with 410/1008; the range stays. @default requests 1 */
  migrate(database: string, container: string, rangeId: string, requests?: number): void;
  /** Sets a container's RU/s; undefined is without limit. */
  setThroughput(database: string, container: string, ruPerSecond: number | undefined): void;
  /** Sets the throughput buckets: a maximum percentage by bucket id 1 to 5; others are without limit. */
  setBuckets(database: string, container: string, percents: Readonly<Record<string, number>>): void;
  /** Moves the emulator's wall clock forward. */
  advanceClock(ms: number): void;
  /** The emulator's wall clock in milliseconds. */
  now(): number;
}

/** The controls of a service; `advance` moves its clock. */
export function emulatorControl(service: Service, advance: (ms: number) => void): EmulatorControl {
  const { account, faults, counters } = service;
  const find = (database: string, container: string): Container => account.container(database, container);
  return {
    faults,
    counters,
    split(database, container, rangeId) {
      const children = find(database, container).split(rangeId);
      if (children === undefined) throw new Refusal(400, `The range ${rangeId} cannot be split any further.`);
      service.journal?.structure();
      service.journal?.flush();
      return children;
    },
    migrate(database, container, rangeId, requests = 1) {
      find(database, container).partition(rangeId);
      faults.add({
        match: { database, container, rangeId },
        times: requests,
        action: { kind: 'answer', status: 410, substatus: 1008 },
      });
    },
    setThroughput(database, container, ruPerSecond) {
      account.setThroughput(database, container, ruPerSecond, service.now());
      service.journal?.structure();
      service.journal?.flush();
    },
    setBuckets(database, container, percents) {
      find(database, container).setBuckets(
        new Map(Object.entries(percents).map(([id, percent]) => [Number(id), percent])),
      );
    },
    advanceClock: advance,
    now: () => service.now(),
  };
}
