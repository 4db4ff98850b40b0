/**
 * Faults on request, for tests and chaos runs: rules that strike when the host passes the point they name. Set by
 * `FunctionsHostOptions.faults` or `POST /_host/faults`.
 */
import { SyncError } from '../../shared/errors.ts';
import type { Log } from '../../shared/telemetry.ts';
import { isJsonObject, numberField, stringField } from './json.ts';
import type { Json } from './json.ts';

export const FAULT_KINDS = [
  /** A queue message is delivered again after its function succeeded. */
  'queueMessageDuplicated',
  /** A queue message vanishes without its function being called. */
  'queueMessageLost',
  /** An activity runs twice at the same time. */
  'activityTwice',
  /** The worker is killed (kill -9) `afterMilliseconds` after it got the activity. */
  'workerKilledAtActivity',
  /** startNew is refused with `status` (409 or 500). */
  'startRefused',
  /** continueAsNew drops the events that it should carry over. */
  'eventsLostOverContinueAsNew',
  /** The blob webhook answers 202 and forgets the event. */
  'blobEventLost',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** When a fault strikes. Without limits it strikes every time. */
export interface FaultRule {
  readonly fault: FaultKind;
  /** Only for this function. */
  readonly functionName?: string;
  /** Passes that are let through first. */
  readonly skip?: number;
  /** How often it strikes at most. */
  readonly count?: number;
  /** From 0 to 1, decided by a seeded generator. */
  readonly probability?: number;
  readonly seed?: number;
  readonly status?: 409 | 500;
  readonly afterMilliseconds?: number;
}

interface ArmedRule {
  readonly rule: FaultRule;
  passes: number;
  strikes: number;
  random: number;
}

/** The rules in force. */
export class FaultPlan {
  readonly #log: Log;
  #armed: ArmedRule[] = [];

  constructor(rules: readonly FaultRule[], log: Log) {
    this.#log = log;
    this.replace(rules);
  }

  replace(rules: readonly FaultRule[]): void {
    this.#armed = rules.map((rule) => ({ rule, passes: 0, strikes: 0, random: (rule.seed ?? 1) >>> 0 }));
  }

  /** The rule that strikes at this point, if any. */
  strike(fault: FaultKind, functionName: string): FaultRule | undefined {
    for (const armed of this.#armed) {
      const { rule } = armed;
      if (rule.fault !== fault || (rule.functionName !== undefined && rule.functionName !== functionName)) continue;
      armed.passes += 1;
      if (armed.passes <= (rule.skip ?? 0) || armed.strikes >= (rule.count ?? Number.POSITIVE_INFINITY)) continue;
      if (rule.probability !== undefined && nextRandom(armed) >= rule.probability) continue;
      armed.strikes += 1;
      this.#log.event('faultInjected', { fault, functionName });
      return rule;
    }
    return undefined;
  }
}

/** Reads the body of `POST /_host/faults`: an array of rules. Throws `usage` naming what is wrong. */
export function readFaultRules(value: Json | undefined): readonly FaultRule[] {
  if (!Array.isArray(value)) throw new SyncError('usage', { problem: 'The body is not a JSON array of fault rules.' });
  return (value as readonly Json[]).map((entry) => {
    const fault = isJsonObject(entry) ? FAULT_KINDS.find((kind) => kind === entry['fault']) : undefined;
    if (!isJsonObject(entry) || fault === undefined) {
      throw new SyncError('usage', { problem: `A fault rule names none of ${FAULT_KINDS.join(', ')}.` });
    }
    const functionName = stringField(entry, 'functionName');
    const numbers = ['skip', 'count', 'probability', 'seed', 'afterMilliseconds'] as const;
    return {
      fault,
      ...(functionName === undefined ? {} : { functionName }),
      ...Object.fromEntries(
        numbers.flatMap((name) => {
          const number = numberField(entry, name);
          return number === undefined ? [] : [[name, number]];
        }),
      ),
      ...(entry['status'] === 500 ? { status: 500 } : {}),
    } satisfies FaultRule;
  });
}

/** Mulberry32: small, seeded, good enough for faults. */
function nextRandom(armed: ArmedRule): number {
  armed.random = (armed.random + 0x6d2b79f5) >>> 0;
  let mixed = armed.random;
  mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
