/** Failures that a new plan can cure: the source is read otherwise or from the head, or the container is another one. */
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
  'targetReplaced',
]);

/** Whether an epoch that failed with this code should be given up and the container compared with the table instead. */
export function sourceIsGone(code: string): boolean {
  return GONE.has(code);
}
