/** The three outputs of a local run: one JSON object a line, plain lines, and a terminal with a progress line. */
import { eventText, nextSteps } from './event-text.ts';
import { progressLine } from './progress-line.ts';
import type { Reporter, SessionEvent } from './session-event.ts';
import type { TextStyle } from './text-style.ts';

type Write = (text: string) => void;

/** Back to the beginning of the line, and away with what is there. */
const CLEAR_LINE = '\r\u001B[2K';

/** One event a line: `ready`, `epoch`, `synced` and `error`. */
export function jsonReporter(write: Write): Reporter {
  return {
    showsProgress: false,
    event(event) {
      const line = jsonEvent(event);
      if (line !== undefined) write(`${JSON.stringify(line)}\n`);
    },
    progress: () => undefined,
    close: () => undefined,
  };
}

/** Plain lines, for logs and pipes. */
export function plainReporter(write: Write): Reporter {
  const lines = textLines(() => ({ columns: undefined, color: false }));
  return {
    showsProgress: false,
    event: (event) => write(`${lines(event).join('\n')}\n`),
    progress: () => undefined,
    close: () => undefined,
  };
}

/** Lines, and below them one that shows how far the work is. `style` is asked anew each time: terminals change size. */
export function terminalReporter(write: Write, style: () => TextStyle): Reporter {
  let shown = '';
  const lines = textLines(style);
  return {
    showsProgress: true,
    event(event) {
      write(`${shown === '' ? '' : CLEAR_LINE}${lines(event).join('\n')}\n${shown}`);
    },
    progress(progress) {
      const { columns, color } = style();
      // The last column stays free: some terminals wrap when it is written.
      const line = progressLine(progress, { columns: columns === undefined ? undefined : columns - 1, color });
      if (line === shown) return;
      shown = line;
      write(`${CLEAR_LINE}${shown}`);
    },
    close() {
      if (shown !== '') write(CLEAR_LINE);
      shown = '';
    },
  };
}

/** Events as text; what to try next has the addresses that `ready` named. */
function textLines(style: () => TextStyle): (event: SessionEvent) => string[] {
  let ready: Extract<SessionEvent, { kind: 'ready' }> | undefined;
  return (event) => {
    if (event.kind === 'ready') ready = event;
    if (event.kind === 'watching' && ready !== undefined) return nextSteps(ready, event.isSample);
    return eventText(event, style());
  };
}

/** An event as programs get it; undefined: it is for people only. */
export function jsonEvent(event: SessionEvent): Readonly<Record<string, unknown>> | undefined {
  switch (event.kind) {
    case 'ready': {
      const { functions, cosmos, azurite } = event.addresses;
      return {
        event: 'ready',
        table: event.table,
        target: event.target,
        functions: { url: functions.url, masterKey: functions.masterKey, systemKeys: functions.systemKeys },
        cosmos,
        azurite,
        dataFolder: event.dataFolder,
      };
    }
    case 'epoch':
      return {
        event: 'epoch',
        table: event.table,
        kind: event.epochKind,
        from: event.from,
        to: event.to,
        rows: event.rows,
        operations: event.operations,
        ru: event.ru,
        milliseconds: event.milliseconds,
        lagMilliseconds: event.lagMilliseconds ?? null,
      };
    case 'synced':
      return {
        event: 'synced',
        table: event.table,
        version: event.version,
        documents: event.documents,
        seconds: event.seconds,
      };
    case 'error':
      return { event: 'error', code: event.code, message: event.message };
    case 'note':
    case 'commit':
    case 'arrived':
    case 'documents':
    case 'watching':
      return undefined;
  }
}
