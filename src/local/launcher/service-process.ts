/**
 * A service of the local Azure as a child process: in a process group of its own (Ctrl-C reaches only the launcher, which
 * stops things in order), tied to the launcher by its stdin pipe, its output read line by line.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { SyncError, errorCatalogue } from '../../shared/errors.ts';
import type { ErrorCode } from '../../shared/errors.ts';

/** How long a service may take to get ready; generous, since a busy machine is no error. */
const READY_TIMEOUT_MS = 90_000;
/** From closing the pipe to SIGTERM, and from there to SIGKILL. */
const STOP_GRACE_MS = { SIGTERM: 5000, SIGKILL: 2000 };
/** Last lines of output kept for the message of a service that fails. */
const TAIL_LINES = 40;

/** What to run. */
export interface ServiceSpec {
  /** For messages, as in "Azurite". */
  readonly name: string;
  /** Arguments of this Node: flags, module, arguments. */
  readonly argv: readonly string[];
  /** Every line of output, in order. */
  readonly onLine: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Called when the process has begun, before it is ready. */
  readonly onStart?: (pid: number) => void;
}

/** A service that got ready. */
export interface ServiceProcess<Ready> {
  readonly ready: Ready;
  readonly pid: number;
  /** Resolves when the process is gone, with how it went, as in "exit code 1". Never rejects. */
  readonly exited: Promise<string>;
  /** Ends the process and everything it started. Idempotent; resolves when it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts a service and waits until `isReady` gives something for one of its stdout lines. Throws `serviceFailed` with the
 * end of its output when it ends or stays silent instead; the process is gone then.
 */
export async function startService<Ready>(
  spec: ServiceSpec,
  isReady: (line: string) => Ready | undefined,
  signal: AbortSignal,
): Promise<ServiceProcess<Ready>> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [...spec.argv], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  const exited = exitOf(child);
  const stop = async (): Promise<void> => stopChild(child, exited);
  const tail: string[] = [];
  let resolveReady: (value: Ready) => void = () => undefined;
  let rejectReady: (reason: Error) => void = () => undefined;
  const whenReady = new Promise<Ready>((resolve, reject) => {
    resolveReady = resolve;
    rejectReady = reject;
  });

  function read(stream: Readable, name: 'stdout' | 'stderr'): void {
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      spec.onLine(line, name);
      if (name !== 'stdout') return;
      const value = isReady(line);
      if (value !== undefined) resolveReady(value);
    });
  }
  read(child.stdout, 'stdout');
  read(child.stderr, 'stderr');
  // A child that is gone makes the pipe fail; `exited` already says so.
  child.stdin.on('error', () => undefined);
  if (child.pid !== undefined) spec.onStart?.(child.pid);

  const failed = (why: string): SyncError =>
    statedError(tail) ??
    new SyncError('serviceFailed', { problem: `${spec.name} did not start: ${why}.`, reason: sayingLine(tail) });
  void exited.then((how) => rejectReady(failed(how)));
  const timer = setTimeout(() => rejectReady(failed('it did not get ready in time')), READY_TIMEOUT_MS);
  const abort = (): void => rejectReady(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    const value = await whenReady;
    return { ready: value, pid: child.pid ?? 0, exited, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** The error that a service of this project states in its last lines: `{"type":"error","code":…,"message":…}`. */
function statedError(lines: readonly string[]): SyncError | undefined {
  for (const line of lines.toReversed()) {
    if (!line.startsWith('{"type":"error"')) continue;
    try {
      const { code, message } = JSON.parse(line) as { readonly code?: unknown; readonly message?: unknown };
      if (typeof code !== 'string' || typeof message !== 'string' || !isErrorCode(code)) continue;
      // The message has problem, reason and remedy already.
      return new SyncError(code, { problem: message, remedy: '' });
    } catch {
      // Cut off: then it states nothing.
    }
  }
  return undefined;
}

/** The line of a stack trace that says what happened, or the last line. */
function sayingLine(lines: readonly string[]): string {
  const line = lines.find((text) => /^\S*Error\b/.test(text)) ?? lines.findLast((text) => text.trim() !== '') ?? '';
  return /[.!?]?$/.exec(line)?.[0] === '' && line !== '' ? `${line}.` : line;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue(), code);
}

/** Resolves once the process has ended and its output has been read. */
async function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // What a crashed service left behind in its group must not outlive it, nor hold its output open.
    child.once('exit', () => killGroup(child, 'SIGKILL'));
    child.once('close', (code, signal) => {
      resolve(signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`);
    });
  });
}

async function stopChild(child: ChildProcess, exited: Promise<string>): Promise<void> {
  child.stdin?.end();
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const gone = await Promise.race([exited, after(STOP_GRACE_MS[signal])]);
    if (gone !== undefined) return;
    killGroup(child, signal);
  }
  await exited;
}

function killGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // Nobody is left in the group.
  }
}

async function after(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), milliseconds).unref();
  });
}
