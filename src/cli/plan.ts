/** `delta-cosmos plan`: what the next epoch of a table would be and, with --exact, exactly what it would do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderPlanStore } from '../storage/folder-plan-store.ts';
import type { PartitionKeyLoad } from '../sync/partition-key-load.ts';
import { previewEpoch, type EpochPreview } from '../sync/preview-epoch.ts';
import { parseArguments } from './arguments.ts';
import type { Command } from './command.ts';
import { forEachTable, SESSION_FLAGS, SESSION_USAGE } from './sync-session.ts';

export const planCommand: Command = {
  name: 'plan',
  summary: 'what the next epoch of a table would do; nothing is written',
  usage: `delta-cosmos plan (--config FILE | --local DIR) [--table ID] [--exact] [--json]

  --exact         counts creates, updates, deletes and rows that need nothing by reading what the epoch would read
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

function previewText(preview: EpochPreview): string[] {
  const { table, plan, hold, counts, samples, estimatedRu, estimatedSeconds } = preview;
  if (plan === null) return [`${table}: nothing to do`];
  const versions = plan.from === null ? `version ${plan.to}` : `version ${plan.from} to ${plan.to}`;
  const lines = [`${table}: ${plan.kind}, ${versions} (${plan.why}); plan ${plan.planId}`];
  lines.push(`  reads at most ${plan.estimate.rows} rows, ${plan.estimate.bytes} bytes`);
  if (counts !== null) {
    const { creates, upserts, patches, deletes, skipped, deadLettered } = counts;
    lines.push(
      `  ${creates} creates, ${upserts} updates, ${patches} patches, ${deletes} deletes, ${skipped} unchanged, ${deadLettered} dead letters`,
    );
    if (estimatedRu !== null) {
      lines.push(
        `  about ${estimatedRu} RU${estimatedSeconds === null ? '' : `, ${estimatedSeconds} s`} as the last epochs went`,
      );
    }
    for (const key of preview.partitionKeys) lines.push(`  ${partitionKeyText(key)}`);
    for (const { operation, id, before, after } of samples) {
      lines.push(`  ${operation} ${id}`);
      if (before !== undefined) lines.push(`    - ${JSON.stringify(before)}`);
      if (after !== undefined) lines.push(`    + ${JSON.stringify(after)}`);
    }
  }
  if (hold !== null) lines.push(`  held (${hold.code}): ${hold.reason} ${hold.remedy}`);
  return lines;
}

function partitionKeyText(load: PartitionKeyLoad): string {
  const { operations, share, sizeShare, epochRuPerSecondLimit, hot } = load;
  const key = load.partitionKey.map((value) => JSON.stringify(value)).join(', ');
  const parts = [
    `${hot ? 'hot partition key' : 'partition key'} ${key}: ${operations} writes, ${percent(share)} of the RU`,
    `one logical partition serves 10000 RU/s, so this epoch at most ${epochRuPerSecondLimit} RU/s`,
  ];
  if (sizeShare >= 0.01) parts.push(`writes ${percent(sizeShare)} of its 20 GB`);
  return parts.join('; ');
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}
