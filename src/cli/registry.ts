/** Every command of `delta-cosmos`, each loaded only when it is named, so that a quick command starts quickly. */
import type { Command } from './command.ts';

/** Commands by name, in the order of `--help`. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  inspect: async () => (await import('./inspect.ts')).inspectCommand,
  rows: async () => (await import('./rows.ts')).rowsCommand,
  changes: async () => (await import('./changes.ts')).changesCommand,
  documents: async () => (await import('./documents.ts')).documentsCommand,
  plan: async () => (await import('./plan.ts')).planCommand,
  sync: async () => (await import('./sync.ts')).syncCommand,
  verify: async () => (await import('./sync.ts')).verifyCommand,
  resync: async () => (await import('./sync.ts')).resyncCommand,
  rollback: async () => (await import('./sync.ts')).rollbackCommand,
  status: remote('status'),
  history: remote('history'),
  'dead-letters': remote('dead-letters'),
  pause: remote('pause'),
  resume: remote('resume'),
  approve: remote('approve'),
  reject: remote('reject'),
  replay: remote('replay'),
  start: async () => (await import('./start.ts')).startCommand,
  config: async () => (await import('./config.ts')).configCommand,
  emulator: async () => (await import('./emulator.ts')).emulatorCommand,
};

function remote(name: string): () => Promise<Command> {
  return async () => {
    const command = (await import('./remote.ts')).REMOTE_COMMANDS[name];
    if (command === undefined) throw new TypeError(`There is no remote command ${name}.`);
    return command;
  };
}
