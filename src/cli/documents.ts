/** `delta-cosmos documents`: what a mapping makes of the rows of a table, or of the rows of fixtures. */
import { readFile } from 'node:fs/promises';
import { readConfigurationFile } from '../config/configuration-file.ts';
import { parseJsonText } from '../config/json-text.ts';
import type { SyncConfiguration, TableConfiguration } from '../config/sync-configuration.ts';
import { readFileRows, tableLayout } from '../delta/file-rows.ts';
import type { StructType } from '../delta/schema.ts';
import { mappingFixtures, testMapping } from '../documents/mapping-fixture.ts';
import { compileMapping, type Mapping } from '../documents/mapping.ts';
import { SyncError } from '../shared/errors.ts';
import { integerFlag, listFlag, meantName, parseArguments } from './arguments.ts';
import type { Command, CommandIo } from './command.ts';
import { lineSafe } from './row-text.ts';
import { snapshotArgument, VERSION_FLAGS } from './table-arguments.ts';

const USAGE = `delta-cosmos documents TABLE --config FILE [--table ID] [--partition-key /a,/b]
                       [--version V | --timestamp T] [--limit N] [--fixtures FILE]

Prints the documents that the rows of a Delta table become, one JSON object a line. Nothing is written to Cosmos DB.
Rows that cannot become documents are counted on stderr, with reasons; the exit code is then 1.

TABLE is a folder or an https:// or abfss:// URL; it may be a copy of the source that the configuration names.

  --config FILE          the configuration
  --table ID             the table in it (needed when there are several)
  --partition-key /a,/b  partition key paths of the container (default: /id)
  --version V            the table as of version V (default: the latest)
  --timestamp T          the table as of a time: ISO 8601, or milliseconds since 1970
  --limit N              at most N documents
  --fixtures FILE        test the mapping instead: a JSON array of { "row": {…} with one of "document": {…},
                         "rejected": "code", "excluded": true }; rows as "delta-cosmos rows" prints them
`;

const FLAGS = {
  ...VERSION_FLAGS,
  config: { type: 'string' },
  table: { type: 'string' },
  'partition-key': { type: 'string' },
  limit: { type: 'string' },
  fixtures: { type: 'string' },
} as const;

/** The command. */
export const documentsCommand: Command = {
  name: 'documents',
  summary: 'print the documents that the rows of a table become',
  usage: USAGE,
  async run(argv, io) {
    const { values, positionals } = parseArguments(argv, FLAGS, 1);
    if (values.config === undefined) throw new SyncError('usage', { problem: '--config is missing.' });
    const table = chosenTable(await readConfigurationFile(values.config), values.table);
    const limit =
      values.limit === undefined ? Infinity : integerFlag('limit', values.limit, 0, Number.MAX_SAFE_INTEGER);
    const paths = values['partition-key'] === undefined ? ['/id'] : listFlag('partition-key', values['partition-key']);
    const { store, snapshot } = await snapshotArgument(positionals, values, io.signal);
    const { schema } = snapshot.metadata;
    const kind = paths.length > 1 ? ('MultiHash' as const) : ('Hash' as const);
    const mapping = compileMapping({ table, schema, target: { partitionKeyPaths: paths, kind, version: 2 } });
    if (values.fixtures !== undefined) return runFixtures(values.fixtures, mapping, schema, io);

    const rejections = new Map<string, number>();
    let left = limit;
    const layout = tableLayout(snapshot.metadata, snapshot.protocol);
    for await (const file of snapshot.files(io.signal)) {
      if (left <= 0) break;
      const selection = { file, select: { kind: 'live' } } as const;
      for await (const { rows } of readFileRows(store, selection, layout, { columns: mapping.columns }, io.signal)) {
        let text = '';
        for (const row of rows) {
          if (left <= 0 || !mapping.includes(row)) continue;
          const mapped = mapping.mapRow(row);
          if (mapped.kind === 'document') {
            text += `${JSON.stringify(mapped.document)}\n`;
            left--;
            continue;
          }
          const why = `${mapped.column === undefined ? '' : `column ${mapped.column}: `}${mapped.code}: ${mapped.reason}`;
          rejections.set(why, (rejections.get(why) ?? 0) + 1);
        }
        await io.stdout.write(lineSafe(text));
        if (left <= 0) break;
      }
    }
    for (const [why, count] of rejections)
      await io.stderr.write(`${count} row${count === 1 ? '' : 's'} rejected, ${why}\n`);
    return rejections.size === 0 ? 0 : 1;
  },
};

function chosenTable(configuration: SyncConfiguration, id: string | undefined): TableConfiguration {
  const ids = Object.keys(configuration.tables);
  const chosen = id ?? (ids.length === 1 ? ids[0] : undefined);
  if (chosen === undefined)
    throw new SyncError('usage', { problem: `--table is missing: the tables are ${ids.join(', ')}.` });
  const table = Object.hasOwn(configuration.tables, chosen) ? configuration.tables[chosen] : undefined;
  if (table !== undefined) return table;
  const meant = meantName(chosen, ids);
  throw new SyncError('usage', {
    problem: `There is no table "${chosen}" in the configuration.`,
    remedy: meant === undefined ? `The tables are ${ids.join(', ')}.` : `Did you mean ${meant}?`,
  });
}

async function runFixtures(path: string, mapping: Mapping, schema: StructType, io: CommandIo): Promise<number> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new SyncError('configNotFound', { problem: `${path} cannot be read.`, cause });
  }
  const results = testMapping(mapping, schema, mappingFixtures(parseJsonText(text, path).value));
  for (const { name, problems } of results) {
    for (const problem of problems) await io.stdout.write(`${name}: ${problem}\n`);
  }
  const failed = results.filter((result) => !result.passed).length;
  await io.stderr.write(`${results.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}
