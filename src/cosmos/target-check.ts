/** Whether a container may be mirrored into at all, decided from its description before anything is planned or written. */
import { SyncError } from '../shared/errors.ts';
import type { TargetInfo } from '../sync/document-writer.ts';

/** The service knows at most this many levels of a hierarchical key. */
const MAX_KEY_LEVELS = 3;

/** What a container is expected to be, and what its account allows. */
export interface TargetExpectation {
  /** For messages: `container <database>/<container>`. */
  readonly name: string;
  /** True when the account takes writes in several regions. */
  readonly multipleWriteRegions: boolean;
  /** Key paths that the mapping fills, such as `["/category"]`; absent when it takes them from the container. */
  readonly partitionKeyPaths?: readonly string[];
}

/** Throws `targetUnsafe` or `targetKeyMismatch`, naming what to change; returns when the container may be written to. */
export function checkTarget(target: TargetInfo, expected: TargetExpectation): void {
  const { name } = expected;
  if (expected.multipleWriteRegions) {
    throw new SyncError('targetUnsafe', {
      problem: `The account of the ${name} takes writes in several regions.`,
      reason: 'Regions settle conflicts by themselves, so an older state of a row could win.',
      remedy: 'Turn multi-region writes off for this account, or use another one.',
    });
  }
  if (target.defaultTtl !== undefined && target.defaultTtl > 0) {
    throw new SyncError('targetUnsafe', {
      problem: `The ${name} deletes documents ${target.defaultTtl} seconds after their last change (defaultTtl).`,
      reason: 'Rows that do not change would vanish from it although the table has them.',
      remedy: 'Turn time to live off for the container, or set it to "On (no default)".',
    });
  }
  const paths = target.partitionKeyPaths;
  if (paths.length === 0 || paths.length > MAX_KEY_LEVELS) {
    throw new SyncError('targetUnsafe', {
      problem: `The ${name} has ${paths.length} partition key levels.`,
      reason: `Between 1 and ${MAX_KEY_LEVELS} are supported.`,
    });
  }
  const wanted = expected.partitionKeyPaths;
  if (wanted !== undefined && (wanted.length !== paths.length || wanted.some((path, at) => path !== paths[at]))) {
    throw new SyncError('targetKeyMismatch', {
      problem: `The ${name} is partitioned by ${paths.join(', ')}; the mapping fills ${wanted.join(', ') || 'nothing'}.`,
      reason: "A container's partition key cannot be changed.",
      remedy: 'Correct the partition key of the mapping, or create a container with that key.',
    });
  }
}

/** The description in the service's answer. Throws `targetUnsafe` for a container of a kind that is not known. */
export function parseTarget(answer: unknown, name: string): Omit<TargetInfo, 'partitions'> {
  const { _rid: rid, partitionKey, defaultTtl } = (answer ?? {}) as Readonly<Record<string, unknown>>;
  const { paths, kind, version } = (partitionKey ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof rid !== 'string') {
    throw new SyncError('targetRejects', {
      problem: `The description of the ${name} cannot be read.`,
      reason: 'The answer is not that of Cosmos DB.',
      remedy: 'Check the endpoint, and what stands between this app and the account.',
    });
  }
  if (!isPaths(paths)) {
    throw new SyncError('targetUnsafe', {
      problem: `The ${name} has no partition key.`,
      reason: 'Containers without one are a retired kind.',
      remedy: 'Create a container with a partition key.',
    });
  }
  if ((kind !== undefined && kind !== 'Hash' && kind !== 'MultiHash') || ![undefined, 1, 2].includes(version as 1)) {
    throw new SyncError('targetUnsafe', {
      problem: `The ${name} is partitioned in a way that is not known (${plain(kind)}, version ${plain(version)}).`,
      remedy: 'Create a container with a hash partition key.',
    });
  }
  return {
    rid,
    partitionKeyPaths: paths,
    partitionKeyKind: kind ?? 'Hash',
    // The service leaves the version out for the first one.
    partitionKeyVersion: kind === 'MultiHash' || version === 2 ? 2 : 1,
    defaultTtl: typeof defaultTtl === 'number' ? defaultTtl : undefined,
  };
}

/** A word of the service's answer, which may hold anything. */
function plain(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 40) ?? 'none';
}

function isPaths(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((path) => typeof path === 'string');
}
