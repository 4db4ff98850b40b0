/** What an orchestration schedules under an id, and whether that agrees with its history. */
import type { Json } from '../json.ts';

/** Something an orchestration scheduled under an id. Times are milliseconds since 1970. */
export type Operation =
  | { readonly kind: 'activity'; readonly id: number; readonly name: string; readonly input: Json | undefined }
  | { readonly kind: 'timer'; readonly id: number; readonly fireAt: number; readonly isCanceled: boolean }
  | {
      readonly kind: 'subOrchestration';
      readonly id: number;
      readonly name: string;
      readonly instanceId: string | undefined;
      readonly version: string | undefined;
      readonly input: Json | undefined;
    };

/** What the history says was scheduled; timers have no name. */
export interface PastOperation {
  readonly kind: Operation['kind'];
  readonly id: number;
  readonly name: string | undefined;
}

const PAST: Readonly<Record<Operation['kind'], string>> = {
  activity: 'an activity task',
  timer: 'a timer task',
  subOrchestration: 'a sub-orchestration',
};

const ACTION_CLASS: Readonly<Record<Operation['kind'], string>> = {
  activity: 'ScheduleTaskOrchestratorAction',
  timer: 'CreateTimerOrchestratorAction',
  subOrchestration: 'CreateSubOrchestrationAction',
};

/** In the official words, how what is scheduled now (undefined: nothing) differs from the past; undefined: it agrees. */
export function findMismatch(past: PastOperation, now: Operation | undefined): string | undefined {
  if (now === undefined) return mismatch(past, "hasn't (yet?) scheduled anything with this sequence number");
  if (now.kind !== past.kind) {
    return mismatch(past, `instead produced a ${ACTION_CLASS[now.kind]} action with this sequence number`);
  }
  if (now.kind !== 'timer' && now.name.toLowerCase() !== past.name?.toLowerCase()) {
    return mismatch(past, `instead scheduled '${now.name}' with this sequence number`);
  }
  return undefined;
}

function mismatch(past: PastOperation, now: string): string {
  const name = past.name === undefined ? '' : ` named '${past.name}'`;
  return (
    `Non-Deterministic workflow detected: A previous execution of this orchestration scheduled ` +
    `${PAST[past.kind]} with sequence number ${past.id}${name}, but the current orchestration replay ${now}. ` +
    `Was a change made to the orchestrator code after this instance had already started running?`
  );
}
