import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { COMMANDS } from '../../src/cli/registry.ts';

async function run(...argv: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const writer = (texts: string[]) => ({
    async write(text: string) {
      texts.push(text);
    },
  });
  const code = await runCommandLine(argv, {
    stdout: writer(out),
    stderr: writer(err),
    signal: new AbortController().signal,
  });
  return { code, out: out.join(''), err: err.join('') };
}

describe('delta-cosmos', () => {
  test('--help lists every command on stdout', async () => {
    const { code, out, err } = await run('--help');
    expect(code).toBe(0);
    expect(err).toBe('');
    for (const name of Object.keys(COMMANDS)) expect(out).toContain(`\n  ${name} `);
  });

  test('no command: the same text, on stderr, and a usage error', async () => {
    const { code, out, err } = await run();
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain('Usage:');
  });

  test('a misspelt command is a usage error that names the one that was meant', async () => {
    const { code, err } = await run('insepct');
    expect(code).toBe(2);
    expect(err).toContain('"inspect"?');
  });

  test.each(Object.keys(COMMANDS))('%s --help names the command and exits 0', async (name) => {
    const { code, out } = await run(name, '--help');
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^delta-cosmos ${name}\\b`));
  });

  test('an error of a command is one line on stderr with its code, and the exit code of its class', async () => {
    const { code, out, err } = await run('inspect', fileURLToPath(new URL('.', import.meta.url)));
    expect(code).toBe(3);
    expect(out).toBe('');
    expect(err).toMatch(/^error notADeltaTable: .*\n$/);
  });

  test('a name that every object has is no command', async () => {
    expect((await run('constructor')).code).toBe(2);
  });

  test('a reader that goes away ends the command quietly', async () => {
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const child = spawn(process.execPath, [main, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (text: Buffer) => {
      err += text.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(0);
    expect(err).toBe('');
  });
});
