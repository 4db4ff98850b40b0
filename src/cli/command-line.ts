/** `delta-cosmos COMMAND …`: finds the command, prints help, turns errors into messages and exit codes. */
import { toSyncError } from '../shared/errors.ts';
import { meantName } from './arguments.ts';
import type { CommandIo } from './command.ts';
import { EXIT_CODES } from './exit-code.ts';
import { COMMANDS } from './registry.ts';

/** Runs one command line and resolves to the exit code. Never rejects. */
export async function runCommandLine(argv: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const help = await overview();
    await (name === undefined ? io.stderr : io.stdout).write(help);
    return name === undefined ? EXIT_CODES.usage : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const meant = meantName(name, Object.keys(COMMANDS));
    const hint = meant === undefined ? 'Run delta-cosmos --help.' : `Did you mean "${meant}"?`;
    await io.stderr.write(`error usage: There is no command "${name}". ${hint}\n`);
    return EXIT_CODES.usage;
  }
  try {
    const command = await load();
    const endOfFlags = rest.indexOf('--');
    const flags = endOfFlags === -1 ? rest : rest.slice(0, endOfFlags);
    if (flags.includes('--help') || flags.includes('-h')) {
      await io.stdout.write(`${command.usage.trimEnd()}\n`);
      return 0;
    }
    return await command.run(rest, io);
  } catch (thrown) {
    const error = toSyncError(thrown);
    await io.stderr.write(`error ${error.code}: ${error.message}\n`);
    if (error.code === 'internal' && thrown instanceof Error) await io.stderr.write(`${thrown.stack ?? ''}\n`);
    return EXIT_CODES[error.class];
  }
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return [
    'Keeps Azure Cosmos DB containers equal to Delta Lake tables.',
    '',
    'Usage: delta-cosmos COMMAND [ARGUMENTS]     delta-cosmos COMMAND --help',
    '',
    ...lines,
    '',
    'Data goes to stdout, messages to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 refused.',
    '',
  ].join('\n');
}
