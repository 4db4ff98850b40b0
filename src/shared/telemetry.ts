/**
 * The one log catalogue: every event the product logs has a stable id, a level and a name. Fields are plain data; row
 * content, keys and tokens are never fields.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const EVENTS = {
  hintReceived: { id: 100, level: 'info' },
  hintIgnored: { id: 101, level: 'debug' },
  hintRequeued: { id: 102, level: 'debug' },
  hintFailed: { id: 103, level: 'warn' },
  sweepStarted: { id: 110, level: 'debug' },
  sweepRestarted: { id: 111, level: 'warn' },
  tableBehind: { id: 112, level: 'warn' },
  epochPlanned: { id: 200, level: 'info' },
  epochHeld: { id: 201, level: 'warn' },
  epochCompleted: { id: 202, level: 'info' },
  epochFailed: { id: 203, level: 'error' },
  epochAbandoned: { id: 204, level: 'warn' },
  publicationFailed: { id: 205, level: 'warn' },
  tableRemoved: { id: 207, level: 'info' },
  liveSwitched: { id: 206, level: 'info' },
  sliceCompleted: { id: 210, level: 'debug' },
  sliceFailed: { id: 211, level: 'warn' },
  rowDeadLettered: { id: 220, level: 'warn' },
  throttled: { id: 300, level: 'debug' },
  leaseLost: { id: 310, level: 'warn' },
  partitionsChanged: { id: 320, level: 'info' },
  requestRefused: { id: 400, level: 'warn' },
  hostReady: { id: 500, level: 'info' },
  hostStopped: { id: 501, level: 'info' },
  hostProblem: { id: 502, level: 'warn' },
  workerStarted: { id: 503, level: 'debug' },
  workerExited: { id: 504, level: 'warn' },
  triggerNotDriven: { id: 505, level: 'warn' },
  functionLogged: { id: 510, level: 'info' },
  functionFailed: { id: 511, level: 'warn' },
  functionTimedOut: { id: 512, level: 'error' },
  messagePoisoned: { id: 513, level: 'error' },
  orchestrationFailed: { id: 514, level: 'error' },
  orchestrationCompleted: { id: 515, level: 'debug' },
  faultInjected: { id: 516, level: 'info' },
} as const satisfies Record<string, { id: number; level: LogLevel }>;

export type LogEvent = keyof typeof EVENTS;
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Where log events go. Implementations must not throw. */
export interface Log {
  event(name: LogEvent, fields?: LogFields): void;
}

/** Drops everything; for tests and for callers that do not care. */
export const silentLog: Log = { event: () => undefined };

/** Id and level of an event. */
export function logEventInfo(name: LogEvent): { readonly id: number; readonly level: LogLevel } {
  return EVENTS[name];
}

/** A Log that writes one JSON object per event through `write(level, line)`. */
export function jsonLog(write: (level: LogLevel, line: string) => void): Log {
  return {
    event(name, fields) {
      const { id, level } = EVENTS[name];
      write(level, JSON.stringify({ event: name, id, ...fields }));
    },
  };
}
