/** What commands that run a use case share: the configuration file, the settings of the environment, the tables meant. */
import { openAppDependencies, type AppDependencies } from '../activities/app-dependencies.ts';
import { readAppSettings } from '../config/app-settings.ts';
import { readConfigurationFile } from '../config/configuration-file.ts';
import { SyncError } from '../shared/errors.ts';
import { logEventInfo, type Log } from '../shared/telemetry.ts';
import type { CommandIo } from './command.ts';
import { readLocalRun } from './local-run.ts';

export const SESSION_FLAGS = {
  config: { type: 'string' },
  local: { type: 'string' },
  table: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const SESSION_USAGE = `  --config FILE   the configuration (sync.json)
  --local DIR     instead: the local run (npm start) with this data folder, with its accounts and configuration
  --table ID      only this table
  --json          one JSON object a table

Without --local the accounts come from the environment, as in the function app: COSMOS_ENDPOINT, DELTA_LAKE__blobServiceUri,
AzureWebJobsStorage__blobServiceUri, … (infra/README.md has them all).
`;

/** Runs `work` for every table that is meant, in the order of the configuration; `removed`: tables taken out of it, too. */
export async function forEachTable(
  flags: {
    readonly config?: string | undefined;
    readonly local?: string | undefined;
    readonly table?: string | undefined;
  },
  io: CommandIo,
  work: (deps: AppDependencies, tableId: string) => Promise<number>,
  removed = false,
): Promise<number> {
  const { file, environment } = await sessionOf(flags.config, flags.local);
  const configuration = await readConfigurationFile(file);
  const settings = readAppSettings(environment);
  const deps = await openAppDependencies({ settings, configuration, log: messages(io), appVersion: '1.0' });
  try {
    const known = [...deps.locations.keys(), ...(removed ? deps.removedTables.keys() : [])];
    const tables = flags.table === undefined ? known : [flags.table];
    let worst = 0;
    for (const tableId of tables) {
      if (!known.includes(tableId)) {
        throw new SyncError('tableUnknown', {
          problem: `There is no table "${tableId}" in ${file}.`,
          reason: `The tables are ${known.join(', ')}.`,
        });
      }
      worst = Math.max(worst, await work(deps, tableId));
    }
    return worst;
  } finally {
    await deps.close();
  }
}

async function sessionOf(
  config: string | undefined,
  local: string | undefined,
): Promise<{ readonly file: string; readonly environment: Readonly<Record<string, string | undefined>> }> {
  if ((config === undefined) === (local === undefined)) {
    const problem =
      config === undefined
        ? 'The command needs --config FILE or --local DIR.'
        : 'Only one of --config and --local can be meant.';
    throw new SyncError('usage', { problem });
  }
  if (local === undefined) return { file: config ?? '', environment: process.env };
  const run = await readLocalRun(local);
  return { file: run.config, environment: run.settings };
}

/** Events that a person wants to see, as lines on stderr. */
function messages(io: CommandIo): Log {
  return {
    event(name, fields) {
      const { level } = logEventInfo(name);
      if (level === 'debug') return;
      const text = Object.entries(fields ?? {}).map(([key, value]) => `${key}=${String(value)}`);
      void io.stderr.write(`${name} ${text.join(' ')}\n`);
    },
  };
}
