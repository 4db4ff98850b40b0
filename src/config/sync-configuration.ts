/** The sync configuration: which tables go where, under which budgets. What an operator writes in sync.json. */
import { z } from 'zod';
import { SyncError } from '../shared/errors.ts';
import { crossCheck } from './cross-checks.ts';
import { parseJsonText } from './json-text.ts';
import { mistakesOf } from './mistakes.ts';
import { resourceName, tableSettings } from './table-settings.ts';

export type { PublishSettings, SchemaDriftPolicy, SyncMode, TableConfiguration, TypePolicy } from './table-settings.ts';

/** Names of tables and budgets: they become names of documents, blobs and orchestrations. */
const shortName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const containerPath = z
  .string()
  .regex(/^[^/\\?#]{1,255}\/[^/\\?#]{1,255}$/)
  .describe('database/container');

const budget = z.strictObject({
  target: containerPath.describe('database/container whose throughput is meant'),
  share: z.number().gt(0).max(1).exactOptional().describe("Share of the container's RU/s, above 0 and up to 1"),
  ruPerSecond: z.int().min(1).max(10_000_000).exactOptional().describe('Ceiling in RU/s'),
  containerRuPerSecond: z
    .int()
    .min(1)
    .max(10_000_000)
    .exactOptional()
    .describe("The container's RU/s where it cannot or should not be read; needed for a share of a serverless one"),
  priority: z.enum(['Low', 'High']).exactOptional().describe('Priority-based execution at the service'),
  throughputBucket: z.int().min(1).max(5).exactOptional().describe('Throughput bucket at the service'),
});

/** An RU/s ceiling that several tables and apps may share. Exactly one of `share` and `ruPerSecond` is set. */
export type Budget = z.output<typeof budget>;

const removedTable = z.strictObject({
  documents: z
    .enum(['keep', 'delete'])
    .default('keep')
    .describe('delete: documents and pointer document are deleted, under the budget; guards.maxDeletes holds'),
  budget: z.string().min(1).exactOptional().describe('Pays for deleting where the budget of the table is gone as well'),
});

const configuration = z.strictObject({
  $schema: z.string().exactOptional(),
  budgets: z.record(shortName, budget),
  tables: z.record(shortName, tableSettings),
  freshness: z
    .strictObject({ database: resourceName, container: resourceName })
    .exactOptional()
    .describe('Container for freshness and pointer documents; never a mirrored one'),
  removedTables: z
    .record(shortName, removedTable)
    .exactOptional()
    .describe('Tables that were taken out of tables for good: their checkpoint is given up'),
});

/** The whole configuration, checked, defaults filled in. */
export type SyncConfiguration = z.output<typeof configuration>;

/**
 * Reads the text of a configuration file. Throws SyncError `configMalformed` (not JSON) or `configInvalid`, which lists
 * every mistake with its path, its place in the text and its remedy.
 */
export function parseSyncConfiguration(text: string, fileName: string): SyncConfiguration {
  const json = parseJsonText(text, fileName);
  const parsed = configuration.safeParse(json.value);
  const mistakes = parsed.success
    ? crossCheck(parsed.data)
    : mistakesOf(parsed.error.issues, json.value, syncConfigurationSchema());
  if (parsed.success && mistakes.length === 0) return parsed.data;
  const lines = mistakes.map((mistake) => {
    const { line, column } = json.placeOf(mistake.path);
    const name = mistake.path.length === 0 ? 'the file' : settingPath(mistake.path);
    return `  ${name} (line ${line}, column ${column}): ${mistake.problem} ${mistake.remedy}`;
  });
  throw new SyncError('configInvalid', {
    problem: `${fileName} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:`,
    reason: `\n${lines.join('\n')}\n`,
    remedy: mistakes.length === 1 ? 'Correct the setting.' : 'Correct the settings.',
  });
}

/** JSON Schema of the file, for editors. `src/config/sync.schema.json` is this, written out. */
export function syncConfigurationSchema(): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(configuration, { io: 'input' });
}

/** tables.products.id; names with other characters are quoted: constants["/type"]. */
function settingPath(path: readonly PropertyKey[]): string {
  let out = '';
  for (const part of path) {
    const name = String(part);
    if (/^\d+$/.test(name)) out += `[${name}]`;
    else if (/^[\w$-]+$/.test(name)) out += out === '' ? name : `.${name}`;
    else out += `[${JSON.stringify(name)}]`;
  }
  return out;
}
