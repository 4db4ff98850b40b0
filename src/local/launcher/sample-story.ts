/** Publishes the sample table commit by commit, and shows each one arriving in Cosmos. */
import type { Clock } from '../../shared/clock.ts';
import { SAMPLE_FOLDER, SCENARIO, sampleWriter } from '../sample-table/scenario.ts';
import type { Lake } from './lake.ts';
import type { Reporter } from './session-event.ts';
import type { TableWatch } from './table-watch.ts';
import { documentChanges } from './target-documents.ts';
import type { TargetDocument, TargetDocuments } from './target-documents.ts';

/** Field of the sample's documents that is the partition key. */
export const SAMPLE_PARTITION_KEY = 'category';

/**
 * Makes the commits one after another, each after the one before arrived in Cosmos; commits of an earlier run are only waited
 * for. Ends early when the table meets an obstacle, which the watch has reported. `pauseMs`: between two commits, so that a
 * person can follow.
 */
export async function tellSampleStory(
  lake: Lake,
  watch: TableWatch,
  target: TargetDocuments,
  reporter: Reporter,
  pauseMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const writer = sampleWriter(lake.tableFiles(SAMPLE_FOLDER, signal), () => clock.now());
  let before: readonly TargetDocument[] = await target.all(signal);
  for (const step of SCENARIO) {
    const { version, written } = await step.commit(writer);
    const committed = clock.monotonic();
    if (written) reporter.event({ kind: 'commit', version, title: step.title });
    watch.expect(version);
    if (!written && version < SCENARIO.length - 1) continue;
    await watch.settled(version, signal);
    if (watch.obstacle !== undefined) return;
    const milliseconds = clock.monotonic() - committed;
    const after = await target.all(signal);
    if (written) {
      const changes = documentChanges(before, after, SAMPLE_PARTITION_KEY);
      reporter.event({ kind: 'arrived', version, changes, milliseconds });
      await clock.sleep(pauseMs, signal);
    }
    before = after;
  }
  await watch.synced(signal);
  reporter.event({ kind: 'documents', documents: before });
}
