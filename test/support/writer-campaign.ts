/** Many random runs of the batch writer, some side by side. */
import { openScenarioHost } from './writer-host.ts';

/** What many runs met. */
export interface CampaignReport {
  readonly failures: readonly string[];
  readonly operations: number;
  readonly ambiguous: number;
  readonly faults: number;
  readonly ends: ReadonlyMap<string, number>;
  /** How often each way to spoil an answer on the wire was met. */
  readonly spoilt: ReadonlyMap<string, number>;
  /** Runs that were done again because the machine had stood still for long, as their clock goes. */
  readonly repeated: number;
}

/**
 * Milliseconds: a process that stood still for so long, in one piece or in many pieces shortly after one another, gave up
 * requests that were about to be answered.
 */
const STALL_MS = 250;
const TICK_MS = 20;
/** What was lost counts half after this time. */
const FADE_MS = 600;
/** A run that meets a stall each time is no proof of anything: it fails at last. */
const MOST_TRIES = 25;

/** Notices when this process was not scheduled. */
class StallWatch {
  lastAt = Number.NEGATIVE_INFINITY;
  readonly #timer: NodeJS.Timeout;

  constructor() {
    let last = performance.now();
    let lost = 0;
    this.#timer = setInterval(() => {
      const now = performance.now();
      lost = lost * 0.5 ** ((now - last) / FADE_MS) + Math.max(0, now - last - 2 * TICK_MS);
      if (lost > STALL_MS) this.lastAt = now;
      last = now;
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Most of a run is waiting, so several go side by side. */
const PARALLEL = 6;

/** Runs the seeds from `first` on; `tell` gets a line for each failure and some progress. */
export async function runCampaign(
  first: number,
  runs: number,
  tell: (line: string) => void = () => undefined,
): Promise<CampaignReport> {
  const host = await openScenarioHost();
  const watch = new StallWatch();
  const total = { operations: 0, ambiguous: 0, faults: 0, repeated: 0, ends: new Map<string, number>() };
  const failures: string[] = [];
  let next = first;
  let done = 0;
  const run = async (seed: number, tries: number): Promise<void> => {
    const begin = performance.now();
    try {
      const report = await host.run(seed);
      total.operations += report.operations;
      total.ambiguous += report.ambiguous;
      total.faults += report.faults;
      total.ends.set(report.ended, (total.ends.get(report.ended) ?? 0) + 1);
    } catch (error) {
      // Time-outs and late requests of a stall are not the writer's doing; a fault of it shows again.
      if (watch.lastAt >= begin && tries < MOST_TRIES) {
        total.repeated++;
        await run(seed, tries + 1);
        return;
      }
      const line = `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
      failures.push(line);
      tell(line);
    }
  };
  const worker = async (): Promise<void> => {
    for (let seed = next++; seed < first + runs; seed = next++) {
      await run(seed, 1);
      if (++done % 500 === 0) tell(`${done} runs, ${failures.length} failed, ${total.repeated} repeated`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  watch.stop();
  await host.close();
  return { ...total, failures, spoilt: host.spoilt };
}
