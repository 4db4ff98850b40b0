/** `delta-cosmos config`: checks a configuration file, or prints the JSON Schema of such files. */
import { readConfigurationFile } from '../config/configuration-file.ts';
import { syncConfigurationSchema } from '../config/sync-configuration.ts';
import { SyncError } from '../shared/errors.ts';
import { meantName, parseArguments } from './arguments.ts';
import type { Command } from './command.ts';

const USAGE = `delta-cosmos config validate FILE
delta-cosmos config schema

validate   checks a configuration file; every mistake is printed with its path, line, column and remedy.
           Tables and containers are not looked at: "delta-cosmos plan" does that.
schema     prints the JSON Schema of configuration files, for editors
`;

const ACTIONS = ['validate', 'schema'];

/** The command. */
export const configCommand: Command = {
  name: 'config',
  summary: 'check a configuration file, or print the JSON Schema of one',
  usage: USAGE,
  async run(argv, io) {
    const { positionals } = parseArguments(argv, {}, 2);
    const [action, file] = positionals;
    if (action === 'schema' && file === undefined) {
      await io.stdout.write(`${JSON.stringify(syncConfigurationSchema(), undefined, 2)}\n`);
      return 0;
    }
    if (action === 'validate' && file !== undefined) {
      const { tables, budgets } = await readConfigurationFile(file);
      await io.stderr.write(`${file} is right: ${count(tables, 'table')} under ${count(budgets, 'budget')}.\n`);
      return 0;
    }
    throw usageError(action, file);
  },
};

function usageError(action: string | undefined, file: string | undefined): SyncError {
  if (action === 'validate') return new SyncError('usage', { problem: 'config validate needs a FILE.' });
  if (action === 'schema') return new SyncError('usage', { problem: `Unexpected argument "${file ?? ''}".` });
  if (action === undefined) return new SyncError('usage', { problem: 'config needs an action.' });
  const meant = meantName(action, ACTIONS);
  return new SyncError('usage', {
    problem: `There is no action "${action}".`,
    ...(meant === undefined ? {} : { remedy: `Did you mean ${meant}?` }),
  });
}

function count(record: object, noun: string): string {
  const size = Object.keys(record).length;
  return `${size} ${noun}${size === 1 ? '' : 's'}`;
}
