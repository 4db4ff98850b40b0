/** Faults on request: what the service, the network or a stale replica may do to a client. */
import { isJsonMap, type JsonMap } from './json.ts';
import type { RequestKind } from './request.ts';
import { badRequest } from './refusal.ts';

/** What a fault may look at. Fields that a request does not have are undefined. */
export interface FaultSubject {
  readonly method: string;
  readonly kind: RequestKind;
  readonly database: string | undefined;
  readonly container: string | undefined;
  readonly rangeId: string | undefined;
  /** Of an operation: its type, id and partition key (canonical JSON text). */
  readonly operation: string | undefined;
  readonly id: string | undefined;
  readonly partitionKey: string | undefined;
}

export type FaultAction =
  /** Answers so instead of doing it; with `applied`, after doing it. For requests and operations. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly substatus?: number;
      readonly retryAfterMs?: number;
      readonly applied?: boolean;
    }
  /** Answers this much later; what it does is done at once unless `before` is set. */
  | { readonly kind: 'delay'; readonly ms: number; readonly before?: boolean }
  /** Closes the socket without an answer, before or after doing it. */
  | { readonly kind: 'reset'; readonly when: 'before' | 'after' }
  /** Sends the headers and this part of the body, then closes the socket. */
  | { readonly kind: 'truncate'; readonly bytes?: number }
  /** Shows the ranges before the last split. For requests of kind `ranges`. */
  | { readonly kind: 'staleRanges' }
  /** A point read (or a Read of a batch) gets the version before the last write. For operations. */
  | { readonly kind: 'staleRead' };

export interface FaultRule {
  /** Whole requests, or single operations (a point request is also one operation). @default 'request' */
  readonly level?: 'request' | 'operation';
  /** Every field given must be equal. */
  readonly match?: Partial<FaultSubject>;
  /** Further condition; only from code. */
  readonly when?: (subject: FaultSubject) => boolean;
  /** Matches let through first. @default 0 */
  readonly skip?: number;
  /** Times it strikes. @default 1 */
  readonly times?: number;
  readonly action: FaultAction;
}

interface ArmedFault {
  readonly id: number;
  readonly rule: FaultRule;
  skip: number;
  left: number;
  struck: number;
}

export class Faults {
  private armed: ArmedFault[] = [];
  private lastId = 0;

  /** Arms a fault; the id names it in `list` and `remove`. */
  add(rule: FaultRule): number {
    const id = ++this.lastId;
    this.armed.push({ id, rule, skip: rule.skip ?? 0, left: rule.times ?? 1, struck: 0 });
    return id;
  }

  remove(id: number): void {
    this.armed = this.armed.filter((fault) => fault.id !== id);
  }

  clear(): void {
    this.armed = [];
  }

  /** Every fault with how often it struck and may still strike. */
  list(): readonly {
    readonly id: number;
    readonly action: FaultAction;
    readonly struck: number;
    readonly left: number;
  }[] {
    return this.armed.map(({ id, rule, struck, left }) => ({ id, action: rule.action, struck, left }));
  }

  /** True when nothing can strike, so that callers need not describe what they do. */
  get idle(): boolean {
    return this.armed.every((fault) => fault.left <= 0);
  }

  /** The actions that strike now, in the order they were armed. */
  strike(level: 'request' | 'operation', subject: FaultSubject): readonly FaultAction[] {
    const actions: FaultAction[] = [];
    for (const fault of this.armed) {
      if (fault.left <= 0 || (fault.rule.level ?? 'request') !== level || !matches(fault.rule, subject)) continue;
      if (fault.skip > 0) {
        fault.skip--;
        continue;
      }
      fault.left--;
      fault.struck++;
      actions.push(fault.rule.action);
    }
    return actions;
  }
}

function matches(rule: FaultRule, subject: FaultSubject): boolean {
  for (const [name, wanted] of Object.entries(rule.match ?? {})) {
    if (wanted !== undefined && subject[name as keyof FaultSubject] !== wanted) return false;
  }
  return rule.when === undefined || rule.when(subject);
}

/** Reads a fault that came over HTTP, or 400. */
export function parseFaultRule(body: JsonMap): FaultRule {
  const { level, match, skip, times, action } = body;
  const kind = isJsonMap(action) ? action['kind'] : undefined;
  const kinds: readonly FaultAction['kind'][] = ['answer', 'delay', 'reset', 'truncate', 'staleRanges', 'staleRead'];
  if (!isJsonMap(action) || !kinds.some((known) => known === kind)) {
    throw badRequest(`A fault needs an action whose kind is one of ${kinds.join(', ')}.`);
  }
  if (kind === 'answer' && !(Number.isInteger(action['status']) && Number(action['status']) >= 200)) {
    throw badRequest('An answer needs a status.');
  }
  if (level !== undefined && level !== 'request' && level !== 'operation') throw badRequest('The level is not known.');
  return {
    level: level ?? 'request',
    match: isJsonMap(match) ? match : {},
    skip: wholeNumber(skip, 0),
    times: wholeNumber(times, 1),
    action: action as unknown as FaultAction,
  };
}

function wholeNumber(value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw badRequest('A count is not a whole number.');
  return value;
}
