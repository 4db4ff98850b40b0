/** The host's end of one worker process: start it, send invocations, notice its end. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  HostToWorker,
  Invocation,
  InvocationOutcome,
  RegisteredFunction,
  WorkerToHost,
} from './worker-protocol.ts';

/** How a worker process ended: with an exit code, or by a signal. */
export interface WorkerExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** What an invocation can end with, the worker's death included. */
export type ChannelOutcome = InvocationOutcome | { readonly kind: 'workerExited'; readonly exit: WorkerExit };

/** What a worker tells besides outcomes. */
export interface WorkerEvents {
  onLog(level: string, message: string, invocationId?: string): void;
  onOutput(stream: 'stdout' | 'stderr', line: string): void;
  onExit(exit: WorkerExit): void;
}

/** What a worker process is started with. */
export interface WorkerStart {
  readonly appFolder: string;
  readonly hostVersion: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Arguments of the node process, such as --max-old-space-size. */
  readonly nodeArguments: readonly string[];
}

// The sibling has the same ending as this file: .ts in a checkout, .js in the build.
const workerFile = fileURLToPath(new URL(`./worker-process${extname(import.meta.url)}`, import.meta.url));

/** One running worker. */
export class WorkerChannel {
  readonly #child: ChildProcess;
  readonly #pending = new Map<string, (outcome: ChannelOutcome) => void>();
  readonly #events: WorkerEvents;
  readonly #loaded: Promise<readonly RegisteredFunction[]>;
  readonly #exited: Promise<WorkerExit>;
  #exit: WorkerExit | undefined;
  #killed = false;

  constructor(start: WorkerStart, events: WorkerEvents) {
    this.#events = events;
    this.#child = fork(workerFile, [], {
      cwd: start.appFolder,
      env: { ...start.environment },
      execArgv: [...start.nodeArguments],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#readLines('stdout');
    this.#readLines('stderr');
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (exitCode, signal) => {
        this.#ended({ exitCode, signal });
        resolve({ exitCode, signal });
      });
      this.#child.once('error', () => {
        const exit = { exitCode: null, signal: null };
        this.#ended(exit);
        resolve(exit);
      });
    });
    this.#loaded = new Promise((resolve, reject) => {
      this.#child.on('message', (message: WorkerToHost) => {
        if (message.kind === 'loaded') resolve(message.functions);
        else if (message.kind === 'loadFailed') reject(new Error(message.reason));
        else if (message.kind === 'log') events.onLog(message.level, message.message, message.invocationId);
        else this.#settle(message.invocationId, message.outcome);
      });
      void this.#exited.then((exit) => reject(new Error(`The worker ended while loading (${describeExit(exit)}).`)));
    });
    // Whoever started the worker awaits `loaded`; a worker that dies later must not raise an unhandled rejection.
    this.#loaded.catch(() => undefined);
    this.#send({ kind: 'load', appFolder: start.appFolder, hostVersion: start.hostVersion });
  }

  /** The functions that the app registered; rejects with the reason when it does not load. */
  get loaded(): Promise<readonly RegisteredFunction[]> {
    return this.#loaded;
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /** False as soon as the process ends or is about to be ended from here. */
  get alive(): boolean {
    return this.#exit === undefined && !this.#killed;
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** Runs an invocation; resolves with `workerExited` when the process ends first. */
  async invoke(invocation: Invocation): Promise<ChannelOutcome> {
    if (this.#exit !== undefined) return { kind: 'workerExited', exit: this.#exit };
    return new Promise((resolve) => {
      this.#pending.set(invocation.invocationId, resolve);
      this.#send({ kind: 'invoke', invocation });
    });
  }

  /** Ends one invocation from this side, whatever the worker does about it. */
  abandon(invocationId: string): void {
    this.#pending.delete(invocationId);
  }

  /** Ends the process at once. */
  kill(): void {
    this.#killed = true;
    this.#child.kill('SIGKILL');
  }

  /** Asks the process to end, and ends it after the grace period in milliseconds. */
  async stop(graceMilliseconds: number): Promise<void> {
    if (this.#exit !== undefined) return;
    this.#send({ kind: 'terminate' });
    const timer = setTimeout(() => this.kill(), graceMilliseconds);
    await this.#exited;
    clearTimeout(timer);
  }

  #send(message: HostToWorker): void {
    // A send can fail while the process is dying; its exit settles every invocation.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #settle(invocationId: string, outcome: ChannelOutcome): void {
    const resolve = this.#pending.get(invocationId);
    this.#pending.delete(invocationId);
    resolve?.(outcome);
  }

  #ended(exit: WorkerExit): void {
    if (this.#exit !== undefined) return;
    this.#exit = exit;
    for (const invocationId of this.#pending.keys()) this.#settle(invocationId, { kind: 'workerExited', exit });
    this.#events.onExit(exit);
  }

  #readLines(name: 'stdout' | 'stderr'): void {
    let rest = '';
    const stream = this.#child[name];
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      // A line without end is cut rather than collected for ever.
      rest = (lines.pop() ?? '').slice(0, 65_536);
      for (const line of lines) this.#events.onOutput(name, line);
    });
    stream?.on('end', () => {
      if (rest !== '') this.#events.onOutput(name, rest);
    });
  }
}

/** `code 4` or `signal SIGKILL`. */
export function describeExit(exit: WorkerExit): string {
  return exit.signal === null ? `code ${exit.exitCode ?? 'unknown'}` : `signal ${exit.signal}`;
}
