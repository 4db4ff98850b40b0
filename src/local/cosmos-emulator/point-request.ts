/** Requests for one document, and the deletion of a whole logical partition. */
import type { Container } from './container.ts';
import { drop, type DocumentOperation, type OperationKind, type OperationResult } from './document-operations.ts';
import { resourceText } from './document.ts';
import { isJsonMap, parseJson, type JsonMap } from './json.ts';
import { OperationRunner } from './operation-runner.ts';
import type { Partition } from './partition.ts';
import { checkKeySize, extractKey, keyText, parseKey, type KeyValue } from './partition-key.ts';
import { header, isTrue, type Answer, type CosmosRequest } from './request.ts';
import { Refusal, badRequest, refusalBody } from './refusal.ts';
import { roundCharge } from './request-units.ts';
import { sessionHeaders, writeContext, type Service } from './service.ts';

const SLACK_BYTES = 64 * 1024;
/** Bytes of a request at most; a document of just the limit must fit with what surrounds it. */
export const MAX_REQUEST_BYTES = 2 * 1024 * 1024 + SLACK_BYTES;

/** Create, upsert, read, replace, patch and delete. */
export function handlePoint(service: Service, request: CosmosRequest): Answer {
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const kind = operationKind(request);
  refuseTriggers(request);
  const body = kind === 'Read' || kind === 'Delete' ? undefined : pointBody(request, kind);
  const values = requestKey(request, container, kind === 'Patch' ? undefined : body);
  const pk = keyText(values);
  const epk = container.hash(values);
  const partition = container.route(epk);
  checkSession(request, partition, kind);
  const runner = new OperationRunner(service, request, container, partition, writeContext(service));
  const operation: DocumentOperation = {
    kind,
    pk,
    epk,
    id: request.segments[5],
    ifMatch: header(request, 'if-match'),
    ifNoneMatch: header(request, 'if-none-match'),
    body,
  };
  const result = runner.run(operation);
  runner.count();
  return pointAnswer(request, container, partition, result);
}

/** The JSON object of the body. The SDK lets its users give a patch as the bare array of its operations. */
function pointBody(request: CosmosRequest, kind: OperationKind): JsonMap {
  const value = parseJson(request.body.toString('utf8'));
  if (kind === 'Patch' && Array.isArray(value)) return { operations: value };
  if (!isJsonMap(value)) throw badRequest('The input content is invalid because it is not a JSON object.');
  return value;
}

/** A write that wants a trigger must not happen without it. */
function refuseTriggers(request: CosmosRequest): void {
  for (const name of ['x-ms-documentdb-pre-trigger-include', 'x-ms-documentdb-post-trigger-include']) {
    const trigger = header(request, name);
    if (trigger !== undefined) throw badRequest(`The trigger '${trigger}' does not exist: the emulator runs none.`);
  }
}

function operationKind(request: CosmosRequest): OperationKind {
  const single = request.segments.length === 6;
  switch (request.method) {
    case 'POST':
      if (single) break;
      return isTrue(request.headers['x-ms-documentdb-is-upsert']) ? 'Upsert' : 'Create';
    case 'GET':
      return 'Read';
    case 'PUT':
      if (single) return 'Replace';
      break;
    case 'PATCH':
      if (single) return 'Patch';
      break;
    case 'DELETE':
      if (single) return 'Delete';
      break;
    default:
  }
  throw new Refusal(405, `The method ${request.method} is not allowed here.`);
}

/** The partition key of the header; a write without one goes by its document. */
export function requestKey(request: CosmosRequest, container: Container, body: JsonMap | undefined): KeyValue[] {
  const definition = container.definition.partitionKey;
  const text = header(request, 'x-ms-documentdb-partitionkey');
  if (text === undefined) {
    if (body === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
    const values = extractKey(definition, body);
    checkKeySize(values);
    return values;
  }
  const values = parseKey(definition, text);
  checkKeySize(values);
  return values;
}

/** 404/1002 when the session has seen more of the partition than there is. */
export function checkSession(request: CosmosRequest, partition: Partition, kind: OperationKind): void {
  const token = header(request, 'x-ms-session-token');
  if (token === undefined || kind !== 'Read') return;
  for (const part of token.split(',')) {
    const [range, progress = ''] = part.split(':');
    const seen = Number(progress.split('#')[1]);
    if (range === partition.id && seen > partition.lsn) {
      throw new Refusal(404, 'The read session is not available for the input session token.', 1002);
    }
  }
}

function pointAnswer(
  request: CosmosRequest,
  container: Container,
  partition: Partition,
  result: OperationResult,
): Answer {
  const headers: Record<string, string> = {
    ...sessionHeaders(container, [partition]),
    lsn: String(partition.lsn),
    'x-ms-documentdb-partitionkeyrangeid': partition.id,
  };
  // What failed says nothing of whose partition it was: SDKs do not take it for something their session has seen.
  if (result.status >= 400) delete headers['x-ms-content-path'];
  if (result.item !== undefined) headers['etag'] = result.item.etag;
  if (result.retryAfterMs !== undefined) headers['x-ms-retry-after-ms'] = String(Math.ceil(result.retryAfterMs));
  const common = { status: result.status, substatus: result.substatus ?? 0, charge: result.charge, headers };
  if (result.status >= 400) return { ...common, body: refusalBody(result.status, result.message ?? '') };
  const minimal = request.method !== 'GET' && header(request, 'prefer')?.includes('return=minimal') === true;
  if (result.item === undefined || result.status === 304 || minimal) return common;
  return { ...common, body: resourceText(container, result.item) };
}

/** Deletes every document of one logical partition. The service does it in the background; here it is done at once. */
export function handleDeleteByKey(service: Service, request: CosmosRequest): Answer {
  if (request.method !== 'POST' || request.segments[5] !== 'partitionkeydelete') {
    throw new Refusal(405, 'The operation is not known.');
  }
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const values = requestKey(request, container, undefined);
  const partition = container.route(container.hash(values));
  const context = writeContext(service);
  const items = [...partition.ofKey(keyText(values))];
  for (const item of items) drop(context, container, partition, item);
  const charge = roundCharge(service.model.query + items.length * service.model.refused);
  return { status: 200, charge, headers: sessionHeaders(container, [partition]) };
}
