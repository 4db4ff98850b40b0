/** HTTP: status and administration. Every route but the health check needs a function key. */
import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import type { AppDependencies } from '../activities/app-dependencies.ts';
import { SyncError, toSyncError } from '../shared/errors.ts';
import {
  administer,
  deadLetters,
  replayDeadLetters,
  tableHistory,
  tableStatus,
  type AdminAction,
} from '../sync/administration.ts';
import { tableLag } from '../sync/lag.ts';
import type { AppRuntime } from './app-runtime.ts';
import { hint } from './event-triggers.ts';

/** HTTP status of an error code; everything else is 500. */
const STATUS: Readonly<Partial<Record<SyncError['code'], number>>> = {
  tableUnknown: 404,
  usage: 400,
  nothingHeld: 409,
  planStale: 409,
  nothingToRollBack: 409,
  pointerChanged: 409,
  removalRefused: 409,
  stateUnavailable: 503,
  publicationUnavailable: 503,
};

/** A status waits so long for the lake, in milliseconds, and then says that it cannot be read. */
const LAKE_MS = 5_000;

const ACTIONS = ['sync', 'pause', 'resume', 'resync', 'verify', 'approve', 'reject', 'replay', 'rollback'] as const;
type Action = (typeof ACTIONS)[number];

export function registerHttpApi(runtime: AppRuntime): void {
  const answer =
    (work: (deps: AppDependencies, request: HttpRequest, context: InvocationContext) => Promise<unknown>) =>
    async (request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> => {
      try {
        return { jsonBody: await runtime.run(context, (deps) => work(deps, request, context)) };
      } catch (thrown) {
        const error = toSyncError(thrown);
        return { status: STATUS[error.code] ?? 500, jsonBody: { error: { code: error.code, message: error.message } } };
      }
    };
  app.http('health', {
    route: 'health',
    methods: ['GET'],
    authLevel: 'anonymous',
    handler: () => ({ jsonBody: { status: 'ok' } }),
  });
  app.http('tables', {
    route: 'tables',
    methods: ['GET'],
    authLevel: 'function',
    handler: answer((deps) => {
      const tables = [...deps.locations.keys(), ...deps.removedTables.keys()];
      return Promise.all(tables.map((tableId) => statusOf(deps, tableId)));
    }),
  });
  app.http('table', {
    route: 'tables/{table}',
    methods: ['GET'],
    authLevel: 'function',
    handler: answer((deps, request) => statusOf(deps, tableOf(deps, request))),
  });
  app.http('history', {
    route: 'tables/{table}/history',
    methods: ['GET'],
    authLevel: 'function',
    handler: answer((deps, request) => tableHistory(deps, tableOf(deps, request), limitOf(request))),
  });
  app.http('deadLetters', {
    route: 'tables/{table}/dead-letters',
    methods: ['GET'],
    authLevel: 'function',
    handler: answer((deps, request) => deadLetters(deps, tableOf(deps, request), limitOf(request))),
  });
  app.http('administer', {
    route: 'tables/{table}/{action}',
    methods: ['POST'],
    authLevel: 'function',
    extraInputs: [df.input.durableClient()],
    handler: answer(act),
  });
}

async function act(deps: AppDependencies, request: HttpRequest, context: InvocationContext): Promise<unknown> {
  const tableId = tableOf(deps, request);
  const action = actionOf(request);
  const by = request.headers.get('x-ms-client-principal-name') ?? 'http';
  if (action === 'replay') await replayDeadLetters(deps, tableId, by);
  else if (action !== 'sync') await administer(deps, tableId, adminAction(action, await planIdOf(request)), by);
  // Whatever was decided, the table is looked at anew; a pause (which a rollback is too) only ends what is under way.
  if (action !== 'pause' && action !== 'rollback') await hint(deps, tableId, null, context);
  return statusOf(deps, tableId);
}

async function statusOf(deps: AppDependencies, tableId: string): Promise<unknown> {
  const status = await tableStatus(deps, tableId);
  const held = deps.budget(tableId);
  const budget = held === null ? null : { ruPerSecond: held.budget, grant: held.grant, used: held.spent };
  const behind = status.mode === null ? null : await tableLag(deps, tableId, status, AbortSignal.timeout(LAKE_MS));
  return { ...status, behind, deadLetters: status.lastEpoch?.counts.deadLettered ?? 0, budget };
}

function adminAction(action: Exclude<Action, 'sync' | 'replay'>, planId: string | null): AdminAction {
  if (action !== 'approve' && action !== 'reject') return { kind: action };
  if (planId === null) {
    throw new SyncError('usage', {
      problem: `"${action}" needs the plan it is about.`,
      remedy: 'Send {"planId": "…"} as the status shows it.',
    });
  }
  return { kind: action, planId };
}

async function planIdOf(request: HttpRequest): Promise<string | null> {
  const text = await request.text();
  if (text === '') return request.query.get('planId');
  try {
    const body: unknown = JSON.parse(text);
    const planId = typeof body === 'object' && body !== null && 'planId' in body ? body.planId : null;
    return typeof planId === 'string' ? planId : null;
  } catch (cause) {
    throw new SyncError('usage', {
      problem: 'The body of the request is not JSON.',
      remedy: 'Send {"planId": "…"}.',
      cause,
    });
  }
}

function tableOf(deps: AppDependencies, request: HttpRequest): string {
  const tableId = request.params['table'] ?? '';
  if (deps.locations.has(tableId) || deps.removedTables.has(tableId)) return tableId;
  throw new SyncError('tableUnknown', { problem: 'There is no such table in the configuration.' });
}

function actionOf(request: HttpRequest): Action {
  const name = request.params['action'];
  const action = ACTIONS.find((known) => known === name);
  if (action === undefined)
    throw new SyncError('usage', {
      problem: 'There is no such action.',
      remedy: `The actions are ${ACTIONS.join(', ')}.`,
    });
  return action;
}

function limitOf(request: HttpRequest): number {
  const limit = Number(request.query.get('limit') ?? 100);
  return Number.isSafeInteger(limit) && limit > 0 && limit <= 1_000 ? limit : 100;
}
