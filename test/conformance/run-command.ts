/** Two ways to run a command: in this process, and as the compiled command line. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { changesCommand } from '../../src/cli/changes.ts';
import type { Command, TextWriter } from '../../src/cli/command.ts';
import { inspectCommand } from '../../src/cli/inspect.ts';
import { rowsCommand } from '../../src/cli/rows.ts';
import { toSyncError } from '../../src/shared/errors.ts';
import type { RunCommand } from './table-checks.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  inspect: inspectCommand,
  rows: rowsCommand,
  changes: changesCommand,
};
const EXIT_CODES = { failed: 1, usage: 2, refused: 3 } as const;

/** The compiled command line. */
export const COMMAND_LINE = fileURLToPath(new URL('../../build/cli/main.js', import.meta.url));

/** True once the project has been built. */
export function isBuilt(): boolean {
  return existsSync(COMMAND_LINE);
}

function lineWriter(onLine: (line: string) => void): TextWriter {
  let rest = '';
  return {
    write: (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
      return Promise.resolve();
    },
  };
}

/** Runs a command in this process. */
export const runInProcess: RunCommand = async ([name = '', ...argv], onLine) => {
  let stderr = '';
  const io = {
    stdout: lineWriter(onLine),
    stderr: lineWriter((line) => (stderr += `${line}\n`)),
    signal: new AbortController().signal,
  };
  try {
    return { exitCode: (await COMMANDS[name]?.run(argv, io)) ?? 1, stderr };
  } catch (error) {
    const refusal = toSyncError(error);
    const detail = refusal.code === 'internal' && error instanceof Error ? `\n${error.stack}` : '';
    return { exitCode: EXIT_CODES[refusal.class], stderr: `${refusal.code}: ${refusal.message}${detail}` };
  }
};

/** Runs a command as a process. */
export const runProcess: RunCommand = async (argv, onLine) => {
  const child = spawn(process.execPath, [COMMAND_LINE, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const stderr = text(child.stderr);
  for await (const line of createInterface({ input: child.stdout, crlfDelay: Infinity })) onLine(line);
  return { exitCode: await ended, stderr: await stderr };
};
