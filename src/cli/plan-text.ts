/** What `delta-cosmos plan` prints for people. */
import type { PartitionKeyLoad } from '../sync/partition-key-load.ts';
import type { EpochPreview } from '../sync/preview-epoch.ts';

/** Lines without their ends. */
export function previewText(preview: EpochPreview): string[] {
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
