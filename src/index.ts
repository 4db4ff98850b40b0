/** The function app: settings to registrations. Everything that costs time is opened by the first invocation. */
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import { createActivities } from './activities/activities.ts';
import { readAppSettings } from './config/app-settings.ts';
import { ACTIVITY, ORCHESTRATION } from './orchestration/names.ts';
import { syncTable } from './orchestration/sync-table.ts';
import { AppRuntime } from './triggers/app-runtime.ts';
import { registerEventTriggers } from './triggers/event-triggers.ts';
import { registerHttpApi } from './triggers/http-api.ts';

/** Orchestration version: the `defaultVersion` of host.json. Changed with the shape of the orchestration or its messages. */
const APP_VERSION = '1.0';

const runtime = new AppRuntime(() => readAppSettings(process.env), APP_VERSION, process.cwd());
const activities = createActivities(runtime.run, runtime.stopping);

df.app.orchestration(ORCHESTRATION, syncTable);
df.app.activity(ACTIVITY.plan, { handler: activities.planEpoch });
df.app.activity(ACTIVITY.slice, { handler: activities.runSlice });
df.app.activity(ACTIVITY.seal, { handler: activities.sealStage });
df.app.activity(ACTIVITY.complete, { handler: activities.completeEpoch });

registerEventTriggers(runtime, {
  container: process.env['LAKE_CONTAINER'],
  configured:
    process.env['DELTA_LAKE'] !== undefined ||
    process.env['DELTA_LAKE__blobServiceUri'] !== undefined ||
    process.env['DELTA_LAKE__accountName'] !== undefined,
});
registerHttpApi(runtime);
app.hook.appTerminate(() => runtime.stop());
