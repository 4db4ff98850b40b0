/** Batches: up to 100 operations in one request, each for itself or all or none. */
import { batchAnswer, type BatchOperation } from './batch-answer.ts';
import type { Container } from './container.ts';
import { OPERATION_KINDS, type OperationKind, type OperationResult } from './document-operations.ts';
import { isHybridRow, readHybridRows } from './hybrid-row.ts';
import type { Item } from './item.ts';
import { isJsonMap, parseJson, shown, type Json, type JsonMap } from './json.ts';
import { OperationRunner } from './operation-runner.ts';
import type { Partition } from './partition.ts';
import { checkKeySize, extractKey, keyText, parseKey } from './partition-key.ts';
import { requestKey } from './point-request.ts';
import { header, isTrue, type Answer, type CosmosRequest } from './request.ts';
import { Refusal, badRequest } from './refusal.ts';
import { writeContext, type Service } from './service.ts';
import { parsePlainJson } from '../../shared/json.ts';

const MAX_OPERATIONS = 100;

export function handleBatch(service: Service, request: CosmosRequest): Answer {
  const container = service.account.container(request.database ?? '', request.container ?? '');
  const parsed = isHybridRow(request.body) ? readHybridRows(request.body) : parseJson(request.body.toString('utf8'));
  if (!Array.isArray(parsed)) throw badRequest('The batch is not an array of operations.');
  if (parsed.length > MAX_OPERATIONS) {
    throw new Refusal(400, 'Batch request has more operations than what is supported.');
  }
  if (parsed.length === 0) throw new Refusal(400, 'Batch request has no operations.');
  return isTrue(request.headers['x-ms-cosmos-batch-atomic'])
    ? runAtomic(service, request, container, parsed)
    : runEach(service, request, container, parsed);
}

/** Each operation for itself; all lie in the range of the header. */
function runEach(service: Service, request: CosmosRequest, container: Container, parsed: readonly Json[]): Answer {
  const rangeId = header(request, 'x-ms-documentdb-partitionkeyrangeid');
  if (rangeId === undefined) throw badRequest('A batch that is not atomic needs a partition key range id.');
  const partition = container.partition(rangeId);
  const operations = parsed.map((raw) => readOperation(raw, container, partition));
  const context = writeContext(service);
  const runner = new OperationRunner(service, request, container, partition, context);
  runner.admit(operations.length);
  const continues = !isFalse(header(request, 'x-ms-cosmos-batch-continue-on-error'));
  const results: OperationResult[] = [];
  let stopped = false;
  for (const operation of operations) {
    const result = stopped ? { status: 424, charge: 0 } : runner.run(operation);
    if (result.status >= 400 && !continues) stopped = true;
    results.push(result);
  }
  runner.count();
  return batchAnswer(service, request, container, partition, operations, results, runner.charge);
}

/** All or none, in one logical partition. */
function runAtomic(service: Service, request: CosmosRequest, container: Container, parsed: readonly Json[]): Answer {
  const values = requestKey(request, container, undefined);
  const pk = keyText(values);
  const epk = container.hash(values);
  const partition = container.route(epk);
  const operations = parsed.map((raw) => {
    const own = operationMap(raw)['partitionKey'];
    if (typeof own === 'string' && keyText(parseKey(container.definition.partitionKey, own)) !== pk) {
      throw badRequest(
        'One or more operations within the batch request have a different partition key value than the request.',
      );
    }
    return readFields(raw, pk, epk);
  });
  const direct = writeContext(service);
  const changes: [Item | undefined, Item | undefined][] = [];
  const context = {
    ...direct,
    changed: (
      _container: Container,
      _partition: Partition,
      before: Item | undefined,
      after: Item | undefined,
    ): void => {
      changes.push([before, after]);
    },
  };
  const runner = new OperationRunner(service, request, container, partition, context);
  runner.admit(operations.length);
  const documents = container.documents;
  partition.begin();
  let results: OperationResult[] = [];
  let failed = -1;
  for (const [index, operation] of operations.entries()) {
    const result = runner.run(operation);
    results.push(result);
    if (result.status < 400) continue;
    failed = index;
    break;
  }
  if (failed < 0) {
    partition.commit();
    for (const [before, after] of changes) direct.changed(container, partition, before, after);
  } else {
    takeBack(container, partition);
    container.documents = documents;
    const failure = results[failed] ?? { status: 500, charge: 0 };
    results = operations.map((_, index) => (index === failed ? failure : { status: 424, charge: 0 }));
  }
  runner.count();
  return batchAnswer(service, request, container, partition, operations, results, runner.charge);
}

function takeBack(container: Container, partition: Partition): void {
  const unique = container.uniqueKeys;
  for (const { before, after } of partition.rollback()) {
    if (!unique.active) continue;
    if (after !== undefined) unique.remove(after.pk, parsePlainJson(after.text) as JsonMap);
    if (before !== undefined) unique.add(before.pk, before.id, parsePlainJson(before.text) as JsonMap);
  }
}

/** One operation of a batch that carries its own key; 410/1002 for the whole batch when the key lies in another range. */
function readOperation(raw: Json, container: Container, partition: Partition): BatchOperation {
  const operation = operationMap(raw);
  const definition = container.definition.partitionKey;
  const text = operation['partitionKey'];
  let pk: string;
  let epk: string | undefined;
  if (typeof text === 'string') {
    // The text is nearly always canonical, and then nothing has to be parsed for a key that is already stored.
    epk = partition.anyOf(text)?.epk;
    pk = text;
    if (epk === undefined) {
      const values = parseKey(definition, text);
      checkKeySize(values);
      pk = keyText(values);
      epk = container.hash(values);
    }
  } else if (isJsonMap(operation['resourceBody']) && operation['operationType'] !== 'Patch') {
    const values = extractKey(definition, operation['resourceBody']);
    checkKeySize(values);
    pk = keyText(values);
    epk = container.hash(values);
  } else throw badRequest('An operation of the batch has no partition key.');
  if (!partition.holds(epk)) {
    throw new Refusal(410, 'An operation of the batch does not belong to the partition key range.', 1002);
  }
  return readFields(raw, pk, epk);
}

function readFields(raw: Json, pk: string, epk: string): BatchOperation {
  const operation = operationMap(raw);
  const kind = operationKind(operation['operationType']);
  const body = operation['resourceBody'];
  const id = operation['id'];
  if (kind !== 'Create' && kind !== 'Upsert' && typeof id !== 'string') {
    throw badRequest(`An operation '${kind}' of the batch has no id.`);
  }
  return {
    kind,
    pk,
    epk,
    id: typeof id === 'string' && kind !== 'Create' && kind !== 'Upsert' ? id : undefined,
    ifMatch: optionalText(operation['ifMatch']),
    ifNoneMatch: optionalText(operation['ifNoneMatch']),
    body: isJsonMap(body) ? body : undefined,
    minimal: operation['minimalReturnPreference'] === true,
  };
}

function operationMap(raw: Json): JsonMap {
  if (!isJsonMap(raw)) throw badRequest('An operation of the batch is not an object.');
  return raw;
}

function operationKind(value: Json | undefined): OperationKind {
  const kind = OPERATION_KINDS.find((known) => known === value);
  if (kind === undefined) throw badRequest(`The operation type '${shown(value)}' is not supported.`);
  return kind;
}

function optionalText(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function isFalse(value: string | undefined): boolean {
  return value?.toLowerCase() === 'false';
}
