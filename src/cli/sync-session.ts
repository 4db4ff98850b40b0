/** What commands that run a use case share: the configuration file, the settings of the environment, the tables meant. */
import { openAppDependencies, type AppDependencies } from '../activities/app-dependencies.ts';
import { readAppSettings } from '../config/app-settings.ts';
import { readConfigurationFile } from '../config/configuration-file.ts';
import { SyncError } from '../shared/errors.ts';
import { logEventInfo, type Log } from '../shared/telemetry.ts';
import type { CommandIo } from './command.ts';

export const SESSION_FLAGS = {
  config: { type: 'string' },
  table: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const SESSION_USAGE = `  --config FILE   the configuration (sync.json)
  --table ID      only this table
  --json          one JSON object a table

The accounts come from the environment, as in the function app: COSMOS_ENDPOINT, DELTA_LAKE__blobServiceUri,
AzureWebJobsStorage__blobServiceUri, … (infra/README.md has them all).
`;

/** Runs `work` for every table that is meant, in the order of the configuration; `removed`: tables taken out of it, too. */
export async function forEachTable(
  flags: { readonly config?: string | undefined; readonly table?: string | undefined },
  io: CommandIo,
  work: (deps: AppDependencies, tableId: string) => Promise<number>,
  removed = false,
): Promise<number> {
  if (flags.config === undefined) throw new SyncError('usage', { problem: 'The command needs --config FILE.' });
  const configuration = await readConfigurationFile(flags.config);
  const settings = readAppSettings(process.env);
  const deps = await openAppDependencies({ settings, configuration, log: messages(io), appVersion: '1.0' });
  try {
    const known = [...deps.locations.keys(), ...(removed ? deps.removedTables.keys() : [])];
    const tables = flags.table === undefined ? known : [flags.table];
    let worst = 0;
    for (const tableId of tables) {
      if (!known.includes(tableId)) {
        throw new SyncError('tableUnknown', {
          problem: `There is no table "${tableId}" in ${flags.config}.`,
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
