/** How far a table's container is behind its log. */
import { toSyncError } from '../shared/errors.ts';
import { observeLog } from './log-observation.ts';
import type { SyncState } from './state.ts';
import type { SyncDependencies } from './sync-target.ts';

/** `error`: a code of the error catalogue, or `tableVanished`, where the log cannot tell. */
export type TableLag =
  | {
      /** Newest version of the table. */
      readonly newest: number;
      /** Versions that the container does not show yet; all of them before the first load. */
      readonly commits: number;
      /** When the first of them was committed, milliseconds since 1970; null when there is none, or its file is gone. */
      readonly since: number | null;
    }
  | { readonly error: string };

/** One list call, from the checkpoint of `state` on. Never throws: a lake that cannot be read is an answer, too. */
export async function tableLag(
  deps: Pick<SyncDependencies, 'target' | 'clock'>,
  tableId: string,
  { checkpoint }: { readonly checkpoint: Pick<NonNullable<SyncState['checkpoint']>, 'version'> | null },
  signal: AbortSignal,
): Promise<TableLag> {
  try {
    const { source } = await deps.target(tableId);
    const shown = checkpoint?.version ?? -1;
    const log = await observeLog(source, Math.max(0, shown), deps.clock.now(), signal);
    if (log.head === undefined) return { error: checkpoint === null ? 'notADeltaTable' : 'tableVanished' };
    // A table that was created again has fewer versions: planning tells that.
    const commits = Math.max(0, log.head - shown);
    return { newest: log.head, commits, since: log.commits.get(shown + 1)?.modifiedAt ?? null };
  } catch (thrown) {
    return { error: signal.aborted ? 'storageUnavailable' : toSyncError(thrown).code };
  }
}
