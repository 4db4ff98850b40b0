/** Orchestration versioning: whether a host of one version may run an instance of another. */
import type { HostConfiguration } from '../host-json.ts';

/** What to do with an instance. */
export type VersionVerdict =
  | { readonly kind: 'run' }
  /** Left as it is, for a host that fits. */
  | { readonly kind: 'reject'; readonly reason: string }
  | { readonly kind: 'fail'; readonly reason: string };

/** Judges an instance's version by host.json. A host without `defaultVersion` runs everything. */
export function versionVerdict(configuration: HostConfiguration['durable'], version: string | null): VersionVerdict {
  const { defaultVersion, versionMatchStrategy, versionFailureStrategy } = configuration;
  if (defaultVersion === null || versionMatchStrategy === 'None') return { kind: 'run' };
  const order = compareVersions(version ?? '', defaultVersion);
  if (order === 0 || (versionMatchStrategy === 'CurrentOrOlder' && order < 0)) return { kind: 'run' };
  const reason =
    `The version of the instance ('${version ?? ''}') does not match that of the host ('${defaultVersion}') ` +
    `under versionMatchStrategy ${versionMatchStrategy}.`;
  return versionFailureStrategy === 'Fail' ? { kind: 'fail', reason } : { kind: 'reject', reason };
}

/** Order of two versions: by number when both are dotted numbers, else as text; an empty one is the oldest. */
export function compareVersions(a: string, b: string): number {
  if (a === '' || b === '') return Math.sign(a.length - b.length);
  const [first, second] = [dottedNumbers(a), dottedNumbers(b)];
  if (first === undefined || second === undefined) {
    const [x, y] = [a.toLowerCase(), b.toLowerCase()];
    return x === y ? 0 : x < y ? -1 : 1;
  }
  for (let at = 0; at < Math.max(first.length, second.length); at += 1) {
    const difference = (first[at] ?? 0) - (second[at] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

function dottedNumbers(text: string): readonly number[] | undefined {
  return /^\d{1,9}(\.\d{1,9}){1,3}$/.test(text) ? text.split('.').map(Number) : undefined;
}
