/** Failures of a source that reading it otherwise, or from the head, can cure. */
import type { ErrorCode } from '../shared/errors.ts';

const GONE: ReadonlySet<string> = new Set<ErrorCode>([
  'dataFileMissing',
  'deletionVectorDamaged',
  'storageNotFound',
  'versionNotFound',
  'planDamaged',
  'storageChanged',
  'changeFeedUnavailable',
  'changeTypeUnknown',
]);

/** Whether an epoch that failed with this code should be given up and the container compared with the table instead. */
export function sourceIsGone(code: string): boolean {
  return GONE.has(code);
}
