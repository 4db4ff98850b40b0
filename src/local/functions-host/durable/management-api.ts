/** The Durable HTTP management API, under /runtime/webhooks/durabletask (with key) and /durabletask (for the SDK). */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../shared/clock.ts';
import type { FaultPlan } from '../faults.ts';
import { emptyResponse, jsonResponse } from '../http-exchange.ts';
import type { HostRequest, HostResponse } from '../http-exchange.ts';
import { parseJson } from '../json.ts';
import { MAXIMUM_MESSAGE_BYTES, messageTooLong } from './episode.ts';
import { EventType } from './history.ts';
import { isEnded, RUNTIME_STATUSES } from './instance.ts';
import type { Instance } from './instance.ts';
import { instanceStatus } from './instance-status.ts';
import type { StatusOptions } from './instance-status.ts';
import { managementUrls } from './management-urls.ts';
import type { ManagementAddress } from './management-urls.ts';
import type { Delivery, TaskHub } from './task-hub.ts';

/** What the API answers from. */
export interface ManagementParts {
  readonly hub: TaskHub;
  readonly address: ManagementAddress;
  readonly clock: Clock;
  readonly faults: FaultPlan;
}

const DELIVERY_STATUS: Readonly<Record<Delivery, number>> = { accepted: 202, notFound: 404, ended: 410 };
const DEFAULT_PAGE = 100;

/** Answers requests; `path` is what follows the base path, without leading slash. */
export class ManagementApi {
  readonly #parts: ManagementParts;

  constructor(parts: ManagementParts) {
    this.#parts = parts;
  }

  handle(path: string, request: HostRequest): HostResponse {
    const segments = decodeSegments(path);
    if (segments === undefined) return emptyResponse(404);
    const [collection, first, operation, eventName, ...more] = segments;
    if (more.length > 0) return emptyResponse(404);
    if (collection === 'orchestrators' && first !== undefined && request.method === 'POST' && eventName === undefined) {
      return this.#start(first, operation, request);
    }
    if (collection !== 'instances') return emptyResponse(404);
    if (first === undefined) {
      if (request.method === 'GET')
        return this.#list(request.url.searchParams, request.headers['x-ms-continuation-token']);
      return request.method === 'DELETE' ? this.#purgeMany(request.url.searchParams) : emptyResponse(404);
    }
    if (operation === undefined) {
      if (request.method === 'GET') return this.#status(first, request);
      return request.method === 'DELETE' ? this.#purge(first) : emptyResponse(404);
    }
    return request.method === 'POST' ? this.#operate(first, operation, eventName, request) : emptyResponse(404);
  }

  #start(name: string, givenId: string | undefined, request: HostRequest): HostResponse {
    const fault = this.#parts.faults.strike('startRefused', name);
    if (fault !== undefined) {
      return jsonResponse(fault.status ?? 409, {
        Message: 'An Orchestration instance with the status Running already exists.',
      });
    }
    const instanceId = givenId ?? randomUUID().replaceAll('-', '');
    const text = request.body.toString('utf8');
    if (request.body.length > MAXIMUM_MESSAGE_BYTES) return jsonResponse(413, { Message: messageTooLong('The input') });
    if (text !== '' && parseJson(text) === undefined) {
      return jsonResponse(400, { Message: 'Invalid JSON content' });
    }
    if (instanceId.includes('/')) return emptyResponse(404);
    if (instanceId.startsWith('@') || instanceId.length > 100 || /[\\/#?\p{Cc}]/u.test(instanceId)) {
      return jsonResponse(400, {
        Message: 'The instance id is not allowed: at most 100 characters, no / \\ # ? or @.',
      });
    }
    const begun = this.#parts.hub.begin({
      name,
      instanceId,
      input: text === '' ? null : text,
      version: request.url.searchParams.get('version') ?? undefined,
    });
    if (begun.kind === 'exists') {
      return jsonResponse(409, {
        Message: `An Orchestration instance with the status ${begun.status} already exists.`,
      });
    }
    return this.#checkStatusResponse(instanceId, request);
  }

  #checkStatusResponse(instanceId: string, request: HostRequest): HostResponse {
    const urls = managementUrls({ ...this.#parts.address, origin: request.url.origin }, instanceId, false);
    return jsonResponse(202, urls, { location: urls['statusQueryGetUri'] ?? '', 'retry-after': '10' });
  }

  #status(instanceId: string, request: HostRequest): HostResponse {
    const instance = this.#parts.hub.get(instanceId);
    if (instance === undefined) return emptyResponse(404);
    const status = instanceStatus(instanceId, instance, statusOptions(request.url.searchParams));
    if (isEnded(instance.status)) return jsonResponse(200, status);
    return jsonResponse(202, status, { location: request.url.href, 'retry-after': '5' });
  }

  #list(query: URLSearchParams, token: string | undefined): HostResponse {
    const matching = this.#matching(query);
    const after = decodeToken(token);
    const remaining = after === undefined ? matching : matching.filter(([id]) => id > after);
    const top = Number(query.get('top') ?? DEFAULT_PAGE);
    const size = Number.isInteger(top) && top > 0 ? Math.min(top, 1000) : DEFAULT_PAGE;
    const page = remaining.slice(0, size);
    const options = { ...statusOptions(query), showHistory: false };
    const last = page.at(-1)?.[0];
    return jsonResponse(
      200,
      page.map(([id, instance]) => instanceStatus(id, instance, options)),
      remaining.length > page.length && last !== undefined
        ? { 'x-ms-continuation-token': Buffer.from(last).toString('base64url') }
        : {},
    );
  }

  #matching(query: URLSearchParams): readonly (readonly [string, Instance])[] {
    const statuses = (query.get('runtimeStatus') ?? '').split(',').filter((name) => name !== '');
    const wanted = RUNTIME_STATUSES.filter((status) =>
      statuses.some((name) => name.toLowerCase() === status.toLowerCase()),
    );
    const from = Date.parse(query.get('createdTimeFrom') ?? '');
    const to = Date.parse(query.get('createdTimeTo') ?? '');
    const prefix = query.get('instanceIdPrefix') ?? '';
    return this.#parts.hub.list().filter(([id, instance]) => {
      const created = Date.parse(instance.started.Timestamp);
      return (
        id.startsWith(prefix) &&
        (statuses.length === 0 || wanted.includes(instance.status)) &&
        !(created < from) &&
        !(created > to)
      );
    });
  }

  #purge(instanceId: string): HostResponse {
    const instance = this.#parts.hub.get(instanceId);
    if (instance === undefined) return emptyResponse(404);
    if (!isEnded(instance.status)) {
      return jsonResponse(
        412,
        'Only orchestrations in a terminal state can be purged, ' +
          `but the orchestration with instance ID ${instanceId} has status ${instance.status}`,
      );
    }
    this.#parts.hub.purge(instanceId);
    return jsonResponse(200, { instancesDeleted: 1 });
  }

  #purgeMany(query: URLSearchParams): HostResponse {
    const ended = this.#matching(query).filter(([, instance]) => isEnded(instance.status));
    for (const [instanceId] of ended) this.#parts.hub.purge(instanceId);
    return ended.length === 0 ? emptyResponse(404) : jsonResponse(200, { instancesDeleted: ended.length });
  }

  #operate(instanceId: string, operation: string, eventName: string | undefined, request: HostRequest): HostResponse {
    const { hub, clock } = this.#parts;
    const base = { EventId: -1, Timestamp: new Date(clock.now()).toISOString() };
    const reason = request.url.searchParams.get('reason');
    const instance = hub.get(instanceId);
    if (eventName !== undefined && operation !== 'raiseEvent') return emptyResponse(404);
    switch (operation) {
      case 'raiseEvent':
        return eventName === undefined ? emptyResponse(404) : this.#raise(instanceId, eventName, request);
      case 'terminate':
        return delivered(hub.deliver(instanceId, { ...base, EventType: EventType.ExecutionTerminated, Input: reason }));
      case 'suspend':
      case 'resume': {
        const already = (instance?.status === 'Suspended') === (operation === 'suspend');
        if (instance !== undefined && !isEnded(instance.status) && already) {
          return jsonResponse(500, {
            Message: 'Something went wrong while processing your request',
            ExceptionMessage:
              `Cannot ${operation} the orchestration instance ${instanceId} ` +
              `because instance is in the ${instance.status} state.`,
            ExceptionType: 'System.InvalidOperationException',
          });
        }
        const type = operation === 'suspend' ? EventType.ExecutionSuspended : EventType.ExecutionResumed;
        return delivered(hub.deliver(instanceId, { ...base, EventType: type, Reason: reason }));
      }
      case 'rewind':
        if (instance === undefined) return emptyResponse(404);
        if (instance.status === 'Failed') return jsonResponse(501, 'The local host does not offer rewind.');
        return jsonResponse(
          412,
          `This orchestration has status ${instance.status}, ` +
            'but only orchestrations in the "Failed" state can be rewound.',
        );
      case 'restart':
        return this.#restart(instanceId, instance, request);
      default:
        return emptyResponse(404);
    }
  }

  #raise(instanceId: string, eventName: string, request: HostRequest): HostResponse {
    const { hub, clock } = this.#parts;
    const text = request.body.toString('utf8');
    if (request.body.length > MAXIMUM_MESSAGE_BYTES) return jsonResponse(413, { Message: messageTooLong('The event') });
    const instance = hub.get(instanceId);
    if (instance === undefined) return emptyResponse(404);
    if (isEnded(instance.status)) return emptyResponse(410);
    if (!(request.headers['content-type'] ?? '').toLowerCase().includes('application/json')) {
      return jsonResponse(400, { Message: 'Only application/json request content is supported' });
    }
    if (text !== '' && parseJson(text) === undefined) return jsonResponse(400, { Message: 'Invalid JSON content' });
    return delivered(
      hub.deliver(instanceId, {
        EventType: EventType.EventRaised,
        EventId: -1,
        Timestamp: new Date(clock.now()).toISOString(),
        Name: eventName,
        Input: text === '' ? 'null' : text,
      }),
    );
  }

  #restart(instanceId: string, instance: Instance | undefined, request: HostRequest): HostResponse {
    if (instance === undefined) {
      return jsonResponse(400, {
        Message: 'InstanceId does not match a valid orchestration instance.',
        ExceptionMessage: `No instance with ID '${instanceId}' was found. (Parameter 'instanceId')`,
        ExceptionType: 'System.ArgumentException',
      });
    }
    const sameId = request.url.searchParams.get('restartWithNewInstanceId')?.toLowerCase() === 'false';
    const newId = sameId ? instanceId : randomUUID().replaceAll('-', '');
    const { Name, Input, Version } = instance.started;
    const begun = this.#parts.hub.begin({ name: Name, instanceId: newId, input: Input, version: Version ?? undefined });
    if (begun.kind === 'exists') {
      return jsonResponse(409, {
        Message: `An Orchestration instance with the status ${begun.status} already exists.`,
      });
    }
    return this.#checkStatusResponse(newId, request);
  }
}

function delivered(delivery: Delivery): HostResponse {
  return emptyResponse(DELIVERY_STATUS[delivery]);
}

function statusOptions(query: URLSearchParams): StatusOptions {
  const flag = (name: string): string | undefined => query.get(name)?.toLowerCase();
  return {
    showInput: flag('showInput') !== 'false',
    showHistory: flag('showHistory') === 'true',
    showHistoryOutput: flag('showHistoryOutput') === 'true',
  };
}

function decodeSegments(path: string): readonly string[] | undefined {
  try {
    const segments = path.split('/').filter((part) => part !== '');
    return segments.map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
}

function decodeToken(token: string | undefined): string | undefined {
  return token === undefined || token === '' || token === 'null'
    ? undefined
    : Buffer.from(token, 'base64url').toString();
}
