/** The version that a table's first epoch begins with, where the configuration says so. */
import type { TableConfiguration } from '../config/sync-configuration.ts';
import type { LogStore } from '../delta/log-store.ts';
import { loadSnapshot } from '../delta/snapshot.ts';
import { SyncError } from '../shared/errors.ts';

/** The first version to read, included; null to begin with the snapshot. Throws `versionNotFound`. */
export async function startVersion(
  source: LogStore,
  start: TableConfiguration['start'],
  newest: number,
  signal: AbortSignal,
): Promise<number | null> {
  if (start === 'snapshot') return null;
  if ('version' in start) return start.version;
  const timestamp = Date.parse(start.timestamp);
  const at = await loadSnapshot(source, { kind: 'timestamp', timestamp }, signal);
  // Inclusive, as Spark's startingTimestamp: the first commit at or after the time.
  if (at.timestamp === timestamp) return at.version;
  if (at.version < newest) return at.version + 1;
  throw new SyncError('versionNotFound', {
    problem: `${source.location} has no commit at or after ${start.timestamp}.`,
    reason: `Its newest one, version ${at.version}, is of ${new Date(at.timestamp).toISOString()}.`,
  });
}
