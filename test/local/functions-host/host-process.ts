/** The host as a process of its own, which a test can kill. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../src/local/functions-host/main.ts', import.meta.url));

export interface ReadyLine {
  readonly url: string;
  readonly masterKey: string;
  readonly systemKeys: { readonly blobs_extension: string; readonly durabletask_extension: string };
  readonly functions: readonly { readonly name: string }[];
}

export interface HostProcess {
  readonly child: ChildProcess;
  /** The ready line, or the error line of a host that does not start. */
  readonly first: Promise<ReadyLine | { readonly type: 'error'; readonly code: string; readonly message: string }>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

export interface HostProcessOptions {
  readonly appFolder: string;
  readonly dataFolder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly workers?: number;
  readonly port?: number;
}

export function spawnHost(options: HostProcessOptions): HostProcess {
  const settingsFile = join(options.dataFolder, 'settings.json');
  writeFileSync(settingsFile, JSON.stringify(options.settings));
  const child = spawn(
    process.execPath,
    [
      MAIN,
      `--app=${options.appFolder}`,
      `--data=${options.dataFolder}`,
      `--settings=${settingsFile}`,
      `--port=${options.port ?? 0}`,
      `--workers=${options.workers ?? 1}`,
      '--parent-pipe',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const first = new Promise<Awaited<HostProcess['first']>>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (line.startsWith('{"type":"ready"') || line.startsWith('{"type":"error"')) {
          resolve(JSON.parse(line) as ReadyLine);
        }
      });
    }
    void exited.then(({ code }) => reject(new Error(`The host ended with ${code} before its first line.`)));
  });
  first.catch(() => undefined);
  return { child, first, exited };
}

/** True while a process exists. */
export function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}
