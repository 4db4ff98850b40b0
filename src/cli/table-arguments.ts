/** What the commands that read a table have in common: the table and the version. */
import { loadSnapshot, type Snapshot, type SnapshotAt } from '../delta/snapshot.ts';
import type { LogStore } from '../delta/log-store.ts';
import { SyncError } from '../shared/errors.ts';
import { openTable } from '../storage/open-table.ts';
import { integerFlag, type Flags } from './arguments.ts';

/** Flags that choose a version. */
export const VERSION_FLAGS = {
  version: { type: 'string' },
  timestamp: { type: 'string' },
} as const satisfies Flags;

const DIGITS = /^\d{10,16}$/;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/** A point in time, in milliseconds since 1970: digits are those, otherwise ISO 8601, in UTC when it names no zone. */
function timestampFlag(text: string): number {
  if (DIGITS.test(text)) return Number(text);
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/.test(text.slice(10));
  const time = DATE_TIME.test(text)
    ? Date.parse(text.length > 10 && !zoned ? `${text.replace(' ', 'T')}Z` : text.replace(' ', 'T'))
    : Number.NaN;
  if (Number.isNaN(time)) {
    throw new SyncError('usage', {
      problem: `--timestamp must be a time such as 2026-11-22T10:00:00Z or milliseconds since 1970, not "${text}".`,
    });
  }
  return time;
}

/** The one positional argument. Throws `usage` when it is missing. */
export async function tableArgument(positionals: readonly string[]): Promise<LogStore> {
  const [table] = positionals;
  if (table === undefined || table === '') {
    throw new SyncError('usage', { problem: 'The table is missing.', remedy: 'Name a folder or a URL.' });
  }
  return openTable(table);
}

/** The version that the flags choose; the latest by default. Throws `usage`. */
export function versionArgument(flags: { readonly version?: string; readonly timestamp?: string }): SnapshotAt {
  if (flags.version !== undefined && flags.timestamp !== undefined) {
    throw new SyncError('usage', { problem: 'Give --version or --timestamp, not both.' });
  }
  if (flags.version !== undefined) {
    return { kind: 'version', version: integerFlag('version', flags.version, 0, Number.MAX_SAFE_INTEGER) };
  }
  if (flags.timestamp !== undefined) return { kind: 'timestamp', timestamp: timestampFlag(flags.timestamp) };
  return { kind: 'latest' };
}

/** Loads the snapshot that the arguments choose. */
export async function snapshotArgument(
  positionals: readonly string[],
  flags: { readonly version?: string; readonly timestamp?: string },
  signal: AbortSignal,
): Promise<{ readonly store: LogStore; readonly snapshot: Snapshot }> {
  const store = await tableArgument(positionals);
  return { store, snapshot: await loadSnapshot(store, versionArgument(flags), signal) };
}
