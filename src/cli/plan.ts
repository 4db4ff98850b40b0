/** `delta-cosmos plan`: what the next epoch of a table would be and, with --exact, exactly what it would do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderPlanStore } from '../storage/folder-plan-store.ts';
import { previewEpoch } from '../sync/preview-epoch.ts';
import { parseArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { previewText } from './plan-text.ts';
import { forEachTable, SESSION_FLAGS, SESSION_USAGE } from './sync-session.ts';

export const planCommand: Command = {
  name: 'plan',
  summary: 'what the next epoch of a table would do; nothing is written',
  usage: `delta-cosmos plan (--config FILE | --local DIR) [--table ID] [--exact] [--json]

  --exact         counts creates, updates, deletes and rows that need nothing by reading what the epoch would read,
                  names partition keys that take much of it, and shows some documents before and after
${SESSION_USAGE}
Ends with 3 when the epoch would be held.
`,
  async run(argv, io) {
    const { values } = parseArguments(argv, { ...SESSION_FLAGS, exact: { type: 'boolean' } }, 0);
    const folder = await mkdtemp(join(tmpdir(), 'delta-cosmos-plan-'));
    try {
      return await forEachTable(values, io, async (deps, tableId) => {
        const options = { exact: values.exact === true };
        const preview = await previewEpoch(deps, folderPlanStore(folder), tableId, options, io.signal);
        await io.stdout.write(
          values.json === true ? `${JSON.stringify(preview)}\n` : `${previewText(preview).join('\n')}\n`,
        );
        return preview.hold === null ? 0 : 3;
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
