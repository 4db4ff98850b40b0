/** Names of Durable functions. They are in histories and messages, so they change only with the orchestration version. */
export const ORCHESTRATION = 'syncTable';

export const ACTIVITY = {
  plan: 'planEpoch',
  slice: 'runSlice',
  seal: 'sealStage',
  complete: 'completeEpoch',
} as const;

/** Instance id of a table's one orchestration. */
export function instanceIdOf(tableId: string): string {
  return `sync-${tableId}`;
}

/** What the orchestration shows of itself: a hint decides by it whether the run will still see its commit. */
export interface RunStatus {
  readonly phase: 'planning' | 'applying';
  readonly epoch?: number;
  readonly to?: number;
}
