/** `delta-cosmos start` as users run it: the compiled command in a process of its own. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CosmosClient } from '@azure/cosmos';
import { processStarted } from '../../src/local/launcher/process-identity.ts';

/** The compiled command. */
export const MAIN = fileURLToPath(new URL('../../build/cli/main.js', import.meta.url));

/** One line of `--json`. */
export type JsonEvent = Readonly<Record<string, unknown>> & { readonly event: string };

/** What `ready` tells, as far as tests use it. */
export interface ReadyEvent extends JsonEvent {
  readonly target: string;
  readonly functions: { readonly url: string; readonly masterKey: string };
  readonly cosmos: { readonly endpoint: string; readonly key: string };
  readonly azurite: { readonly connectionString: string };
}

export class LocalRun {
  readonly #child: ChildProcess;
  /** Lines of stdout and of stderr. */
  readonly out: string[] = [];
  readonly err: string[] = [];
  /** Exit code, or -1 after a signal. */
  readonly exit: Promise<number>;
  #ended = false;
  #wake: (() => void)[] = [];

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}, folder?: string) {
    if (!existsSync(MAIN)) throw new Error('build/ is missing: run "npm run build" first.');
    this.#child = spawn(process.execPath, [MAIN, 'start', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
      ...(folder === undefined ? {} : { cwd: folder }),
    });
    for (const [stream, lines] of [
      [this.#child.stdout, this.out],
      [this.#child.stderr, this.err],
    ] as const) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        this.#changed();
      });
    }
    this.exit = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        this.#ended = true;
        this.#changed();
        resolve(code ?? -1);
      });
    });
  }

  /** Events so far. Throws when a line of stdout is not one. */
  events(): JsonEvent[] {
    return this.out.map((line) => JSON.parse(line) as JsonEvent);
  }

  /** The first event, from the one numbered `from` on, that `test` accepts. Rejects when the run ends without it. */
  async event(test: (event: JsonEvent) => boolean, from = 0): Promise<JsonEvent> {
    return this.#found(() => this.events().slice(from).find(test), 'the event');
  }

  async ready(): Promise<ReadyEvent> {
    return (await this.event(({ event }) => event === 'ready')) as ReadyEvent;
  }

  /** The first line of stdout that contains the text. */
  async line(text: string): Promise<string> {
    return this.#found(() => this.out.find((line) => line.includes(text)), JSON.stringify(text));
  }

  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  /** Ends the run if it has not ended, so that no test leaves processes behind. */
  async close(): Promise<void> {
    if (!this.#ended) this.#child.kill('SIGINT');
    await this.exit;
  }

  async #found<T>(look: () => T | undefined, what: string): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`The run ended without ${what}:\n${[...this.out, ...this.err].join('\n')}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Documents of the run's target container without Cosmos' own fields, ordered by id. */
export async function targetDocuments(ready: ReadyEvent): Promise<Record<string, unknown>[]> {
  const client = new CosmosClient({ endpoint: ready.cosmos.endpoint, key: ready.cosmos.key });
  try {
    const [database, container] = ready.target.split('/');
    const { resources } = await client
      .database(database ?? '')
      .container(container ?? '')
      .items.readAll<Record<string, unknown>>()
      .fetchAll();
    return resources
      .map((item) =>
        Object.fromEntries(Object.entries(item).filter(([name]) => !/^_(rid|self|etag|ts|attachments)$/.test(name))),
      )
      .toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1));
  } finally {
    client.dispose();
  }
}

/** Process ids of the services that the run of a data folder started. */
export async function servicePids(dataFolder: string): Promise<number[]> {
  const lock = JSON.parse(await readFile(join(dataFolder, 'launcher.lock'), 'utf8')) as {
    readonly children: readonly { readonly pid: number }[];
  };
  return lock.children.map(({ pid }) => pid);
}

/** Resolves when none of the processes runs any more. */
export async function gone(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    while ((await processStarted(pid)) !== '') {
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }
}
