/** `delta-cosmos inspect`: what a table version is made of. */
import { availableFeed, type AvailableFeed } from '../delta/feed-range.ts';
import { typeText } from '../delta/schema-json.ts';
import type { Snapshot, SnapshotTotals } from '../delta/snapshot.ts';
import { stringifyJson } from '../shared/json.ts';
import { parseArguments } from './arguments.ts';
import type { Command, TextWriter } from './command.ts';
import { lineSafe, printable, schemaJson, timestampText } from './row-text.ts';
import { snapshotArgument, VERSION_FLAGS } from './table-arguments.ts';

const USAGE = `delta-cosmos inspect TABLE [--version V | --timestamp T] [--files] [--json]

Prints version, protocol, features, schema, partition columns, number and size of the files of a Delta table, and which
versions its change data feed covers.

TABLE is a folder or an https:// or abfss:// URL.

  --version V     the table as of version V (default: the latest)
  --timestamp T   the table as of a time: ISO 8601, or milliseconds since 1970
  --files         also the path of every live data file
  --json          one JSON object
`;

/** What is printed. */
interface Description {
  readonly snapshot: Snapshot;
  readonly totals: SnapshotTotals;
  readonly feed: AvailableFeed | undefined;
  readonly files: readonly string[] | undefined;
}

async function writeJson({ snapshot, totals, feed, files }: Description, out: TextWriter): Promise<void> {
  const { protocol, metadata, timestamp } = snapshot;
  const description = {
    version: snapshot.version,
    commitTimestamp: timestamp,
    id: metadata.id,
    name: metadata.name ?? null,
    minReaderVersion: protocol.minReaderVersion,
    minWriterVersion: protocol.minWriterVersion,
    readerFeatures: protocol.readerFeatures,
    writerFeatures: protocol.writerFeatures,
    schema: schemaJson(metadata.schema.fields),
    partitionColumns: metadata.partitionColumns,
    columnMapping: snapshot.columnMapping,
    changeDataFeed: feed === undefined ? null : { from: feed.from, to: feed.to },
    configuration: metadata.configuration,
    numFiles: totals.numFiles,
    sizeInBytes: totals.sizeInBytes,
    txns: Object.fromEntries(snapshot.txns),
    domainMetadata: Object.fromEntries(snapshot.domainMetadata),
    ...(files === undefined ? {} : { files }),
  };
  await out.write(lineSafe(`${stringifyJson(description)}\n`));
}

function list(items: readonly string[]): string {
  return items.length === 0 ? 'none' : items.join(', ');
}

function feedText(feed: AvailableFeed | undefined): string {
  if (feed === undefined) return 'none';
  return `versions ${feed.from} to ${feed.to}${feed.isComplete ? '' : ', or from earlier on'}`;
}

async function writeText({ snapshot, totals, feed, files }: Description, out: TextWriter): Promise<void> {
  const { protocol, metadata } = snapshot;
  const lines = [
    `version            ${snapshot.version} (${timestampText(snapshot.timestamp)})`,
    `table              ${metadata.name === undefined ? '' : `${metadata.name} `}${metadata.id}`,
    `protocol           reader ${protocol.minReaderVersion}, writer ${protocol.minWriterVersion}`,
    `reader features    ${list(protocol.readerFeatures)}`,
    `writer features    ${list(protocol.writerFeatures)}`,
    `column mapping     ${snapshot.columnMapping}`,
    `change data feed   ${feedText(feed)}`,
    `partition columns  ${list(metadata.partitionColumns)}`,
    `files              ${totals.numFiles}, ${totals.sizeInBytes} bytes`,
    'columns',
    ...metadata.schema.fields.map(
      (field) => `  ${field.name}: ${typeText(field.type)}${field.nullable ? '' : ' not null'}`,
    ),
    ...(files === undefined ? [] : ['data files', ...files.map((path) => `  ${path}`)]),
  ];
  await out.write(`${lines.map(printable).join('\n')}\n`);
}

async function livePaths(snapshot: Snapshot, signal: AbortSignal): Promise<readonly string[]> {
  const paths: string[] = [];
  for await (const file of snapshot.files(signal)) paths.push(file.path);
  return paths;
}

/** The command. */
export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'describe a table version: protocol, schema, files',
  usage: USAGE,
  async run(argv, io) {
    const { values, positionals } = parseArguments(
      argv,
      { ...VERSION_FLAGS, files: { type: 'boolean' }, json: { type: 'boolean' } },
      1,
    );
    const { store, snapshot } = await snapshotArgument(positionals, values, io.signal);
    const files = values.files === true ? await livePaths(snapshot, io.signal) : undefined;
    const totals = await snapshot.totals(io.signal);
    const feed = await availableFeed(store, snapshot, io.signal);
    await (values.json === true ? writeJson : writeText)({ snapshot, totals, feed, files }, io.stdout);
    return 0;
  },
};
