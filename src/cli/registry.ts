/** Every command of `delta-cosmos`, each loaded only when it is named, so that a quick command starts quickly. */
import type { Command } from './command.ts';

/** Commands by name, in the order of `--help`. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  inspect: async () => (await import('./inspect.ts')).inspectCommand,
  rows: async () => (await import('./rows.ts')).rowsCommand,
  changes: async () => (await import('./changes.ts')).changesCommand,
  documents: async () => (await import('./documents.ts')).documentsCommand,
  start: async () => (await import('./start.ts')).startCommand,
  config: async () => (await import('./config.ts')).configCommand,
  emulator: async () => (await import('./emulator.ts')).emulatorCommand,
};
