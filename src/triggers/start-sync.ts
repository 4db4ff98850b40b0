/** Starts a table's orchestration, or finds that the running one will see what the hint is about. */
import type { DurableClient } from 'durable-functions';
import { ORCHESTRATION, instanceIdOf, type RunStatus } from '../orchestration/names.ts';

export type StartResult =
  | 'started'
  /** The open epoch's run lists the log again before it ends. */
  | 'covered'
  /** The run is between its last look at the log and its end: come back in a moment. */
  | 'early';

/**
 * Refusals (409 with current extensions, 500 with older ones) are told apart by the status alone. `tableId` has been
 * checked against the configuration.
 */
export async function startSync(client: DurableClient, tableId: string): Promise<StartResult> {
  const instanceId = instanceIdOf(tableId);
  try {
    await client.startNew(ORCHESTRATION, { instanceId, input: { tableId } });
    return 'started';
  } catch (refusal) {
    const status = await client.getStatus(instanceId).catch(() => null);
    if (status === null) throw refusal;
    switch (status.runtimeStatus as string) {
      case 'Pending':
      case 'Suspended':
        return 'covered';
      case 'Running':
      case 'ContinuedAsNew': {
        const custom = status.customStatus as RunStatus | null;
        return custom?.phase === 'applying' ? 'covered' : 'early';
      }
      default:
        return 'early';
    }
  }
}
