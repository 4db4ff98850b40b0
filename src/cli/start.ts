/** `delta-cosmos start`: the whole system on this machine. The table is checked before anything is started. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSyncConfiguration } from '../config/sync-configuration.ts';
import { loadSnapshot } from '../delta/snapshot.ts';
import { compileMapping } from '../documents/mapping.ts';
import { syncConfigurationOf } from '../local/launcher/app-settings.ts';
import type { TableSetup } from '../local/launcher/app-settings.ts';
import { jsonReporter, plainReporter, terminalReporter } from '../local/launcher/reporters.ts';
import { runSession } from '../local/launcher/session.ts';
import type { SessionSource } from '../local/launcher/session.ts';
import type { Reporter } from '../local/launcher/session-event.ts';
import { systemClock } from '../shared/clock.ts';
import { SyncError, toSyncError } from '../shared/errors.ts';
import { FolderLogStore } from '../storage/folder-log-store.ts';
import type { Command, CommandIo } from './command.ts';
import { START_USAGE, setupFor, startOptions } from './start-options.ts';
import type { StartOptions } from './start-options.ts';

/** package.json, host.json and the compiled app; this module is in build/cli or src/cli. */
const APP_FOLDER = fileURLToPath(new URL('../..', import.meta.url));

/** Between two commits of the sample that a person watches. */
const STORY_PAUSE_MS = 600;

/** The command. */
export const startCommand: Command = {
  name: 'start',
  summary: 'run everything on this machine, with the sample table or one of yours',
  usage: START_USAGE,
  async run(argv, io) {
    // Known before the arguments are: their mistakes are events too.
    const json = argv.includes('--json');
    try {
      const options = startOptions(argv, process.cwd());
      return await run(options, io);
    } catch (thrown) {
      if (!json) throw thrown;
      const { code, message } = toSyncError(thrown);
      await io.stdout.write(`${JSON.stringify({ event: 'error', code, message })}\n`);
      throw thrown;
    }
  },
};

async function run(options: StartOptions, io: CommandIo): Promise<number> {
  const { setup, source } = await checkedTable(options, io);
  const reporter = reporterFor(options.json, io);
  for (const [column, field] of Object.entries(setup.rename)) {
    const text = `The column ${column} is written to the field ${field}: the id of a document is made of --key.`;
    reporter.event({ kind: 'note', text });
  }
  try {
    const storyPauseMs = options.json ? 0 : STORY_PAUSE_MS;
    const session = { appFolder: APP_FOLDER, ...options, setup, source, storyPauseMs };
    return (await runSession(session, reporter, systemClock, io.signal)) ? 0 : 1;
  } catch (error) {
    // Ctrl-C is how watching ends. When the run should have ended by itself, it did not do what it was asked for.
    if (io.signal.aborted && !options.exitWhenSynced) return 0;
    throw error;
  } finally {
    reporter.close();
  }
}

/** Loads the newest version and compiles the mapping, so that a table that cannot be kept equal starts nothing. */
async function checkedTable(
  options: StartOptions,
  io: CommandIo,
): Promise<{ readonly setup: TableSetup; readonly source: SessionSource }> {
  const { tableFolder } = options;
  if (tableFolder === undefined) return { setup: options.setup, source: { kind: 'sample' } };
  await assertReadable(tableFolder);
  const { version, metadata } = await loadSnapshot(new FolderLogStore(tableFolder), { kind: 'latest' }, io.signal);
  const { schema } = metadata;
  const setup = setupFor(
    options.setup,
    schema.fields.map((field) => field.name),
  );
  const text = JSON.stringify(syncConfigurationOf(setup, tableFolder));
  const table = parseSyncConfiguration(text, 'The configuration of this run').tables[setup.tableId];
  if (table === undefined) throw new SyncError('internal', { problem: 'The table is missing in its configuration.' });
  const target = { partitionKeyPaths: [setup.partitionKeyPath], kind: 'Hash', version: 2 } as const;
  compileMapping({ table, schema, target });
  return { setup, source: { kind: 'folder', path: tableFolder, version } };
}

/** The folder and its log can be listed. Throws `storageNotFound`, `storageForbidden`, `notADeltaTable`. */
async function assertReadable(folder: string): Promise<void> {
  for (const path of [folder, join(folder, '_delta_log')]) {
    try {
      await readdir(path);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EACCES' || code === 'EPERM') {
        throw new SyncError('storageForbidden', {
          problem: `The folder ${path} may not be read.`,
          remedy: 'Grant this user read access.',
          cause: error,
        });
      }
      if (path !== folder)
        throw new SyncError('notADeltaTable', { problem: `The folder ${folder} has no _delta_log.` });
      throw new SyncError('storageNotFound', { problem: `${path} is no folder of this machine.`, cause: error });
    }
  }
}

function reporterFor(json: boolean, io: CommandIo): Reporter {
  const write = (text: string): void => {
    void io.stdout.write(text);
  };
  if (json) return jsonReporter(write);
  const { stdout, env } = process;
  if (!stdout.isTTY || env['TERM'] === 'dumb') return plainReporter(write);
  // https://no-color.org: set and not empty.
  const color = (env['NO_COLOR'] ?? '') === '';
  return terminalReporter(write, () => ({ columns: stdout.columns, color }));
}
