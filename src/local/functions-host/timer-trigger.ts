/** Timer functions: one run at a time, missed occurrences run once as past due, status kept in the data folder. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/telemetry.ts';
import type { AlarmQueue } from './alarm-queue.ts';
import type { FunctionOf } from './function-definition.ts';
import type { FunctionInputs } from './function-inputs.ts';
import { isJsonObject, parseJson, stringField } from './json.ts';
import type { OutputWriter } from './output-bindings.ts';
import { callWithRetries } from './retried-call.ts';
import { parseSchedule } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import type { AppSettings } from './settings.ts';
import type { FunctionRunner } from './worker-pool.ts';

/** When a timer ran and is to run; ISO texts with offset, as the official host writes them. */
interface ScheduleStatus {
  readonly Last: string;
  readonly Next: string;
  readonly LastUpdated: string;
}

/** What timer functions are driven with. */
export interface TimerTriggerParts {
  readonly settings: AppSettings;
  readonly runner: FunctionRunner;
  readonly inputs: FunctionInputs;
  readonly outputs: OutputWriter;
  readonly alarms: AlarmQueue;
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const NEVER = '0001-01-01T00:00:00+00:00';

/** Drives one timer function. */
export class TimerTrigger {
  readonly #definition: FunctionOf<'timer'>;
  readonly #parts: TimerTriggerParts;
  readonly #schedule: Schedule;
  readonly #monitored: boolean;
  readonly #statusFile: string;
  #status: ScheduleStatus | undefined;

  /** Throws `configInvalid` for a schedule that cannot be read. */
  constructor(definition: FunctionOf<'timer'>, parts: TimerTriggerParts) {
    this.#definition = definition;
    this.#parts = parts;
    this.#schedule = parseSchedule(parts.settings.resolve(definition.trigger.schedule));
    this.#monitored = definition.trigger.useMonitor && !this.#schedule.subMinute;
    this.#statusFile = join(parts.dataFolder, `timer-${encodeURIComponent(definition.name)}.json`);
    this.#status = this.#monitored ? readStatus(this.#statusFile) : undefined;
  }

  /** Sets the first alarm; runs at once when an occurrence was missed or the function asks for it. */
  start(): void {
    const now = this.#parts.clock.now();
    const missed = this.#status !== undefined && Date.parse(this.#status.Next) < now;
    if (missed || this.#definition.trigger.runOnStartup) {
      void this.#run(missed);
      return;
    }
    if (this.#monitored && this.#status === undefined) {
      const next = this.#schedule.next(now);
      if (next !== undefined) this.#keep({ Last: NEVER, Next: offsetTime(next), LastUpdated: NEVER });
    }
    this.#arm();
  }

  /** Runs the function now, apart from its schedule. */
  async runNow(): Promise<void> {
    await this.#call(false);
  }

  #arm(): void {
    const next = this.#schedule.next(this.#parts.clock.now());
    if (next === undefined || this.#parts.signal.aborted) return;
    this.#parts.alarms.set(`timer ${this.#definition.name}`, next, () => void this.#run(false));
  }

  async #run(isPastDue: boolean): Promise<void> {
    const began = this.#parts.clock.now();
    await this.#call(isPastDue);
    if (this.#parts.signal.aborted) return;
    const next = this.#schedule.next(this.#parts.clock.now());
    if (this.#monitored && next !== undefined) {
      this.#keep({ Last: offsetTime(began), Next: offsetTime(next), LastUpdated: offsetTime(began) });
    }
    this.#arm();
  }

  async #call(isPastDue: boolean): Promise<void> {
    const { runner, inputs, outputs, clock, signal, log } = this.#parts;
    const info = {
      Schedule: { AdjustForDST: true },
      ScheduleStatus: this.#status ?? null,
      IsPastDue: isPastDue,
    };
    try {
      const outcome = await callWithRetries(
        runner,
        this.#definition,
        {
          inputData: [
            { name: this.#definition.triggerBinding, data: { json: JSON.stringify(info) } },
            ...inputs.of(this.#definition),
          ],
          triggerMetadata: { TimerTrigger: { string: new Date(clock.now()).toISOString() } },
        },
        clock,
        signal,
      );
      if (outcome.kind === 'succeeded') await outputs.write(this.#definition, outcome);
      else if (outcome.kind !== 'stopped') {
        const reason = outcome.kind === 'failed' ? outcome.message : outcome.kind;
        log.event('functionFailed', { functionName: this.#definition.name, reason });
      }
    } catch (error) {
      log.event('functionFailed', { functionName: this.#definition.name, reason: String(error) });
    }
  }

  #keep(status: ScheduleStatus): void {
    this.#status = status;
    // By rename: a host killed while writing must find the old status or the new one.
    writeFileSync(`${this.#statusFile}.new`, JSON.stringify(status));
    renameSync(`${this.#statusFile}.new`, this.#statusFile);
  }
}

function readStatus(file: string): ScheduleStatus | undefined {
  if (!existsSync(file)) return undefined;
  const value = parseJson(readFileSync(file, 'utf8'));
  if (!isJsonObject(value)) return undefined;
  const Next = stringField(value, 'Next');
  if (Next === undefined || Number.isNaN(Date.parse(Next))) return undefined;
  return { Last: stringField(value, 'Last') ?? NEVER, Next, LastUpdated: stringField(value, 'LastUpdated') ?? NEVER };
}

function offsetTime(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace(/\.000Z$/, 'Z')
    .replace('Z', '+00:00');
}
