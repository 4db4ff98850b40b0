/** The part of /admin that callers use (status, list, run now), and the faults of /_host. The caller checked the key. */
import type { Clock } from '../../shared/clock.ts';
import { toSyncError } from '../../shared/errors.ts';
import { readFaultRules } from './faults.ts';
import type { FaultPlan } from './faults.ts';
import type { FunctionOf, HostedFunction } from './function-definition.ts';
import { emptyResponse, jsonResponse } from './http-exchange.ts';
import type { HostRequest, HostResponse } from './http-exchange.ts';
import { isJsonObject, parseJson } from './json.ts';
import { callQueueFunction } from './queue-trigger.ts';
import type { QueueTriggerParts } from './queue-trigger.ts';
import type { TimerTrigger } from './timer-trigger.ts';

/** What the API answers from. */
export interface AdminParts {
  readonly functions: readonly HostedFunction[];
  readonly timers: ReadonlyMap<string, TimerTrigger>;
  readonly queues: ReadonlyMap<string, FunctionOf<'queue'>>;
  readonly queueParts: QueueTriggerParts;
  readonly faults: FaultPlan;
  readonly hostVersion: string;
  readonly clock: Clock;
}

/** Answers /admin/host/status, /admin/functions, POST /admin/functions/{name}, POST /_host/faults. */
export class AdminApi {
  readonly #parts: AdminParts;

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  handle(request: HostRequest): HostResponse {
    const { functions, hostVersion, faults } = this.#parts;
    const path = request.url.pathname;
    if (path === '/admin/host/status' && request.method === 'GET') {
      return jsonResponse(200, {
        id: 'local',
        state: 'Running',
        version: `${hostVersion}.0`,
        versionDetails: hostVersion,
      });
    }
    if (path === '/admin/functions' && request.method === 'GET') {
      return jsonResponse(
        200,
        functions.map(({ name, url, trigger }) => ({
          name,
          invoke_url_template: url ?? null,
          language: 'node',
          trigger,
        })),
      );
    }
    if (path === '/_host/faults' && request.method === 'POST') {
      try {
        faults.replace(readFaultRules(parseJson(request.body.toString('utf8'))));
        return emptyResponse(204);
      } catch (error) {
        return jsonResponse(400, { Message: toSyncError(error).message });
      }
    }
    const match = /^\/admin\/functions\/([^/]+)$/.exec(path);
    if (match !== null && request.method === 'POST') return this.#run(decodeURIComponent(match[1] ?? ''), request);
    return emptyResponse(404);
  }

  /** Starts a timer or queue function and does not wait for its end, as the official host. */
  #run(name: string, request: HostRequest): HostResponse {
    const { timers, queues, queueParts, clock } = this.#parts;
    const timer = timers.get(name);
    if (timer !== undefined) {
      void timer.runNow();
      return emptyResponse(202);
    }
    const definition = queues.get(name);
    if (definition === undefined) return emptyResponse(404);
    const body = parseJson(request.body.toString('utf8'));
    const input = isJsonObject(body) ? body['input'] : undefined;
    const text = typeof input === 'string' ? input : JSON.stringify(input ?? null);
    const never = { json: '"9999-12-31T23:59:59.9999999+00:00"' };
    const metadata = {
      DequeueCount: { json: '0' },
      ExpirationTime: never,
      InsertionTime: { json: JSON.stringify(new Date(clock.now()).toISOString().replace('Z', '+00:00')) },
      NextVisibleTime: never,
    };
    callQueueFunction(definition, text, metadata, queueParts).catch((error: unknown) => {
      queueParts.log.event('functionFailed', { functionName: name, reason: String(error) });
    });
    return emptyResponse(202);
  }
}
