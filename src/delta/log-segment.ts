/**
 * Which files of the log make a snapshot (PROTOCOL.md, "Checkpoints", "Log Compaction Files", "Metadata Cleanup"): the
 * newest complete checkpoint at or below the version, then every commit after it, contiguous.
 */
import type { StoredFile } from './log-store.ts';
import { parseLogName } from './log-path.ts';

/** A commit file in a listing. */
export interface CommitFile {
  readonly version: number;
  readonly file: StoredFile;
}

/** A complete checkpoint: one file, or all parts in order. */
export interface CheckpointFiles {
  readonly version: number;
  readonly kind: 'classic' | 'multiPart' | 'json' | 'parquet';
  readonly files: readonly StoredFile[];
}

/** A compacted log file: may replace the commits `version` to `end`. */
export interface CompactionFile {
  readonly version: number;
  readonly end: number;
  readonly file: StoredFile;
}

/** What a listing of the log holds, each in ascending order of version. */
export interface LogListing {
  readonly commits: readonly CommitFile[];
  readonly checkpoints: readonly CheckpointFiles[];
  readonly compactions: readonly CompactionFile[];
}

const RANK = { classic: 0, parquet: 1, json: 2, multiPart: 3 } as const;

/** Sorts a listing into commits, complete checkpoints (several of one version: the simplest last) and compactions. */
export function readListing(files: Iterable<StoredFile>): LogListing {
  const commits: CommitFile[] = [];
  const checkpoints: CheckpointFiles[] = [];
  const compactions: CompactionFile[] = [];
  const parts = new Map<string, Map<number, StoredFile>>();
  for (const file of files) {
    const name = parseLogName(file.path.slice(file.path.lastIndexOf('/') + 1));
    if (name === undefined) continue;
    const { version } = name;
    switch (name.kind) {
      case 'commit':
        commits.push({ version, file });
        break;
      case 'checkpoint':
        checkpoints.push({ version, kind: 'classic', files: [file] });
        break;
      case 'uuidCheckpoint':
        checkpoints.push({ version, kind: name.format, files: [file] });
        break;
      case 'compaction':
        compactions.push({ version, end: name.end, file });
        break;
      case 'checkpointPart': {
        // Parts of another count at the same version are another checkpoint.
        const key = `${version}/${name.parts}`;
        const group = parts.get(key) ?? new Map<number, StoredFile>();
        parts.set(key, group.set(name.part, file));
        if (group.size === name.parts) {
          const inOrder = [...group].toSorted(([a], [b]) => a - b).map(([, part]) => part);
          checkpoints.push({ version, kind: 'multiPart', files: inOrder });
        }
        break;
      }
    }
  }
  checkpoints.sort((a, b) => a.version - b.version || RANK[b.kind] - RANK[a.kind]);
  return { commits, checkpoints, compactions };
}

/** A file of actions that covers the versions `version` to `end`. */
export interface CommitRange {
  readonly version: number;
  readonly end: number;
  readonly file: StoredFile;
}

/** The files that make the snapshot of `version`. */
export interface LogSegment {
  readonly version: number;
  /** Checkpoint to build on; absent when the commits from 0 are all there. */
  readonly checkpoint: CheckpointFiles | undefined;
  /** Commits and compactions that cover every version after the checkpoint, ascending. */
  readonly ranges: readonly CommitRange[];
  /** The commit file of `version` itself where it still exists. */
  readonly head: CommitFile | undefined;
}

/** What of a listing not to use: newest checkpoints and compactions that turned out to be unreadable. */
export interface Avoid {
  /** How many of the newest checkpoints to pass over. */
  readonly checkpoints: number;
  readonly compactions: boolean;
}

/** No segment: the commit `missing` is needed and not there. */
export interface SegmentGap {
  readonly missing: number;
}

/** Plans the segment for `version`. Compactions are used where they lie wholly inside the range that is needed. */
export function planSegment(
  listing: LogListing,
  version: number,
  avoid: Avoid = { checkpoints: 0, compactions: false },
): LogSegment | SegmentGap {
  const usable = listing.checkpoints.filter((checkpoint) => checkpoint.version <= version);
  const checkpoint = usable[usable.length - 1 - avoid.checkpoints];
  const start = checkpoint === undefined ? 0 : checkpoint.version + 1;
  const commits = new Map(listing.commits.map((commit) => [commit.version, commit]));
  const compactions = new Map<number, CompactionFile>();
  for (const compaction of avoid.compactions ? [] : listing.compactions) {
    const longest = compactions.get(compaction.version);
    if (compaction.end <= version && (longest === undefined || longest.end < compaction.end)) {
      compactions.set(compaction.version, compaction);
    }
  }
  const ranges: CommitRange[] = [];
  for (let wanted = start; wanted <= version; wanted = (ranges.at(-1)?.end ?? wanted) + 1) {
    const compaction = compactions.get(wanted);
    const commit = commits.get(wanted);
    if (compaction !== undefined) ranges.push(compaction);
    else if (commit !== undefined) ranges.push({ version: wanted, end: wanted, file: commit.file });
    else return { missing: wanted };
  }
  return { version, checkpoint, ranges, head: commits.get(version) };
}

/** Newest version that a listing knows: of its commits and complete checkpoints. */
export function newestVersion(listing: LogListing): number | undefined {
  const commit = listing.commits.at(-1)?.version;
  const checkpoint = listing.checkpoints.at(-1)?.version;
  if (commit === undefined || checkpoint === undefined) return commit ?? checkpoint;
  return Math.max(commit, checkpoint);
}
