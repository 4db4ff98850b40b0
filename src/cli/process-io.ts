/** The process as a command sees it: outputs with back-pressure, and one signal for Ctrl-C and a reader that left. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { SyncError } from '../shared/errors.ts';
import type { CommandIo, TextWriter } from './command.ts';

/** How the process was asked to end, if it was. */
export type EndRequest = 'interrupt' | 'readerGone';

/** CommandIo over the process, and what the frame must know to choose the exit code. */
export interface ProcessIo extends CommandIo {
  /** Undefined while nobody asked. */
  endRequest(): EndRequest | undefined;
}

/** Installs the signal handlers of the process. A second Ctrl-C ends it at once. */
export function createProcessIo(): ProcessIo {
  const controller = new AbortController();
  let request: EndRequest | undefined;

  function end(kind: EndRequest, problem: string): void {
    request ??= kind;
    controller.abort(new SyncError('aborted', { problem }));
  }
  function interrupt(): void {
    if (request === 'interrupt') process.exit(130);
    end('interrupt', 'Stopped by a signal.');
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt);
  for (const stream of [process.stdout, process.stderr]) {
    // Without a listener a closed pipe would end the process with a stack trace.
    stream.on('error', () => end('readerGone', 'Nobody reads the output any more.'));
  }
  return {
    stdout: writer(process.stdout, controller.signal),
    stderr: quiet(writer(process.stderr, controller.signal), () => request === 'readerGone'),
    signal: controller.signal,
    endRequest: () => request,
  };
}

/** Who closed the pipe (`… | head`) has what it wanted: that the work was stopped then is no news. */
function quiet(writer: TextWriter, isQuiet: () => boolean): TextWriter {
  return { write: async (text) => (isQuiet() ? undefined : writer.write(text)) };
}

function writer(stream: Writable, signal: AbortSignal): TextWriter {
  return {
    async write(text) {
      if (!stream.writable || stream.write(text)) return;
      try {
        await once(stream, 'drain', { signal });
      } catch {
        // Aborted, or the reader left: the signal tells the command, and there is nobody to write to.
      }
    },
  };
}
