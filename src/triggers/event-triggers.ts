/** The queue trigger, the blob trigger and the sweep: three ways to the same hint. */
import { app, type InvocationContext, type Timer } from '@azure/functions';
import * as df from 'durable-functions';
import type { AppDependencies } from '../activities/app-dependencies.ts';
import { requeuedHint } from '../activities/hint-message.ts';
import { instanceIdOf } from '../orchestration/names.ts';
import { hasNews } from '../sync/plan-epoch.ts';
import { isHeld } from '../sync/state.ts';
import { toSyncError } from '../shared/errors.ts';
import type { AppRuntime } from './app-runtime.ts';
import { blobsOf, hintsFor } from './hint.ts';
import { startSync } from './start-sync.ts';

/** A hint that came a moment too early is tried again after this long, in seconds. */
const EARLY_SECONDS = 2;

/** An instance that runs without progress for this long is replaced, in milliseconds. */
const STALLED_MS = 15 * 60_000;

export function registerEventTriggers(
  runtime: AppRuntime,
  lake: { readonly container: string | undefined; readonly configured: boolean },
): void {
  app.storageQueue('onLogEvent', {
    queueName: '%HINT_QUEUE%',
    connection: 'AzureWebJobsStorage',
    extraInputs: [df.input.durableClient()],
    handler: (message: unknown, context: InvocationContext) =>
      runtime.run(context, (deps) => onLogEvent(deps, message, context)),
  });
  if (lake.configured && lake.container !== undefined) {
    app.storageBlob('onCommit', {
      path: '%LAKE_CONTAINER%/{name}',
      connection: 'DELTA_LAKE',
      source: 'EventGrid',
      extraInputs: [df.input.durableClient()],
      handler: (_blob: unknown, context: InvocationContext) => runtime.run(context, (deps) => onCommit(deps, context)),
    });
  }
  app.timer('onSweep', {
    schedule: '%SWEEP_SCHEDULE%',
    extraInputs: [df.input.durableClient()],
    handler: (_timer: Timer, context: InvocationContext) => runtime.run(context, (deps) => onSweep(deps, context)),
  });
}

/** A storage event from Event Grid, or a hint that this app put back. */
async function onLogEvent(deps: AppDependencies, message: unknown, context: InvocationContext): Promise<void> {
  const requeued = requeuedHint(message);
  if (requeued !== null) {
    if (deps.locations.has(requeued) || deps.removedTables.has(requeued)) await hint(deps, requeued, null, context);
    return;
  }
  for (const blob of blobsOf(message)) await hintBlob(deps, blob.container, blob.path, context);
}

/** The blob's content says nothing that the log does not: only its name counts. */
async function onCommit(deps: AppDependencies, context: InvocationContext): Promise<void> {
  const trigger = context.triggerMetadata?.['blobTrigger'];
  if (typeof trigger !== 'string') return;
  const slash = trigger.indexOf('/');
  await hintBlob(deps, trigger.slice(0, slash), trigger.slice(slash + 1), context);
}

async function hintBlob(
  deps: AppDependencies,
  container: string,
  path: string,
  context: InvocationContext,
): Promise<void> {
  const hints = hintsFor(container, path, deps.locations);
  if (hints.length === 0) deps.log.event('hintIgnored', { container });
  for (const { tableId, version } of hints) await hint(deps, tableId, version, context);
}

/** Starts the table's run, or comes back when it is too early to tell. */
export async function hint(
  deps: AppDependencies,
  tableId: string,
  version: number | null,
  context: InvocationContext,
): Promise<void> {
  const result = await startSync(df.getClient(context), tableId);
  deps.log.event('hintReceived', { table: tableId, version, result });
  if (result !== 'early') return;
  await deps.hintLater(tableId, EARLY_SECONDS);
}

/** Catch-up: one list call for every table that is idle (see `hasNews`); starts what no hint reached and replaces what is stuck. */
async function onSweep(deps: AppDependencies, context: InvocationContext): Promise<void> {
  const tables = [...deps.locations.keys(), ...deps.removedTables.keys()];
  deps.log.event('sweepStarted', { tables: tables.length });
  for (const tableId of tables) {
    try {
      await sweepTable(deps, tableId, context);
    } catch (thrown) {
      const error = toSyncError(thrown);
      deps.log.event('epochFailed', { table: tableId, code: error.code, message: error.message });
    }
  }
}

async function sweepTable(deps: AppDependencies, tableId: string, context: InvocationContext): Promise<void> {
  const client = df.getClient(context);
  const { state } = await deps.states.read(tableId);
  const { current } = state;
  const stalled =
    current !== null && !isHeld(current) && state.pause === null && deps.clock.now() - current.progress.at > STALLED_MS;
  if (stalled) {
    deps.log.event('sweepRestarted', { table: tableId, planId: current.planId });
    await client.terminate(instanceIdOf(tableId), 'no progress').catch(() => undefined);
  }
  if (stalled || (await hasNews(deps, tableId))) await startSync(client, tableId);
}
