/** What all functions of the app share: dependencies opened once per process, logs that go to the invocation at hand. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { resolve } from 'node:path';
import type { InvocationContext } from '@azure/functions';
import { openAppDependencies, type AppDependencies } from '../activities/app-dependencies.ts';
import type { AppSettings } from '../config/app-settings.ts';
import { readConfigurationFile } from '../config/configuration-file.ts';
import { jsonLog, type Log, type LogLevel } from '../shared/telemetry.ts';

/** How long a process that is asked to end waits for its invocations: the host gives it five seconds. */
const STOP_MS = 4_000;

export class AppRuntime {
  readonly #settings: () => AppSettings;
  readonly #appVersion: string;
  readonly #folder: string;
  readonly #invocation = new AsyncLocalStorage<InvocationContext>();
  readonly log: Log;
  readonly #stopping = new AbortController();
  #opening: Promise<AppDependencies> | undefined;
  #running = 0;
  #ended: (() => void) | undefined;

  /** `folder`: where sync.json lies unless a setting says otherwise. */
  constructor(settings: () => AppSettings, appVersion: string, folder: string) {
    this.#settings = settings;
    this.#appVersion = appVersion;
    this.#folder = folder;
    this.log = jsonLog((level, line) => this.#write(level, line));
  }

  /** Runs work with the dependencies; a failed opening is tried again by the next invocation. */
  readonly run = <T>(context: InvocationContext, work: (deps: AppDependencies) => Promise<T>): Promise<T> =>
    this.#invocation.run(context, async () => {
      this.#running++;
      try {
        return await work(await this.#open());
      } finally {
        this.#running--;
        if (this.#running === 0) this.#ended?.();
      }
    });

  /** Aborts when the process is asked to end. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Asks what runs to stop, and waits until it has, but not for long. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#running === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((ended) => {
      this.#ended = ended;
      timer = setTimeout(ended, STOP_MS);
    });
    clearTimeout(timer);
  }

  #open(): Promise<AppDependencies> {
    this.#opening ??= this.#openOnce().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openOnce(): Promise<AppDependencies> {
    const settings = this.#settings();
    const configuration = await readConfigurationFile(resolve(this.#folder, settings.configurationFile ?? 'sync.json'));
    return openAppDependencies({ settings, configuration, log: this.log, appVersion: this.#appVersion });
  }

  #write(level: LogLevel, line: string): void {
    const context = this.#invocation.getStore();
    if (context === undefined) return;
    switch (level) {
      case 'debug':
        return context.debug(line);
      case 'info':
        return context.info(line);
      case 'warn':
        return context.warn(line);
      case 'error':
        return context.error(line);
    }
  }
}
