/** The command line of `delta-cosmos start`, and what it means for the local run. */
import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { nearestName } from '../config/nearest-name.ts';
import { keyTemplateOf, parseKeyTemplate } from '../documents/key-template.ts';
import { UNLIMITED_RU_PER_SECOND } from '../local/launcher/app-settings.ts';
import type { EventPath, TableSetup } from '../local/launcher/app-settings.ts';
import type { PortChoice } from '../local/launcher/local-azure.ts';
import { SyncError } from '../shared/errors.ts';
import { integerFlag, listFlag, parseArguments } from './arguments.ts';
import type { Flags } from './arguments.ts';

/** Text of `--help`. */
export const START_USAGE = `delta-cosmos start [--table FOLDER --key COL[,COL] …]     npm start -- […]

Runs everything on this machine: Azurite, a Cosmos DB emulator and a Functions host with the app. Without --table it
publishes the sample table products_delta and changes it while you watch; with --table it keeps a container equal to a
Delta table in a local folder and follows its commits. Ctrl-C stops everything. Whole numbers beyond 2^53, NaN and
infinities of a --table are written as text; a column id that is not the key is written to the field _id.

  --table FOLDER         the folder that holds _delta_log; it is only read
  --key COL[,COL]        columns whose values make the document id (joined by |)
  --partition-key COL    column that is the container's partition key (default: the id)
  --mode MODE            mirror (default), upsert, softDelete, insertOnly or patch
  --budget RU/S          at most this many request units a second (default: no limit)
  --exit-when-synced     end when the container equals the table: exit code 0, or not 0 with the reason
  --workers N            worker processes of the Functions host
  --events PATHS         which events reach the app: all (default), queue, blob, or none (the sweep finds the commits)
  --data DIR             folder that keeps blobs and documents; a later run with it continues (default: below
                         .delta-cosmos/, where the sample begins anew each time)
  --json                 one JSON object a line: ready, epoch, synced, error (npm start --silent -- --json leaves npm's
                         own two lines out)
  --port N               port of the Functions host (default: 7071, or a free one)
  --cosmos-port N        port of the Cosmos emulator (default: 8081, or a free one)
  --blob-port N, --queue-port N, --table-port N
                         ports of Azurite (default: 10000 to 10002, or free ones)
`;

const FLAGS = {
  table: { type: 'string' },
  key: { type: 'string' },
  'partition-key': { type: 'string' },
  mode: { type: 'string' },
  budget: { type: 'string' },
  'exit-when-synced': { type: 'boolean' },
  workers: { type: 'string' },
  events: { type: 'string' },
  data: { type: 'string' },
  json: { type: 'boolean' },
  port: { type: 'string' },
  'cosmos-port': { type: 'string' },
  'blob-port': { type: 'string' },
  'queue-port': { type: 'string' },
  'table-port': { type: 'string' },
} as const satisfies Flags;

const MODES = ['mirror', 'upsert', 'softDelete', 'insertOnly', 'patch'] as const;
const EVENT_PATHS = ['all', 'queue', 'blob', 'none'] as const satisfies readonly EventPath[];

/** Where local data lies when nobody says otherwise; relative to the current folder. */
const DATA_ROOT = '.delta-cosmos';

/** The sample's container has so many RU/s, and the app the documented share of them. */
const SAMPLE_RU_PER_SECOND = 1000;
const SAMPLE_SHARE = 0.3;

export interface StartOptions {
  readonly json: boolean;
  /** Absolute folder of the table; undefined: the sample. */
  readonly tableFolder: string | undefined;
  readonly setup: TableSetup;
  readonly dataFolder: string;
  readonly fresh: boolean;
  readonly exitWhenSynced: boolean;
  readonly workers: number | undefined;
  readonly events: EventPath;
  readonly ports: PortChoice;
}

/** Reads the arguments; `currentFolder` resolves relative paths. Throws `usage`. */
export function startOptions(argv: readonly string[], currentFolder: string): StartOptions {
  const { values } = parseArguments(argv, FLAGS, 0);
  const events = oneOf('events', values.events ?? 'all', EVENT_PATHS);
  const forTable = (['key', 'partition-key', 'mode', 'budget'] as const).find((flag) => values[flag] !== undefined);
  if (values.table === undefined && forTable !== undefined) {
    throw new SyncError('usage', { problem: `--${forTable} needs --table.`, remedy: 'Name the table with --table.' });
  }
  if (values.table !== undefined && values.key === undefined) {
    throw new SyncError('usage', {
      problem: '--table needs --key.',
      remedy: 'Name the columns that identify a row with --key.',
    });
  }
  if (values.table !== undefined && events === 'blob') {
    throw new SyncError('usage', {
      problem: '--events blob works with the sample only: a folder has no blobs.',
      remedy: 'Use --events queue or none.',
    });
  }
  const tableFolder = values.table === undefined ? undefined : folderOf(values.table, currentFolder);
  return {
    json: values.json === true,
    tableFolder,
    setup: tableFolder === undefined ? sampleSetup() : tableSetup(tableFolder, values),
    dataFolder: resolve(currentFolder, values.data ?? defaultDataFolder(tableFolder)),
    fresh: tableFolder === undefined && values.data === undefined,
    exitWhenSynced: values['exit-when-synced'] === true,
    workers: optionalInteger('workers', values.workers, 1, 64),
    events,
    ports: portsOf(values),
  };
}

type Values = Readonly<Partial<Record<keyof typeof FLAGS, string | boolean>>>;

function folderOf(text: string, currentFolder: string): string {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) {
    throw new SyncError('usage', {
      problem: `--table must be a folder of this machine, not "${text.split('?')[0]}".`,
      remedy: 'Copy the table into a folder, or configure it in sync.json.',
    });
  }
  return resolve(currentFolder, text);
}

function sampleSetup(): TableSetup {
  return {
    tableId: 'products',
    database: 'cosmicworks',
    container: 'products',
    id: keyTemplateOf(['id']),
    partitionKeyPath: '/category',
    mode: undefined,
    rename: {},
    types: {},
    budget: { kind: 'share', share: SAMPLE_SHARE },
    containerRuPerSecond: SAMPLE_RU_PER_SECOND,
  };
}

function tableSetup(folder: string, values: Values): TableSetup {
  const key = listFlag('key', String(values['key']));
  const partitionKey = values['partition-key'];
  // Names of tables are letters, digits, _ and -.
  const tableId =
    basename(folder)
      .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
      .slice(0, 64) || 'table';
  const budget = optionalInteger('budget', values['budget'], 1, UNLIMITED_RU_PER_SECOND);
  const mode = values['mode'];
  return {
    tableId,
    database: 'local',
    container: tableId,
    id: keyTemplateOf(key),
    partitionKeyPath: typeof partitionKey === 'string' ? keyPath(partitionKey) : '/id',
    mode: typeof mode === 'string' ? oneOf('mode', mode, MODES) : undefined,
    rename: {},
    // Nobody wrote policies for this table: what no JSON number holds becomes text rather than a dead letter.
    types: { long: 'auto', nonFinite: 'string' },
    budget: { kind: 'absolute', ruPerSecond: budget ?? UNLIMITED_RU_PER_SECOND },
    containerRuPerSecond: undefined,
  };
}

/**
 * The same setup for a table with these columns: one that is called `id` without being the id would be in the way of the
 * document's id, so its field gets a free name.
 */
export function setupFor(setup: TableSetup, columns: readonly string[]): TableSetup {
  const taken = parseKeyTemplate(setup.id, 'id').columns.includes('id');
  if (!columns.includes('id') || taken) return setup;
  let field = '_id';
  while (columns.includes(field)) field = `_${field}`;
  return { ...setup, rename: { id: field } };
}

/** Cosmos DB wants names that are no plain words in quotes. */
function keyPath(column: string): string {
  return /^[A-Za-z_]\w*$/.test(column) ? `/${column}` : `/${JSON.stringify(column)}`;
}

function defaultDataFolder(tableFolder: string | undefined): string {
  if (tableFolder === undefined) return join(DATA_ROOT, 'sample');
  const digest = createHash('sha256').update(tableFolder).digest('hex').slice(0, 8);
  return join(DATA_ROOT, `${basename(tableFolder).slice(0, 64)}-${digest}`);
}

function portsOf(values: Values): PortChoice {
  const port = (flag: keyof typeof FLAGS): number | undefined => optionalInteger(flag, values[flag], 1, 65_535);
  const functions = port('port');
  const cosmos = port('cosmos-port');
  const blob = port('blob-port');
  const queue = port('queue-port');
  const table = port('table-port');
  const asked = [functions, cosmos, blob, queue, table].filter((each) => each !== undefined);
  const twice = asked.find((each, index) => asked.indexOf(each) < index);
  if (twice !== undefined) {
    throw new SyncError('usage', {
      problem: `Port ${twice} is asked for twice.`,
      remedy: 'Give every service a port of its own.',
    });
  }
  return {
    ...(functions === undefined ? {} : { functions }),
    ...(cosmos === undefined ? {} : { cosmos }),
    ...(blob === undefined ? {} : { blob }),
    ...(queue === undefined ? {} : { queue }),
    ...(table === undefined ? {} : { table }),
  };
}

function optionalInteger(flag: string, value: string | boolean | undefined, min: number, max: number) {
  return typeof value === 'string' ? integerFlag(flag, value, min, max) : undefined;
}

function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === text);
  if (found !== undefined) return found;
  const meant = nearestName(text, allowed);
  throw new SyncError('usage', {
    problem: `--${flag} must be one of ${allowed.join(', ')}, not "${text}".`,
    ...(meant === undefined ? {} : { remedy: `Did you mean ${meant}?` }),
  });
}
