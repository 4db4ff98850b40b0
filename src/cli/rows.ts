/** `delta-cosmos rows`: the rows of a table version, one JSON object a line. */
import { columnsOf, readFileRows, tableLayout } from '../delta/file-rows.ts';
import { SyncError } from '../shared/errors.ts';
import { integerFlag, listFlag, parseArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { lineSafe, rowEncoder } from './row-text.ts';
import { snapshotArgument, VERSION_FLAGS } from './table-arguments.ts';

const USAGE = `delta-cosmos rows TABLE [--version V | --timestamp T] [--columns a,b] [--limit N]

Prints the rows of a Delta table, one JSON object a line, in no particular order.

TABLE is a folder or an https:// or abfss:// URL.

  --version V     the table as of version V (default: the latest)
  --timestamp T   the table as of a time: ISO 8601, or milliseconds since 1970
  --columns a,b   only these columns, in this order
  --limit N       at most N rows

Values are lossless: decimals, and longs beyond 2^53, are text; binary is base64; maps are arrays of [key, value].
`;

/** The command. */
export const rowsCommand: Command = {
  name: 'rows',
  summary: 'print the rows of a table version',
  usage: USAGE,
  async run(argv, io) {
    const { values, positionals } = parseArguments(
      argv,
      { ...VERSION_FLAGS, columns: { type: 'string' }, limit: { type: 'string' } },
      1,
    );
    let left = values.limit === undefined ? Infinity : integerFlag('limit', values.limit, 0, Number.MAX_SAFE_INTEGER);
    const columns = values.columns === undefined ? undefined : listFlag('columns', values.columns);
    const { store, snapshot } = await snapshotArgument(positionals, values, io.signal);
    const layout = tableLayout(snapshot.metadata, snapshot.protocol);
    const fields = columnsOf(layout.schema, columns);
    const twice = fields.find((field, i) => fields.indexOf(field) !== i);
    if (twice !== undefined) {
      throw new SyncError('usage', { problem: `--columns names ${JSON.stringify(twice.name)} twice.` });
    }
    const encode = rowEncoder(fields);
    const options = columns === undefined ? {} : { columns };
    for await (const file of snapshot.files(io.signal)) {
      if (left <= 0) break;
      const selection = { file, select: { kind: 'live' } } as const;
      for await (const { rows } of readFileRows(store, selection, layout, options, io.signal)) {
        const wanted = rows.length > left ? rows.slice(0, left) : rows;
        left -= wanted.length;
        await io.stdout.write(lineSafe(wanted.map((row) => `${encode(row)}\n`).join('')));
        if (left <= 0) break;
      }
    }
    return 0;
  },
};
