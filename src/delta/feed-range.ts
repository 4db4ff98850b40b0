/** From which version on the change data feed of a table can be read. */
import { SyncError } from '../shared/errors.ts';
import { readCommitFile } from './log.ts';
import type { LogStore } from './log-store.ts';
import { isEnabled, metadataFromRecord } from './metadata.ts';
import { loadSnapshot, type Snapshot } from './snapshot.ts';

/** Commits that are looked at, from the newest back. */
const MAX_COMMITS = 200;

/** Versions whose feed can be asked for, as far as their commits tell; data files may be gone all the same. */
export interface AvailableFeed {
  readonly from: number;
  readonly to: number;
  /** False when earlier versions may have a feed, too, but were not looked at. */
  readonly isComplete: boolean;
}

/** Whether a commit says that the feed is on or off; undefined when it says nothing, `gone` when there is no such commit. */
async function feedSetting(
  store: LogStore,
  version: number,
  signal: AbortSignal | undefined,
): Promise<boolean | 'gone' | undefined> {
  try {
    const { actions } = await readCommitFile(store, version, signal);
    if (actions.metaData === null) return undefined;
    return isEnabled(metadataFromRecord(actions.metaData), 'delta.enableChangeDataFeed');
  } catch (error) {
    // An old commit that cannot be read ends the feed, but does not make the table unreadable.
    if (error instanceof SyncError && (error.code === 'storageNotFound' || error.class === 'refused')) return 'gone';
    throw error;
  }
}

/** Whether the feed was on at a version; false when that version cannot be reconstructed. */
async function isOnAt(store: LogStore, version: number, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    const { metadata } = await loadSnapshot(store, { kind: 'version', version }, signal);
    return isEnabled(metadata, 'delta.enableChangeDataFeed');
  } catch (error) {
    if (error instanceof SyncError && error.class === 'refused') return false;
    throw error;
  }
}

/** The range that ends with `snapshot`; undefined when the feed is off there or its commit is gone. */
export async function availableFeed(
  store: LogStore,
  snapshot: Snapshot,
  signal?: AbortSignal,
): Promise<AvailableFeed | undefined> {
  if (!isEnabled(snapshot.metadata, 'delta.enableChangeDataFeed')) return undefined;
  const to = snapshot.version;
  let from: number | undefined;
  // Versions since the last commit that said something: what they are is decided by the commit before them.
  for (let version = to; version >= 0; version--) {
    if (to - version >= MAX_COMMITS) return { from: from ?? version + 1, to, isComplete: false };
    const setting = await feedSetting(store, version, signal);
    if (setting === false) break;
    if (setting === true) from = version;
    if (setting !== 'gone') continue;
    const oldest = version + 1;
    if (oldest <= to && oldest !== from && (await isOnAt(store, oldest, signal))) from = oldest;
    break;
  }
  return from === undefined ? undefined : { from, to, isComplete: true };
}
