/** `delta-cosmos changes`: the change data feed of a version range, one JSON object a line. */
import { readChangeFeed } from '../delta/change-feed.ts';
import { SyncError } from '../shared/errors.ts';
import { integerFlag, parseArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { lineSafe, rowEncoder, timestampText } from './row-text.ts';
import { tableArgument } from './table-arguments.ts';

const USAGE = `delta-cosmos changes TABLE --from V [--to V]

Prints the change data feed of a Delta table, one JSON object a line: the columns of the row, then _change_type (insert,
update_preimage, update_postimage, delete), _commit_version and _commit_timestamp.

TABLE is a folder or an https:// or abfss:// URL.

  --from V   first version
  --to V     last version, included (default: the latest)

The feed must have been on in the whole range. Rows have the schema of the last version.
`;

/** The command. */
export const changesCommand: Command = {
  name: 'changes',
  summary: 'print the change data feed of a version range',
  usage: USAGE,
  async run(argv, io) {
    const { values, positionals } = parseArguments(argv, { from: { type: 'string' }, to: { type: 'string' } }, 1);
    const store = await tableArgument(positionals);
    if (values.from === undefined) {
      throw new SyncError('usage', { problem: '--from is missing.', remedy: 'Name the first version to read.' });
    }
    const from = integerFlag('from', values.from, 0, Number.MAX_SAFE_INTEGER);
    const to = values.to === undefined ? undefined : integerFlag('to', values.to, 0, Number.MAX_SAFE_INTEGER);
    let encode: ReturnType<typeof rowEncoder> | undefined;
    for await (const batch of readChangeFeed(store, { from, ...(to === undefined ? {} : { to }) }, io.signal)) {
      encode ??= rowEncoder(batch.columns);
      const tail = `"_commit_version":${batch.version},"_commit_timestamp":"${timestampText(batch.timestamp)}"}\n`;
      let text = '';
      for (const [i, row] of batch.rows.entries()) {
        const body = encode(row).slice(0, -1);
        text += `${body}${body.length > 1 ? ',' : ''}"_change_type":${JSON.stringify(batch.changeTypes[i])},${tail}`;
      }
      await io.stdout.write(lineSafe(text));
    }
    return 0;
  },
};
