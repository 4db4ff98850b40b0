/** Runs activity functions: input and result encoding, repetition after a killed worker, faults. */
import type { Log } from '../../../shared/telemetry.ts';
import type { FaultPlan } from '../faults.ts';
import type { FunctionOf } from '../function-definition.ts';
import type { Limiter } from '../limiter.ts';
import type { CallOutcome, FunctionRunner } from '../worker-pool.ts';
import type { TypedData } from '../worker-protocol.ts';
import { activityFailure, refusedActivity } from './activity-failure.ts';
import type { ActivityFailure } from './activity-failure.ts';
import { MAXIMUM_MESSAGE_BYTES, messageTooLong } from './episode.ts';

/** The end of an activity; `result` is JSON text, null for nothing. */
export type ActivityOutcome =
  | { readonly kind: 'completed'; readonly result: string | null }
  | ({ readonly kind: 'failed' } & ActivityFailure);

/** An activity to run. */
export interface ActivityWork {
  readonly instanceId: string;
  readonly name: string;
  /** As TaskScheduled keeps it. */
  readonly input: string | null;
}

/** Runs after which an activity that keeps killing its worker is given up. */
const MOST_RUNS = 5;

/** Runs activities under the host's concurrency limit. */
export class ActivityRunner {
  readonly #runner: FunctionRunner;
  readonly #functions: ReadonlyMap<string, FunctionOf<'activity'>>;
  readonly #limiter: Limiter;
  readonly #faults: FaultPlan;
  readonly #log: Log;

  constructor(
    runner: FunctionRunner,
    functions: readonly FunctionOf<'activity'>[],
    limiter: Limiter,
    faults: FaultPlan,
    log: Log,
  ) {
    this.#runner = runner;
    this.#functions = new Map(functions.map((each) => [each.name.toLowerCase(), each]));
    this.#limiter = limiter;
    this.#faults = faults;
    this.#log = log;
  }

  knows(name: string): boolean {
    return this.#functions.has(name.toLowerCase());
  }

  /**
   * Runs an activity and reports its end; nothing is reported when the host stops in between. The report is made before
   * the next activity takes the place, so that a killed host never repeats more than what ran at once.
   */
  async run(work: ActivityWork, report: (outcome: ActivityOutcome) => void): Promise<void> {
    const definition = this.#functions.get(work.name.toLowerCase());
    if (definition === undefined) return;
    const once = (): Promise<void> =>
      this.#limiter.run(async () => {
        const outcome = await this.#attempt(definition, work, 1);
        if (outcome !== undefined) report(outcome);
      });
    const twice = this.#faults.strike('activityTwice', definition.name) !== undefined;
    await Promise.all(twice ? [once(), once()] : [once()]);
  }

  async #attempt(
    definition: FunctionOf<'activity'>,
    work: ActivityWork,
    run: number,
  ): Promise<ActivityOutcome | undefined> {
    const kill = this.#faults.strike('workerKilledAtActivity', definition.name);
    const outcome = await this.#runner.call(
      {
        functionName: definition.name,
        inputData: [{ name: definition.triggerBinding, data: work.input === null ? {} : { string: work.input } }],
        triggerMetadata: {
          instanceId: { string: work.instanceId },
          ...(work.input === null ? {} : { data: { json: JSON.stringify(parsedOrText(work.input)) } }),
        },
        retryContext: null,
      },
      kill === undefined ? {} : { killWorkerAfterMilliseconds: kill.afterMilliseconds ?? 0 },
    );
    if (outcome.kind === 'succeeded') return completed(definition.name, outcome.returnValue);
    if (outcome.kind === 'stopped') return undefined;
    if (wasKilled(outcome) && run < MOST_RUNS) return this.#attempt(definition, work, run + 1);
    const failure = activityFailure(definition.name, outcome);
    this.#log.event('functionFailed', {
      functionName: definition.name,
      instanceId: work.instanceId,
      reason: failure.reason,
    });
    return { kind: 'failed', ...failure };
  }
}

/**
 * A worker that a signal ended is treated like a lost instance of the app: its activities run again. One that exited
 * with a code fails them, as recorded from the official host.
 */
function wasKilled(outcome: CallOutcome): boolean {
  return outcome.kind === 'workerExited' && outcome.exit.exitCode === null;
}

function completed(functionName: string, value: TypedData | null): ActivityOutcome {
  const result = resultText(value);
  if (result !== null && Buffer.byteLength(result) > MAXIMUM_MESSAGE_BYTES) {
    return { kind: 'failed', ...refusedActivity(functionName, messageTooLong('The result')) };
  }
  return { kind: 'completed', result };
}

/** A return value as JSON text, the way the Durable extension keeps it: strings quoted, nothing as null. */
export function resultText(value: TypedData | null): string | null {
  if (value === null) return null;
  if ('string' in value) return JSON.stringify(value.string);
  if ('json' in value) return value.json;
  if ('int' in value) return String(value.int);
  if ('double' in value) return String(value.double);
  if ('bytes' in value && value.bytes instanceof Uint8Array) {
    return JSON.stringify(Buffer.from(value.bytes).toString('base64'));
  }
  return null;
}

function parsedOrText(text: string): unknown {
  const number = Number(text);
  return text.trim() !== '' && Number.isFinite(number) ? number : text;
}
