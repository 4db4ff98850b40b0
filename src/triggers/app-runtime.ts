/** What all functions of the app share: dependencies opened once per process, logs that go to the invocation at hand. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { resolve } from 'node:path';
import type { InvocationContext } from '@azure/functions';
import { openAppDependencies, type AppDependencies } from '../activities/app-dependencies.ts';
import type { AppSettings } from '../config/app-settings.ts';
import { readConfigurationFile } from '../config/configuration-file.ts';
import { jsonLog, type Log, type LogLevel } from '../shared/telemetry.ts';

export class AppRuntime {
  readonly #settings: () => AppSettings;
  readonly #appVersion: string;
  readonly #folder: string;
  readonly #invocation = new AsyncLocalStorage<InvocationContext>();
  readonly log: Log;
  #opening: Promise<AppDependencies> | undefined;

  /** `folder`: where sync.json lies unless a setting says otherwise. */
  constructor(settings: () => AppSettings, appVersion: string, folder: string) {
    this.#settings = settings;
    this.#appVersion = appVersion;
    this.#folder = folder;
    this.log = jsonLog((level, line) => this.#write(level, line));
  }

  /** Runs work with the dependencies; a failed opening is tried again by the next invocation. */
  readonly run = <T>(context: InvocationContext, work: (deps: AppDependencies) => Promise<T>): Promise<T> =>
    this.#invocation.run(context, async () => work(await this.#open()));

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
