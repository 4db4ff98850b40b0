/** From a request to its answer: who sends it, what it asks for, which faults strike it. */
import { handleBatch } from './batch-request.ts';
import { handleChangeFeed } from './change-feed.ts';
import { handleAccount, handleControl, handleOffer, handleRanges } from './control-plane.ts';
import { checkToken } from './entra-authentication.ts';
import type { FaultAction, FaultSubject } from './faults.ts';
import { checkKey } from './key-authentication.ts';
import type { EntraRoles } from './options.ts';
import { handleDeleteByKey, handlePoint, MAX_REQUEST_BYTES } from './point-request.ts';
import { handleQueryPlan } from './query-plan-request.ts';
import { handleQuery } from './query-request.ts';
import type { QueryPages } from './query-pages.ts';
import { header, refusalAnswer, type Answer, type CosmosRequest } from './request.ts';
import { Refusal, refusalBody } from './refusal.ts';
import { checkResourceToken, tokenOf } from './resource-tokens.ts';
import type { Service } from './service.ts';
import { tooLarge } from './document.ts';

/** How requests are let in. */
export interface Gate {
  /** Undefined: keys are not checked. */
  readonly key: Buffer | undefined;
  readonly entra: 'off' | 'anyToken' | EntraRoles;
  /** Real wall clock: an advanced clock must not make every signature stale. */
  now(): number;
}

/** An answer and what the network is to do to it. */
export interface Outcome {
  readonly answer: Answer;
  readonly effects: readonly FaultAction[];
}

/** Milliseconds a fault delays the request before it is looked at. */
export function delayBefore(actions: readonly FaultAction[]): number {
  return actions.reduce((ms, action) => ms + (action.kind === 'delay' && action.before === true ? action.ms : 0), 0);
}

/** Faults that strike the whole request. */
export function requestFaults(service: Service, request: CosmosRequest): readonly FaultAction[] {
  if (service.faults.idle) return [];
  const subject: FaultSubject = {
    method: request.method,
    kind: request.kind,
    database: request.database,
    container: request.container,
    rangeId: header(request, 'x-ms-documentdb-partitionkeyrangeid'),
    operation: undefined,
    id: request.segments[5],
    partitionKey: header(request, 'x-ms-documentdb-partitionkey'),
  };
  return service.faults.strike('request', subject);
}

/** Answers a request; refusals are answers too. */
export function dispatch(
  service: Service,
  pages: QueryPages,
  gate: Gate,
  request: CosmosRequest,
  faults: readonly FaultAction[],
): Outcome {
  let answer: Answer;
  try {
    try {
      answer = answerFaulty(service, pages, gate, request, faults);
    } finally {
      service.journal?.flush();
    }
  } catch (thrown) {
    // A fault of the emulator is an answer like the service's own: it must not take the process down.
    const refusal = thrown instanceof Refusal ? thrown : new Refusal(500, `Emulator fault: ${String(thrown)}`);
    answer = refusalAnswer(refusal);
  }
  service.counters.answered(answer.status, answer.substatus ?? 0);
  return { answer, effects: [...faults, ...request.effects] };
}

function answerFaulty(
  service: Service,
  pages: QueryPages,
  gate: Gate,
  request: CosmosRequest,
  faults: readonly FaultAction[],
): Answer {
  const instead = faults.find((action) => action.kind === 'answer');
  const dropped = faults.some((action) => action.kind === 'reset' && action.when === 'before');
  if (dropped || (instead !== undefined && instead.applied !== true)) return faultAnswer(instead);
  admit(service, gate, request);
  const former = faults.some((action) => action.kind === 'staleRanges');
  const answer = route(service, pages, request, former);
  return instead === undefined ? answer : faultAnswer(instead);
}

function faultAnswer(action: Extract<FaultAction, { kind: 'answer' }> | undefined): Answer {
  const status = action?.status ?? 500;
  const retryAfterMs = action?.retryAfterMs ?? (status === 429 ? 10 : undefined);
  return {
    status,
    substatus: action?.substatus ?? 0,
    ...(retryAfterMs === undefined ? {} : { headers: { 'x-ms-retry-after-ms': String(retryAfterMs) } }),
    body: refusalBody(status, 'Fault on request.'),
  };
}

function admit(service: Service, gate: Gate, request: CosmosRequest): void {
  const authorization = header(request, 'authorization') ?? '';
  const token = /^type(?:=|%3D)aad(?:&|%26)ver(?:=|%3D)1\.0(?:&|%26)sig(?:=|%3D)(.*)$/i.exec(authorization)?.[1];
  if (token !== undefined) {
    if (gate.entra === 'off')
      throw new Refusal(401, 'Local Authorization is required: the emulator takes no AAD tokens.');
    checkToken(request, token, gate.entra, gate.now());
    return;
  }
  if (gate.key === undefined) return;
  const granted = tokenOf(authorization);
  if (granted !== undefined) {
    checkResourceToken(service.account, request, granted, gate.key, service.now());
    return;
  }
  const { method, sent } = request;
  const date = header(request, 'x-ms-date') ?? header(request, 'date');
  checkKey({ method, segments: sent, date }, authorization, gate.key, gate.now());
}

function route(service: Service, pages: QueryPages, request: CosmosRequest, former: boolean): Answer {
  if (request.body.length > MAX_REQUEST_BYTES) throw tooLarge();
  switch (request.kind) {
    case 'account':
      return handleAccount(service);
    case 'control':
      return handleControl(service, request);
    case 'offer':
      return handleOffer(service, request);
    case 'ranges':
      return handleRanges(service, request, former);
    case 'point':
      return handlePoint(service, request);
    case 'batch':
      return handleBatch(service, request);
    case 'query':
    case 'feed':
      return handleQuery(service, pages, request);
    case 'queryPlan':
      return handleQueryPlan(service, request);
    case 'changeFeed':
      return handleChangeFeed(service, request);
    case 'deleteByKey':
      return handleDeleteByKey(service, request);
  }
}
